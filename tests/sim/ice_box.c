/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_box.h"

#include "base/address.h"
#include "tests/unit/seeded.h"

#include <assert.h>
#include <string.h>

#define POISON_LIFETIME_MS 30000 /* nf_conntrack_udp_timeout */

void box_init(struct box *box, const struct box_kind *kind, const struct stun_address *address,
              int64_t lifetime_ms, uint64_t *seed)
{
    memset(box, 0, sizeof *box);
    box->kind = kind;
    box->address = *address;
    box->lifetime_ms = lifetime_ms;
    box->seed = seed;
    box->next_port = (uint16_t)(20000 + seeded_below(seed, 20000));
}

void box_forget(struct box *box)
{
    box->flow_count = 0;
}

static bool translates(const struct box *box, const struct stun_address *address)
{
    return box->kind->translates && address->family == STUN_FAMILY_IPV4;
}

static bool is_alive(const struct box *box, struct monotime now, const struct box_flow *flow)
{
    int64_t lifetime_ms =
        flow->inside.family == STUN_FAMILY_NONE ? POISON_LIFETIME_MS : box->lifetime_ms;

    return monotime_before(now, monotime_add_ms(flow->used, lifetime_ms));
}

static void forget_dead(struct box *box, struct monotime now)
{
    size_t kept = 0;

    for (size_t i = 0; i < box->flow_count; i++) {
        if (is_alive(box, now, &box->flows[i])) {
            box->flows[kept++] = box->flows[i];
        }
    }
    box->flow_count = kept;
}

/* Whether two remotes are one, as far as it matters. */
static bool is_same(enum box_dependence dependence, const struct stun_address *a,
                    const struct stun_address *b)
{
    switch (dependence) {
    case BOX_ENDPOINT_INDEPENDENT:
        return true;
    case BOX_ADDRESS_DEPENDENT:
        return address_equal_ip(a, b);
    default:
        return address_equal(a, b);
    }
}

/* A port that would make two flows look alike from outside. */
static bool port_is_taken(const struct box *box, uint16_t port, const struct stun_address *inside,
                          const struct stun_address *remote)
{
    /* A NAT with endpoint-independent mapping gives a port to one address inside. Linux's
     * masquerade, which preserves ports, looks at remotes only. */
    bool exclusive = box->kind->mapping != BOX_ADDRESS_AND_PORT_DEPENDENT;

    for (size_t i = 0; i < box->flow_count; i++) {
        const struct box_flow *flow = &box->flows[i];
        if (flow->outside.port == port && flow->outside.family == inside->family &&
            ((exclusive && !address_equal(&flow->inside, inside)) ||
             address_equal(&flow->remote, remote))) {
            return true;
        }
    }
    return false;
}

/* The port of the newest flow from there: what one lost, all that follow do without. */
static uint16_t usual_port(const struct box *box, const struct stun_address *inside)
{
    for (size_t i = box->flow_count; i > 0; i--) {
        if (address_equal(&box->flows[i - 1].inside, inside)) {
            return box->flows[i - 1].outside.port;
        }
    }
    return inside->port;
}

static uint16_t choose_port(struct box *box, const struct stun_address *inside,
                            const struct stun_address *remote)
{
    uint16_t port = inside->port;

    if (box->kind->ports == BOX_PORTS_SEQUENTIAL) {
        return ++box->next_port;
    }
    if (box->kind->ports == BOX_PORTS_RANDOM) {
        port = (uint16_t)(1024 + seeded_below(box->seed, 64512));
    }
    if (box->kind->ports == BOX_PORTS_PRESERVED) {
        uint16_t usual = usual_port(box, inside);
        port = port_is_taken(box, usual, inside, remote) ? port : usual;
    }
    while (port_is_taken(box, port, inside, remote)) {
        port = (uint16_t)(1024 + seeded_below(box->seed, 64512));
    }
    return port;
}

static struct stun_address outside_of(struct box *box, const struct stun_address *inside,
                                      const struct stun_address *remote)
{
    struct stun_address outside = box->address;

    if (!translates(box, inside)) {
        return *inside;
    }
    for (size_t i = 0; i < box->flow_count; i++) {
        const struct box_flow *flow = &box->flows[i];
        if (address_equal(&flow->inside, inside) &&
            is_same(box->kind->mapping, &flow->remote, remote)) {
            return flow->outside;
        }
    }
    outside.port = choose_port(box, inside, remote);
    return outside;
}

static struct box_flow *find_flow(struct box *box, const struct stun_address *inside,
                                  const struct stun_address *remote)
{
    for (size_t i = 0; i < box->flow_count; i++) {
        if (address_equal(&box->flows[i].inside, inside) &&
            address_equal(&box->flows[i].remote, remote)) {
            return &box->flows[i];
        }
    }
    return NULL;
}

static struct box_flow *add_flow(struct box *box, const struct stun_address *inside,
                                 const struct stun_address *remote,
                                 const struct stun_address *outside)
{
    assert(box->flow_count < BOX_FLOWS_MAX);
    struct box_flow *flow = &box->flows[box->flow_count++];
    *flow = (struct box_flow){.inside = *inside, .remote = *remote, .outside = *outside};
    return flow;
}

bool box_out(struct box *box, struct monotime now, struct stun_address *source,
             const struct stun_address *remote)
{
    if (box->kind->blocks_udp) {
        return false;
    }
    forget_dead(box, now);
    struct box_flow *flow = find_flow(box, source, remote);
    if (flow == NULL) {
        struct stun_address outside = outside_of(box, source, remote);
        flow = add_flow(box, source, remote, &outside);
    }
    flow->used = now;
    *source = flow->outside;
    return true;
}

/* What nobody inside asked for. */
static enum box_verdict unsolicited(struct box *box, struct monotime now,
                                    const struct stun_address *remote,
                                    const struct stun_address *target)
{
    static const struct stun_address router;

    if (!box->kind->input_accepts || !translates(box, target)) {
        return BOX_DROPS;
    }
    for (size_t i = 0; i < box->flow_count; i++) {
        struct box_flow *flow = &box->flows[i];
        if (flow->inside.family == STUN_FAMILY_NONE && address_equal(&flow->remote, remote) &&
            address_equal(&flow->outside, target)) {
            flow->used = now;
            return BOX_REFUSES;
        }
    }
    add_flow(box, &router, remote, target)->used = now;
    box->poisoned++;
    return BOX_REFUSES;
}

enum box_verdict box_in(struct box *box, struct monotime now, const struct stun_address *remote,
                        struct stun_address *target)
{
    enum box_dependence filtering =
        translates(box, target) ? box->kind->filtering : BOX_ADDRESS_AND_PORT_DEPENDENT;

    if (box->kind->blocks_udp) {
        return BOX_DROPS;
    }
    forget_dead(box, now);
    for (size_t i = 0; i < box->flow_count; i++) {
        struct stun_address inside = box->flows[i].inside, outside = box->flows[i].outside;
        if (inside.family == STUN_FAMILY_NONE || !address_equal(&outside, target) ||
            !is_same(filtering, &box->flows[i].remote, remote)) {
            continue;
        }
        struct box_flow *flow = find_flow(box, &inside, remote);
        if (flow == NULL) {
            flow = add_flow(box, &inside, remote, &outside);
        }
        flow->used = now;
        *target = inside;
        return BOX_PASSES;
    }
    return unsolicited(box, now, remote, target);
}

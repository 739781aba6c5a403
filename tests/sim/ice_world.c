/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_world_internal.h"

#include "base/address.h"
#include "turnserver/auth/rest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ----------------------------------------------------------------------------------
 */

static void add_socket(struct world *world, int host, const char *text)
{
    struct world_host *row = &world->hosts[host];

    assert(row->socket_count < WORLD_SOCKETS_MAX);
    struct world_socket *socket = &row->sockets[row->socket_count++];
    socket->address = world_address(text);
    socket->address.port = (uint16_t)world_between(world, 32768, 60999);
}

struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);

    assert(world != NULL);
    world->seed = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world->shell = shell_new(seed);
    shell_start(world->shell, NULL);
    world->now = world->shell->now;
    world->crypto = stun_crypto_new();
    world->uses_udp = world->uses_tcp = true;
    world->routers =
        (int)world_between(world, 1, 8); /* between adjacent naive ones nothing helps */
    world->server_delay_us = world_between(world, 500, 15000);
    world->called = MONOTIME_NEVER;
    outbox_init(&world->outbox, world_host_flush, world);
    for (int i = 0; i < 2; i++) {
        struct world_host *host = &world->hosts[i];
        host->name = i == 0 ? "Alice" : "Bob";
        host->delay_us = world_between(world, 1000, 40000);
        host->setup = (struct ice_setup){
            .crypto = world->crypto, .random = world_random, .random_context = world};
        host->connected = host->selected = host->failed = host->closed = host->disconnected =
            host->gathered = host->first_sent = host->first_received = host->data_due =
                MONOTIME_NEVER;
        add_socket(world, i, i == 0 ? "198.51.100.10:0" : "203.0.113.10:0");
    }
    return world;
}

void world_free(struct world *world)
{
    while (world->event_count > 0) {
        world_free_event(world_take_event(world));
    }
    ice_agent_free(world->hosts[0].agent);
    ice_agent_free(world->hosts[1].agent);
    stun_crypto_free(world->crypto);
    shell_free(world->shell);
    free(world);
}

static int new_box(struct world *world, const struct box_kind *kind, int parent,
                   const char *address, int64_t lifetime_ms)
{
    struct stun_address outside = world_address(address);

    for (int i = 0; i < WORLD_BOXES_MAX; i++) {
        if (!world->box_is_used[i]) {
            box_init(&world->boxes[i], kind, &outside, lifetime_ms, &world->seed);
            world->box_is_used[i] = true;
            world->parents[i] = parent;
            return i;
        }
    }
    assert(!"too many boxes");
    return 0;
}

static void move_host(struct world *world, int host, int network, const char *address)
{
    struct stun_address *socket = &world->hosts[host].sockets[0].address;
    uint16_t port = socket->port;

    world->hosts[host].network = network;
    *socket = world_address(address);
    socket->port = port;
}

void world_put_box(struct world *world, int host, const struct box_kind *kind, int64_t lifetime_ms)
{
    static const char *const inner[] = {"100.64.1.2:0", "100.64.2.2:0"};
    static const char *const outer[] = {"198.51.100.1:0", "203.0.113.1:0"};
    static const char *const homes[2][2] = {{"10.1.0.2:0", "10.2.0.2:0"},
                                            {"192.168.1.2:0", "192.168.1.2:0"}};
    int parent = world->hosts[host].network;
    int box = new_box(world, kind, parent, parent == 0 ? outer[host] : inner[host], lifetime_ms);

    world->hosts[host].network = box + 1;
    if (kind->translates) {
        move_host(world, host, box + 1, homes[parent != 0][host]);
    }
}

void world_share_box(struct world *world, const struct box_kind *outer,
                     const struct box_kind *inner, int64_t lifetime_ms)
{
    int shared = new_box(world, outer, 0, "198.51.100.1:0", lifetime_ms);

    for (int host = 0; host < 2; host++) {
        move_host(world, host, shared + 1, host == 0 ? "192.168.1.2:0" : "192.168.1.3:0");
        if (inner != NULL) {
            int box = new_box(world, inner, shared + 1, host == 0 ? "100.64.0.2:0" : "100.64.0.3:0",
                              lifetime_ms);
            move_host(world, host, box + 1, host == 0 ? "10.1.0.2:0" : "10.2.0.2:0");
        }
    }
}

void world_add_ipv6(struct world *world)
{
    add_socket(world, 0, "[2001:db8:1::a]:0");
    add_socket(world, 1, "[2001:db8:2::b]:0");
}

/* As whom the server sees the host. */
static struct stun_address outside_of(const struct world *world, int host, uint8_t transport)
{
    if (transport != TRANSPORT_UDP) {
        return world_connection_address(host);
    }
    struct stun_address address = world->hosts[host].sockets[0].address;

    for (int network = world->hosts[host].network; network != 0;) {
        const struct box *box = &world->boxes[network - 1];
        address = box->kind->translates ? box->address : address;
        network = world->parents[network - 1];
    }
    return address;
}

/* "expiry:alice" and its password, as a rendezvous service makes them. */
static void make_credentials(struct world *world, char name[40], char password[REST_PASSWORD_SIZE])
{
    struct auth_digests digests = {0};
    int64_t now_s =
        SHELL_WALL_S + monotime_difference_us(world->now, SHELL_START) / MONOTIME_SECOND;

    snprintf(name, 40, "%" PRId64 ":alice", now_s + world->credentials_s);
    bool made = auth_digests_open(&digests) &&
                rest_password(&digests, AUTH_HMAC_SHA1, WORLD_SECRET, name, password);
    assert(made);
    auth_digests_close(&digests);
}

static void add_server(struct world *world, int host, const char *address, uint8_t transport,
                       bool turn, uint32_t number)
{
    struct stun_address client =
        outside_of(world, world->foretells_to_others ? 1 - host : host, transport);
    struct long_term_challenge foretold = {0};
    struct auth_challenge challenge;
    struct ice_server server = {
        .address = world_address(address),
        .transport = transport,
        .turn = turn,
        .user = turn ? "alice" : NULL,
        .password = turn ? (world->wrong_password ? "wrong" : "secret") : NULL,
        .number = number,
    };
    char name[40], password[REST_PASSWORD_SIZE];
    if (turn && world->credentials_s > 0) {
        make_credentials(world, name, password);
        server.user = name;
        server.password = password;
    }

    world_server_catches_up(world);
    if (turn && world->foretells &&
        auth_make_challenge(world->shell->auth,
                            monotime_add_us(world->shell->now, -world->foretold_us), SHELL_REALM,
                            &client, &challenge)) {
        foretold.realm = challenge.realm;
        foretold.nonce = challenge.nonce;
        memcpy(foretold.algorithms, challenge.algorithms, sizeof challenge.algorithms);
        foretold.algorithm_count = challenge.algorithm_count;
        server.challenge = &foretold;
    }
    int status = ice_add_server(world->hosts[host].agent, world->now, &server, &world->outbox);

    assert(status == 0);
}

static void use_stun(struct world *world, int host)
{
    add_server(world, host, SERVER_IPV4, TRANSPORT_UDP, false, 1);
    if (world->hosts[host].socket_count > 1) {
        add_server(world, host, SERVER_IPV6, TRANSPORT_UDP, false, 2);
    }
}

void world_limit_credentials(struct world *world, int64_t seconds)
{
    int status = auth_policy_add_secret(world->shell->auth_policy, WORLD_SECRET);

    assert(status == 0);
    world->credentials_s = seconds;
}

void world_use_relays(struct world *world, int host)
{
    if (world->uses_udp) {
        add_server(world, host, SERVER_IPV4, TRANSPORT_UDP, true, 3);
    }
    if (world->uses_tcp) {
        add_server(world, host, SERVER_IPV4, host == 0 ? TRANSPORT_TCP : TRANSPORT_TLS, true, 4);
    }
    ice_gathering_complete(world->hosts[host].agent, world->now);
}

void world_start_host(struct world *world, int index)
{
    struct world_host *host = &world->hosts[index];

    if (!host->keeps_role) {
        host->setup.role = host->calls ? ICE_CONTROLLING : ICE_CONTROLLED;
    }
    negotiation_init(&host->negotiation, host->calls);
    host->agent = ice_agent_new(&host->setup);
    assert(host->agent != NULL);
    for (size_t i = 0; i < host->socket_count; i++) {
        int status = ice_add_socket(host->agent, world->now, world_via(index, i),
                                    &host->sockets[i].address, 1000, &world->outbox);
        assert(status == 0);
    }
    if (world->has_dead_server) {
        add_server(world, index, DEAD_SERVER, TRANSPORT_UDP, true, 9);
    }
    if (world->foretells && !host->asks_late) { /* its answer says what STUN's would */
        world_use_relays(world, index);
        use_stun(world, index);
    } else {
        use_stun(world, index);
        if (!host->asks_late) {
            world_use_relays(world, index);
        }
    }
    world_settle(world, index);
}

void world_start(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        if (!world->hosts[i].begins_late) {
            world_start_host(world, i);
        }
    }
}

/* ---- running -----------------------------------------------------------------------------------
 */

/* The next thing that happens, if before `end`. */
static bool step(struct world *world, struct monotime end)
{
    struct monotime next = world->event_count > 0 ? world->events[0]->when : MONOTIME_NEVER;
    int who = -1;
    bool data = false;

    for (int i = 0; i < 2; i++) {
        struct world_host *host = &world->hosts[i];
        struct monotime due = host->agent != NULL ? ice_due(host->agent) : MONOTIME_NEVER;
        if (monotime_before(due, next)) {
            next = due;
            who = i;
            data = false;
        }
        if (host->sends_data && monotime_before(host->data_due, next)) {
            next = host->data_due;
            who = i;
            data = true;
        }
    }
    if (monotime_before(end, next)) {
        return false;
    }
    if (monotime_before(world->now, next)) {
        world->now = next;
    }
    if (who < 0) {
        struct world_event *event = world_take_event(world);
        world_happen(world, event);
        world_free_event(event);
    } else if (data) {
        world_send_data(world, who);
    } else {
        ice_tick(world->hosts[who].agent, world->now, &world->outbox);
        world_settle(world, who);
    }
    return true;
}

void world_run_us(struct world *world, int64_t us)
{
    struct monotime end = monotime_add_us(world->now, us);
    uint64_t steps = 0;

    while (step(world, end)) {
        steps++;
        assert(steps < 1000000); /* a machine that is due for ever */
    }
    world->now = end;
}

void world_gather(struct world *world, int64_t us)
{
    struct monotime end = monotime_add_us(world->now, us);

    while (monotime_is_never(world->hosts[0].gathered) ||
           monotime_is_never(world->hosts[1].gathered)) {
        if (!step(world, end)) {
            return;
        }
    }
}

void world_call(struct world *world, int caller)
{
    world->called = world->now;
    world_describe(world, caller, true);
    world_settle(world, caller);
}

void world_call_at_once(struct world *world, int caller)
{
    world->called = world->now;
    world_start_host(world, caller);
    world_describe(world, caller, true);
    world_settle(world, caller);
}

bool world_restart(struct world *world, int index)
{
    if (!negotiation_may_offer(&world->hosts[index].negotiation, world->now)) {
        return false;
    }
    world_begin_session(world, index);
    world_describe(world, index, true);
    world_settle(world, index);
    return true;
}

/* ---- looking -----------------------------------------------------------------------------------
 */

enum world_path world_path(const struct world *world)
{
    struct ice_pair_report a, b;

    if (!ice_selected(world->hosts[0].agent, &a) || !ice_selected(world->hosts[1].agent, &b)) {
        return PATH_NONE;
    }
    bool relayed = a.local.type == ICE_RELAYED || a.remote.type == ICE_RELAYED;
    bool fits = relayed == (b.local.type == ICE_RELAYED || b.remote.type == ICE_RELAYED);
    /* What one has as its own address the other must see, where no NAT is behind it. */
    fits =
        fits && (a.local.type != ICE_RELAYED || address_equal(&a.local.address, &b.remote.address));
    fits =
        fits && (b.local.type != ICE_RELAYED || address_equal(&b.local.address, &a.remote.address));
    if (!fits) {
        return PATH_NONE;
    }
    return relayed ? PATH_RELAY : PATH_DIRECT;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/nat_hairpin.h"

#include "base/address.h"
#include "proto/stun_transaction.h"

#include <string.h>

#define INTERVAL_MS 200
#define ROUNDS_MAX 8

void nat_hairpin_init(struct nat_hairpin *hairpin, const struct nat_hairpin_setup *setup)
{
    *hairpin = (struct nat_hairpin){.setup = *setup, .due = MONOTIME_NEVER};
    for (size_t i = 0; i < 2; i++) {
        struct nat_hairpin_socket *socket = &hairpin->sockets[i];
        stun_new_id(socket->server_id, setup->random, setup->random_context);
        stun_new_id(socket->peer_id, setup->random, setup->random_context);
    }
}

static void send_request(const struct nat_hairpin *hairpin, uint32_t via,
                         const struct stun_address *to, const uint8_t *id, struct outbox *outbox)
{
    struct flow flow = {
        .via = via, .transport = TRANSPORT_UDP, .remote = *to, .local = hairpin->setup.local[via]};
    struct stun_builder builder;
    uint8_t *bytes = outbox_reserve(outbox, STUN_HEADER_SIZE);
    stun_builder_begin(&builder, bytes, STUN_HEADER_SIZE, STUN_REQUEST, STUN_BINDING, id);
    outbox_add(outbox, &flow, bytes, STUN_HEADER_SIZE);
}

static bool is_known(const struct nat_hairpin_socket *socket)
{
    return socket->mapped.family != STUN_FAMILY_NONE;
}

static void end(struct nat_hairpin *hairpin, enum nat_hairpin_verdict verdict)
{
    hairpin->verdict = verdict;
    hairpin->finished = true;
}

/* What is still unknown is asked of the server; then each sends to the other. */
static void send_round(struct nat_hairpin *hairpin, struct monotime now, struct outbox *outbox)
{
    struct nat_hairpin_socket *sockets = hairpin->sockets;
    bool both = is_known(&sockets[0]) && is_known(&sockets[1]);
    for (uint32_t i = 0; i < 2; i++) {
        if (both) {
            send_request(hairpin, i, &sockets[1 - i].mapped, sockets[i].peer_id, outbox);
        } else if (!is_known(&sockets[i])) {
            send_request(hairpin, i, &hairpin->setup.server, sockets[i].server_id, outbox);
        }
    }
    hairpin->rounds += both;
    hairpin->due = monotime_add_ms(now, INTERVAL_MS);
}

void nat_hairpin_start(struct nat_hairpin *hairpin, struct monotime now, struct outbox *outbox)
{
    send_round(hairpin, now, outbox);
}

static void learn(struct nat_hairpin *hairpin, struct monotime now, uint32_t via,
                  const struct stun_view *view, struct outbox *outbox)
{
    struct nat_hairpin_socket *socket = &hairpin->sockets[via];
    if (is_known(socket) ||
        (stun_view_xor_address(view, STUN_XOR_MAPPED_ADDRESS, &socket->mapped) != STUN_OK &&
         stun_view_address(view, STUN_MAPPED_ADDRESS, &socket->mapped) != STUN_OK)) {
        return;
    }
    if (address_equal(&socket->mapped, &hairpin->setup.local[via])) {
        end(hairpin, NAT_HAIRPIN_NOT_NEEDED);
    } else if (is_known(&hairpin->sockets[1 - via])) {
        send_round(hairpin, now, outbox);
    }
}

bool nat_hairpin_input(struct nat_hairpin *hairpin, struct monotime now, const struct flow *flow,
                       const struct packet *packet, struct outbox *outbox)
{
    struct stun_view view;
    if (hairpin->finished || flow->via > 1 ||
        stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK ||
        view.method != STUN_BINDING) {
        return false;
    }
    const struct nat_hairpin_socket *socket = &hairpin->sockets[flow->via];
    const struct nat_hairpin_socket *other = &hairpin->sockets[1 - flow->via];
    if (view.message_class == STUN_REQUEST &&
        memcmp(view.transaction_id, other->peer_id, STUN_TRANSACTION_ID_SIZE) == 0) {
        end(hairpin, NAT_HAIRPIN_YES);
        return true;
    }
    if (view.message_class == STUN_SUCCESS &&
        address_equal(&flow->remote, &hairpin->setup.server) &&
        memcmp(view.transaction_id, socket->server_id, STUN_TRANSACTION_ID_SIZE) == 0) {
        learn(hairpin, now, flow->via, &view, outbox);
        return true;
    }
    return false;
}

void nat_hairpin_tick(struct nat_hairpin *hairpin, struct monotime now, struct outbox *outbox)
{
    if (hairpin->finished || !monotime_reached(now, nat_hairpin_due(hairpin))) {
        return;
    }
    if (hairpin->rounds >= ROUNDS_MAX) {
        end(hairpin, hairpin->setup.stable ? NAT_HAIRPIN_NO : NAT_HAIRPIN_UNKNOWN);
    } else if (monotime_reached(now, hairpin->setup.give_up)) {
        end(hairpin, NAT_HAIRPIN_UNKNOWN);
    } else {
        send_round(hairpin, now, outbox);
    }
}

struct monotime nat_hairpin_due(const struct nat_hairpin *hairpin)
{
    return hairpin->finished ? MONOTIME_NEVER
                             : monotime_earlier(hairpin->due, hairpin->setup.give_up);
}

bool nat_hairpin_finished(const struct nat_hairpin *hairpin)
{
    return hairpin->finished;
}

enum nat_hairpin_verdict nat_hairpin_verdict(const struct nat_hairpin *hairpin)
{
    return hairpin->verdict;
}

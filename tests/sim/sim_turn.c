/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TURN machine against a simple model of who may send to whom. Clients and peers do random
 * things, right and wrong, over a network that loses, doubles and reorders; time is virtual. What
 * the machine answers and forwards to each message that arrives must be what the model says.
 *
 *     sim_turn            a run for each of many seeds, as TAP
 *     sim_turn SEED       one run, which tells every step
 */
#undef NDEBUG
#include "tests/sim/turn_model.h"

#include "tests/unit/seeded.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 40
#define STEPS 3000
#define IN_FLIGHT_MAX 64
#define STUN_HEADER_AND_MORE 700

/* A message on its way to the server: what it says, for the model, and its bytes. */
struct in_flight {
    int64_t arrives_us;
    struct model_message message;
    size_t size;
    uint8_t bytes[STUN_HEADER_AND_MORE];
};

struct sim {
    uint64_t seed;
    bool verbose;
    struct shell *shell;
    struct model model;
    struct shell_client clients[MODEL_CLIENTS];
    struct in_flight last_request[MODEL_CLIENTS][2]; /* to be repeated */
    struct in_flight wire[IN_FLIGHT_MAX];
    size_t wire_count;
    unsigned forwarded, answered, dropped;
};

static uint64_t below(struct sim *sim, uint64_t limit)
{
    return seeded_below(&sim->seed, limit);
}

static bool chance(struct sim *sim, unsigned percent)
{
    return below(sim, 100) < percent;
}

/* ---- the network ----------------------------------------------------------------------------- */

static void wire_put(struct sim *sim, const struct in_flight *flight)
{
    unsigned copies = chance(sim, 10) ? 0 : chance(sim, 10) ? 2 : 1;

    while (copies-- > 0 && sim->wire_count < IN_FLIGHT_MAX) {
        struct in_flight *copy = &sim->wire[sim->wire_count++];

        *copy = *flight;
        copy->arrives_us = sim->shell->now.us + (int64_t)below(sim, 300000);
    }
}

/* The one that arrives first, or NULL. */
static struct in_flight *wire_next(struct sim *sim)
{
    struct in_flight *next = NULL;

    for (size_t i = 0; i < sim->wire_count; i++) {
        if (next == NULL || sim->wire[i].arrives_us < next->arrives_us) {
            next = &sim->wire[i];
        }
    }
    return next;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void fail(const struct sim *sim, const struct model_message *message, const char *what)
{
    printf("# at %.3f s, %s of client %u: %s\n", (double)sim->shell->now.us / 1e6,
           model_kind_name(message->kind), message->client, what);
    fflush(stdout);
    abort();
}

/* What the machine sent was an answer to this client's request: its code, 0 for success. */
static int code_of(struct sim *sim, const struct model_message *message,
                   const struct shell_sent *sent, struct stun_view *view)
{
    uint16_t code = 0;

    if (stun_view_parse(view, sent->bytes, sent->size) != STUN_OK) {
        fail(sim, message, "answer cannot be parsed");
    }
    if (!address_equal(&sent->flow.remote, &sim->clients[message->client].flow.remote) ||
        sent->flow.via != sim->clients[message->client].flow.via) {
        fail(sim, message, "answer to somebody else");
    }
    if (view->message_class == STUN_ERROR) {
        stun_view_error(view, &code, NULL, NULL);
    } else if (view->message_class != STUN_SUCCESS) {
        fail(sim, message, "neither success nor error");
    }
    return code;
}

static void learn(struct sim *sim, const struct model_message *message,
                  const struct stun_view *view, int code)
{
    struct shell_client *client = &sim->clients[message->client];
    const struct stun_attribute_view *nonce = stun_view_find(view, STUN_NONCE);
    struct stun_address relayed;

    if ((code == 401 || code == 438) && nonce != NULL) {
        memcpy(client->nonce, nonce->value, nonce->size);
        client->nonce_size = nonce->size;
    }
    if (code == 0 && message->kind == KIND_ALLOCATE) {
        if (stun_view_xor_address(view, STUN_XOR_RELAYED_ADDRESS, &relayed) != STUN_OK ||
            !model_learn_relayed(&sim->model, message->client, &relayed)) {
            fail(sim, message, "the relayed address is missing, or changed");
        }
    }
}

static void compare_answer(struct sim *sim, const struct model_message *message, int expected)
{
    const struct shell_sent *sent = shell_take(sim->shell);
    struct stun_view view;
    int code;

    if (sent == NULL) {
        fail(sim, message, "no answer");
    }
    code = code_of(sim, message, sent, &view);
    if (code != expected) {
        printf("# expected %d, got %d\n", expected, code);
        fail(sim, message, "wrong answer");
    }
    learn(sim, message, &view, code);
    sim->answered++;
}

/* The payload names sender and step, so that a wrong delivery is seen. */
static void compare_forward(struct sim *sim, const struct in_flight *flight,
                            const struct model_outcome *outcome)
{
    const struct model_message *message = &flight->message;
    const struct shell_sent *sent = shell_take(sim->shell);
    const uint8_t *payload;

    if (sent == NULL) {
        fail(sim, message, "not forwarded");
    }
    if (!address_equal(&sent->flow.remote, &outcome->to) ||
        !address_equal(&sent->flow.local, &outcome->from)) {
        fail(sim, message, "forwarded to somebody else");
    }
    if (sent->size != message->payload_size + outcome->framing + outcome->padding) {
        fail(sim, message, "forwarded with another size");
    }
    payload = sent->bytes + outcome->framing;
    if (memcmp(payload, message->payload, message->payload_size) != 0) {
        fail(sim, message, "forwarded with another payload");
    }
    sim->forwarded++;
}

static void arrive(struct sim *sim, const struct in_flight *flight)
{
    const struct model_message *message = &flight->message;
    struct model_outcome outcome;

    if (sim->verbose) {
        printf("# %.3f s: %s, client %u\n", (double)sim->shell->now.us / 1e6,
               model_kind_name(message->kind), message->client);
    }
    model_arrive(&sim->model, sim->shell->now, message, &outcome);
    if (message->kind == KIND_PEER_DATAGRAM) {
        shell_relayed(sim->shell, &message->relayed, &message->peers[0], message->payload,
                      message->payload_size);
    } else {
        shell_input(sim->shell, &sim->clients[message->client].flow, flight->bytes, flight->size);
    }
    switch (outcome.type) {
    case OUTCOME_ANSWER:
        compare_answer(sim, message, outcome.code);
        break;
    case OUTCOME_FORWARD:
        compare_forward(sim, flight, &outcome);
        break;
    case OUTCOME_NOTHING:
        sim->dropped++;
        break;
    }
    if (shell_pending(sim->shell) > 0) {
        fail(sim, message, "something else was sent too");
    }
    shell_clear(sim->shell);
}

/* ---- making messages ------------------------------------------------------------------------- */

static const char *const peer_texts[] = {
    "203.0.113.1:5000", "203.0.113.1:5001", "203.0.113.2:5000", "203.0.113.3:5000",
    "203.0.113.4:5000", "203.0.113.5:5000", "10.0.0.1:5000",    "[2001:db8:1::1]:5000",
    "192.0.2.1:3478",   "192.0.2.1:22",
};
#define PEER_TEXTS (sizeof peer_texts / sizeof peer_texts[0])

/* Somebody out there, or the relay that some client has or had. */
static struct stun_address pick_peer(struct sim *sim)
{
    struct stun_address peer;
    size_t pick = chance(sim, 50) ? below(sim, 3) : below(sim, PEER_TEXTS + 4);

    if (pick >= PEER_TEXTS) {
        peer = sim->model.clients[below(sim, MODEL_CLIENTS)].relayed;
        if (peer.family != STUN_FAMILY_NONE) {
            return peer;
        }
        pick = 0;
    }
    address_parse(&peer, peer_texts[pick]);
    return peer;
}

static void pick_payload(struct sim *sim, struct model_message *message)
{
    message->payload_size = below(sim, sizeof message->payload);
    for (size_t i = 0; i < message->payload_size; i++) {
        message->payload[i] = (uint8_t)seeded_next(&sim->seed);
    }
}

/* One fault at most, so that there is no question which one is answered. */
static enum model_fault pick_fault(struct sim *sim)
{
    return chance(sim, 85) ? FAULT_NONE : (enum model_fault)below(sim, FAULT_COUNT);
}

static void put_attributes(struct shell_client *client, const struct model_message *message)
{
    struct stun_builder *builder = &client->builder;

    switch (message->kind) {
    case KIND_ALLOCATE:
        if (message->fault != FAULT_MISSING) {
            stun_builder_put_u8_reserved(builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
        }
        break;
    case KIND_CHANNEL_BIND:
        if (message->fault != FAULT_MISSING) {
            stun_builder_put_u16_reserved(builder, STUN_CHANNEL_NUMBER, message->channel);
        }
        stun_builder_put_xor_address(builder, STUN_XOR_PEER_ADDRESS, &message->peers[0]);
        break;
    case KIND_CREATE_PERMISSION:
        for (size_t i = 0; message->fault != FAULT_MISSING && i < message->peer_count; i++) {
            stun_builder_put_xor_address(builder, STUN_XOR_PEER_ADDRESS, &message->peers[i]);
        }
        break;
    default:
        break;
    }
    if (message->has_lifetime) {
        stun_builder_put_u32(builder, STUN_LIFETIME, message->lifetime_s);
    }
    if (message->fault == FAULT_UNKNOWN) {
        stun_builder_put_flag(builder, 0x7ACE);
    }
}

static void make_request(struct sim *sim, struct in_flight *flight)
{
    static const uint16_t methods[] = {STUN_ALLOCATE, STUN_REFRESH, STUN_CREATE_PERMISSION,
                                       STUN_CHANNEL_BIND, STUN_BINDING};
    struct model_message *message = &flight->message;
    struct shell_client client = sim->clients[message->client];
    bool binding = message->kind == KIND_BINDING;

    client_begin(&client, methods[message->kind]);
    memcpy(message->transaction_id, client.transaction_id, sizeof message->transaction_id);
    put_attributes(&client, message);
    message->credentials = client.nonce_size > 0 && message->fault != FAULT_ANONYMOUS && !binding;
    if (message->credentials) {
        const char *password = message->fault == FAULT_PASSWORD ? "wrong" : "secret";
        struct stun_key key;

        message->user = message->fault == FAULT_USER ? 1 - sim->model.clients[message->client].user
                                                     : sim->model.clients[message->client].user;
        stun_key_long_term(sim->shell->crypto, &key, STUN_PASSWORD_MD5,
                           model_user_name(message->user), SHELL_REALM, password);
        stun_builder_put_string(&client.builder, STUN_USERNAME, model_user_name(message->user));
        stun_builder_put_string(&client.builder, STUN_REALM, SHELL_REALM);
        stun_builder_put_bytes(&client.builder, STUN_NONCE, client.nonce, client.nonce_size);
        stun_builder_put_integrity(&client.builder, sim->shell->crypto, &key);
    }
    assert(stun_builder_finish(&client.builder) > 0);
    assert(client.builder.size <= sizeof flight->bytes);
    flight->size = client.builder.size;
    memcpy(flight->bytes, client.bytes, flight->size);
}

static void make_send(struct sim *sim, struct in_flight *flight)
{
    struct model_message *message = &flight->message;
    struct stun_builder builder;
    uint8_t id[STUN_TRANSACTION_ID_SIZE] = {1};

    pick_payload(sim, message);
    stun_builder_begin(&builder, flight->bytes, sizeof flight->bytes, STUN_INDICATION, STUN_SEND,
                       id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &message->peers[0]);
    if (message->fault == FAULT_UNKNOWN) {
        stun_builder_put_flag(&builder, 0x7ACE);
    }
    if (message->fault != FAULT_MISSING) {
        stun_builder_put_bytes(&builder, STUN_DATA_VALUE, message->payload, message->payload_size);
    }
    flight->size = builder.size;
}

static void make_channel_data(struct sim *sim, struct in_flight *flight)
{
    struct model_message *message = &flight->message;
    bool stream = sim->clients[message->client].flow.transport != TRANSPORT_UDP;

    pick_payload(sim, message);
    memset(flight->bytes, 0, sizeof flight->bytes);
    stun_channel_write(flight->bytes, message->channel, (uint16_t)message->payload_size);
    memcpy(flight->bytes + STUN_CHANNEL_HEADER_SIZE, message->payload, message->payload_size);
    flight->size = STUN_CHANNEL_HEADER_SIZE + message->payload_size +
                   (stream ? -message->payload_size & 3 : 0);
    if (message->fault == FAULT_MISSING) {
        flight->bytes[2] = 0x7F; /* says that there is more than there is */
    }
}

/* What is done how often, in percent: mostly data, since it needs all the rest to get through. */
static enum model_kind pick_kind(struct sim *sim)
{
    static const struct {
        enum model_kind kind;
        unsigned percent;
    } shares[] = {{KIND_ALLOCATE, 12},     {KIND_REFRESH, 8}, {KIND_CREATE_PERMISSION, 12},
                  {KIND_CHANNEL_BIND, 14}, {KIND_BINDING, 2}, {KIND_SEND, 18},
                  {KIND_CHANNEL_DATA, 16}, {KIND_COUNT, 0}};
    uint64_t pick = below(sim, 100);

    for (size_t i = 0; shares[i].kind != KIND_COUNT; i++) {
        if (pick < shares[i].percent) {
            return shares[i].kind;
        }
        pick -= shares[i].percent;
    }
    return KIND_PEER_DATAGRAM;
}

static bool is_request(enum model_kind kind)
{
    return kind < KIND_SEND;
}

static void do_something(struct sim *sim)
{
    struct in_flight flight = {0};
    struct model_message *message = &flight.message;

    message->client = (unsigned)below(sim, MODEL_CLIENTS);
    message->kind = pick_kind(sim);
    message->fault = pick_fault(sim);
    message->channel = (uint16_t)(0x4000 + below(sim, 6));
    if (message->kind == KIND_CHANNEL_BIND && chance(sim, 5)) {
        message->channel = (uint16_t)(chance(sim, 50) ? 0x3FFF : 0x5000);
    }
    message->peer_count = 1 + below(sim, MODEL_PEERS_MAX);
    for (size_t i = 0; i < MODEL_PEERS_MAX; i++) {
        message->peers[i] = pick_peer(sim);
    }
    message->has_lifetime = message->kind == KIND_REFRESH && chance(sim, 60);
    message->lifetime_s = chance(sim, 15) ? 0 : (uint32_t)below(sim, 5000);
    switch (message->kind) {
    case KIND_SEND:
        make_send(sim, &flight);
        break;
    case KIND_CHANNEL_DATA:
        make_channel_data(sim, &flight);
        break;
    case KIND_PEER_DATAGRAM:
        message->relayed = sim->model.clients[message->client].relayed;
        pick_payload(sim, message);
        break;
    default:
        make_request(sim, &flight);
        break;
    }
    if (is_request(message->kind)) {
        struct in_flight *last = &sim->last_request[message->client][chance(sim, 50)];

        if (chance(sim, 15) && last->size > 0) {
            flight = *last;
        }
        *last = flight;
    }
    wire_put(sim, &flight);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void sim_start(struct sim *sim)
{
    sim->shell = shell_new(sim->seed);
    auth_policy_free(sim->shell->auth_policy);
    sim->shell->auth_policy = auth_policy_new(SHELL_REALM, 86400);
    auth_policy_add_user(sim->shell->auth_policy, "alice", "secret");
    auth_policy_add_user(sim->shell->auth_policy, "bob", "secret");
    sim->shell->policy.permissions_per_allocation = 6;
    sim->shell->policy.channels_per_allocation = 4;
    shell_start(sim->shell, NULL);
    model_init(&sim->model, 6, 4);
    for (unsigned i = 0; i < MODEL_CLIENTS; i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct flow flow;

        snprintf(text, sizeof text, "198.51.100.%u:4000", i + 1);
        flow = i % 3 == 2 ? shell_flow_tcp(text, 2 + i / 3) : shell_flow_udp(text);
        sim->model.clients[i].flow = flow;
        sim->model.clients[i].user = i % 2;
        client_init(&sim->clients[i], sim->shell, &flow, model_user_name(i % 2), "secret");
    }
}

static void deliver_until(struct sim *sim, int64_t until_us)
{
    struct in_flight *next;

    while ((next = wire_next(sim)) != NULL && next->arrives_us <= until_us) {
        struct in_flight flight = *next;

        *next = sim->wire[--sim->wire_count];
        shell_advance_ms(sim->shell, 0);
        if (flight.arrives_us > sim->shell->now.us) {
            shell_advance_us(sim->shell, flight.arrives_us - sim->shell->now.us);
        }
        arrive(sim, &flight);
    }
    if (until_us > sim->shell->now.us) {
        shell_advance_us(sim->shell, until_us - sim->shell->now.us);
    }
}

static void sim_run(struct sim *sim)
{
    sim_start(sim);
    for (unsigned step = 0; step < STEPS; step++) {
        int64_t pause_us = (int64_t)below(sim, 100000);

        if (chance(sim, 1)) {
            pause_us += (int64_t)below(sim, 350) * MONOTIME_SECOND;
        }
        do_something(sim);
        deliver_until(sim, sim->shell->now.us + pause_us);
        assert(model_allocations(&sim->model, sim->shell->now) ==
               turn_server_counters(sim->shell->server)->allocations_now);
    }
    shell_free(sim->shell);
}

int main(int argc, char **argv)
{
    static struct sim sim;

    if (argc > 1) {
        sim = (struct sim){.seed = strtoull(argv[1], NULL, 0), .verbose = true};
        sim_run(&sim);
        return 0;
    }
    printf("1..%d\n", SEEDS);
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        sim = (struct sim){.seed = seed};
        printf("# seed %u\n", seed);
        fflush(stdout);
        sim_run(&sim);
        printf("ok %u - seed %u: %u answered, %u forwarded, %u dropped\n", seed, seed, sim.answered,
               sim.forwarded, sim.dropped);
    }
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TURN machine fed with a sequence of messages. The input is read as records, each a byte that
 * says what happens and to which of four clients (bits 0-2 and 3-4), then what that needs:
 *
 *   0  a message as it stands: length, bytes
 *   1  a request with credentials: method, length, attributes as they stand
 *   2  time passes: tenths of a second, two bytes
 *   3  a datagram from a peer, or an ICMP error (length 255): which peer, length
 *   4  ChannelData: number, length
 *   5  the client's connection ends
 *   6  a sound request: which, and a byte to choose by
 *   7  the policy changes: which
 *
 * An odd last byte lets all share one relayed port of each family.
 *
 * The shell (tests/sim/turn_shell.h) stops the program when a promise is broken; what else must
 * hold is required here.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/sim/turn_shell.h"

#include <string.h>

#define CLIENTS 4
#define RECORDS_MAX 200

struct input {
    const uint8_t *bytes;
    size_t size;
};

struct run {
    struct shell *shell;
    struct shell_client clients[CLIENTS];
    struct turn_policy policies[2];
    struct peer_rules *strict;
    uint8_t ticket[TURN_TICKET_SIZE]; /* the last one that anybody got */
};

static uint8_t take_byte(struct input *input)
{
    uint8_t byte = 0;

    if (input->size > 0) {
        byte = *input->bytes++;
        input->size--;
    }
    return byte;
}

/* At most `size` bytes; how many there are. */
static size_t take_bytes(struct input *input, size_t size, const uint8_t **bytes)
{
    size = size < input->size ? size : input->size;
    *bytes = input->bytes;
    input->bytes += size;
    input->size -= size;
    return size;
}

/* ---- what must hold -------------------------------------------------------------------------- */

static void check(struct run *run, const struct shell_client *client, size_t request_size)
{
    const struct turn_counters *counters = turn_server_counters(run->shell->server);
    const struct shell_sent *sent = shell_take(run->shell);

    REQUIRE(shell_pending(run->shell) == 0);
    REQUIRE(run->shell->shared_ports > 0 || counters->allocations_now <= run->shell->open_count);
    REQUIRE(counters->allocations_now * 2 >= run->shell->open_count);
    REQUIRE(counters->allocations_now <= counters->allocations_made);
    if (sent != NULL && sent->flow.via < SHELL_VIA_RELAY && client != NULL) {
        REQUIRE(address_equal_ip(&sent->flow.remote, &client->flow.remote));
        REQUIRE(client->flow.transport != TRANSPORT_UDP || counters->allocations_made > 0 ||
                sent->size <= 10 * request_size);
    }
    shell_clear(run->shell);
}

/* ---- records --------------------------------------------------------------------------------- */

/* An open relayed port if there is one. */
static struct stun_address pick_relayed(const struct run *run, unsigned pick)
{
    struct stun_address relayed = {.family = STUN_FAMILY_IPV4};

    for (uint32_t via = SHELL_VIA_RELAY; via < SHELL_VIA_RELAY + 500; via++) {
        if (run->shell->relayed[via].family != STUN_FAMILY_NONE) {
            relayed = run->shell->relayed[via];
            if (pick-- % CLIENTS == 0) {
                break;
            }
        }
    }
    return relayed;
}

static struct stun_address pick_peer(const struct run *run, uint8_t pick)
{
    static const char *const texts[] = {"203.0.113.1:5000", "203.0.113.1:5001",
                                        "203.0.113.2:5000", "10.0.0.1:5000",
                                        "192.0.2.1:3478",   "[2001:db8:1::1]:5000"};
    struct stun_address peer;

    if (pick % 8 > 5) {
        return pick_relayed(run, pick / 8);
    }
    address_parse(&peer, texts[pick % 6]);
    return peer;
}

static void do_message(struct run *run, struct shell_client *client, struct input *input)
{
    const uint8_t *bytes;
    size_t size = take_bytes(input, take_byte(input) * 2u, &bytes);

    shell_input(run->shell, &client->flow, bytes, size);
    check(run, client, size);
}

static void do_signed(struct run *run, struct shell_client *client, struct input *input)
{
    uint16_t method = take_byte(input) & 15;
    const uint8_t *bytes;
    size_t size = take_bytes(input, take_byte(input) & 0xFC, &bytes) & ~(size_t)3;

    client_begin(client, method);
    memcpy(client->bytes + client->builder.size, bytes, size);
    client->builder.size += size;
    client_send(client);
    check(run, client, client->builder.size);
}

static void do_peer_datagram(struct run *run, unsigned nth, struct input *input)
{
    struct stun_address peer = pick_peer(run, take_byte(input));
    struct stun_address relayed = pick_relayed(run, nth);
    uint8_t zeros[256] = {0};
    size_t size = take_byte(input);

    if (size == 255) {
        shell_icmp(run->shell, &relayed, &peer, &(struct stun_icmp){nth, take_byte(input), 1400});
    } else {
        shell_relayed(run->shell, &relayed, &peer, zeros, size);
    }
    check(run, NULL, size);
}

static void do_channel_data(struct run *run, struct shell_client *client, struct input *input)
{
    uint16_t number = (uint16_t)(0x4000 + take_byte(input) % 8);
    uint8_t zeros[256] = {0};
    size_t size = take_byte(input);

    client_send_channel(client, number, zeros, size);
    check(run, client, size);
}

static void learn_ticket(struct run *run, int code, const struct stun_view *answer)
{
    const struct stun_attribute_view *ticket =
        code == 0 ? stun_view_find(answer, STUN_MOBILITY_TICKET) : NULL;

    if (ticket != NULL) {
        REQUIRE(ticket->size == sizeof run->ticket);
        memcpy(run->ticket, ticket->value, sizeof run->ticket);
    }
}

static void do_sound_request(struct run *run, struct shell_client *client, struct input *input)
{
    uint8_t which = take_byte(input);
    uint8_t choice = take_byte(input);
    struct stun_address peer = pick_peer(run, choice);
    struct stun_view answer;

    switch (which % 10) {
    case 0:
        client_allocate(client, NULL);
        break;
    case 1:
        client_refresh(client, choice * 20u);
        break;
    case 2:
        client_permit(client, &peer);
        break;
    case 3:
        client_bind(client, (uint16_t)(0x4000 + which / 10), &peer);
        break;
    case 4:
        client_begin(client, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_u8(&client->builder, STUN_EVEN_PORT, choice);
        client_ask(client, &answer);
        break;
    case 5:
        client_begin(client, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_u8_reserved(&client->builder, STUN_ADDITIONAL_ADDRESS_FAMILY, 2);
        client_ask(client, &answer);
        break;
    case 6:
        client_begin(client, STUN_REFRESH);
        stun_builder_put_u32(&client->builder, STUN_LIFETIME, choice / 2 * 20u);
        stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_ADDRESS_FAMILY,
                                     choice % 2 ? STUN_FAMILY_IPV6 : STUN_FAMILY_IPV4);
        client_ask(client, &answer);
        break;
    case 7:
        client_begin(client, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_flag(&client->builder, STUN_MOBILITY_TICKET);
        learn_ticket(run, client_ask(client, &answer), &answer);
        break;
    case 8:
        client_begin(client, STUN_REFRESH);
        stun_builder_put_u32(&client->builder, STUN_LIFETIME, choice * 20u);
        stun_builder_put_bytes(&client->builder, STUN_MOBILITY_TICKET, run->ticket,
                               sizeof run->ticket);
        learn_ticket(run, client_ask(client, &answer), &answer);
        break;
    default:
        client_send_indication(client, &peer, "data", 4);
        break;
    }
    check(run, client, client->builder.size);
}

static void do_record(struct run *run, struct input *input)
{
    uint8_t what = take_byte(input);
    struct shell_client *client = &run->clients[what >> 3 & 3];

    switch (what & 7) {
    case 0:
        do_message(run, client, input);
        break;
    case 1:
        do_signed(run, client, input);
        break;
    case 2:
        shell_advance_ms(run->shell, 100 * (take_byte(input) * 256 + take_byte(input)));
        break;
    case 3:
        do_peer_datagram(run, what >> 3 & 3, input);
        break;
    case 4:
        do_channel_data(run, client, input);
        break;
    case 5:
        turn_server_flow_closed(run->shell->server, run->shell->now, &client->flow);
        break;
    case 6:
        do_sound_request(run, client, input);
        break;
    default:
        turn_server_set_policy(run->shell->server, &run->policies[take_byte(input) & 1]);
        break;
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void start(struct run *run, bool shared)
{
    static const struct turn_nat_behavior behavior = {
        .enabled = true,
        .address = {{.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 1}},
                    {.family = STUN_FAMILY_IPV4, .ip = {192, 0, 2, 2}}},
        .port = {3478, 3479},
        .via = {{1, 7}, {8, 9}},
    };
    static const char *const texts[CLIENTS] = {"198.51.100.1:1000", "198.51.100.2:1000",
                                               "198.51.100.3:1000", "[2001:db8:7::1]:1000"};

    run->shell = shell_new(1);
    run->shell->shared_ports = shared ? 1 : 0;
    run->shell->policy.permissions_per_allocation = 5;
    run->shell->policy.channels_per_allocation = 3;
    run->strict = peer_rules_new();
    peer_rules_add_deny(run->strict, "203.0.113.1");
    run->policies[0] = run->policies[1] = run->shell->policy;
    run->policies[1].peers = run->strict;
    run->policies[1].permissions_per_allocation = 1;
    shell_start(run->shell, &behavior);
    turn_server_set_policy(run->shell->server, &run->policies[0]);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct flow flow = i == 2 ? shell_flow_tcp(texts[i], 5) : shell_flow_udp(texts[i]);

        client_init(&run->clients[i], run->shell, &flow, i % 2 ? "bob" : "alice", "secret");
        client_refresh(&run->clients[i], 0); /* learns its nonce */
    }
    shell_clear(run->shell);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    struct input input = {data, size};

    start(&run, size > 0 && data[size - 1] & 1);
    for (unsigned i = 0; i < RECORDS_MAX && input.size > 0; i++) {
        do_record(&run, &input);
    }
    shell_free(run.shell);
    peer_rules_free(run.strict);
    return 0;
}

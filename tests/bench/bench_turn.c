/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the TURN machine itself costs, without sockets: usage: bench_turn [SECONDS a case]
 *
 * A thousand allocations with a channel each take turns, so that none is always in the cache.
 * Payloads have 160 bytes. Prints a table, and one line of JSON a case for scripts.
 */
#include "tests/sim/turn_shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALLOCATIONS 1000
#define PAYLOAD 160
#define ROUNDS 5 /* the best one counts: other load comes and goes */
#define BATCH 1000

struct bench {
    struct shell *shell;
    struct outbox *outbox; /* sends nothing */
    struct flow flows[ALLOCATIONS];
    struct stun_address relayed[ALLOCATIONS];
    uint32_t vias[ALLOCATIONS];
    struct stun_address with_channel, without;
    struct shell_client visitor; /* comes and goes */
    uint8_t channel_data[4 + PAYLOAD], send[256], binding[20];
    size_t send_size;
    uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
};

static void flush_nowhere(struct outbox *outbox, void *context)
{
    (void)context;
    outbox_clear(outbox);
}

static struct stun_address address_of(const char *text)
{
    struct stun_address address;

    if (!address_parse(&address, text)) {
        exit(EXIT_FAILURE);
    }
    return address;
}

static void make_messages(struct bench *bench)
{
    static const uint8_t id[STUN_TRANSACTION_ID_SIZE] = "bench_turn";
    uint8_t payload[PAYLOAD] = {0};
    struct stun_builder builder;

    stun_channel_write(bench->channel_data, 0x4000, PAYLOAD);
    stun_builder_begin(&builder, bench->send, sizeof bench->send, STUN_INDICATION, STUN_SEND, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &bench->without);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, payload, PAYLOAD);
    bench->send_size = (size_t)stun_builder_finish(&builder);
    stun_builder_begin(&builder, bench->binding, sizeof bench->binding, STUN_REQUEST, STUN_BINDING,
                       id);
}

static void set_up(struct bench *bench)
{
    struct shell_client client;
    struct flow flow = shell_flow_udp("198.51.100.9:1");

    bench->shell = shell_new(1);
    shell_start(bench->shell, NULL);
    bench->outbox = malloc(sizeof *bench->outbox);
    outbox_init(bench->outbox, flush_nowhere, NULL);
    bench->with_channel = address_of("203.0.113.5:7000");
    bench->without = address_of("203.0.113.6:7000");
    for (uint16_t i = 0; i < ALLOCATIONS - 1; i++) {
        flow.remote.port = (uint16_t)(1000 + i);
        client_init(&client, bench->shell, &flow, "alice", "secret");
        if (client_allocate(&client, &bench->relayed[i]) != 0 ||
            client_bind(&client, 0x4000, &bench->with_channel) != 0 ||
            client_permit(&client, &bench->without) != 0) {
            exit(EXIT_FAILURE);
        }
        bench->flows[i] = flow;
        for (uint32_t via = 0; via < SHELL_VIAS_MAX; via++) {
            if (address_equal(&bench->shell->relayed[via], &bench->relayed[i])) {
                bench->vias[i] = via;
            }
        }
        shell_clear(bench->shell);
    }
    flow.remote.port = 999;
    client_init(&bench->visitor, bench->shell, &flow, "alice", "secret");
    client_refresh(&bench->visitor, 0); /* learns its nonce */
    shell_clear(bench->shell);
    make_messages(bench);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static struct packet packet_of(struct bench *bench, const uint8_t *bytes, size_t size)
{
    uint8_t *to = bench->buffer + PACKET_HEADROOM;

    memcpy(to, bytes, size);
    return (struct packet){.bytes = to,
                           .size = (uint32_t)size,
                           .headroom = PACKET_HEADROOM,
                           .tailroom = PACKET_TAILROOM};
}

static void from_client(struct bench *bench, size_t nth, const uint8_t *bytes, size_t size)
{
    struct packet packet = packet_of(bench, bytes, size);

    turn_server_input(bench->shell->server, bench->shell->now, &bench->flows[nth], &packet,
                      bench->outbox);
}

static void from_peer(struct bench *bench, size_t nth, const struct stun_address *peer)
{
    struct packet packet = packet_of(bench, bench->channel_data, PAYLOAD);

    turn_server_relayed(bench->shell->server, bench->shell->now, bench->vias[nth], peer, &packet,
                        bench->outbox);
}

static void case_channel_out(struct bench *bench, size_t nth)
{
    from_client(bench, nth, bench->channel_data, sizeof bench->channel_data);
}

static void case_channel_in(struct bench *bench, size_t nth)
{
    from_peer(bench, nth, &bench->with_channel);
}

static void case_send(struct bench *bench, size_t nth)
{
    from_client(bench, nth, bench->send, bench->send_size);
}

static void case_data(struct bench *bench, size_t nth)
{
    from_peer(bench, nth, &bench->without);
}

static void case_binding(struct bench *bench, size_t nth)
{
    from_client(bench, nth, bench->binding, sizeof bench->binding);
}

static void case_session(struct bench *bench, size_t nth)
{
    (void)nth;
    if (client_allocate(&bench->visitor, NULL) != 0 || client_refresh(&bench->visitor, 0) != 0) {
        exit(EXIT_FAILURE);
    }
    shell_clear(bench->shell);
}

static const struct bench_case {
    const char *name;
    void (*run)(struct bench *bench, size_t nth);
} cases[] = {
    {"ChannelData, client to peer", case_channel_out},
    {"ChannelData, peer to client", case_channel_in},
    {"Send indication", case_send},
    {"Data indication", case_data},
    {"Binding", case_binding},
    {"Allocate, Refresh 0 (client too)", case_session},
};

/* ---- measuring ------------------------------------------------------------------------------- */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double nanoseconds_of(struct bench *bench, const struct bench_case *bench_case,
                             double seconds)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds_now(), elapsed;
        unsigned count = 0;

        do {
            for (unsigned i = 0; i < BATCH; i++) {
                bench_case->run(bench, i * 7 % (ALLOCATIONS - 1));
            }
            count += BATCH;
            elapsed = seconds_now() - start;
        } while (elapsed < seconds / ROUNDS);
        best = elapsed / count * 1e9 < best ? elapsed / count * 1e9 : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    double results[sizeof cases / sizeof *cases];
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

    set_up(&bench);
    printf("%-34s %12s %9s\n", "", "a second", "ns");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        results[i] = nanoseconds_of(&bench, &cases[i], seconds);
        printf("%-34s %12.0f %9.1f\n", cases[i].name, 1e9 / results[i], results[i]);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        printf("{\"bench\": \"turn\", \"case\": \"%s\", \"nanoseconds\": %.1f}\n", cases[i].name,
               results[i]);
    }
    const struct turn_counters *counters = turn_server_counters(bench.shell->server);
    if (counters->relayed_to_peer_packets == 0 || counters->dropped_no_permission > 0 ||
        counters->dropped_no_allocation > 0 || counters->dropped_malformed > 0) {
        fprintf(stderr, "bench_turn: packets were dropped\n");
        return EXIT_FAILURE;
    }
    free(bench.outbox);
    shell_free(bench.shell);
    return 0;
}

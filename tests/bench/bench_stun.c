/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast the codec is: usage: bench_stun [SECONDS a case]
 *
 * The message is what a TURN server reads most beside data: a Refresh request with a long-term
 * credential (USERNAME, REALM, NONCE, LIFETIME, MESSAGE-INTEGRITY, FINGERPRINT); the answer is a
 * success with LIFETIME, SOFTWARE, MESSAGE-INTEGRITY and FINGERPRINT. "users" in a case means that
 * each message belongs to another user, so that no key follows itself but from request to answer.
 *
 * Prints a table, and one line of JSON a case for scripts.
 */
#include "tests/bench/cycles.h"

#include <postern/stun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define USERS 64
#define ROUNDS 5   /* the best one counts: other load comes and goes */
#define BATCH 1024 /* messages between two looks at the clock */

static const uint8_t transaction_id[STUN_TRANSACTION_ID_SIZE] = "bench_stun\1\2";

struct message {
    uint8_t bytes[512];
    size_t size;
};

struct bench {
    struct stun_crypto *crypto;
    struct stun_key keys[USERS];
    struct message sha1[USERS], sha256[USERS];
    unsigned checked; /* what the cases found, so that nothing can be left out */
};

static void build_request(struct bench *bench, struct message *message, size_t user, bool sha256)
{
    struct stun_builder builder;

    stun_builder_begin(&builder, message->bytes, sizeof message->bytes, STUN_REQUEST, STUN_REFRESH,
                       transaction_id);
    stun_builder_put_u32(&builder, STUN_LIFETIME, 600);
    stun_builder_put_string(&builder, STUN_USERNAME, "1893456000:alice");
    stun_builder_put_string(&builder, STUN_REALM, "example.org");
    stun_builder_put_string(&builder, STUN_NONCE, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    if (sha256)
        stun_builder_put_integrity_sha256(&builder, bench->crypto, &bench->keys[user]);
    else
        stun_builder_put_integrity(&builder, bench->crypto, &bench->keys[user]);
    stun_builder_put_fingerprint(&builder);
    message->size = (size_t)stun_builder_finish(&builder);
}

static void set_up(struct bench *bench)
{
    bench->crypto = stun_crypto_new();
    if (bench->crypto == NULL)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < USERS; i++) {
        bench->keys[i].size = 16;
        memset(bench->keys[i].bytes, (int)i + 1, 16);
        build_request(bench, &bench->sha1[i], i, false);
        build_request(bench, &bench->sha256[i], i, true);
    }
}

/* ---- the cases ------------------------------------------------------------------------------- */

static void answer(struct bench *bench, const struct stun_view *view, size_t user, bool sha256)
{
    uint8_t bytes[512];
    struct stun_builder builder;

    stun_builder_begin_answer(&builder, bytes, sizeof bytes, STUN_SUCCESS, view);
    stun_builder_put_u32(&builder, STUN_LIFETIME, 600);
    stun_builder_put_string(&builder, STUN_SOFTWARE, "Postern");
    if (sha256)
        stun_builder_put_integrity_sha256(&builder, bench->crypto, &bench->keys[user]);
    else
        stun_builder_put_integrity(&builder, bench->crypto, &bench->keys[user]);
    stun_builder_put_fingerprint(&builder);
    bench->checked += stun_builder_finish(&builder) > 0;
}

static void case_parse(struct bench *bench, size_t user)
{
    struct stun_view view;

    bench->checked +=
        stun_view_parse(&view, bench->sha1[user].bytes, bench->sha1[user].size) == STUN_OK;
}

static void case_fingerprint(struct bench *bench, size_t user)
{
    struct stun_view view;

    bench->checked +=
        stun_view_parse(&view, bench->sha1[user].bytes, bench->sha1[user].size) == STUN_OK &&
        stun_view_check_fingerprint(&view) == STUN_OK;
}

static void case_check(struct bench *bench, size_t user)
{
    struct stun_view view;

    bench->checked +=
        stun_view_parse(&view, bench->sha1[user].bytes, bench->sha1[user].size) == STUN_OK &&
        stun_view_check_integrity(&view, bench->crypto, &bench->keys[user]) == STUN_OK;
}

static void case_check_sha256(struct bench *bench, size_t user)
{
    struct stun_view view;

    bench->checked +=
        stun_view_parse(&view, bench->sha256[user].bytes, bench->sha256[user].size) == STUN_OK &&
        stun_view_check_integrity_sha256(&view, bench->crypto, &bench->keys[user]) == STUN_OK;
}

static void case_build_plain(struct bench *bench, size_t user)
{
    uint8_t bytes[128];
    struct stun_builder builder;
    struct stun_address address = {
        .family = STUN_FAMILY_IPV4, .port = (uint16_t)user, .ip = {192, 0, 2, 1}};

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_SUCCESS, STUN_BINDING, transaction_id);
    stun_builder_put_xor_address(&builder, STUN_XOR_MAPPED_ADDRESS, &address);
    stun_builder_put_string(&builder, STUN_SOFTWARE, "Postern");
    stun_builder_put_fingerprint(&builder);
    bench->checked += stun_builder_finish(&builder) > 0;
}

static void case_build(struct bench *bench, size_t user)
{
    struct message message;

    build_request(bench, &message, user, false);
    bench->checked += message.size > 0;
}

static void case_build_sha256(struct bench *bench, size_t user)
{
    struct message message;

    build_request(bench, &message, user, true);
    bench->checked += message.size > 0;
}

/* What a server does with a request: parse, check, build the answer. */
static void serve(struct bench *bench, size_t user, bool sha256)
{
    const struct message *message = sha256 ? &bench->sha256[user] : &bench->sha1[user];
    struct stun_view view;

    if (stun_view_parse(&view, message->bytes, message->size) != STUN_OK ||
        stun_view_check_fingerprint(&view) != STUN_OK)
        return;
    int status = sha256 ? stun_view_check_integrity_sha256(&view, bench->crypto, &bench->keys[user])
                        : stun_view_check_integrity(&view, bench->crypto, &bench->keys[user]);
    if (status == STUN_OK)
        answer(bench, &view, user, sha256);
}

static void case_serve(struct bench *bench, size_t user)
{
    serve(bench, user, false);
}

static void case_serve_sha256(struct bench *bench, size_t user)
{
    serve(bench, user, true);
}

static const struct bench_case {
    const char *name;
    void (*run)(struct bench *bench, size_t user);
    size_t users;
} cases[] = {
    {"parse", case_parse, USERS},
    {"parse, check fingerprint", case_fingerprint, USERS},
    {"parse, check integrity", case_check, 1},
    {"parse, check integrity, users", case_check, USERS},
    {"parse, check sha256", case_check_sha256, 1},
    {"parse, check sha256, users", case_check_sha256, USERS},
    {"build binding answer, fingerprint", case_build_plain, USERS},
    {"build request", case_build, 1},
    {"build request, users", case_build, USERS},
    {"build request sha256, users", case_build_sha256, USERS},
    {"serve (parse, check, answer)", case_serve, 1},
    {"serve, users", case_serve, USERS},
    {"serve sha256, users", case_serve_sha256, USERS},
};

/* ---- measuring ------------------------------------------------------------------------------- */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct result {
    double per_second, nanoseconds, cycles;
};

static struct result measure(struct bench *bench, const struct bench_case *bench_case,
                             double seconds)
{
    struct result best = {0};

    for (int round = 0; round < ROUNDS; round++) {
        unsigned count = 0;
        bench->checked = 0;
        uint64_t cycles = cycles_now();
        double start = seconds_now(), elapsed;
        do {
            for (unsigned i = 0; i < BATCH; i++)
                bench_case->run(bench, i % bench_case->users);
            count += BATCH;
            elapsed = seconds_now() - start;
        } while (elapsed < seconds / ROUNDS);
        cycles = cycles_now() - cycles;
        if (bench->checked != count) {
            fprintf(stderr, "bench_stun: \"%s\" failed %u of %u times\n", bench_case->name,
                    count - bench->checked, count);
            exit(EXIT_FAILURE);
        }
        if (count / elapsed > best.per_second)
            best = (struct result){count / elapsed, elapsed / count * 1e9,
                                   (double)cycles / (double)count};
    }
    return best;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct result results[sizeof cases / sizeof *cases];
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

    set_up(&bench);
    printf("%-34s %12s %9s %9s\n", "", "messages/s", "ns", "cycles");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        results[i] = measure(&bench, &cases[i], seconds);
        printf("%-34s %12.0f %9.1f ", cases[i].name, results[i].per_second, results[i].nanoseconds);
        if (cycles_available())
            printf("%9.0f\n", results[i].cycles);
        else
            printf("%9s\n", "-");
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        printf("{\"bench\": \"stun\", \"case\": \"%s\", \"messages_per_second\": %.0f, "
               "\"nanoseconds\": %.1f, \"cycles\": ",
               cases[i].name, results[i].per_second, results[i].nanoseconds);
        if (cycles_available())
            printf("%.0f}\n", results[i].cycles);
        else
            printf("null}\n");
    }
    stun_crypto_free(bench.crypto);
    return EXIT_SUCCESS;
}

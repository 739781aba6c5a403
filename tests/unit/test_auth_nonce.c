/* SPDX-License-Identifier: BSD-3-Clause */
#include "stun_test.h"

#include "base/address.h"
#include "turnserver/auth/nonce.h"

#define LIFETIME 600

/* What Python's hmac and base64 make of the claims below. */
#define EXPECTED "obMatJos2AAADAAAAA+icQAADawrYZzjDbo8HxXfl30mJ2GX7"

static const struct nonce_claims claims_1000 = {
    .seconds = 1000,
    .port = 40000,
    .algorithms = 3,
    .features = NONCE_FEATURE_PASSWORD_ALGORITHMS | NONCE_FEATURE_USERNAME_ANONYMITY,
};

struct bench {
    struct auth_digests digests;
    uint8_t key[NONCE_KEY_SIZE];
    char nonce[NONCE_SIZE];
};

static struct stun_address from(const char *text)
{
    struct stun_address address = {0};

    assert_true(address_parse(&address, text));
    return address;
}

static void bench_open(struct bench *bench, const struct nonce_claims *claims, const char *client)
{
    struct stun_address address = from(client);

    assert_true(auth_digests_open(&bench->digests));
    for (size_t i = 0; i < sizeof bench->key; i++) {
        bench->key[i] = (uint8_t)i;
    }
    assert_true(nonce_write(&bench->digests, bench->key, claims, &address, bench->nonce));
}

static enum nonce_state read_bytes(struct bench *bench, int64_t now, const char *client,
                                   const char *nonce, size_t size, struct nonce_claims *claims)
{
    struct stun_address address = from(client);
    uint8_t *exact = exact_copy((const uint8_t *)nonce, size);
    enum nonce_state state =
        nonce_read(&bench->digests, bench->key, now, LIFETIME, &address, exact, size, claims);

    free(exact);
    return state;
}

static enum nonce_state read_at(struct bench *bench, int64_t now, const char *client)
{
    struct nonce_claims claims;

    return read_bytes(bench, now, client, bench->nonce, NONCE_SIZE, &claims);
}

static void test_writes_what_another_implementation_writes(void **state)
{
    (void)state;
    struct bench bench;
    struct nonce_claims claims;

    bench_open(&bench, &claims_1000, "192.0.2.7:40000");
    assert_memory_equal(bench.nonce, EXPECTED, NONCE_SIZE);
    assert_int_equal(read_bytes(&bench, 1000, "192.0.2.7:40000", EXPECTED, NONCE_SIZE, &claims),
                     NONCE_FRESH);
    assert_int_equal(claims.seconds, 1000);
    assert_int_equal(claims.port, 40000);
    assert_int_equal(claims.algorithms, 3);
    assert_int_equal(claims.features, 3);
    auth_digests_close(&bench.digests);
}

static void test_holds_for_its_lifetime(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, &claims_1000, "192.0.2.7:40000");
    assert_int_equal(read_at(&bench, 1000, "192.0.2.7:1"), NONCE_FRESH);
    assert_int_equal(read_at(&bench, 1000 + LIFETIME, "192.0.2.7:1"), NONCE_FRESH);
    assert_int_equal(read_at(&bench, 1001 + LIFETIME, "192.0.2.7:1"), NONCE_STALE);
    assert_int_equal(read_at(&bench, INT64_C(1) << 40, "192.0.2.7:1"), NONCE_STALE);
    /* Another worker's time may lag a little, but a nonce from the future is not taken. */
    assert_int_equal(read_at(&bench, 990, "192.0.2.7:1"), NONCE_FRESH);
    assert_int_equal(read_at(&bench, 989, "192.0.2.7:1"), NONCE_STALE);
    auth_digests_close(&bench.digests);
}

static void test_holds_for_its_address(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, &claims_1000, "192.0.2.7:40000");
    assert_int_equal(read_at(&bench, 1000, "[::ffff:192.0.2.7]:9"), NONCE_FRESH);
    assert_int_equal(read_at(&bench, 1000, "192.0.2.8:40000"), NONCE_FOREIGN);
    assert_int_equal(read_at(&bench, 1000, "[2001:db8::1]:40000"), NONCE_FOREIGN);
    /* The same leading bytes in the other family. */
    assert_int_equal(read_at(&bench, 1000, "[c000:207::]:40000"), NONCE_FOREIGN);
    auth_digests_close(&bench.digests);

    bench_open(&bench, &claims_1000, "[2001:db8::1]:40000");
    assert_int_equal(read_at(&bench, 1000, "[2001:db8::1]:1"), NONCE_FRESH);
    assert_int_equal(read_at(&bench, 1000, "[2001:db8::2]:40000"), NONCE_FOREIGN);
    auth_digests_close(&bench.digests);
}

/* RFC 8489 §9.2.4: no two of them for different source addresses and ports. */
static void test_differs_by_address_port_and_time(void **state)
{
    (void)state;
    struct bench a, b;
    struct nonce_claims other = claims_1000;

    bench_open(&a, &claims_1000, "192.0.2.7:40000");
    other.port = 40001;
    bench_open(&b, &other, "192.0.2.7:40001");
    assert_memory_not_equal(a.nonce, b.nonce, NONCE_SIZE);
    auth_digests_close(&b.digests);
    bench_open(&b, &claims_1000, "192.0.2.8:40000");
    assert_memory_not_equal(a.nonce, b.nonce, NONCE_SIZE);
    auth_digests_close(&b.digests);
    other = claims_1000;
    other.seconds = 1001;
    bench_open(&b, &other, "192.0.2.7:40000");
    assert_memory_not_equal(a.nonce, b.nonce, NONCE_SIZE);
    auth_digests_close(&b.digests);
    auth_digests_close(&a.digests);
}

static void test_every_changed_character_is_foreign(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \n%\"";
    struct bench bench;
    struct nonce_claims claims;
    char changed[NONCE_SIZE];

    bench_open(&bench, &claims_1000, "192.0.2.7:40000");
    for (size_t i = 0; i < NONCE_SIZE; i++) {
        memcpy(changed, bench.nonce, NONCE_SIZE);
        for (size_t j = 0; j < sizeof alphabet; j++) {
            changed[i] = alphabet[j]; /* its closing zero too */
            assert_int_equal(
                read_bytes(&bench, 1000, "192.0.2.7:40000", changed, NONCE_SIZE, &claims),
                changed[i] == bench.nonce[i] ? NONCE_FRESH : NONCE_FOREIGN);
        }
    }
    auth_digests_close(&bench.digests);
}

static void test_other_sizes_are_foreign(void **state)
{
    (void)state;
    struct bench bench;
    struct nonce_claims claims;
    char longer[200];

    bench_open(&bench, &claims_1000, "192.0.2.7:40000");
    memset(longer, 'A', sizeof longer);
    memcpy(longer, bench.nonce, NONCE_SIZE);
    for (size_t size = 1; size <= sizeof longer; size++) {
        assert_int_equal(read_bytes(&bench, 1000, "192.0.2.7:40000", longer, size, &claims),
                         size == NONCE_SIZE ? NONCE_FRESH : NONCE_FOREIGN);
    }
    auth_digests_close(&bench.digests);
}

static void test_another_key_is_foreign(void **state)
{
    (void)state;
    struct bench bench;

    bench_open(&bench, &claims_1000, "192.0.2.7:40000");
    bench.key[31] ^= 1;
    assert_int_equal(read_at(&bench, 1000, "192.0.2.7:40000"), NONCE_FOREIGN);
    auth_digests_close(&bench.digests);
}

static void test_reads_features_of_any_nonce(void **state)
{
    (void)state;
    static const struct {
        const char *nonce;
        uint32_t features;
    } table[] = {
        {"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", NONCE_FEATURE_USERNAME_ANONYMITY}, /* B.1 */
        {"obMatJos2AAAB", NONCE_FEATURE_PASSWORD_ALGORITHMS},
        {"obMatJos2AAAD", 3},
        {"obMatJos2////", 0xFFFFFF},
        {"obMatJos2AAA", 0},
        {"obMatJos2A A\nAAB", 0},
        {"obMatJos1AAAB", 0},
        {"f//499k954d6OL34oL9FSTvy64sA", 0},
        {"", 0},
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        size_t size = strlen(table[i].nonce);
        uint8_t *exact = exact_copy((const uint8_t *)table[i].nonce, size);
        assert_int_equal(nonce_features(exact, size), table[i].features);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_what_another_implementation_writes),
        cmocka_unit_test(test_holds_for_its_lifetime),
        cmocka_unit_test(test_holds_for_its_address),
        cmocka_unit_test(test_differs_by_address_port_and_time),
        cmocka_unit_test(test_every_changed_character_is_foreign),
        cmocka_unit_test(test_other_sizes_are_foreign),
        cmocka_unit_test(test_another_key_is_foreign),
        cmocka_unit_test(test_reads_features_of_any_nonce),
    };

    return cmocka_run_group_tests_name("auth/nonce", tests, NULL, NULL);
}

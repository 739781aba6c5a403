/* SPDX-License-Identifier: BSD-3-Clause */
/* Bandwidth of an account and of all: one bucket for several workers. */
#include "tests/unit/turn_test.h"
#include "turnserver/cluster/local_bandwidth.h"
#include "turnserver/turn/turn_internal.h"

#define SIZE 1000u

/* Two workers, alice at both, bob at the first. */
struct pair {
    struct local_bandwidth *table;
    struct shell *shells[2];
    struct shell_client alice[2], bob;
    struct stun_address relayed[2], peer;
};

static int set_up_pair(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    struct flow a = shell_flow_udp("198.51.100.9:40000");
    struct flow b = shell_flow_udp("198.51.100.10:40000");

    pair->table = local_bandwidth_new();
    pair->peer = test_address("203.0.113.5:7000");
    for (unsigned i = 0; i < 2; i++) {
        pair->shells[i] = shell_new(3 + i);
        pair->shells[i]->bandwidth = local_bandwidth_interface(pair->table);
        shell_start(pair->shells[i], NULL);
        client_init(&pair->alice[i], pair->shells[i], &a, "alice", "secret");
        assert_int_equal(client_allocate(&pair->alice[i], &pair->relayed[i]), 0);
        assert_int_equal(client_bind(&pair->alice[i], 0x4000, &pair->peer), 0);
        shell_clear(pair->shells[i]);
    }
    client_init(&pair->bob, pair->shells[0], &b, "bob", "secret");
    assert_int_equal(client_allocate(&pair->bob, NULL), 0);
    assert_int_equal(client_bind(&pair->bob, 0x4000, &pair->peer), 0);
    shell_clear(pair->shells[0]);
    *state = pair;
    return 0;
}

static int tear_down_pair(void **state)
{
    struct pair *pair = *state;

    shell_free(pair->shells[0]);
    shell_free(pair->shells[1]);
    assert_int_equal(local_bandwidth_count(pair->table), 0);
    local_bandwidth_free(pair->table);
    free(pair);
    return 0;
}

static void limit(struct pair *pair, uint64_t account, uint64_t total)
{
    for (unsigned i = 0; i < 2; i++) {
        pair->shells[i]->policy.bandwidth_account = account;
        pair->shells[i]->policy.bandwidth_total = total;
    }
}

/* Sends so many datagrams; returns how many came through. */
static size_t send_many(struct shell_client *client, unsigned count)
{
    static const uint8_t data[SIZE];
    size_t sent;

    shell_clear(client->shell);
    for (unsigned i = 0; i < count; i++) {
        client_send_channel(client, 0x4000, data, SIZE);
    }
    sent = shell_pending(client->shell);
    shell_clear(client->shell);
    return sent;
}

static size_t receive_many(struct pair *pair, unsigned which, unsigned count)
{
    static const uint8_t data[SIZE];
    size_t received;

    shell_clear(pair->shells[which]);
    for (unsigned i = 0; i < count; i++) {
        shell_relayed(pair->shells[which], &pair->relayed[which], &pair->peer, data, SIZE);
    }
    received = shell_pending(pair->shells[which]);
    shell_clear(pair->shells[which]);
    return received;
}

static void advance(struct pair *pair, int64_t ms)
{
    shell_advance_ms(pair->shells[0], ms);
    shell_advance_ms(pair->shells[1], ms);
}

static void without_a_limit_all_goes(void **state)
{
    struct pair *pair = *state;

    assert_int_equal(send_many(&pair->alice[0], 5000), 5000);
}

static void an_account_has_so_much_a_second(void **state)
{
    struct pair *pair = *state;
    struct turn_event event;
    unsigned reports = 0;

    limit(pair, 100 * SIZE, 0);
    assert_int_equal(send_many(&pair->alice[0], 200), 100);
    assert_int_equal(send_many(&pair->bob, 200), 100); /* has its own */
    advance(pair, 250);
    assert_int_equal(send_many(&pair->alice[0], 200), 25);
    assert_int_equal(turn_server_counters(pair->shells[0]->server)->dropped_bandwidth, 375);
    while (turn_server_event(pair->shells[0]->server, &event)) {
        reports += event.type == TURN_BANDWIDTH_REACHED;
    }
    assert_int_equal(reports, 2); /* once an allocation */
    advance(pair, 10000);         /* silence is not saved up */
    assert_int_equal(send_many(&pair->alice[0], 200), 100);
}

static void at_all_workers_and_both_ways_together(void **state)
{
    struct pair *pair = *state;

    limit(pair, 100 * SIZE, 0);
    assert_int_equal(send_many(&pair->alice[0], 30), 30);
    assert_int_equal(receive_many(pair, 0, 30), 30);
    assert_int_equal(send_many(&pair->alice[1], 30), 30);
    assert_int_equal(receive_many(pair, 1, 30), 10);
    assert_int_equal(local_bandwidth_count(pair->table), 2);
}

static void the_total_holds_for_everybody(void **state)
{
    struct pair *pair = *state;

    limit(pair, 0, 100 * SIZE);
    assert_int_equal(send_many(&pair->alice[0], 40), 40);
    assert_int_equal(send_many(&pair->alice[1], 40), 40);
    assert_int_equal(send_many(&pair->bob, 40), 20);
}

/* Larger than what a second allows: it goes when the bucket is full, and is paid for. */
static void a_large_datagram_is_not_locked_out(void **state)
{
    struct pair *pair = *state;

    limit(pair, SIZE / 2, 0);
    assert_int_equal(send_many(&pair->alice[0], 3), 1);
    advance(pair, 1900);
    assert_int_equal(send_many(&pair->alice[0], 3), 0);
    advance(pair, 100);
    assert_int_equal(send_many(&pair->alice[0], 3), 1);
}

static void a_reload_holds_at_once(void **state)
{
    struct pair *pair = *state;

    limit(pair, 100 * SIZE, 0);
    assert_int_equal(send_many(&pair->alice[0], 200), 100);
    limit(pair, 0, 0);
    assert_int_equal(send_many(&pair->alice[0], 200), 200);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, set_up_pair, tear_down_pair)

/* Holders of tokens have nothing in common but their realm: they do not share a bucket. */
static void nobody_has_a_bucket(void **state)
{
    (void)state;
    static const struct siphash_key key = {{1, 2}};
    struct local_bandwidth *table = local_bandwidth_new();
    struct turn_bandwidth interface = local_bandwidth_interface(table);
    struct account_table accounts;

    account_table_init(&accounts, &key, &interface);
    struct account *nobody = account_get(&accounts, "", 0);
    struct account *of_realm = account_get(&accounts, "\\example.net", 0);
    struct account *alice = account_get(&accounts, "alice\\example.net", 0);
    assert_null(nobody->bandwidth);
    assert_null(nobody->realm_bandwidth);
    assert_null(of_realm->bandwidth);
    assert_non_null(of_realm->realm_bandwidth);
    assert_non_null(alice->bandwidth);
    assert_ptr_equal(alice->realm_bandwidth, of_realm->realm_bandwidth);
    assert_int_equal(local_bandwidth_count(table), 2);
    account_release(&accounts, nobody);
    account_release(&accounts, of_realm);
    account_release(&accounts, alice);
    account_table_clear(&accounts);
    assert_int_equal(local_bandwidth_count(table), 0);
    local_bandwidth_free(table);
}

static void realms_know_their_limits(void **state)
{
    (void)state;
    const struct turn_realm_limit limits[] = {{"b.org", {0}, 1000}, {"c.org", {0}, 0}};
    struct local_bandwidth *table = local_bandwidth_new();
    struct turn_bandwidth interface = local_bandwidth_interface(table);

    assert_true(local_bandwidth_set_realms(table, 2, limits));
    struct bandwidth *realm = interface.acquire(interface.context, "\\b.org");
    struct bandwidth *account = interface.acquire(interface.context, "b.org");
    assert_int_equal(bandwidth_own_limit(realm), 1000);
    assert_int_equal(bandwidth_own_limit(account), 0);
    assert_int_equal(bandwidth_own_limit(NULL), 0);
    /* A reload changes the buckets that are in use. */
    assert_true(local_bandwidth_set_realms(table, 0, NULL));
    assert_int_equal(bandwidth_own_limit(realm), 0);
    interface.release(interface.context, realm);
    interface.release(interface.context, account);
    local_bandwidth_free(table);
}

static struct account *account_of(const struct shell_client *client)
{
    return allocation_of_flow(client->shell->server, &client->flow)->account;
}

/* Users of one realm share its bucket, at whatever worker they are. */
static void a_realm_has_so_much_a_second(void **state)
{
    struct pair *pair = *state;
    const struct turn_realm_limit limits[] = {{"b.org", {0}, 100 * SIZE}};

    assert_true(local_bandwidth_set_realms(pair->table, 1, limits));
    for (size_t i = 0; i < 2; i++) {
        /* The sessions are of alice in the first realm: put her account into the other one. */
        struct bandwidth *realm =
            pair->shells[i]->bandwidth.acquire(pair->shells[i]->bandwidth.context, "\\b.org");
        account_of(&pair->alice[i])->realm_bandwidth = realm;
    }
    assert_int_equal(send_many(&pair->alice[0], 60), 60);
    assert_int_equal(send_many(&pair->alice[1], 60), 40);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PAIR(without_a_limit_all_goes),
        PAIR(an_account_has_so_much_a_second),
        PAIR(a_realm_has_so_much_a_second),
        cmocka_unit_test(realms_know_their_limits),
        PAIR(at_all_workers_and_both_ways_together),
        PAIR(the_total_holds_for_everybody),
        PAIR(a_large_datagram_is_not_locked_out),
        PAIR(a_reload_holds_at_once),
        cmocka_unit_test(nobody_has_a_bucket),
    };

    (void)set_up;
    (void)tear_down;
    return cmocka_run_group_tests_name("bandwidth", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "turnserver/cluster/local_quota.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static bool reserve(const struct turn_quota *quota, const char *name)
{
    return quota->reserve(quota->context, name, (struct turn_holding){1, 0}) == NULL;
}

static void release(const struct turn_quota *quota, const char *name)
{
    quota->release(quota->context, name, (struct turn_holding){1, 0});
}

static void test_limits_each_account(void **state)
{
    (void)state;
    struct local_quota *local = local_quota_new((struct turn_holding){2, 0});
    struct turn_quota quota = local_quota_interface(local);

    assert_true(reserve(&quota, "alice"));
    assert_true(reserve(&quota, "alice"));
    assert_false(reserve(&quota, "alice"));
    assert_true(reserve(&quota, "bob"));
    assert_int_equal(local_quota_count(local), 2);
    release(&quota, "alice");
    assert_true(reserve(&quota, "alice"));
    assert_false(reserve(&quota, "alice"));
    local_quota_free(local);
}

static void test_forgets_who_holds_nothing(void **state)
{
    (void)state;
    struct local_quota *local = local_quota_new((struct turn_holding){1, 0});
    struct turn_quota quota = local_quota_interface(local);
    char name[32];

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "user %u", i);
        assert_true(reserve(&quota, name));
        assert_false(reserve(&quota, name));
    }
    assert_int_equal(local_quota_count(local), 1000);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "user %u", i);
        release(&quota, name);
    }
    assert_int_equal(local_quota_count(local), 0);
    local_quota_free(local);
    local_quota_free(NULL);
}

static void test_limit_changes_on_reload(void **state)
{
    (void)state;
    struct local_quota *local = local_quota_new((struct turn_holding){0, 0});
    struct turn_quota quota = local_quota_interface(local);

    for (unsigned i = 0; i < 5; i++) {
        assert_true(reserve(&quota, "alice"));
    }
    local_quota_set_limits(local, (struct turn_holding){3, 0}, (struct turn_holding){0});
    assert_false(reserve(&quota, "alice"));
    release(&quota, "alice");
    release(&quota, "alice");
    assert_false(reserve(&quota, "alice"));
    release(&quota, "alice");
    assert_true(reserve(&quota, "alice"));
    assert_false(reserve(&quota, "alice"));
    local_quota_set_limits(local, (struct turn_holding){0, 0}, (struct turn_holding){0});
    assert_true(reserve(&quota, "alice"));
    local_quota_free(local);
}

#define LIMIT 3

struct worker {
    struct turn_quota quota;
    _Atomic int *held;
    int above_limit;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (unsigned i = 0; i < 20000; i++) {
        if (reserve(&worker->quota, "shared")) {
            worker->above_limit += atomic_fetch_add(worker->held, 1) >= LIMIT;
            atomic_fetch_sub(worker->held, 1);
            release(&worker->quota, "shared");
        }
    }
    return NULL;
}

static void test_counts_for_all_workers(void **state)
{
    (void)state;
    struct local_quota *local = local_quota_new((struct turn_holding){LIMIT, 0});
    struct turn_quota quota = local_quota_interface(local);
    _Atomic int held = 0;
    struct worker workers[4];
    pthread_t threads[4];

    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){quota, &held, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].above_limit, 0);
    }
    assert_int_equal(local_quota_count(local), 0);
    local_quota_free(local);
}

static void test_limits_realms_and_all(void **state)
{
    (void)state;
    struct local_quota *local = local_quota_new((struct turn_holding){2, 0});
    struct turn_quota quota = local_quota_interface(local);
    const struct turn_realm_limit limits[] = {{"b.org", {3, 0}, 0}, {"c.org", {0, 0}, 0}};

    assert_true(local_quota_set_realms(local, 2, limits));
    assert_true(reserve(&quota, "alice\\b.org"));
    assert_true(reserve(&quota, "alice\\b.org"));
    assert_false(reserve(&quota, "alice\\b.org"));
    assert_true(reserve(&quota, "alice")); /* somebody else */
    assert_true(reserve(&quota, "bob\\b.org"));
    assert_false(reserve(&quota, "carol\\b.org"));
    assert_false(reserve(&quota, "\\b.org")); /* nobody's, but of the realm */
    assert_true(reserve(&quota, "carol\\c.org"));
    release(&quota, "alice\\b.org");
    assert_true(reserve(&quota, "carol\\b.org"));
    local_quota_set_limits(local, (struct turn_holding){2, 0}, (struct turn_holding){6, 0});
    assert_true(reserve(&quota, ""));
    assert_false(reserve(&quota, "dora"));
    assert_false(reserve(&quota, ""));
    assert_true(local_quota_set_realms(local, 0, NULL));
    release(&quota, "");
    assert_true(reserve(&quota, "dora\\b.org"));
    static const char *const held[] = {"alice\\b.org", "alice",        "bob\\b.org",
                                       "carol\\c.org", "carol\\b.org", "dora\\b.org"};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        release(&quota, held[i]);
    }
    assert_int_equal(local_quota_count(local), 0);
    local_quota_free(local);
}

static void test_counts_ports_and_tells_which_limit(void **state)
{
    (void)state;
    static const struct turn_holding one = {1, 1}, two = {1, 2}, port = {0, 1};
    const struct turn_realm_limit limits[] = {{"b.org", {0, 3}, 0}};
    struct local_quota *local = local_quota_new((struct turn_holding){2, 3});
    struct turn_quota quota = local_quota_interface(local);

    assert_true(local_quota_set_realms(local, 1, limits));
    local_quota_set_limits(local, (struct turn_holding){2, 3}, (struct turn_holding){4, 5});
    assert_null(quota.reserve(quota.context, "alice", two));
    assert_string_equal(quota.reserve(quota.context, "alice", two), "quotas.user.ports");
    assert_null(quota.reserve(quota.context, "alice", one));
    assert_string_equal(quota.reserve(quota.context, "alice", one), "quotas.user.allocations");
    assert_null(quota.reserve(quota.context, "bob\\b.org", two));
    assert_string_equal(quota.reserve(quota.context, "carol\\b.org", one), "quotas.total.ports");
    quota.release(quota.context, "alice", port);
    assert_null(quota.reserve(quota.context, "carol\\b.org", one));
    assert_string_equal(quota.reserve(quota.context, "\\b.org", (struct turn_holding){1, 0}),
                        "quotas.total.allocations");
    local_quota_set_limits(local, (struct turn_holding){0}, (struct turn_holding){0});
    assert_string_equal(quota.reserve(quota.context, "carol\\b.org", one), "realms[].ports");
    assert_null(quota.reserve(quota.context, "alice", two));
    quota.release(quota.context, "carol\\b.org", one);
    quota.release(quota.context, "bob\\b.org", two);
    quota.release(quota.context, "alice", (struct turn_holding){3, 4});
    assert_int_equal(local_quota_count(local), 0);
    local_quota_free(local);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_each_account),
        cmocka_unit_test(test_forgets_who_holds_nothing),
        cmocka_unit_test(test_limit_changes_on_reload),
        cmocka_unit_test(test_counts_for_all_workers),
        cmocka_unit_test(test_limits_realms_and_all),
        cmocka_unit_test(test_counts_ports_and_tells_which_limit),
    };

    return cmocka_run_group_tests_name("cluster/local_quota", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Which realm an ORIGIN leads to: what is read whole and then holds. */
#include "stun_test.h"

#include "turnserver/users/origin_table.h"

#include <stdio.h>

static const char *find(struct origin_table *table, const char *origin)
{
    static char realm[AUTH_REALM_SIZE_MAX];

    return origin_table_find(table, (const uint8_t *)origin, strlen(origin), realm) ? realm : "";
}

static void test_holds_when_committed(void **state)
{
    (void)state;
    struct origin_table *table = origin_table_new();

    assert_non_null(table);
    assert_string_equal(find(table, "https://a"), "");
    origin_table_begin(table);
    origin_table_add(table, "https://b", "two");
    origin_table_add(table, "https://a", "one");
    assert_string_equal(find(table, "https://a"), "");
    origin_table_commit(table);
    assert_string_equal(find(table, "https://a"), "one");
    assert_string_equal(find(table, "https://b"), "two");
    origin_table_begin(table);
    origin_table_add(table, "https://b", "three");
    origin_table_begin(table); /* given up, and begun again */
    origin_table_add(table, "https://c", "four");
    origin_table_commit(table);
    assert_string_equal(find(table, "https://a"), "");
    assert_string_equal(find(table, "https://b"), "");
    assert_string_equal(find(table, "https://c"), "four");
    origin_table_begin(table);
    origin_table_commit(table);
    assert_string_equal(find(table, "https://c"), "");
    origin_table_free(table);
    origin_table_free(NULL);
}

static void test_is_bounded_and_exact(void **state)
{
    (void)state;
    struct origin_table *table = origin_table_new();
    char origin[32], realm[AUTH_REALM_SIZE_MAX], longest[AUTH_REALM_SIZE_MAX + 1];

    origin_table_begin(table);
    memset(longest, 'x', sizeof longest);
    longest[AUTH_REALM_SIZE_MAX] = '\0';
    origin_table_add(table, "too long", longest);
    longest[AUTH_REALM_SIZE_MAX - 1] = '\0';
    origin_table_add(table, "long", longest);
    for (unsigned i = 1; i < ORIGINS_MAX + 5; i++) {
        snprintf(origin, sizeof origin, "https://%u", i);
        origin_table_add(table, origin, origin);
    }
    origin_table_commit(table);
    assert_string_equal(find(table, "too long"), "");
    assert_string_equal(find(table, "long"), longest);
    for (unsigned i = 1; i < ORIGINS_MAX + 5; i++) {
        snprintf(origin, sizeof origin, "https://%u", i);
        assert_string_equal(find(table, origin), i < ORIGINS_MAX ? origin : "");
    }
    static const char *const wrong[] = {"",          "https:/",          "https://",
                                        "https://0", "https://12345678", "zzz"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_string_equal(find(table, wrong[i]), "");
    }
    /* Bytes of a client: not ended by a zero, perhaps with one inside. */
    assert_true(origin_table_find(table, (const uint8_t *)"https://12", 9, realm));
    assert_string_equal(realm, "https://1");
    assert_false(origin_table_find(table, (const uint8_t *)"https://1\0", 10, realm));
    origin_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_when_committed),
        cmocka_unit_test(test_is_bounded_and_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash_map.h"
#include "seeded.h"

#include <errno.h>
#include <string.h>

#define KEYS 4096

struct entry {
    struct hash_node node;
    uint32_t key;
    bool present, seen;
};

static struct entry entries[KEYS];
static struct hash_map map;
static const struct siphash_key key = {{1, 2}};

static uint64_t hash_key(const struct siphash_key *siphash_key, const void *wanted)
{
    return siphash(siphash_key, wanted, sizeof(uint32_t));
}

/* All keys collide: what remains is a list, and must still be right. */
static uint64_t hash_badly(const struct siphash_key *siphash_key, const void *wanted)
{
    (void)siphash_key;
    (void)wanted;
    return 42;
}

static bool has_key(const struct hash_node *node, const void *wanted)
{
    return container_of(node, struct entry, node)->key == *(const uint32_t *)wanted;
}

static void begin_with(uint64_t (*hash)(const struct siphash_key *, const void *), size_t max)
{
    hash_map_init(&map, &(struct hash_map_type){hash, has_key}, &key, max);
    memset(entries, 0, sizeof entries);
    for (uint32_t i = 0; i < KEYS; i++) {
        entries[i].key = i;
    }
}

static int insert(uint32_t i)
{
    int status = hash_map_insert(&map, &entries[i].node, &i);

    entries[i].present |= status == 0;
    return status;
}

static void drop(uint32_t i)
{
    hash_map_remove(&map, &entries[i].node);
    entries[i].present = false;
}

static void check_all(size_t keys)
{
    size_t count = 0;
    struct hash_cursor cursor;

    for (uint32_t i = 0; i < keys; i++) {
        struct hash_node *node = hash_map_find(&map, &i);
        assert_ptr_equal(node, entries[i].present ? &entries[i].node : NULL);
        count += entries[i].present;
        entries[i].seen = false;
    }
    assert_int_equal(map.count, count);
    for (struct hash_node *node = hash_map_first(&map, &cursor); node != NULL;
         node = hash_map_next(&map, &cursor)) {
        struct entry *entry = container_of(node, struct entry, node);
        assert_true(entry->present && !entry->seen);
        entry->seen = true;
        count--;
    }
    assert_int_equal(count, 0);
}

static void test_empty(void **state)
{
    struct hash_cursor cursor;
    uint32_t wanted = 1;

    (void)state;
    begin_with(hash_key, 10);
    assert_null(hash_map_find(&map, &wanted));
    assert_null(hash_map_first(&map, &cursor));
    assert_null(hash_map_next(&map, &cursor));
    hash_map_clear(&map);
}

static void test_inserts_finds_removes(void **state)
{
    (void)state;
    begin_with(hash_key, KEYS);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(insert(i), 0);
        assert_int_equal(hash_map_insert(&map, &entries[i + 1000].node, &i), -EEXIST);
        check_all(300);
    }
    for (uint32_t i = 0; i < 200; i++) {
        drop(i);
        check_all(300);
    }
    hash_map_clear(&map);
}

static void test_small_needs_no_table(void **state)
{
    (void)state;
    begin_with(hash_key, KEYS);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(insert(i), 0);
    }
    assert_null(map.buckets);
    check_all(10);
    assert_int_equal(insert(4), 0);
    assert_non_null(map.buckets);
    check_all(10);
    hash_map_clear(&map);
}

static void test_bounded(void **state)
{
    (void)state;
    begin_with(hash_key, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(insert(i), 0);
    }
    assert_int_equal(insert(100), -ENOSPC);
    assert_int_equal(insert(50), -EEXIST);
    drop(7);
    assert_int_equal(insert(100), 0);
    check_all(200);
    hash_map_clear(&map);
    begin_with(hash_key, 0);
    assert_int_equal(insert(0), -ENOSPC);
}

static void run_against_model(uint32_t keys, int steps, uint64_t seed)
{
    for (int step = 0; step < steps; step++) {
        uint32_t i = (uint32_t)seeded_below(&seed, keys);
        /* Phases in which it grows and phases in which it shrinks. */
        bool growing = (step / 3000) % 2 == 0;
        if (entries[i].present && (!growing || seeded_below(&seed, 4) == 0)) {
            drop(i);
        } else {
            assert_int_equal(insert(i), entries[i].present ? -EEXIST : 0);
        }
        if (step % 97 == 0) {
            check_all(keys);
        }
    }
    check_all(keys);
    hash_map_clear(&map);
}

static void test_against_model(void **state)
{
    (void)state;
    begin_with(hash_key, KEYS);
    run_against_model(KEYS, 30000, 1);
    begin_with(hash_key, KEYS);
    run_against_model(13, 10000, 2);
}

static void test_collisions_are_only_slow(void **state)
{
    (void)state;
    begin_with(hash_badly, KEYS);
    run_against_model(60, 8000, 3);
}

static void test_current_may_be_removed(void **state)
{
    struct hash_cursor cursor;

    (void)state;
    /* Every size, so that some walks meet a table that is half moved. */
    for (uint32_t size = 0; size < 140; size++) {
        begin_with(hash_key, KEYS);
        for (uint32_t i = 0; i < size; i++) {
            assert_int_equal(insert(i), 0);
        }
        size_t seen = 0;
        for (struct hash_node *node = hash_map_first(&map, &cursor); node != NULL;
             node = hash_map_next(&map, &cursor)) {
            struct entry *entry = container_of(node, struct entry, node);
            seen++;
            if (entry->key % 3 != 0) {
                drop(entry->key);
                memset(&entry->node, 0xA5, sizeof entry->node);
            }
        }
        assert_int_equal(seen, size);
        assert_int_equal(map.count, (size + 2) / 3);
        check_all(size);
        hash_map_clear(&map);
    }
}

static void test_spreads(void **state)
{
    size_t longest = 0;

    (void)state;
    begin_with(hash_key, KEYS);
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_int_equal(insert(i), 0);
    }
    for (size_t bucket = 0; bucket <= map.mask; bucket++) {
        size_t length = 0;
        for (struct hash_node *node = map.buckets[bucket]; node != NULL; node = node->next) {
            length++;
        }
        longest = length > longest ? length : longest;
    }
    assert_in_range(map.mask + 1, KEYS / 2, KEYS * 2);
    assert_in_range(longest, 1, 12);
    hash_map_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_inserts_finds_removes),
        cmocka_unit_test(test_small_needs_no_table),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_collisions_are_only_slow),
        cmocka_unit_test(test_current_may_be_removed),
        cmocka_unit_test(test_spreads),
    };

    return cmocka_run_group_tests_name("base/hash_map", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A user who holds something here: the name is kept once, however many allocations and events refer
 * to it.
 */
#ifndef TURN_ACCOUNT_H
#define TURN_ACCOUNT_H

#include "base/hash_map.h"
#include "turnserver/turn/turn.h"

#include <stdint.h>

struct account {
    struct hash_node node;
    unsigned references;
    struct bandwidth *bandwidth;       /* shared with other workers, or NULL */
    struct bandwidth *realm_bandwidth; /* the same of its realm, if that is not the first */
    uint16_t quota_offset;             /* name + quota_offset is whom quotas count */
    char name[];
};

struct account_table {
    struct hash_map by_name;
    struct turn_bandwidth bandwidth;
};

/* `bandwidth` is copied. */
void account_table_init(struct account_table *table, const struct siphash_key *key,
                        const struct turn_bandwidth *bandwidth);
/* All references have been released. */
void account_table_clear(struct account_table *table);

/* Returns a reference to the account of that name, which is made if need be (`quota_offset` is for
 * that case), or NULL when memory is out. */
struct account *account_get(struct account_table *table, const char *name, uint16_t quota_offset);
/* Whom quotas count. */
const char *account_quota_name(const struct account *account);
/* Takes one more reference, and returns `account`. */
struct account *account_acquire(struct account *account);
void account_release(struct account_table *table, struct account *account); /* NULL is allowed */

#endif

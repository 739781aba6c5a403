/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/account.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_named(const struct hash_node *node, const void *name)
{
    return strcmp(container_of(node, const struct account, node)->name, name) == 0;
}

void account_table_init(struct account_table *table, const struct siphash_key *key,
                        const struct turn_bandwidth *bandwidth)
{
    static const struct hash_map_type type = {hash_map_text, is_named};

    /* Bounded by what refers to accounts: allocations and queued events. */
    hash_map_init(&table->by_name, &type, key, SIZE_MAX);
    table->bandwidth = *bandwidth;
}

void account_table_clear(struct account_table *table)
{
    hash_map_clear(&table->by_name);
}

/* "" and "\realm" are nobody in particular, holders of tokens: strangers to one another, who share
 * no bucket but their realm's. */
static void account_share_bandwidth(const struct turn_bandwidth *bandwidth, struct account *account)
{
    const char *name = account_quota_name(account);
    const char *realm = turn_account_realm(name);

    account->bandwidth = account->realm_bandwidth = NULL;
    if (bandwidth->acquire != NULL && name[0] != '\0' && name != realm) {
        account->bandwidth = bandwidth->acquire(bandwidth->context, name);
    }
    if (bandwidth->acquire != NULL && realm != NULL) {
        account->realm_bandwidth = bandwidth->acquire(bandwidth->context, realm);
    }
}

static void release_bandwidth(const struct turn_bandwidth *table, struct bandwidth *bandwidth)
{
    if (bandwidth != NULL) {
        table->release(table->context, bandwidth);
    }
}

static struct account *account_new(struct account_table *table, const char *name,
                                   uint16_t quota_offset)
{
    size_t size = strlen(name) + 1;
    struct account *account = malloc(sizeof *account + size);

    if (account == NULL) {
        return NULL;
    }
    account->references = 1;
    account->quota_offset = quota_offset;
    memcpy(account->name, name, size);
    if (hash_map_insert(&table->by_name, &account->node, name) != 0) {
        free(account);
        return NULL;
    }
    account_share_bandwidth(&table->bandwidth, account);
    return account;
}

struct account *account_get(struct account_table *table, const char *name, uint16_t quota_offset)
{
    struct hash_node *node = hash_map_find(&table->by_name, name);

    return node != NULL ? account_acquire(container_of(node, struct account, node))
                        : account_new(table, name, quota_offset);
}

const char *account_quota_name(const struct account *account)
{
    return account->name + account->quota_offset;
}

struct account *account_acquire(struct account *account)
{
    account->references++;
    return account;
}

void account_release(struct account_table *table, struct account *account)
{
    if (account != NULL && --account->references == 0) {
        hash_map_remove(&table->by_name, &account->node);
        release_bandwidth(&table->bandwidth, account->bandwidth);
        release_bandwidth(&table->bandwidth, account->realm_bandwidth);
        free(account);
    }
}

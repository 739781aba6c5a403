/* SPDX-License-Identifier: BSD-3-Clause */
/* The users that the operator wrote down, found by name or by USERHASH in one step. */
#ifndef AUTH_USER_TABLE_H
#define AUTH_USER_TABLE_H

#include <postern/stun.h>

struct user {
    char *name; /* owned, zero-terminated */
    uint8_t userhash[STUN_SHA256_SIZE];
    uint8_t md5_key[16];
    uint8_t sha256_key[STUN_SHA256_SIZE];
    bool has_md5, has_sha256;
};

/* Empty when all its bytes are zero. Open addressing; a slot is an index into users plus one. */
struct user_table {
    struct user *users;
    size_t count, capacity;
    uint32_t *by_name, *by_userhash;
    size_t slots; /* of each index: a power of two, at least twice `count` */
};

/* Both return NULL when there is no such user. Pointers hold until the next add. */
struct user *user_table_find(const struct user_table *table, const char *name);
struct user *user_table_find_userhash(const struct user_table *table,
                                      const uint8_t userhash[STUN_SHA256_SIZE]);

/* Adds a user whose name is not there yet, and owns its name from now on. Returns it, or NULL when
 * memory is out. */
struct user *user_table_add(struct user_table *table, const struct user *user);
/* Frees all of it, and leaves no key behind in memory. */
void user_table_clear(struct user_table *table);

#endif

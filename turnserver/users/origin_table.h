/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which realm the clients of an ORIGIN belong to, as the place says where users are kept: read
 * whole by its thread now and then, and asked by workers without waiting for anybody.
 */
#ifndef USERS_ORIGIN_TABLE_H
#define USERS_ORIGIN_TABLE_H

#include "turnserver/auth/auth.h"

#define ORIGINS_MAX 10000

struct origin_table;

struct origin_table *origin_table_new(void);        /* NULL when memory is out */
void origin_table_free(struct origin_table *table); /* NULL is allowed */

/* One thread makes the next table … */
void origin_table_begin(struct origin_table *table);
/* More than ORIGINS_MAX, and those for which memory is out, are left out. */
void origin_table_add(struct origin_table *table, const char *origin, const char *realm);
/* … which holds from here on. */
void origin_table_commit(struct origin_table *table);

/* From any thread. Returns false when the origin, of `size` bytes, is nobody's. */
bool origin_table_find(struct origin_table *table, const uint8_t *origin, size_t size,
                       char realm[AUTH_REALM_SIZE_MAX]);

#endif

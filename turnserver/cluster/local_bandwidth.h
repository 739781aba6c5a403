/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One bucket an account for all workers of this process. It is looked up when an account first
 * holds something at a worker, under a mutex; packets go without.
 */
#ifndef CLUSTER_LOCAL_BANDWIDTH_H
#define CLUSTER_LOCAL_BANDWIDTH_H

#include "turnserver/turn/turn.h"

struct local_bandwidth;

/* Returns NULL with errno set. */
struct local_bandwidth *local_bandwidth_new(void);
void local_bandwidth_free(struct local_bandwidth *table); /* NULL is allowed */
/* How much the accounts of some realms together may relay; `limits` has `count` entries and is
 * copied; other realms have no limit. False when memory is out: the old limits stay. */
bool local_bandwidth_set_realms(struct local_bandwidth *table, size_t count,
                                const struct turn_realm_limit *limits);
/* What a machine is given; it borrows `table`. */
struct turn_bandwidth local_bandwidth_interface(struct local_bandwidth *table);
/* How many accounts have a bucket now. */
size_t local_bandwidth_count(struct local_bandwidth *table);

#endif

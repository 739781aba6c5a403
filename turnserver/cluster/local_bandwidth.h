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
/* What a machine is given; it borrows `table`. */
struct turn_bandwidth local_bandwidth_interface(struct local_bandwidth *table);
/* How many accounts have a bucket now. */
size_t local_bandwidth_count(struct local_bandwidth *table);

#endif

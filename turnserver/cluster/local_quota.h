/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many allocations each account, each realm and all of them hold in this process. An account of
 * another realm than the first is named "name\realm" (auth/auth.h). All workers share one; it is
 * asked only when an allocation begins or ends, so a mutex will do.
 */
#ifndef CLUSTER_LOCAL_QUOTA_H
#define CLUSTER_LOCAL_QUOTA_H

#include "turnserver/turn/turn.h"

/* More accounts than this at one time are refused like a quota that is reached. */
#define LOCAL_QUOTA_ACCOUNTS_MAX (1u << 20)

struct local_quota;

/* `allocations` is the limit of each account, 0: none; the account "" is nobody's and has none.
 * Returns NULL with errno set. */
struct local_quota *local_quota_new(uint32_t allocations);
void local_quota_free(struct local_quota *quota); /* NULL is allowed */

/* From now on this limit holds, 0: none. Allocations that stand already stay. */
void local_quota_set_limit(struct local_quota *quota, uint32_t allocations);
/* The same for all accounts together. */
void local_quota_set_total(struct local_quota *quota, uint32_t allocations);
/*
 * The same for the accounts of some realms together: `names` and `allocations` have `count` entries
 * and are copied; other realms have no limit. False when memory is out: the old limits stay.
 */
bool local_quota_set_realms(struct local_quota *quota, size_t count, const char *const *names,
                            const uint32_t *allocations);
/* What a machine is given; it borrows `quota`. */
struct turn_quota local_quota_interface(struct local_quota *quota);
/* How many accounts hold an allocation now. */
size_t local_quota_count(struct local_quota *quota);

#endif

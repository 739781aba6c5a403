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

/* `account` is the limit of each account; "" and "\realm" are nobody's and have none. Returns NULL
 * with errno set. */
struct local_quota *local_quota_new(struct turn_holding account);
void local_quota_free(struct local_quota *quota); /* NULL is allowed */

/* From now on these limits hold, of each account and of all together. What stands already stays. */
void local_quota_set_limits(struct local_quota *quota, struct turn_holding account,
                            struct turn_holding total);
/*
 * The same for the accounts of some realms together: `limits` has `count` entries and is copied;
 * other realms have no limit. False when memory is out: the old limits stay.
 */
bool local_quota_set_realms(struct local_quota *quota, size_t count,
                            const struct turn_realm_limit *limits);
/* What a machine is given; it borrows `quota`. */
struct turn_quota local_quota_interface(struct local_quota *quota);
/* How many accounts hold something now. */
size_t local_quota_count(struct local_quota *quota);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Root becomes somebody else, for good. */
#ifndef PRIV_DROP_H
#define PRIV_DROP_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct priv_identity {
    char user[33];
    uid_t uid;
    gid_t gid;
};

/*
 * Looks up who to become; `group` NULL: the user's own. Problems are told on `diagnostics`. Returns
 * 0, or -EINVAL when there is no such user or group, or when it is root.
 */
int priv_identity_find(struct priv_identity *out, const char *user, const char *group,
                       FILE *diagnostics);

/*
 * Gives up every privilege: supplementary groups become the user's, all ids change, capabilities
 * go, and no later exec can bring any back (no_new_privs). Only for a process with one thread.
 * Returns 0, or -errno; after an error the process must end.
 */
int priv_drop(const struct priv_identity *identity);

/* Sets no_new_privs alone, for a process that was never root. Returns 0 or -errno. */
int priv_forbid_new(void);

#endif

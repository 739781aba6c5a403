/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/priv/drop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int priv_identity_find(struct priv_identity *out, const char *user, const char *group,
                       FILE *diagnostics)
{
    const struct passwd *entry = getpwnam(user);
    if (!entry || strlen(user) >= sizeof(out->user)) {
        fprintf(diagnostics,
                "user: expected a user of this host, got \"%s\": systemd-sysusers or useradd "
                "--system makes it\n",
                user);
        return -EINVAL;
    }
    *out = (struct priv_identity){.uid = entry->pw_uid, .gid = entry->pw_gid};
    memcpy(out->user, user, strlen(user) + 1);
    const struct group *other = group ? getgrnam(group) : NULL;
    if (group && !other) {
        fprintf(diagnostics, "group: expected a group of this host, got \"%s\"\n", group);
        return -EINVAL;
    }
    out->gid = other ? other->gr_gid : out->gid;
    if (out->uid == 0 || out->gid == 0) {
        fprintf(diagnostics, "user: expected somebody other than root\n");
        return -EINVAL;
    }
    return 0;
}

int priv_forbid_new(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* A change of ids drops them, unless a securebits setting of our parent keeps them. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* Whether the way back is shut. */
static int verify(const struct priv_identity *identity)
{
    uid_t real;
    uid_t effective;
    uid_t saved;
    gid_t real_group;
    gid_t effective_group;
    gid_t saved_group;
    if (getresuid(&real, &effective, &saved) < 0 ||
        getresgid(&real_group, &effective_group, &saved_group) < 0)
        return -errno;
    bool changed = real == identity->uid && effective == identity->uid && saved == identity->uid &&
                   real_group == identity->gid && effective_group == identity->gid &&
                   saved_group == identity->gid;
    return changed && setuid(0) < 0 && setgid(0) < 0 ? 0 : -EPERM;
}

int priv_drop(const struct priv_identity *identity)
{
    if (initgroups(identity->user, identity->gid) < 0 ||
        setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) < 0)
        return -errno;
    int result = drop_capabilities();
    if (result == 0)
        result = priv_forbid_new();
    return result == 0 ? verify(identity) : result;
}

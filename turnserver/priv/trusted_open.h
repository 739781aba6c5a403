/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens a file as root on behalf of somebody who is not, along a path that only root can have laid:
 * every folder on the way, links followed, must belong to root and be closed to others' writing. So
 * nobody can have put a link to another file in its place.
 */
#ifndef PRIV_TRUSTED_OPEN_H
#define PRIV_TRUSTED_OPEN_H

/*
 * `path` is absolute. `flags` are open(2)'s; with O_CREAT a file is made with mode 0640. Only a
 * regular file is opened. Returns a descriptor (close-on-exec), or -errno: -EPERM when a folder or
 * link on the way is somebody else's, or can be changed by others.
 */
int trusted_open(const char *path, int flags);

#endif

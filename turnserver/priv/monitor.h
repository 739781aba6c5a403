/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small process that stays root when the server does not, so that files which only root may read
 * (a certificate's key, the configuration with its passwords) still reload.
 *
 * It knows two requests, and neither has an argument:
 *
 *   collect   read the configuration whose path was fixed at start, as root, and hand over
 *             descriptors of it and of the files that it names: includes, certificate, key (to
 *             read), log file (to append to)
 *   end       when the server's end of the socket closes: remove the pid file, and end
 *
 * So a server that has been taken over gets what root's own configuration names, and nothing else;
 * and trusted_open sees to it that nobody but root has laid the paths to these.
 */
#ifndef PRIV_MONITOR_H
#define PRIV_MONITOR_H

#include <stdbool.h>

/* Opens a file for the server. Returns a descriptor, which the caller closes, or -errno. */
typedef int monitor_open(void *context, const char *path);

struct monitor_job {
    /*
     * Runs in the monitor for each collect: opens by `read` and `append` what the server needs.
     * Whatever it opened, and whatever could not be opened, is told to the server.
     */
    void (*collect)(void *context, monitor_open *read, monitor_open *append, void *opener);
    void *context;
    const char *pid_file; /* removed at the end, or NULL */
};

struct monitor;

/*
 * Forks the monitor; call it before there are threads or sockets. Returns NULL when that failed
 * (errno). `job` is copied.
 */
struct monitor *monitor_start(const struct monitor_job *job);
/* Closes our end and waits for its end. NULL is allowed. */
void monitor_stop(struct monitor *monitor);

/* What a collect brought. */
struct monitor_files;

/* Asks for the files. Returns 0 and sets `out`, or -errno (-EPIPE: the monitor is gone, or answered
 * too late once). */
int monitor_collect(struct monitor *monitor, struct monitor_files **out);
void monitor_files_free(struct monitor_files *files); /* NULL is allowed */

/*
 * A descriptor to read `path`: opened by ourselves where we may, else the monitor's. It fits struct
 * config_files' open with the files as context. The caller closes it. Returns -errno: -EPERM when
 * the monitor did not trust the path.
 */
int monitor_files_read(void *files, const char *path);
/* The same for appending. */
int monitor_files_append(void *files, const char *path);
/* A path that the monitor did not trust, or NULL: what an operator has to be told. */
const char *monitor_files_untrusted(const struct monitor_files *files);

#endif

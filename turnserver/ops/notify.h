/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the service manager where we are (sd_notify(3)). Without a service manager, or in a build
 * without libsystemd, these do nothing.
 */
#ifndef OPS_NOTIFY_H
#define OPS_NOTIFY_H

/* Serving. `status` is one line for "systemctl status". Also ends a reload. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);

#endif

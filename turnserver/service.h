/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server as a process: binds, gives privileges up, runs workers, answers signals.
 *
 *   service         start, signals, stop   (service.c)
 *   service_reload  SIGHUP                 (service_reload.c)
 */
#ifndef TURNSERVER_SERVICE_H
#define TURNSERVER_SERVICE_H

#include "turnserver/config.h"
#include "turnserver/options.h"

struct service_setup {
    const char *config_file;          /* absolute: what a reload reads */
    const char *config_text;          /* in place of its content, or NULL */
    const struct config_files *files; /* that open what it names; NULL: open(2), or the monitor */
    /* Called once, when clients are served; may be NULL. */
    void (*ready)(void *context, const struct config *config);
    void *context;
};

/*
 * Runs until SIGTERM or SIGINT. `config` becomes the service's own. Problems at start are told on
 * `diagnostics`, later ones in the log.
 */
enum exit_status service_run(const struct service_setup *setup, struct config *config,
                             FILE *diagnostics);

#endif

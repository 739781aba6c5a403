/* SPDX-License-Identifier: BSD-3-Clause */
/* What service.c and service_reload.c share. */
#ifndef TURNSERVER_SERVICE_INTERNAL_H
#define TURNSERVER_SERVICE_INTERNAL_H

#include "base/log.h"
#include "net/connection_limit.h"
#include "turnserver/cluster/local_bandwidth.h"
#include "turnserver/cluster/local_quota.h"
#include "turnserver/priv/monitor.h"
#include "turnserver/rendezvous_service.h"
#include "turnserver/service.h"
#include "turnserver/turn/reservation.h"
#include "turnserver/worker.h"

#define SERVICE_WORKERS_MAX 256

struct service {
    const struct service_setup *setup;
    struct config *config; /* boot: what runs; policy: the newest */
    struct log *log;
    struct monitor *monitor; /* NULL: we open files ourselves */
    struct local_quota *quota;
    struct user_source *users; /* NULL: all users are in the configuration */
    struct worker_shared shared;
    struct local_bandwidth *bandwidth;
    struct rendezvous_service *rendezvous; /* NULL: there is none */
    struct worker *workers[SERVICE_WORKERS_MAX];
    unsigned worker_count;
};

/* From now on the policy's limits hold. False when memory is out: some of realms stay. */
bool service_set_quotas(struct service *service, const struct config_policy *policy);

/* SIGHUP. A configuration with a problem changes nothing, and the log says so. */
void service_reload(struct service *service);

/* Runs in the monitor: opens what a reload needs. `context` is a struct service_collection. */
struct service_collection {
    const char *config_file;
    char *log_file; /* of the last good configuration, or NULL */
};
void service_collect(void *context, monitor_open *read, monitor_open *append, void *opener);

/* Says in the log what a policy brings: certificate, STUN only. */
void service_describe_policy(struct log *log, const struct config_policy *policy);

#endif

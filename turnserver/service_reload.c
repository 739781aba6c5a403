/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/tls_context.h"
#include "turnserver/config_certificate.h"
#include "turnserver/ops/notify.h"
#include "turnserver/service_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- in the monitor ----------------------------------------------------------------------------
 */

struct collecting {
    monitor_open *open;
    void *opener;
};

static int collect_open(void *context, const char *path)
{
    const struct collecting *collecting = context;
    return collecting->open(collecting->opener, path);
}

static void append_and_close(monitor_open *append, void *opener, const char *path)
{
    int descriptor = path ? append(opener, path) : -1;
    if (descriptor >= 0)
        close(descriptor);
}

/* The server reads the same files once more and tells what is wrong with them. */
void service_collect(void *context, monitor_open *read, monitor_open *append, void *opener)
{
    struct service_collection *collection = context;
    struct collecting collecting = {read, opener};
    struct config_files files = {.open = collect_open, .context = &collecting};
    append_and_close(append, opener, collection->log_file);
    FILE *nowhere = fopen("/dev/null", "w");
    if (!nowhere)
        return;
    struct config *config = config_load_input(
        &(struct config_input){.path = collection->config_file, .files = &files}, nowhere);
    const char *log_file = config ? config->policy->log_file : NULL;
    bool moved = log_file && (!collection->log_file || strcmp(log_file, collection->log_file) != 0);
    if (moved)
        append_and_close(append, opener, log_file);
    if (config) {
        free(collection->log_file);
        collection->log_file = log_file ? strdup(log_file) : NULL;
    }
    config_free(config);
    fclose(nowhere);
}

/* ---- in the server -----------------------------------------------------------------------------
 */

static int open_log_file(struct monitor_files *files, const char *path)
{
    int descriptor = -1;
    if (!path)
        descriptor = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    else if (files)
        return monitor_files_append(files, path);
    else
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return descriptor < 0 ? -errno : descriptor;
}

/* Goes on in a file of that name: the same again after a rotation, or another. Returns 0 or
 * -errno, and then goes on where it was. */
static int move_log(struct log *log, struct monitor_files *files, const char *path)
{
    int descriptor = open_log_file(files, path);
    int result = descriptor < 0 ? descriptor : log_reopen_descriptor(log, descriptor);
    if (result < 0)
        log_event(log, LOG_ERROR, "log file cannot be opened: the log goes on where it was",
                  log_string("file", path), log_errno("error", result));
    return result;
}

static struct monitor_files *collect_files(const struct service *service)
{
    struct monitor_files *files = NULL;
    if (!service->monitor)
        return NULL;
    int result = monitor_collect(service->monitor, &files);
    if (result < 0)
        log_event(service->log, LOG_ERROR,
                  "the privileged monitor does not answer: files that only root may read cannot be "
                  "read again until a restart",
                  log_errno("error", result));
    return files;
}

/* One log line a line of diagnostics. */
static void log_diagnostics(struct log *log, char *text)
{
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && strstr(line, ": warning: "))
            log_event(log, LOG_WARNING, "configuration", log_string("problem", line));
        else if (*line)
            log_event(log, LOG_ERROR, "configuration", log_string("problem", line));
}

static struct config *load(const struct service *service, struct monitor_files *files)
{
    struct config_files monitored = {.open = monitor_files_read, .context = files};
    struct config_input input = {
        .path = service->setup->config_file,
        .text = service->setup->config_text,
        .files = files ? &monitored : service->setup->files,
        .running = &service->config->boot,
    };
    char *text = NULL;
    size_t size = 0;
    FILE *diagnostics = open_memstream(&text, &size);
    if (!diagnostics)
        return NULL;
    struct config *config = config_load_input(&input, diagnostics);
    fclose(diagnostics);
    if (text)
        log_diagnostics(service->log, text);
    free(text);
    const char *untrusted = !config && files ? monitor_files_untrusted(files) : NULL;
    if (untrusted)
        log_event(service->log, LOG_ERROR,
                  "a file is not read as root, since others than root can change a folder on its "
                  "path",
                  log_string("file", untrusted));
    return config;
}

static void warn_restart(void *context, const char *key)
{
    log_event((struct log *)context, LOG_WARNING,
              "a changed key needs a restart: its old value goes on", log_string("key", key));
}

bool service_set_quotas(struct service *service, const struct config_policy *policy)
{
    local_quota_set_limits(service->quota, policy->user_quota, policy->total_quota);
    return local_quota_set_realms(service->quota, policy->realm_count, policy->realm_limits) &&
           local_bandwidth_set_realms(service->bandwidth, policy->realm_count,
                                      policy->realm_limits);
}

/* A client need not shake hands anew because a certificate was renewed. */
static void keep_tickets(SSL_CTX *from, SSL_CTX *to)
{
    if (from && to)
        (void)tls_context_keep_tickets(from, to);
}

static void apply(struct service *service, struct config *config)
{
    struct config *running = service->config;
    log_set_level(service->log, (enum log_level)config->policy->log_level);
    log_set_json(service->log, config->policy->log_json);
    config_boot_compare(&running->boot, &config->boot, warn_restart, service->log);
    connection_limit_set(service->shared.connections, config->boot.tcp_connections_max,
                         config->boot.tcp_connections_per_source);
    (void)service_set_quotas(service, config->policy);
    keep_tickets(running->policy->tls_context, config->policy->tls_context);
    keep_tickets(running->policy->dtls_context, config->policy->dtls_context);
    for (unsigned i = 0; i < service->worker_count; i++)
        worker_send_policy(service->workers[i], config->policy);
    if (service->rendezvous)
        rendezvous_service_send_policy(service->rendezvous, config->policy, &config->boot);
    config_policy_release(running->policy);
    running->policy = config_policy_acquire(config->policy);
    service_describe_policy(service->log, running->policy);
}

static bool same_file(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void service_reload(struct service *service)
{
    const char *log_file = service->config->policy->log_file;
    notify_reloading();
    struct monitor_files *files = collect_files(service);
    /* A rotated log moves on even when the configuration is bad. */
    if (log_file)
        move_log(service->log, files, log_file);
    struct config *config = load(service, files);
    if (config && !same_file(log_file, config->policy->log_file) &&
        move_log(service->log, files, config->policy->log_file) < 0) {
        config_free(config);
        config = NULL;
    }
    if (config) {
        apply(service, config);
        log_event(service->log, LOG_INFO, "configuration reloaded",
                  log_string("file", service->setup->config_file));
    } else {
        log_event(service->log, LOG_ERROR,
                  "configuration not reloaded: the one that was good goes on",
                  log_string("file", service->setup->config_file));
    }
    config_free(config);
    monitor_files_free(files);
    notify_ready(config ? "serving" : "serving; the last reload was refused, see the log");
}

void service_describe_policy(struct log *log, const struct config_policy *policy)
{
    for (size_t i = 0; i < policy->certificate_count; i++) {
        const struct config_certificate *one = policy->certificates[i];
        log_event(log, LOG_INFO, "certificate",
                  log_string("subject", config_certificate_subject(one)),
                  log_string("sha256", config_certificate_fingerprint(one)),
                  log_i64("days_left", config_certificate_days_left(one)));
    }
    if (!policy->turn.relay_enabled)
        log_event(log, LOG_INFO, "serving STUN only: there are neither users nor rest.secrets",
                  log_string("realm", auth_policy_realm(policy->auth)));
    else
        log_event(log, LOG_INFO, "TURN is on: there are users or secrets",
                  log_string("realm", auth_policy_realm(policy->auth)));
}

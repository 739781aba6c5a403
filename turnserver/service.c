/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/service.h"

#include "base/address.h"
#include "base/source_limit.h"
#include "net/message_stream.h"
#include "net/socket_address.h"
#include "turnserver/ops/events.h"
#include "turnserver/ops/notify.h"
#include "turnserver/ops/rendezvous_events.h"
#include "turnserver/priv/drop.h"
#include "turnserver/service_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what all workers share --------------------------------------------------------------------
 */

static void on_event(void *context, unsigned worker, const struct turn_event *event)
{
    event_log(context, worker, event);
}

static bool make_users(struct service *service, FILE *diagnostics)
{
    const struct user_source_settings *settings = &service->config->boot.users_database;
    if (settings->kind == USER_SOURCE_NONE)
        return true;
    service->users = user_source_new(settings, service->log, diagnostics);
    if (service->users)
        service->shared.users = user_source_interface(service->users);
    return service->users != NULL;
}

static bool make_shared(struct service *service)
{
    const struct config_boot *boot = &service->config->boot;
    struct worker_shared *shared = &service->shared;
    struct siphash_key key;
    if (RAND_bytes((unsigned char *)&key, sizeof(key)) != 1 ||
        RAND_bytes(shared->nonce_key, sizeof(shared->nonce_key)) != 1 ||
        RAND_bytes(shared->dtls_cookie_key, sizeof(shared->dtls_cookie_key)) != 1)
        return false;
    service->quota = local_quota_new(service->config->policy->user_quota);
    service->bandwidth = local_bandwidth_new();
    if (service->quota && service->bandwidth &&
        !service_set_quotas(service, service->config->policy))
        return false;
    shared->boot = boot;
    shared->pool = port_pool_new(boot->relay_addresses, boot->relay_address_count,
                                 boot->relay_port_min, boot->relay_port_max);
    shared->reservations = reservation_table_new();
    shared->strangers = source_limit_new(key.words[0] ^ key.words[1]);
    shared->connections =
        connection_limit_new(boot->tcp_connections_max, boot->tcp_connections_per_source, &key);
    shared->workers = service->workers;
    shared->worker_count = boot->workers;
    shared->event = on_event;
    shared->event_context = service->log;
    if (!service->quota || !service->bandwidth || !shared->pool || !shared->reservations ||
        !shared->strangers || !shared->connections)
        return false;
    shared->quota = local_quota_interface(service->quota);
    shared->bandwidth = local_bandwidth_interface(service->bandwidth);
    return true;
}

static void free_shared(struct service *service)
{
    user_source_free(service->users);
    connection_limit_free(service->shared.connections);
    reservation_table_free(service->shared.reservations);
    source_limit_free(service->shared.strangers);
    port_pool_free(service->shared.pool);
    local_quota_free(service->quota);
    local_bandwidth_free(service->bandwidth);
}

/* ---- binding -----------------------------------------------------------------------------------
 */

/* A relay address that cannot be bound would only show when a client asks. */
static int check_relay_address(const struct stun_address *address, FILE *diagnostics)
{
    union socket_address name = {0};
    socklen_t size = socket_address_write(&name, address);
    int descriptor = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = 0;
    if (descriptor < 0 || bind(descriptor, &name.any, size) < 0)
        result = -errno;
    if (descriptor >= 0)
        close(descriptor);
    char text[ADDRESS_TEXT_SIZE];
    if (result == -EADDRNOTAVAIL)
        fprintf(diagnostics,
                "turnserver: cannot relay on %s: no interface of this host has this address. Take "
                "it out of relay.addresses, or give it to an interface.\n",
                address_format_ip(address, text));
    else if (result < 0)
        fprintf(diagnostics, "turnserver: cannot relay on %s: %s\n",
                address_format_ip(address, text), strerror(-result));
    return result;
}

static bool make_rendezvous(struct service *service, FILE *diagnostics)
{
    const struct rendezvous_service_setup setup = {
        .boot = &service->config->boot,
        .policy = service->config->policy,
        .nonce_key = service->shared.nonce_key,
        .users = service->shared.users,
        .log = service->log,
    };
    if (setup.boot->rendezvous_listener_count == 0)
        return true;
    service->rendezvous = rendezvous_service_new(&setup, diagnostics);
    return service->rendezvous != NULL;
}

static bool bind_all(struct service *service, FILE *diagnostics)
{
    const struct config *config = service->config;
    for (size_t i = 0; i < config->boot.relay_address_count; i++)
        if (config->policy->turn.relay_enabled &&
            check_relay_address(&config->boot.relay_addresses[i], diagnostics) < 0)
            return false;
    for (unsigned i = 0; i < config->boot.workers; i++) {
        service->workers[i] = worker_new(&service->shared, config->policy, i, diagnostics);
        if (!service->workers[i])
            return false;
        service->worker_count++;
    }
    return make_rendezvous(service, diagnostics);
}

/* ---- privileges --------------------------------------------------------------------------------
 */

/* Whether somebody else is to be become. -EPERM after a message: the configuration asks for what
 * cannot be. */
static int find_identity(const struct config_boot *boot, struct priv_identity *identity,
                         FILE *diagnostics)
{
    if (!boot->user)
        return 0;
    int result = priv_identity_find(identity, boot->user, boot->group, diagnostics);
    if (result < 0 || geteuid() == 0)
        return result < 0 ? result : 1;
    if (geteuid() == identity->uid)
        return 0;
    fprintf(diagnostics,
            "turnserver: cannot become \"%s\" (key user): only root can become somebody else. "
            "Start as root or as \"%s\", or take the key out.\n",
            boot->user, boot->user);
    return -EPERM;
}

static bool start_monitor(struct service *service, struct service_collection *collection,
                          FILE *diagnostics)
{
    if (service->setup->config_text)
        return true; /* nothing to be read again */
    const struct config *config = service->config;
    collection->config_file = service->setup->config_file;
    collection->log_file = config->policy->log_file ? strdup(config->policy->log_file) : NULL;
    struct monitor_job job = {
        .collect = service_collect, .context = collection, .pid_file = config->boot.pid_file};
    service->monitor = monitor_start(&job);
    if (!service->monitor)
        fprintf(diagnostics, "turnserver: cannot start the privileged monitor: %s\n",
                strerror(errno));
    return service->monitor != NULL;
}

static bool drop(const struct priv_identity *identity, bool change, FILE *diagnostics)
{
    int result = change ? priv_drop(identity) : priv_forbid_new();
    if (result < 0)
        fprintf(diagnostics, "turnserver: cannot give privileges up: %s\n", strerror(-result));
    return result == 0;
}

static bool write_pid_file(const char *path, FILE *diagnostics)
{
    if (!path)
        return true;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool good = descriptor >= 0 && dprintf(descriptor, "%d\n", (int)getpid()) > 0;
    if (!good)
        fprintf(diagnostics, "turnserver: cannot write pid_file %s: %s\n", path, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return good;
}

/* ---- running -----------------------------------------------------------------------------------
 */

static void describe_start(const struct service *service, uint64_t file_limit)
{
    const struct config_boot *boot = &service->config->boot;
    struct log *log = service->log;
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct config_listener *listener = &boot->listeners[i];
        log_event(log, LOG_INFO, "listening", log_address("address", &listener->address),
                  log_bool("udp", listener->udp), log_bool("tcp", listener->tcp),
                  log_bool("tls", listener->tls), log_bool("dtls", listener->dtls),
                  log_bool("proxied", listener->proxies.count > 0),
                  log_address("upstream", &listener->upstream));
    }
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++) {
        const struct config_listener *listener = &boot->rendezvous_listeners[i];
        log_event(log, LOG_INFO, "rendezvous listening", log_address("address", &listener->address),
                  log_bool("plain", listener->tcp), log_bool("tls", listener->tls),
                  log_bool("websocket", message_stream_has_websocket()),
                  log_bool("proxied", listener->proxies.count > 0));
    }
    for (size_t i = 0; service->config->policy->turn.relay_enabled && i < boot->relay_address_count;
         i++)
        log_event(log, LOG_INFO, "relaying", log_ip("address", &boot->relay_addresses[i]),
                  log_u64("port_min", boot->relay_port_min),
                  log_u64("port_max", boot->relay_port_max));
    service_describe_policy(log, service->config->policy);
    if (geteuid() == 0)
        log_event(log, LOG_WARNING, "running as root: the key user names somebody less powerful",
                  log_string("key", "user"));
    uint64_t ports = (uint64_t)boot->relay_address_count *
                     (uint64_t)(boot->relay_port_max - boot->relay_port_min + 1);
    if (service->config->policy->turn.relay_enabled && file_limit < ports)
        log_event(log, LOG_INFO,
                  "the limit of open files is reached before the relayed ports are: each "
                  "allocation is one",
                  log_u64("files", file_limit), log_u64("ports", ports));
    log_event(log, LOG_INFO, "ready", log_u64("workers", boot->workers),
              log_u64("pid", (uint64_t)getpid()));
}

static void log_counters(const struct service *service)
{
    struct worker_counters sum = {0};
    for (unsigned i = 0; i < service->worker_count; i++)
        worker_add_counters(service->workers[i], &sum);
    counters_log(service->log, &sum);
    if (service->rendezvous) {
        struct rendezvous_service_counters rendezvous;
        rendezvous_service_counters(service->rendezvous, &rendezvous);
        rendezvous_counters_log(service->log, &rendezvous);
    }
}

static void handled_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGUSR1);
}

/* Workers have these signals blocked: they inherited that. */
static void answer_signals(struct service *service)
{
    sigset_t set;
    handled_signals(&set);
    for (;;) {
        int number = sigwaitinfo(&set, NULL);
        if (number == SIGHUP)
            service_reload(service);
        else if (number == SIGUSR1)
            log_counters(service);
        else if (number == SIGINT || number == SIGTERM)
            return;
    }
}

static bool start_workers(struct service *service, FILE *diagnostics)
{
    int status = service->users ? user_source_start(service->users) : 0;
    if (status < 0) {
        fprintf(diagnostics, "turnserver: cannot start the thread that looks users up: %s\n",
                strerror(-status));
        return false;
    }
    for (unsigned i = 0; i < service->worker_count; i++) {
        int result = worker_start(service->workers[i]);
        if (result < 0) {
            fprintf(diagnostics, "turnserver: cannot start worker %u: %s\n", i, strerror(-result));
            return false;
        }
    }
    status = service->rendezvous ? rendezvous_service_start(service->rendezvous) : 0;
    if (status < 0)
        fprintf(diagnostics, "turnserver: cannot start the thread of the rendezvous service: %s\n",
                strerror(-status));
    return status == 0;
}

static void stop_workers(struct service *service)
{
    user_source_stop(service->users); /* it calls workers back: they must be there */
    rendezvous_service_stop(service->rendezvous);
    rendezvous_service_free(service->rendezvous);
    service->rendezvous = NULL;
    for (unsigned i = 0; i < service->worker_count; i++)
        worker_send_stop(service->workers[i]);
    for (unsigned i = 0; i < service->worker_count; i++)
        worker_join(service->workers[i]);
    for (unsigned i = 0; i < service->worker_count; i++)
        worker_free(service->workers[i]);
    service->worker_count = 0;
}

static bool start_log(struct service *service, FILE *diagnostics)
{
    const struct config_policy *policy = service->config->policy;
    int result = log_new(&service->log, policy->log_file, (enum log_level)policy->log_level,
                         policy->log_json);
    if (result < 0)
        fprintf(diagnostics, "turnserver: cannot open log.file %s: %s\n",
                policy->log_file ? policy->log_file : "(standard error)", strerror(-result));
    return result == 0;
}

static void serve(struct service *service, uint64_t file_limit)
{
    describe_start(service, file_limit);
    notify_ready("serving");
    if (service->setup->ready)
        service->setup->ready(service->setup->context, service->config);
    answer_signals(service);
    notify_stopping();
    log_event(service->log, LOG_INFO, "stopping");
}

enum exit_status service_run(const struct service_setup *setup, struct config *config,
                             FILE *diagnostics)
{
    struct service service = {.setup = setup, .config = config};
    struct service_collection collection = {0};
    struct priv_identity identity;
    enum exit_status status = STATUS_FAILED;
    sigset_t signals;
    handled_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    uint64_t file_limit = worker_raise_file_limit();
    int change = find_identity(&config->boot, &identity, diagnostics);
    if (change < 0 || (change > 0 && !start_monitor(&service, &collection, diagnostics)) ||
        !start_log(&service, diagnostics))
        goto out;
    if (!make_shared(&service)) {
        fprintf(diagnostics, "turnserver: memory is out, or the random generator failed\n");
        goto out;
    }
    if (!make_users(&service, diagnostics) || !bind_all(&service, diagnostics) ||
        !write_pid_file(config->boot.pid_file, diagnostics) ||
        !drop(&identity, change > 0, diagnostics) || !start_workers(&service, diagnostics))
        goto out;
    serve(&service, file_limit);
    status = STATUS_GOOD;
out:
    stop_workers(&service);
    if (status == STATUS_GOOD)
        log_event(service.log, LOG_INFO, "stopped");
    if (status == STATUS_GOOD && config->boot.pid_file && !service.monitor)
        unlink(config->boot.pid_file);
    monitor_stop(service.monitor);
    free(collection.log_file);
    free_shared(&service);
    log_free(service.log);
    config_free(config);
    return status;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/worker.h"

#include "net/clock.h"
#include "net/timer.h"
#include "turnserver/listener.h"
#include "turnserver/worker_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

/* ---- turns ----------------------------------------------------------------------------------- */

void worker_begin_turn(struct worker *worker)
{
    if (!worker->in_turn) {
        worker->in_turn = true;
        worker->now = clock_now();
        event_active(worker->end_of_turn, EV_TIMEOUT, 0);
    }
}

/* An association's datagram waits until the datapath has the others. */
static void send_elsewhere(struct worker *worker, const struct outbox_entry *entry)
{
    if (entry->flow.via < ASSOCIATIONS_VIA_FIRST) {
        streams_send(worker->streams, entry);
    } else if (worker->associations) {
        associations_send(worker->associations, entry);
    }
}

/* Entries for the datapath go in runs, in order; streams and associations take theirs one by one.
 */
static void send_outbox(struct outbox *outbox, void *context)
{
    struct worker *worker = context;
    size_t first = 0;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        if (entry->flow.via >= DATAPATH_VIA_LIMIT) {
            if (i > first) {
                worker->operations->send(worker->datapath, &outbox->entries[first], i - first);
            }
            send_elsewhere(worker, entry);
            first = i + 1;
        }
    }
    if (outbox->count > first) {
        worker->operations->send(worker->datapath, &outbox->entries[first], outbox->count - first);
    }
    if (worker->associations) {
        associations_flush(worker->associations);
    }
    outbox_clear(outbox);
}

/* A connection or association with an allocation may be idle. */
static void hold(struct worker *worker, uint8_t transport, uint32_t via, bool held)
{
    if (transport == TRANSPORT_TCP || transport == TRANSPORT_TLS) {
        streams_hold(worker->streams, via, held);
    } else if (transport == TRANSPORT_DTLS) {
        associations_hold(worker->associations, worker->now, via, held);
    }
}

static void handle_event(struct worker *worker, const struct turn_event *event)
{
    bool begins = event->type == TURN_ALLOCATED || event->type == TURN_MOVED;
    if (begins || event->type == TURN_ENDED || event->type == TURN_LEFT) {
        hold(worker, event->transport, event->via, begins);
    }
    if (event->type == TURN_MOVED) {
        hold(worker, event->previous_transport, event->previous_via, false);
    }
    if (worker->shared->event) {
        worker->shared->event(worker->shared->event_context, worker->number, event);
    }
}

static void drain_events(struct worker *worker)
{
    struct turn_event event;
    while (turn_server_event(worker->turn, &event)) {
        handle_event(worker, &event);
    }
}

/* Never inside a call of the machine: that is what send_outbox is for. */
static void flush(void *context)
{
    struct worker *worker = context;
    send_outbox(&worker->outbox, worker);
    drain_events(worker);
}

static void set_timer(struct worker *worker)
{
    struct monotime due = turn_server_due(worker->turn);
    if (due.us == worker->timer_due.us) {
        return;
    }
    worker->timer_due = due;
    timer_arm(worker->timer, worker->now, due);
}

static void on_end_of_turn(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    struct worker *worker = context;
    worker_mail_ask(worker);
    flush(worker);
    worker->operations->reclaim(worker->datapath);
    if (worker->associations) {
        associations_reclaim(worker->associations);
    }
    set_timer(worker);
    worker->in_turn = false;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void on_input(void *context, const struct flow *flow, struct packet *packet)
{
    struct worker *worker = context;
    worker_begin_turn(worker);
    turn_server_input(worker->turn, worker->now, flow, packet, &worker->outbox);
}

static void on_datagram(void *context, const struct flow *flow, struct packet *packet)
{
    struct worker *worker = context;
    worker_begin_turn(worker);
    if (!worker->associations ||
        !associations_input(worker->associations, worker->now, flow, packet)) {
        turn_server_input(worker->turn, worker->now, flow, packet, &worker->outbox);
    }
}

static void on_relayed(void *context, uint32_t via, const struct stun_address *peer,
                       struct packet *packet)
{
    struct worker *worker = context;
    worker_begin_turn(worker);
    turn_server_relayed(worker->turn, worker->now, via, peer, packet, &worker->outbox);
}

static void on_icmp(void *context, uint32_t via, const struct stun_address *peer,
                    const struct stun_icmp *icmp)
{
    struct worker *worker = context;
    worker_begin_turn(worker);
    turn_server_icmp(worker->turn, worker->now, via, peer, icmp, &worker->outbox);
}

static void send_datagrams(void *context, const struct outbox_entry *entries, size_t count)
{
    struct worker *worker = context;
    worker->operations->send(worker->datapath, entries, count);
}

static bool admit_stranger(void *context, const struct stun_address *source)
{
    struct worker *worker = context;
    return turn_server_admit_stranger(worker->turn, worker->now, source);
}

static void on_flow_closed(void *context, const struct flow *flow)
{
    struct worker *worker = context;
    worker_begin_turn(worker);
    flush(worker); /* data that the client sent before it closed still goes out */
    tcp_relay_client_closed(worker->tcp_relay, flow->via);
    turn_server_flow_closed(worker->turn, worker->now, flow);
}

static struct monotime begin_tcp(void *context)
{
    struct worker *worker = context;
    worker_begin_turn(worker);
    return worker->now;
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    struct worker *worker = context;
    worker->timer_due = MONOTIME_NEVER; /* it has run out: set_timer must set it anew */
    worker_begin_turn(worker);
    turn_server_tick(worker->turn, worker->now, &worker->outbox);
}

static void publish_counters(struct worker *worker)
{
    pthread_mutex_lock(&worker->counters_mutex);
    worker->counters = (struct worker_counters){
        .turn = *turn_server_counters(worker->turn),
        .datapath = *worker->operations->counters(worker->datapath),
        .streams = *streams_counters(worker->streams),
    };
    if (worker->associations) {
        worker->counters.associations = *associations_counters(worker->associations);
    }
    pthread_mutex_unlock(&worker->counters_mutex);
}

static void on_every_second(evutil_socket_t descriptor, short what, void *context)
{
    (void)descriptor;
    (void)what;
    struct worker *worker = context;
    worker_begin_turn(worker);
    auth_set_wall_clock(worker->auth, worker->now, clock_unix_seconds());
    worker->operations->trim(worker->datapath);
    publish_counters(worker);
}

/* ---- making ---------------------------------------------------------------------------------- */

static int open_port(void *context, const struct stun_address *relayed, uint32_t *via)
{
    struct worker *worker = context;
    return worker->operations->open_relayed(worker->datapath, relayed, via);
}

/* What stands in the outbox may have to leave through the port. */
static void close_port(void *context, uint32_t via)
{
    struct worker *worker = context;
    if (worker->outbox.count > 0) {
        send_outbox(&worker->outbox, worker);
    }
    worker->operations->close(worker->datapath, via);
}

static uint64_t draw_random(void *context)
{
    (void)context;
    uint64_t number = 0;
    while (getrandom(&number, sizeof number, 0) != sizeof number) {
        /* Interrupted before the system had seeded its generator: at boot only. */
    }
    return number;
}

static bool make_loop(struct worker *worker)
{
    struct event_config *config = event_config_new();
    if (!config) {
        return false;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!worker->base) {
        return false;
    }
    worker->end_of_turn = event_new(worker->base, -1, 0, on_end_of_turn, worker);
    worker->timer = evtimer_new(worker->base, on_timer, worker);
    worker->every_second = event_new(worker->base, -1, EV_PERSIST, on_every_second, worker);
    return worker->end_of_turn && worker->timer && worker->every_second && worker_mail_open(worker);
}

static bool wants_dtls(const struct config_boot *boot)
{
    bool wanted = false;
    for (size_t i = 0; i < boot->listener_count; i++) {
        wanted = wanted || boot->listeners[i].dtls;
    }
    return wanted;
}

static bool make_associations(struct worker *worker)
{
    const struct worker_shared *shared = worker->shared;
    const struct associations_setup setup = {
        .user = {worker, on_input, flush, on_flow_closed, send_datagrams, admit_stranger},
        .cookie_key = shared->dtls_cookie_key,
        .table_key = {{draw_random(NULL), draw_random(NULL)}},
        .limit = shared->connections,
        .idle_seconds = shared->boot->tcp_idle_timeout_s,
    };
    worker->associations = associations_new(worker->base, &setup);
    if (worker->associations) {
        associations_set_context(worker->associations, worker->policy->dtls_context);
    }
    return worker->associations != NULL;
}

static bool make_ways(struct worker *worker)
{
    const struct datapath_user datapath_user = {
        worker, on_datagram, on_relayed, flush, on_icmp, worker->shared->boot->relay_ip_fields};
    const struct streams_user streams_user = {worker, on_input, flush, on_flow_closed};
    worker->operations = &datapath_socket;
    worker->datapath = worker->operations->create(worker->base, &datapath_user);
    worker->streams =
        streams_new(worker->base, &streams_user, worker->shared->boot, worker->shared->connections);
    if (worker->streams) {
        streams_set_policy(worker->streams, worker->policy);
    }
    if (!worker->datapath || !worker->streams) {
        return false;
    }
    const struct tcp_relay_user tcp_user = {worker, begin_tcp, worker_mail_send_tcp};
    worker->tcp_relay = tcp_relay_new(worker->base, &tcp_user, worker->number,
                                      &worker->shared->bandwidth, worker->streams, &worker->outbox);
    return worker->tcp_relay && (!wants_dtls(worker->shared->boot) || make_associations(worker));
}

/* Each worker has its part of the ports, of which config_boot leaves one at least. */
static uint32_t shared_ports(const struct config_boot *boot)
{
    uint32_t ports = (uint32_t)boot->relay_port_max - boot->relay_port_min + 1;
    return boot->relay_shared_ports ? ports / boot->workers : 0;
}

static const char *server_name(void *context, const struct flow *flow)
{
    const struct worker *worker = context;
    return flow->via < ASSOCIATIONS_VIA_FIRST
               ? streams_server_name(worker->streams, flow->via)
               : associations_server_name(worker->associations, flow->via);
}

static bool make_machines(struct worker *worker, const struct turn_nat_behavior *nat_behavior)
{
    worker->crypto = stun_crypto_new();
    worker->auth = worker->crypto
                       ? auth_new(worker->policy->auth, worker->shared->nonce_key, worker->crypto)
                       : NULL;
    if (!worker->auth) {
        return false;
    }
    auth_set_server_names(worker->auth, server_name, worker);
    auth_set_origins(worker->auth, &worker->shared->users);
    struct turn_setup setup = {
        .policy = &worker->policy->turn,
        .auth = worker->auth,
        .crypto = worker->crypto,
        .pool = worker->shared->pool,
        .reservations = worker->shared->reservations,
        .strangers = worker->shared->strangers,
        .ports = {worker, open_port, close_port},
        .passing = worker_mail_passing,
        .tcp = tcp_relay_ports(worker->tcp_relay),
        .quota = worker->shared->quota,
        .bandwidth = worker->shared->bandwidth,
        .random = draw_random,
        .worker = worker->number,
        .worker_count = worker->shared->worker_count,
        .shared_ports = shared_ports(worker->shared->boot),
    };
    memcpy(setup.nat_behavior, nat_behavior, sizeof setup.nat_behavior);
    worker->turn = turn_server_new(&setup);
    tcp_relay_serve(worker->tcp_relay, worker->turn);
    auth_set_wall_clock(worker->auth, clock_now(), clock_unix_seconds());
    return worker->turn != NULL;
}

static bool open_listeners(struct worker *worker, struct turn_nat_behavior *nat_behavior,
                           FILE *diagnostics)
{
    const struct config_boot *boot = worker->shared->boot;
    const struct listener_places places = {worker->operations, worker->datapath, worker->streams,
                                           worker->associations};
    return (worker->number != 0 || listener_check_free(boot, diagnostics) == 0) &&
           listener_open_all(boot, &places, nat_behavior, diagnostics) == 0;
}

struct worker *worker_new(const struct worker_shared *shared, struct config_policy *policy,
                          unsigned number, FILE *diagnostics)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        fprintf(diagnostics, "turnserver: no memory for worker %u\n", number);
        return NULL;
    }
    worker->shared = shared;
    worker->policy = config_policy_acquire(policy);
    worker->number = number;
    worker->timer_due = MONOTIME_NEVER;
    (void)pthread_mutex_init(&worker->counters_mutex, NULL);
    outbox_init(&worker->outbox, send_outbox, worker);
    struct turn_nat_behavior nat_behavior[TURN_NAT_GROUPS];
    if (!make_loop(worker) || !make_ways(worker)) {
        fprintf(diagnostics, "turnserver: worker %u cannot be made: %s\n", number, strerror(errno));
        goto failed;
    }
    if (!open_listeners(worker, nat_behavior, diagnostics)) {
        goto failed;
    }
    if (!make_machines(worker, nat_behavior)) {
        fprintf(diagnostics, "turnserver: no memory for worker %u\n", number);
        goto failed;
    }
    return worker;
failed:
    worker_free(worker);
    return NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

static void end_allocations(struct worker *worker)
{
    bool more;
    do {
        more = turn_server_shut_down(worker->turn, clock_now());
        drain_events(worker);
    } while (more);
}

static void *run(void *context)
{
    struct worker *worker = context;
    const struct timeval second = {1, 0};
    (void)event_add(worker->every_second, &second);
    while (!worker->stopping) {
        (void)event_base_dispatch(worker->base);
    }
    flush(worker);
    end_allocations(worker);
    worker->operations->reclaim(worker->datapath);
    publish_counters(worker);
    return NULL;
}

int worker_start(struct worker *worker)
{
    int status = worker->operations->start(worker->datapath);
    if (status == 0) {
        status = streams_start(worker->streams);
    }
    if (status != 0) {
        return status;
    }
    /* Signals are main's: a new thread inherits the mask. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = -pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->running = status == 0;
    return status;
}

static void free_event(struct event *event)
{
    if (event) {
        event_free(event);
    }
}

void worker_join(struct worker *worker)
{
    if (worker->running) {
        pthread_join(worker->thread, NULL);
        worker->running = false;
    }
}

void worker_free(struct worker *worker)
{
    if (!worker) {
        return;
    }
    worker_join(worker);
    turn_server_free(worker->turn);
    worker->turn = NULL;
    auth_free(worker->auth);
    stun_crypto_free(worker->crypto);
    tcp_relay_free(worker->tcp_relay);
    streams_free(worker->streams);
    associations_free(worker->associations);
    if (worker->operations) {
        worker->operations->destroy(worker->datapath);
    }
    mailbox_free(worker->mailbox);
    free_event(worker->every_second);
    free_event(worker->timer);
    free_event(worker->end_of_turn);
    if (worker->base) {
        event_base_free(worker->base);
    }
    config_policy_release(worker->policy);
    pthread_mutex_destroy(&worker->counters_mutex);
    free(worker);
}

/* ---- seen from outside ----------------------------------------------------------------------- */

#define COUNTERS (sizeof(struct worker_counters) / sizeof(uint64_t))
_Static_assert(COUNTERS * sizeof(uint64_t) == sizeof(struct worker_counters), "all are numbers");

void worker_add_counters(struct worker *worker, struct worker_counters *sum)
{
    uint64_t numbers[COUNTERS];
    uint64_t sums[COUNTERS];
    pthread_mutex_lock(&worker->counters_mutex);
    memcpy(numbers, &worker->counters, sizeof numbers);
    pthread_mutex_unlock(&worker->counters_mutex);
    memcpy(sums, sum, sizeof sums);
    for (size_t i = 0; i < COUNTERS; i++) {
        sums[i] += numbers[i];
    }
    memcpy(sum, sums, sizeof sums);
}

uint64_t worker_raise_file_limit(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            limit.rlim_cur = before;
        }
    }
    return limit.rlim_cur;
}

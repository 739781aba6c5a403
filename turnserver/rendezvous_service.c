/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/rendezvous_service_internal.h"

#include "base/address.h"
#include "net/clock.h"
#include "net/timer.h"
#include "turnserver/ops/rendezvous_events.h"

#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAILBOX_CAPACITY 512
/* How long clients may take to hear that the server stops. */
#define GOODBYE_SECONDS 1

enum message_type {
    MESSAGE_POLICY,  /* pointer: a reference to a struct config_policy */
    MESSAGE_LIMITS,  /* number: connections in all and from one source, 32 bits each */
    MESSAGE_FINDING, /* pointer: a struct auth_finding, ours */
    MESSAGE_STOP,
};

/* A full mailbox means that the loop is busy for a moment: it is waited for. */
static void post(struct rendezvous_service *service, const struct mailbox_message *message)
{
    const struct timespec moment = {0, 1000000};
    while (mailbox_send(service->mailbox, message) == -EAGAIN)
        (void)nanosleep(&moment, NULL);
}

/* ---- turns -------------------------------------------------------------------------------------
 */

static void on_answered(void *receiver, struct auth_finding *finding)
{
    post(receiver, &(struct mailbox_message){.type = MESSAGE_FINDING, .pointer = finding});
}

/* What cannot be asked is answered so. */
static void ask_questions(struct rendezvous_service *service)
{
    const struct auth_source *users = &service->users;
    struct auth_question question;
    while (rendezvous_next_question(service->machine, &question))
        if (!users->ask || !users->ask(users->context, &question, on_answered, service)) {
            const struct auth_finding failed = {.id = question.id, .status = AUTH_FAILED};
            rendezvous_answer(service->machine, clock_now(), &failed);
        }
}

static void set_timer(struct rendezvous_service *service)
{
    struct monotime due = rendezvous_due(service->machine);
    if (due.us == service->timer_due.us)
        return;
    service->timer_due = due;
    timer_arm(service->timer, clock_now(), due);
}

void rendezvous_service_turn(struct rendezvous_service *service)
{
    struct rendezvous_output output;
    struct rendezvous_event event;
    if (service->in_turn)
        return;
    service->in_turn = true;
    ask_questions(service);
    while (rendezvous_next_output(service->machine, &output))
        rendezvous_link_output(service, &output);
    while (rendezvous_event(service->machine, &event))
        rendezvous_event_log(service->log, &event);
    set_timer(service);
    service->in_turn = false;
    if (service->stopping && service->links.count == 0)
        event_base_loopbreak(service->base);
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct rendezvous_service *service = context;
    (void)descriptor;
    (void)what;
    service->timer_due = MONOTIME_NEVER; /* it has run out: set_timer must set it anew */
    rendezvous_tick(service->machine, clock_now());
    rendezvous_service_turn(service);
}

static void publish_counters(struct rendezvous_service *service)
{
    pthread_mutex_lock(&service->counters_mutex);
    service->counters = (struct rendezvous_service_counters){
        .machine = *rendezvous_counters(service->machine),
        .streams = *acceptor_counters(service->acceptor),
        .broken = service->broken,
        .http = service->http,
    };
    pthread_mutex_unlock(&service->counters_mutex);
}

static void on_every_second(evutil_socket_t descriptor, short what, void *context)
{
    struct rendezvous_service *service = context;
    (void)descriptor;
    (void)what;
    auth_set_wall_clock(service->auth, clock_now(), clock_unix_seconds());
    publish_counters(service);
    if (service->stopping)
        event_base_loopbreak(service->base);
}

/* ---- messages ----------------------------------------------------------------------------------
 */

static void take_policy(struct rendezvous_service *service, struct config_policy *policy)
{
    if (policy->rendezvous) {
        auth_set_policy(service->auth, policy->auth);
        rendezvous_set_policy(service->machine, clock_now(), &policy->rendezvous->policy);
        config_policy_release(service->policy);
        service->policy = policy;
        rendezvous_service_turn(service);
    } else {
        config_policy_release(policy);
    }
}

static void stop(struct rendezvous_service *service)
{
    acceptor_stop(service->acceptor);
    rendezvous_shut_down(service->machine, clock_now());
    service->stopping = true;
    event_add(service->every_second, &(struct timeval){.tv_sec = GOODBYE_SECONDS});
    rendezvous_service_turn(service);
}

static void on_message(const struct mailbox_message *message, void *context)
{
    struct rendezvous_service *service = context;
    bool serving = service->machine && !service->stopping;
    switch ((enum message_type)message->type) {
    case MESSAGE_POLICY:
        if (serving)
            take_policy(service, message->pointer);
        else
            config_policy_release(message->pointer);
        break;
    case MESSAGE_LIMITS:
        connection_limit_set(service->limit, (uint32_t)(message->number >> 32),
                             (uint32_t)message->number);
        break;
    case MESSAGE_FINDING:
        if (serving) {
            rendezvous_answer(service->machine, clock_now(), message->pointer);
            rendezvous_service_turn(service);
        }
        auth_finding_free(message->pointer);
        break;
    case MESSAGE_STOP:
        if (serving)
            stop(service);
        break;
    }
}

void rendezvous_service_send_policy(struct rendezvous_service *service,
                                    struct config_policy *policy, const struct config_boot *boot)
{
    post(service,
         &(struct mailbox_message){.type = MESSAGE_LIMITS,
                                   .number = (uint64_t)boot->rendezvous_connections_max << 32 |
                                             boot->rendezvous_connections_per_source});
    post(service, &(struct mailbox_message){.type = MESSAGE_POLICY,
                                            .pointer = config_policy_acquire(policy)});
}

/* ---- making ------------------------------------------------------------------------------------
 */

static bool draw(void *context, void *out, size_t size)
{
    (void)context;
    return RAND_bytes(out, (int)size) == 1;
}

static void tell_problem(FILE *diagnostics, const struct stun_address *address, int status)
{
    char text[ADDRESS_TEXT_SIZE];
    const char *advice = "";
    if (status == -EADDRINUSE)
        advice = "; another server runs there: see ss -tlpn";
    else if (status == -EADDRNOTAVAIL)
        advice = "; this host does not have that address: see ip address show";
    else if (status == -EACCES)
        advice = "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
    fprintf(diagnostics, "turnserver: cannot listen on %s (rendezvous): %s%s\n",
            address_format(address, text), strerror(-status), advice);
}

static bool listen_all(struct rendezvous_service *service, FILE *diagnostics)
{
    const struct config_boot *boot = service->boot;
    bool good = true;
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++) {
        const struct config_listener *listener = &boot->rendezvous_listeners[i];
        const struct acceptor_port port = {
            .plain = listener->tcp,
            .tls = listener->tls,
            .proxies = listener->proxies.count > 0 ? &listener->proxies : NULL,
            .alone = true,
        };
        int status = acceptor_listen(service->acceptor, &listener->address, &port, NULL);
        if (status != 0)
            tell_problem(diagnostics, &listener->address, status);
        good = good && status == 0;
    }
    return good;
}

static bool make_loop(struct rendezvous_service *service)
{
    struct event_config *config = event_config_new();
    if (!config)
        return false;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    service->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!service->base)
        return false;
    service->timer = event_new(service->base, -1, 0, on_timer, service);
    service->every_second = event_new(service->base, -1, EV_PERSIST, on_every_second, service);
    return service->timer && service->every_second &&
           mailbox_new(&service->mailbox, service->base, MAILBOX_CAPACITY, on_message, service) ==
               0;
}

static bool make_door(struct rendezvous_service *service)
{
    const struct acceptor_user user = {.context = service, .take = rendezvous_link_take};
    struct acceptor_policy policy = acceptor_policy_default;
    struct siphash_key keys[2];
    policy.first_frame_seconds = service->policy->rendezvous->policy.hello_timeout_s;
    if (RAND_bytes((unsigned char *)keys, sizeof(keys)) != 1)
        return false;
    hash_map_init(&service->links, &rendezvous_link_map, &keys[0], SIZE_MAX);
    service->limit =
        connection_limit_new(service->boot->rendezvous_connections_max,
                             service->boot->rendezvous_connections_per_source, &keys[1]);
    service->acceptor =
        service->limit ? acceptor_new(service->base, &user, &policy, service->limit) : NULL;
    return service->acceptor != NULL;
}

static bool make_machine(struct rendezvous_service *service, const uint8_t *nonce_key)
{
    service->crypto = stun_crypto_new();
    service->auth =
        service->crypto ? auth_new(service->policy->auth, nonce_key, service->crypto) : NULL;
    if (!service->auth)
        return false;
    auth_set_wall_clock(service->auth, clock_now(), clock_unix_seconds());
    const struct rendezvous_setup setup = {
        .policy = &service->policy->rendezvous->policy, .auth = service->auth, .random = draw};
    service->machine = rendezvous_new(&setup);
    return service->machine != NULL;
}

struct rendezvous_service *rendezvous_service_new(const struct rendezvous_service_setup *setup,
                                                  FILE *diagnostics)
{
    struct rendezvous_service *service = calloc(1, sizeof(*service));
    if (!service) {
        fprintf(diagnostics, "turnserver: no memory for the rendezvous service\n");
        return NULL;
    }
    service->boot = setup->boot;
    service->policy = config_policy_acquire(setup->policy);
    service->users = setup->users;
    service->log = setup->log;
    service->timer_due = MONOTIME_NEVER;
    (void)pthread_mutex_init(&service->counters_mutex, NULL);
    bool made = make_loop(service) && make_door(service) && make_machine(service, setup->nonce_key);
    if (!made)
        fprintf(diagnostics, "turnserver: the rendezvous service cannot be made: %s\n",
                strerror(errno));
    if (made && listen_all(service, diagnostics))
        return service;
    rendezvous_service_free(service);
    return NULL;
}

/* ---- running -----------------------------------------------------------------------------------
 */

static void *run(void *context)
{
    struct rendezvous_service *service = context;
    event_add(service->every_second, &(struct timeval){.tv_sec = 1});
    rendezvous_service_turn(service);
    event_base_dispatch(service->base);
    publish_counters(service);
    return NULL;
}

int rendezvous_service_start(struct rendezvous_service *service)
{
    int status = acceptor_start(service->acceptor);
    if (status != 0)
        return status;
    /* Signals are main's: a new thread inherits the mask. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = -pthread_create(&service->thread, NULL, run, service);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    service->running = status == 0;
    return status;
}

void rendezvous_service_stop(struct rendezvous_service *service)
{
    if (service && service->running) {
        post(service, &(struct mailbox_message){.type = MESSAGE_STOP});
        pthread_join(service->thread, NULL);
        service->running = false;
    }
}

static void free_event(struct event *event)
{
    if (event)
        event_free(event);
}

void rendezvous_service_free(struct rendezvous_service *service)
{
    if (!service)
        return;
    rendezvous_service_stop(service);
    rendezvous_link_free_all(service);
    acceptor_free(service->acceptor);
    rendezvous_free(service->machine);
    service->machine = NULL;
    mailbox_free(service->mailbox);
    auth_free(service->auth);
    stun_crypto_free(service->crypto);
    connection_limit_free(service->limit);
    free_event(service->timer);
    free_event(service->every_second);
    if (service->base)
        event_base_free(service->base);
    config_policy_release(service->policy);
    pthread_mutex_destroy(&service->counters_mutex);
    free(service);
}

void rendezvous_service_counters(struct rendezvous_service *service,
                                 struct rendezvous_service_counters *out)
{
    pthread_mutex_lock(&service->counters_mutex);
    *out = service->counters;
    pthread_mutex_unlock(&service->counters_mutex);
}

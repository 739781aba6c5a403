/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/users/user_source.h"

#include "net/mailbox.h"
#include "turnserver/users/user_backend.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Every worker's questions; one that finds no room is answered "failed" by the worker itself. */
#define MAILBOX_CAPACITY 4096

enum message_type {
    MESSAGE_ASK, /* pointer: a struct user_request, ours */
    MESSAGE_STOP,
};

struct user_source {
    const struct user_source_settings *settings;
    const struct user_backend_operations *operations;
    struct user_backend *backend;
    struct origin_table *origins;
    struct event_base *base;
    struct mailbox *mailbox;
    pthread_t thread;
    bool running, stopped; /* the thread's own: stopped */
};

static const struct user_backend_operations *operations_of(
    const struct user_source_settings *settings)
{
    return settings->kind == USER_SOURCE_REDIS ? &user_backend_redis : &user_backend_sqlite;
}

bool user_source_is_available(const struct user_source_settings *settings, FILE *diagnostics)
{
    const struct user_backend_operations *operations = operations_of(settings);

    if (settings->kind == USER_SOURCE_NONE || operations->is_available()) {
        return true;
    }
    fprintf(diagnostics, "turnserver: users_database: %s\n", operations->missing);
    return false;
}

struct auth_source_traits user_source_traits(const struct user_source_settings *settings)
{
    struct auth_source_traits traits = operations_of(settings)->traits;

    traits.lifetime_s = settings->lifetime_s;
    return traits;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void free_request(struct user_request *request)
{
    auth_finding_free(request->finding);
    free(request);
}

void user_request_finish(struct user_request *request)
{
    request->answered(request->receiver, request->finding);
    request->finding = NULL; /* the receiver's now */
    free_request(request);
}

static bool ask(void *context, const struct auth_question *question, auth_answered *answered,
                void *receiver)
{
    struct user_source *source = context;
    struct user_request *request = calloc(1, sizeof *request);

    if (request == NULL) {
        return false;
    }
    *request =
        (struct user_request){.question = *question, .answered = answered, .receiver = receiver};
    request->finding = auth_finding_new(question->id);
    const struct mailbox_message message = {.type = MESSAGE_ASK, .pointer = request};
    if (request->finding == NULL || mailbox_send(source->mailbox, &message) != 0) {
        free_request(request);
        return false;
    }
    return true;
}

static bool realm_of_origin(void *context, const uint8_t *origin, size_t size,
                            char realm[AUTH_REALM_SIZE_MAX])
{
    const struct user_source *source = context;

    return origin_table_find(source->origins, origin, size, realm);
}

struct auth_source user_source_interface(struct user_source *source)
{
    return (struct auth_source){.context = source, .ask = ask, .realm_of_origin = realm_of_origin};
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void on_message(const struct mailbox_message *message, void *context)
{
    struct user_source *source = context;
    struct user_request *request = message->pointer;

    if (message->type == MESSAGE_STOP) {
        (void)event_base_loopbreak(source->base);
        source->stopped = true;
    } else if (source->stopped) {
        free_request(request); /* nobody is called back any more */
    } else {
        request->finding->status = AUTH_FAILED;
        source->operations->ask(source->backend, request);
    }
}

static void *run(void *context)
{
    struct user_source *source = context;

    source->operations->start(source->backend, source->base);
    while (!source->stopped) {
        (void)event_base_dispatch(source->base);
    }
    source->operations->stop(source->backend);
    return NULL;
}

struct user_source *user_source_new(const struct user_source_settings *settings, struct log *log,
                                    FILE *diagnostics)
{
    struct user_source *source = calloc(1, sizeof *source);

    if (source == NULL) {
        fprintf(diagnostics, "turnserver: memory is out\n");
        return NULL;
    }
    source->settings = settings;
    source->operations = operations_of(settings);
    source->origins = origin_table_new();
    source->base = event_base_new();
    if (source->base == NULL || source->origins == NULL ||
        mailbox_new(&source->mailbox, source->base, MAILBOX_CAPACITY, on_message, source) != 0) {
        fprintf(diagnostics, "turnserver: users_database: cannot make an event loop\n");
    } else {
        source->backend = source->operations->create(settings, source->origins, log, diagnostics);
    }
    if (source->backend == NULL) {
        user_source_free(source);
        return NULL;
    }
    return source;
}

int user_source_start(struct user_source *source)
{
    sigset_t all, before;

    /* Signals are main's: a new thread inherits the mask. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = -pthread_create(&source->thread, NULL, run, source);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    source->running = status == 0;
    return status;
}

void user_source_stop(struct user_source *source)
{
    if (source == NULL || !source->running) {
        return;
    }
    const struct timespec moment = {0, 1000000};
    const struct mailbox_message message = {.type = MESSAGE_STOP};
    while (mailbox_send(source->mailbox, &message) != 0) {
        (void)nanosleep(&moment, NULL);
    }
    pthread_join(source->thread, NULL);
    source->running = false;
}

void user_source_free(struct user_source *source)
{
    if (source == NULL) {
        return;
    }
    user_source_stop(source);
    source->stopped = true;
    mailbox_free(source->mailbox);
    if (source->backend != NULL) {
        source->operations->destroy(source->backend);
    }
    if (source->base != NULL) {
        event_base_free(source->base);
    }
    origin_table_free(source->origins);
    free(source);
}

/* ---- health ---------------------------------------------------------------------------------- */

void user_health_note(struct user_health *health, bool good, const char *problem)
{
    if (health->failing == !good) {
        return;
    }
    health->failing = !good;
    if (good) {
        log_event(health->log, LOG_INFO, "users can be looked up again",
                  log_string("key", health->key));
    } else {
        log_event(health->log, LOG_ERROR,
                  "users cannot be looked up: those whom the configuration does not name are "
                  "answered 500",
                  log_string("key", health->key), log_string("problem", problem));
    }
}

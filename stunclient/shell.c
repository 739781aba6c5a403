/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell_internal.h"

#include "net/clock.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "net/timer.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- after every callback -------------------------------------------------------------------- */

static void arm(struct shell *shell)
{
    struct monotime due = shell->user->due(shell->user->context);
    timer_arm(shell->timer, clock_now(), due);
}

void shell_settle(struct shell *shell)
{
    if (shell->user == NULL) {
        return;
    }
    shell_send(&shell->outbox, shell);
    if (shell->user->finished(shell->user->context)) {
        event_base_loopbreak(shell->base);
    } else {
        arm(shell);
    }
}

void shell_report(struct shell *shell, uint32_t via, const struct stun_address *remote, int error,
                  const char *text)
{
    if (shell->user != NULL && shell->user->failed != NULL) {
        shell->user->failed(shell->user->context, clock_now(), via, remote, error, text,
                            &shell->outbox);
    }
}

void shell_tell_connected(const struct way *way)
{
    struct shell *shell = way->shell;
    if (shell->user != NULL && shell->user->connected != NULL) {
        shell->user->connected(shell->user->context, clock_now(), way->via, &shell->outbox);
    }
}

void shell_tell_input(const struct way *way, const struct flow *flow, struct packet *packet)
{
    struct shell *shell = way->shell;
    shell->user->input(shell->user->context, clock_now(), flow, packet, &shell->outbox);
}

/* ---- sending -------------------------------------------------------------------------------- */

struct send_failure {
    uint32_t via;
    struct stun_address remote;
    int error;
};

/* An entry that is not a plain datagram. Returns 0 or what DTLS could not send. */
static int send_framed(struct way *way, const struct outbox_entry *entry)
{
    int error = 0;
    if (way->stream != NULL) {
        stream_send(way->stream, entry->bytes, entry->size);
    } else if (way->raw != NULL) {
        bufferevent_write(way->raw, entry->bytes, entry->size);
    } else if (way->dtls != NULL) {
        (void)dtls_write(way->dtls, entry->bytes, entry->size);
        error = way->send_error;
        way->send_error = 0;
    }
    return error;
}

static bool is_datagram(const struct way *way)
{
    return way->descriptor >= 0 && way->dtls == NULL;
}

/* How many entries from `first` on leave by the same way. */
static size_t count_alike(const struct outbox *outbox, size_t first)
{
    size_t end = first + 1;
    while (end < outbox->count &&
           outbox->entries[end].flow.via == outbox->entries[first].flow.via) {
        end++;
    }
    return end - first;
}

static size_t send_entries(struct shell *shell, struct send_failure *failures)
{
    size_t count = 0;
    size_t alike;
    for (size_t i = 0; i < shell->outbox.count; i += alike) {
        const struct outbox_entry *entries = &shell->outbox.entries[i];
        struct way *way =
            entries->flow.via < SHELL_WAYS_MAX ? shell->ways[entries->flow.via] : NULL;
        int errors[OUTBOX_ENTRIES_MAX] = {0};
        alike = count_alike(&shell->outbox, i);
        if (way == NULL) {
            continue;
        }
        if (is_datagram(way)) {
            datagram_send_entries(way->descriptor, entries, alike, errors);
        }
        for (size_t j = 0; j < alike; j++) {
            int error = is_datagram(way) ? -errors[j] : send_framed(way, &entries[j]);
            if (error != 0 && error != EAGAIN) { /* a full buffer loses, as the network may */
                failures[count++] = (struct send_failure){way->via, entries[j].flow.remote, error};
            }
        }
    }
    outbox_clear(&shell->outbox);
    return count;
}

/* Failures are reported when nothing borrows the outbox any more; they may fill it again. */
void shell_send(struct outbox *outbox, void *context)
{
    struct shell *shell = context;
    static const int rounds_max = 4;
    for (int round = 0; round < rounds_max && outbox->count > 0; round++) {
        struct send_failure failures[OUTBOX_ENTRIES_MAX];
        size_t count = send_entries(shell, failures);
        for (size_t i = 0; i < count; i++) {
            shell_report(shell, failures[i].via, &failures[i].remote, failures[i].error,
                         strerror(failures[i].error));
        }
    }
    outbox_clear(outbox);
}

/* ---- ways ------------------------------------------------------------------------------------ */

struct way *shell_new_way(struct shell *shell)
{
    for (uint32_t i = 0; i < SHELL_WAYS_MAX; i++) {
        if (shell->ways[i] != NULL) {
            continue;
        }
        struct way *way = calloc(1, sizeof *way);
        if (way != NULL) {
            way->shell = shell;
            way->via = i;
            way->descriptor = -1;
            shell->ways[i] = way;
        }
        return way;
    }
    return NULL;
}

void shell_close(struct shell *shell, uint32_t via)
{
    struct way *way = shell->ways[via];
    if (way == NULL) {
        return;
    }
    shell->ways[via] = NULL;
    if (way->dtls != NULL) {
        dtls_close(way->dtls);
        dtls_free(way->dtls);
    }
    if (way->resend != NULL) {
        event_free(way->resend);
    }
    if (way->event != NULL) {
        event_free(way->event);
    }
    if (way->descriptor >= 0) {
        close(way->descriptor);
    }
    stream_free(way->stream);
    if (way->raw != NULL) {
        bufferevent_free(way->raw);
    }
    free(way);
}

void shell_use_tls(struct shell *shell, struct secure *secure)
{
    shell->secure = secure;
}

int shell_open(struct shell *shell, enum outbox_transport transport,
               const struct stun_address *remote, const struct stun_address *local, uint32_t *via)
{
    switch (transport) {
    case TRANSPORT_UDP:
        return shell_open_udp(shell, local, via);
    case TRANSPORT_DTLS:
        return shell_open_dtls(shell, remote, local, via);
    default:
        return shell_open_tcp(shell, remote, local, via);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
    struct shell *shell = context;
    (void)descriptor;
    (void)what;
    if (shell->user != NULL) {
        shell->user->tick(shell->user->context, clock_now(), &shell->outbox);
    }
    shell_settle(shell);
}

static void on_limit(evutil_socket_t descriptor, short what, void *context)
{
    struct shell *shell = context;
    (void)descriptor;
    (void)what;
    event_base_loopbreak(shell->base);
}

static void on_signal(evutil_socket_t descriptor, short what, void *context)
{
    struct shell *shell = context;
    (void)descriptor;
    (void)what;
    shell->interrupted = true;
    event_base_loopbreak(shell->base);
}

struct shell *shell_new(void)
{
    struct shell *shell = calloc(1, sizeof *shell);
    if (shell == NULL) {
        return NULL;
    }
    outbox_init(&shell->outbox, shell_send, shell);
    if ((shell->base = event_base_new()) == NULL ||
        (shell->timer = evtimer_new(shell->base, on_timer, shell)) == NULL ||
        (shell->limit = evtimer_new(shell->base, on_limit, shell)) == NULL ||
        (shell->interrupt = evsignal_new(shell->base, SIGINT, on_signal, shell)) == NULL ||
        (shell->terminate = evsignal_new(shell->base, SIGTERM, on_signal, shell)) == NULL ||
        (shell->hang_up = evsignal_new(shell->base, SIGHUP, on_signal, shell)) == NULL) {
        shell_free(shell);
        return NULL;
    }
    return shell;
}

void shell_free(struct shell *shell)
{
    if (shell == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SHELL_WAYS_MAX; i++) {
        shell_close(shell, i);
    }
    struct event *events[] = {shell->timer, shell->limit, shell->interrupt, shell->terminate,
                              shell->hang_up};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    if (shell->base != NULL) {
        /* libevent keeps a stream on TLS until callbacks that wait in the loop have run; a resolver
         * takes some turns, too. */
        for (unsigned i = 0; i <= RESOLVER_LAST_TURNS; i++) {
            event_base_loop(shell->base, EVLOOP_NONBLOCK);
        }
        event_base_free(shell->base);
    }
    free(shell);
}

struct event_base *shell_base(struct shell *shell)
{
    return shell->base;
}

struct outbox *shell_outbox(struct shell *shell)
{
    return &shell->outbox;
}

void shell_flush(struct shell *shell)
{
    shell->outbox.flush(&shell->outbox, shell->outbox.context);
}

/* As under nohup. */
static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool shell_run(struct shell *shell, const struct shell_user *user, struct monotime give_up)
{
    shell->user = user;
    shell->interrupted = false;
    evsignal_add(shell->interrupt, NULL);
    evsignal_add(shell->terminate, NULL);
    if (!is_ignored(SIGHUP)) {
        evsignal_add(shell->hang_up, NULL);
    }
    timer_arm(shell->limit, clock_now(), give_up);
    shell_send(&shell->outbox, shell);
    if (!user->finished(user->context)) {
        arm(shell);
        event_base_dispatch(shell->base);
    }
    evtimer_del(shell->timer);
    evtimer_del(shell->limit);
    evsignal_del(shell->interrupt);
    evsignal_del(shell->terminate);
    evsignal_del(shell->hang_up);
    shell->user = NULL;
    return !shell->interrupted;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/shell.h"

#include "base/address.h"
#include "net/clock.h"
#include "net/dtls.h"
#include "net/socket_address.h"
#include "net/stream.h"
#include "net/tcp_socket.h"
#include "net/tls_context.h"
#include "net/udp_socket.h"
#include "stunclient/secure.h"
#include "stunclient/shell_datagram.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM_OUTPUT_MAX (256 * 1024)
#define BATCHES_AT_ONCE 8
#define SOCKET_BUFFER (1024 * 1024) /* asked for */
#define DTLS_RESEND_US 500000       /* as STUN's first wait */

/* One way in and out. */
struct way {
    struct shell *shell;
    uint32_t via;
    int descriptor; /* of a datagram socket; -1 otherwise */
    struct event *event;
    struct stream *stream;
    struct bufferevent *raw; /* what a stream stood on that has left framing */
    struct dtls *dtls;       /* on the datagram socket, or NULL */
    struct event *resend;    /* of DTLS */
    int send_error;          /* of what DTLS sent last */
    bool connected;
    struct secure *secure;             /* of a stream on TLS; NULL: none */
    uint8_t transport;                 /* of its flows */
    struct stun_address local, remote; /* remote: of a stream or of DTLS */
};

struct shell {
    struct event_base *base;
    struct event *timer, *limit, *interrupt, *terminate;
    bool interrupted;
    struct secure *secure;         /* NULL: no TLS */
    const struct shell_user *user; /* while it runs */
    struct way *ways[SHELL_WAYS_MAX];
    struct outbox outbox;
    struct datagram_batch batch;
    uint8_t plain[PACKET_HEADROOM + DTLS_PLAINTEXT_MAX + PACKET_TAILROOM]; /* what DTLS carried */
};

/* ---- after every callback -------------------------------------------------------------------- */

static void arm(struct shell *shell)
{
    struct monotime due = shell->user->due(shell->user->context);
    if (due.us == MONOTIME_NEVER.us) {
        evtimer_del(shell->timer);
        return;
    }
    int64_t wait_us = monotime_difference_us(due, clock_now());
    wait_us = wait_us < 0 ? 0 : wait_us;
    struct timeval wait = {wait_us / MONOTIME_SECOND, wait_us % MONOTIME_SECOND};
    evtimer_add(shell->timer, &wait);
}

static void send_all(struct outbox *outbox, void *context);

static void settle(struct shell *shell)
{
    if (shell->user == NULL) {
        return;
    }
    send_all(&shell->outbox, shell);
    if (shell->user->finished(shell->user->context)) {
        event_base_loopbreak(shell->base);
    } else {
        arm(shell);
    }
}

static void report(struct shell *shell, uint32_t via, const struct stun_address *remote, int error,
                   const char *text)
{
    if (shell->user != NULL && shell->user->failed != NULL) {
        shell->user->failed(shell->user->context, clock_now(), via, remote, error, text,
                            &shell->outbox);
    }
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void on_unreachable(void *context, const struct stun_address *remote, int error)
{
    struct way *way = context;
    report(way->shell, way->via, remote, error, strerror(error));
}

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
static void send_all(struct outbox *outbox, void *context)
{
    struct shell *shell = context;
    static const int rounds_max = 4;
    for (int round = 0; round < rounds_max && outbox->count > 0; round++) {
        struct send_failure failures[OUTBOX_ENTRIES_MAX];
        size_t count = send_entries(shell, failures);
        for (size_t i = 0; i < count; i++) {
            report(shell, failures[i].via, &failures[i].remote, failures[i].error,
                   strerror(failures[i].error));
        }
    }
    outbox_clear(outbox);
}

/* ---- DTLS ------------------------------------------------------------------------------------ */

static void send_record(void *context, const uint8_t *bytes, size_t size)
{
    struct way *way = context;
    int status = datagram_send(way->descriptor, &way->remote, bytes, size);
    if (status != 0 && status != -EAGAIN) {
        status = datagram_send(way->descriptor, &way->remote, bytes, size);
    }
    way->send_error = status == -EAGAIN ? 0 : -status;
}

static void note_open(struct way *way)
{
    struct shell *shell = way->shell;
    way->connected = true;
    secure_note(shell->secure, dtls_ssl(way->dtls));
    if (shell->user != NULL && shell->user->connected != NULL) {
        shell->user->connected(shell->user->context, clock_now(), way->via, &shell->outbox);
    }
}

/* What has become of an association. Its way may be gone afterwards. */
static void note_status(struct way *way)
{
    char text[TLS_TEXT_SIZE];
    int64_t wait_us = dtls_due_us(way->dtls);
    struct timeval wait = {wait_us / MONOTIME_SECOND, wait_us % MONOTIME_SECOND};
    if (wait_us >= 0) {
        evtimer_add(way->resend, &wait);
    } else {
        evtimer_del(way->resend);
    }
    switch (dtls_status(way->dtls)) {
    case DTLS_CONNECTING:
        break;
    case DTLS_OPEN:
        if (!way->connected) {
            note_open(way);
        }
        break;
    case DTLS_CLOSED:
        report(way->shell, way->via, &way->remote, ECONNRESET, "the other end closed");
        break;
    case DTLS_FAILED:
        report(way->shell, way->via, &way->remote, EPROTO,
               tls_error_text(dtls_ssl(way->dtls), dtls_error(way->dtls), text));
        break;
    }
}

static void on_resend(evutil_socket_t descriptor, short what, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    (void)descriptor;
    (void)what;
    dtls_tick(way->dtls);
    note_status(way);
    settle(shell);
}

/* Whether something of the way's is left to read; tells the user of what came. */
static bool read_plain(struct way *way, const struct flow *flow)
{
    struct shell *shell = way->shell;
    struct packet packet = {.bytes = shell->plain + PACKET_HEADROOM,
                            .headroom = PACKET_HEADROOM,
                            .tailroom = PACKET_TAILROOM};
    packet.size = (uint32_t)dtls_read(way->dtls, packet.bytes, DTLS_PLAINTEXT_MAX);
    if (packet.size == 0) {
        return false;
    }
    shell->user->input(shell->user->context, clock_now(), flow, &packet, &shell->outbox);
    send_all(&shell->outbox, shell);
    return shell->ways[flow->via] == way && shell->user != NULL;
}

static void take_record(struct way *way, const struct flow *flow, const struct packet *packet)
{
    struct shell *shell = way->shell;
    if (!address_equal(&flow->remote, &way->remote)) {
        return;
    }
    dtls_input(way->dtls, packet->bytes, packet->size);
    if (dtls_status(way->dtls) == DTLS_OPEN && !way->connected) {
        note_open(way);
    }
    while (shell->ways[flow->via] == way && read_plain(way, flow)) {
    }
    if (shell->ways[flow->via] == way) {
        note_status(way);
    }
}

/* ---- datagram sockets ------------------------------------------------------------------------ */

static void take_datagram(struct way *way, const struct flow *flow, struct packet *packet)
{
    struct shell *shell = way->shell;
    if (way->dtls != NULL) {
        take_record(way, flow, packet);
    } else {
        shell->user->input(shell->user->context, clock_now(), flow, packet, &shell->outbox);
    }
    send_all(&shell->outbox, shell);
}

/* Whether there may be more. */
static bool take_batch(struct way *way, struct flow *flow)
{
    struct shell *shell = way->shell;
    int count = datagram_receive_batch(way->descriptor, &shell->batch);
    if (count < 0) {
        return true; /* what ICMP said about an earlier datagram: the error queue has it */
    }
    for (int i = 0; i < count; i++) {
        flow->remote = shell->batch.remotes[i];
        take_datagram(way, flow, &shell->batch.packets[i]);
        if (shell->user == NULL || shell->user->finished(shell->user->context) ||
            shell->ways[flow->via] != way) {
            return false; /* closed in the meantime, by `finished` too */
        }
    }
    return count == DATAGRAM_BATCH;
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    struct flow flow = {.via = way->via, .local = way->local};
    flow.transport = way->dtls != NULL ? TRANSPORT_DTLS : TRANSPORT_UDP;
    (void)what;
    datagram_drain_errors(descriptor, on_unreachable, way);
    for (int i = 0; i < BATCHES_AT_ONCE && shell->user != NULL && shell->ways[flow.via] == way &&
                    take_batch(way, &flow);
         i++) {
    }
    settle(shell);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void on_connected(struct stream *stream, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    way->local = *stream_local(stream);
    way->connected = true;
    if (way->secure != NULL) {
        secure_note(way->secure, stream_tls(stream));
    }
    if (shell->user != NULL && shell->user->connected != NULL) {
        shell->user->connected(shell->user->context, clock_now(), way->via, &shell->outbox);
    }
    settle(shell);
}

static void on_frame(struct stream *stream, struct packet *packet, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    struct flow flow = {
        .via = way->via, .transport = way->transport, .remote = way->remote, .local = way->local};
    (void)stream;
    if (shell->user != NULL) {
        shell->user->input(shell->user->context, clock_now(), &flow, packet, &shell->outbox);
        send_all(&shell->outbox, shell); /* what a machine lends, it lends until its next call */
    }
}

static void on_flush(struct stream *stream, void *context)
{
    struct way *way = context;
    (void)stream;
    settle(way->shell);
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    bool half_made = !way->connected && way->secure != NULL && end == STREAM_END_PEER;
    int error = end == STREAM_END_TLS || half_made ? EPROTO : ECONNRESET;
    report(shell, way->via, &way->remote, error, stream_end_text(stream));
    settle(shell);
}

static const struct stream_user stream_user = {on_connected, on_frame, on_flush, on_closed};

/* ---- bytes ----------------------------------------------------------------------------------- */

static void on_bytes(struct bufferevent *raw, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    struct flow flow = {
        .via = way->via, .transport = TRANSPORT_TCP, .remote = way->remote, .local = way->local};
    uint8_t bytes[4096];
    size_t size;
    while (shell->user != NULL && (size = bufferevent_read(raw, bytes, sizeof bytes)) > 0) {
        struct packet packet = {.bytes = bytes, .size = (uint32_t)size};
        shell->user->input(shell->user->context, clock_now(), &flow, &packet, &shell->outbox);
        send_all(&shell->outbox, shell);
    }
    settle(shell);
}

static void on_bytes_ended(struct bufferevent *raw, short what, void *context)
{
    struct way *way = context;
    struct shell *shell = way->shell;
    (void)raw;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
        report(shell, way->via, &way->remote, ECONNRESET, "the data connection ended");
        settle(shell);
    }
}

static void on_taken(struct bufferevent *raw, void *context)
{
    struct way *way = context;
    way->stream = NULL;
    way->raw = raw;
    bufferevent_setcb(raw, on_bytes, NULL, on_bytes_ended, way);
    bufferevent_enable(raw, EV_READ | EV_WRITE);
    bufferevent_trigger(raw, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void shell_leave_framing(struct shell *shell, uint32_t via)
{
    struct way *way = shell->ways[via];
    (void)stream_hand_over(way->stream, on_taken, way);
}

/* ---- ways ------------------------------------------------------------------------------------ */

static struct way *new_way(struct shell *shell)
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

int shell_open_udp(struct shell *shell, const struct stun_address *local, uint32_t *via)
{
    const struct udp_socket_options options = {.receive_buffer = SOCKET_BUFFER,
                                               .send_buffer = SOCKET_BUFFER};
    struct way *way = new_way(shell);
    int status;
    if (way == NULL) {
        return -ENOMEM;
    }
    if ((status = udp_socket_open(&way->descriptor, local, &options)) != 0 ||
        (status = datagram_report_errors(way->descriptor, local->family)) != 0 ||
        (status = socket_local_address(way->descriptor, &way->local)) != 0) {
        goto out;
    }
    way->event = event_new(shell->base, way->descriptor, EV_READ | EV_PERSIST, on_readable, way);
    if (way->event == NULL || event_add(way->event, NULL) != 0) {
        status = -ENOMEM;
        goto out;
    }
    *via = way->via;
out:
    if (status != 0) {
        shell_close(shell, way->via);
    }
    return status;
}

void shell_use_tls(struct shell *shell, struct secure *secure)
{
    shell->secure = secure;
}

static int open_stream(struct shell *shell, struct secure *secure, uint8_t transport,
                       const struct stun_address *remote, const struct stun_address *local,
                       uint32_t *via)
{
    struct stream_setup setup = {
        .user = &stream_user,
        .remote = *remote,
        .limits = {.frame_size_max = STREAM_FRAME_SIZE_MAX, .output_size_max = STREAM_OUTPUT_MAX},
        .connecting = true,
    };
    struct way *way = new_way(shell);
    int descriptor;
    if (way == NULL) {
        return -ENOMEM;
    }
    int status = tcp_socket_connect(&descriptor, remote, local);
    if (status == 0) {
        way->remote = *remote;
        way->secure = secure;
        way->transport = transport;
        setup.context = way;
        socket_local_address(descriptor, &setup.local);
        way->local = setup.local;
        way->stream = secure == NULL
                          ? stream_new_tcp(shell->base, descriptor, &setup)
                          : stream_new_tls(shell->base, descriptor, secure_connect(secure), &setup);
        status = way->stream == NULL ? -ENOMEM : 0;
    }
    if (status != 0) {
        shell_close(shell, way->via);
        return status;
    }
    *via = way->via;
    return 0;
}

int shell_open_tcp(struct shell *shell, const struct stun_address *remote,
                   const struct stun_address *local, uint32_t *via)
{
    return open_stream(shell, shell->secure, TRANSPORT_TCP, remote, local, via);
}

int shell_open_tls(struct shell *shell, struct secure *secure, const struct stun_address *remote,
                   const struct stun_address *local, uint32_t *via)
{
    return open_stream(shell, secure, TRANSPORT_TLS, remote, local, via);
}

int shell_open_dtls(struct shell *shell, const struct stun_address *remote,
                    const struct stun_address *local, uint32_t *via)
{
    int status = shell_open_udp(shell, local, via);
    if (status != 0) {
        return status;
    }
    struct way *way = shell->ways[*via];
    const struct dtls_setup setup = {
        .send = send_record, .context = way, .resend_us = DTLS_RESEND_US};
    way->remote = *remote;
    way->resend = evtimer_new(shell->base, on_resend, way);
    way->dtls = secure_associate(shell->secure, &setup);
    if (way->resend == NULL || way->dtls == NULL) {
        shell_close(shell, *via);
        return -ENOMEM;
    }
    dtls_start(way->dtls);
    status = -way->send_error;
    if (status != 0) {
        shell_close(shell, *via);
        return status;
    }
    int64_t wait_us = dtls_due_us(way->dtls);
    struct timeval wait = {wait_us / MONOTIME_SECOND, wait_us % MONOTIME_SECOND};
    evtimer_add(way->resend, &wait);
    return 0;
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

int shell_local(struct shell *shell, uint32_t via, const struct stun_address *remote,
                struct stun_address *out)
{
    const struct way *way = shell->ways[via];
    struct stun_address source;
    *out = way->local;
    if (!address_is_unspecified(out)) {
        return 0;
    }
    int status = datagram_source(remote, &source);
    memcpy(out->ip, source.ip, sizeof out->ip);
    return status;
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
    settle(shell);
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
    outbox_init(&shell->outbox, send_all, shell);
    if ((shell->base = event_base_new()) == NULL ||
        (shell->timer = evtimer_new(shell->base, on_timer, shell)) == NULL ||
        (shell->limit = evtimer_new(shell->base, on_limit, shell)) == NULL ||
        (shell->interrupt = evsignal_new(shell->base, SIGINT, on_signal, shell)) == NULL ||
        (shell->terminate = evsignal_new(shell->base, SIGTERM, on_signal, shell)) == NULL) {
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
    struct event *events[] = {shell->timer, shell->limit, shell->interrupt, shell->terminate};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (events[i] != NULL) {
            event_free(events[i]);
        }
    }
    if (shell->base != NULL) {
        /* libevent keeps a stream on TLS until callbacks that wait in the loop have run. */
        event_base_loop(shell->base, EVLOOP_NONBLOCK);
        event_base_free(shell->base);
    }
    free(shell);
}

void shell_settle(struct shell *shell)
{
    settle(shell);
}

struct event_base *shell_base(struct shell *shell)
{
    return shell->base;
}

struct outbox *shell_outbox(struct shell *shell)
{
    return &shell->outbox;
}

bool shell_run(struct shell *shell, const struct shell_user *user, struct monotime give_up)
{
    shell->user = user;
    shell->interrupted = false;
    evsignal_add(shell->interrupt, NULL);
    evsignal_add(shell->terminate, NULL);
    if (give_up.us != MONOTIME_NEVER.us) {
        int64_t left_us = monotime_difference_us(give_up, clock_now());
        left_us = left_us < 0 ? 0 : left_us;
        struct timeval left = {left_us / MONOTIME_SECOND, left_us % MONOTIME_SECOND};
        evtimer_add(shell->limit, &left);
    }
    send_all(&shell->outbox, shell);
    if (!user->finished(user->context)) {
        arm(shell);
        event_base_dispatch(shell->base);
    }
    evtimer_del(shell->timer);
    evtimer_del(shell->limit);
    evsignal_del(shell->interrupt);
    evsignal_del(shell->terminate);
    shell->user = NULL;
    return !shell->interrupted;
}

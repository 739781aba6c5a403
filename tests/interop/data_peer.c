/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A data session over a plain UDP socket of 127.0.0.1, without ICE: for tests against other stacks,
 * and for measurements.
 *
 *     data_peer client|server echo|receive|send BYTES [plain] [message=SIZE] [nohash]
 *
 * It says "local PORT FINGERPRINT" on standard output, and waits for "remote PORT FINGERPRINT" on
 * standard input. echo and receive wait for a channel of the peer; send opens one, says that many
 * bytes of a pattern, waits until as many have come back or the peer closes (receive closes the
 * channel after BYTES), and closes in order. A line of JSON at the end says what happened. `plain`
 * does without the kernel's segmentation of UDP.
 */
#include "net/clock.h"
#include "stunclient/peer/data_channel.h"
#include "stunclient/peer/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEGMENTS_MAX 48
#define BATCH_MAX (SEGMENTS_MAX * DATA_DATAGRAM_MAX)
#define GIVE_UP_SECONDS 600

enum verb {
    VERB_ECHO,
    VERB_RECEIVE,
    VERB_SEND,
};

struct data_peer {
    enum data_role role;
    enum verb verb;
    uint64_t wanted; /* bytes to send or to receive */
    size_t message_size;
    bool plain, hashing;
    int socket;
    struct identity *identity;
    struct data_session *session;
    uint16_t channel;
    bool has_channel, writable, done, failed;
    uint8_t *message;
    struct monotime begin, end;
    uint64_t sent, received, messages;
    EVP_MD_CTX *hash; /* of what was received */
    /* echo: what the channel would not take */
    uint8_t *waiting;
    size_t waiting_size;
    enum data_kind waiting_kind;
    bool is_waiting;
    uint8_t batch[BATCH_MAX];
    size_t batch_size, segment_size;
    char text[DATA_TEXT_SIZE];
};

static void die(const char *text)
{
    fprintf(stderr, "data_peer: %s\n", text);
    exit(2);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void flush(struct data_peer *peer)
{
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr alignment;
    } control;
    struct iovec io = {peer->batch, peer->batch_size};
    struct msghdr header = {.msg_iov = &io, .msg_iovlen = 1};

    if (peer->batch_size == 0) {
        return;
    }
    if (peer->batch_size > peer->segment_size) {
        uint16_t size = (uint16_t)peer->segment_size;
        memset(&control, 0, sizeof control);
        header.msg_control = &control;
        header.msg_controllen = sizeof control;
        struct cmsghdr *message = CMSG_FIRSTHDR(&header);
        message->cmsg_level = SOL_UDP;
        message->cmsg_type = UDP_SEGMENT;
        message->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(message), &size, sizeof size);
    }
    (void)sendmsg(peer->socket, &header, MSG_DONTWAIT); /* what does not go is lost */
    peer->batch_size = 0;
}

static void on_send(void *context, const uint8_t *bytes, size_t size)
{
    struct data_peer *peer = context;

    if (peer->plain) {
        (void)send(peer->socket, bytes, size, MSG_DONTWAIT);
        return;
    }
    if (peer->batch_size > 0 &&
        (size > peer->segment_size || peer->batch_size + size > sizeof peer->batch ||
         peer->batch_size % peer->segment_size != 0)) {
        flush(peer);
    }
    if (peer->batch_size == 0) {
        peer->segment_size = size;
    }
    memcpy(peer->batch + peer->batch_size, bytes, size);
    peer->batch_size += size;
}

/* The size of the datagrams that the kernel has put together. */
static size_t segment_of(struct msghdr *header, size_t size)
{
    for (struct cmsghdr *one = CMSG_FIRSTHDR(header); one != NULL; one = CMSG_NXTHDR(header, one)) {
        if (one->cmsg_level == SOL_UDP && one->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(one), sizeof segment);
            return (size_t)segment;
        }
    }
    return size;
}

/* Takes what the socket has, once. */
static bool receive(struct data_peer *peer, struct monotime now)
{
    static uint8_t bytes[65536];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct iovec io = {bytes, sizeof bytes};
    struct msghdr header = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(peer->socket, &header, MSG_DONTWAIT);

    if (size <= 0) {
        return size == 0 || errno == ECONNREFUSED;
    }
    size_t segment = segment_of(&header, (size_t)size);
    for (size_t at = 0; at < (size_t)size; at += segment) {
        size_t left = (size_t)size - at;
        data_session_input(peer->session, now, bytes + at, left < segment ? left : segment);
    }
    return true;
}

static void open_socket(struct data_peer *peer)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof local;
    int buffer = 4 * 1024 * 1024;
    int on = 1;

    peer->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (peer->socket < 0 || bind(peer->socket, (struct sockaddr *)&local, size) != 0 ||
        getsockname(peer->socket, (struct sockaddr *)&local, &size) != 0) {
        die("no socket");
    }
    (void)setsockopt(peer->socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    (void)setsockopt(peer->socket, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (!peer->plain) {
        (void)setsockopt(peer->socket, SOL_UDP, UDP_GRO, &on, sizeof on);
    }
    printf("local %u %s\n", ntohs(local.sin_port), identity_fingerprint(peer->identity));
    fflush(stdout);
}

static void meet(struct data_peer *peer)
{
    char line[1024], fingerprint[512];
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct data_remote description = {.fingerprints = {fingerprint}, .fingerprint_count = 1};
    char *end = line;

    if (fgets(line, sizeof line, stdin) == NULL || strncmp(line, "remote ", 7) != 0) {
        die("remote PORT FINGERPRINT is expected");
    }
    remote.sin_port = htons((uint16_t)strtoul(line + 7, &end, 10));
    end += strspn(end, " ");
    snprintf(fingerprint, sizeof fingerprint, "%.*s", (int)strcspn(end, "\n"), end);
    if (connect(peer->socket, (struct sockaddr *)&remote, sizeof remote) != 0) {
        die("no such port");
    }
    peer->session = data_session_new(&(struct data_session_setup){
        .role = peer->role, .identity = peer->identity, .send = on_send, .context = peer});
    if (peer->session == NULL ||
        data_session_set_remote(peer->session, clock_now(), &description) != 0) {
        die("not a fingerprint");
    }
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void fill(uint8_t *bytes, size_t size, uint64_t place)
{
    for (size_t i = 0; i < size; i++, place++) {
        bytes[i] = (uint8_t)(place * 131 + (place >> 8));
    }
}

static void write_more(struct data_peer *peer, struct monotime now)
{
    while (peer->writable && peer->sent < peer->wanted) {
        uint64_t left = peer->wanted - peer->sent;
        size_t size = left < peer->message_size ? (size_t)left : peer->message_size;
        if (peer->hashing) {
            fill(peer->message, size, peer->sent);
        }
        int result =
            data_channel_send(peer->session, now, peer->channel, DATA_BINARY, peer->message, size);
        if (result == -EAGAIN) {
            peer->writable = false;
        } else if (result != 0) {
            die("the channel takes no messages");
        } else {
            peer->sent += size;
        }
    }
}

static void echo(struct data_peer *peer, struct monotime now, const uint8_t *bytes, size_t size,
                 enum data_kind kind)
{
    int result = data_channel_send(peer->session, now, peer->channel, kind, bytes, size);

    peer->is_waiting = result == -EAGAIN;
    if (result == 0) {
        peer->sent += size;
    } else if (peer->is_waiting) {
        if (bytes != peer->waiting) {
            memcpy(peer->waiting, bytes, size);
        }
        peer->waiting_size = size;
        peer->waiting_kind = kind;
    }
    data_session_hold(peer->session, peer->is_waiting);
}

static void on_message(struct data_peer *peer, struct monotime now, const struct data_event *event)
{
    peer->messages++;
    peer->received += event->size;
    if (peer->hashing) {
        EVP_DigestUpdate(peer->hash, event->bytes, event->size);
    }
    if (peer->verb == VERB_ECHO) {
        echo(peer, now, event->bytes, event->size, event->kind);
    } else if (peer->received >= peer->wanted && peer->has_channel) {
        peer->end = now;
        data_channel_close(peer->session, now, peer->channel);
        peer->has_channel = false;
    }
}

static void on_event(struct data_peer *peer, struct monotime now, const struct data_event *event)
{
    switch (event->type) {
    case DATA_EVENT_OPENED:
        peer->channel = event->id;
        peer->has_channel = true;
        peer->begin = now;
        peer->writable = true;
        break;
    case DATA_EVENT_WRITABLE:
        peer->writable = peer->has_channel;
        if (peer->is_waiting) {
            echo(peer, now, peer->waiting, peer->waiting_size, peer->waiting_kind);
        }
        break;
    case DATA_EVENT_MESSAGE:
        on_message(peer, now, event);
        break;
    case DATA_EVENT_CHANNEL_CLOSED:
        peer->end = peer->end.us == 0 ? now : peer->end;
        if (peer->verb != VERB_ECHO) {
            data_session_close(peer->session, now);
        }
        break;
    case DATA_EVENT_CLOSED:
        peer->done = true;
        break;
    case DATA_EVENT_FAILED:
        peer->failed = true;
        peer->done = true;
        snprintf(peer->text, sizeof peer->text, "%s", event->text);
        break;
    default:
        break;
    }
}

static void drain(struct data_peer *peer, struct monotime now)
{
    struct data_event event;

    while (data_session_event(peer->session, &event)) {
        on_event(peer, now, &event);
    }
    if (peer->verb == VERB_SEND && peer->has_channel) {
        write_more(peer, now);
    }
    flush(peer);
}

static void run(struct data_peer *peer)
{
    struct pollfd wait = {.fd = peer->socket, .events = POLLIN};
    struct monotime now = clock_now();
    struct monotime give_up = monotime_add_seconds(now, GIVE_UP_SECONDS);

    data_session_start(peer->session, now);
    if (peer->verb == VERB_SEND) {
        data_channel_open(peer->session, now, &(struct data_channel_open){.label = "pipe"},
                          &peer->channel);
    }
    drain(peer, now);
    while (!peer->done && monotime_before(now, give_up)) {
        struct monotime due = data_session_due(peer->session);
        int64_t left_ms = (monotime_difference_us(due, now) + 999) / 1000;
        (void)poll(&wait, 1, left_ms < 0 ? 0 : left_ms > 1000 ? 1000 : (int)left_ms);
        now = clock_now();
        for (int i = 0; i < SEGMENTS_MAX && receive(peer, now); i++) {
        }
        if (monotime_reached(now, data_session_due(peer->session))) {
            data_session_tick(peer->session, now);
        }
        drain(peer, now);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void report(struct data_peer *peer)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct rusage usage;
    struct data_figures figures;

    EVP_DigestFinal_ex(peer->hash, sum, &size);
    getrusage(RUSAGE_SELF, &usage);
    data_session_figures(peer->session, &figures);
    printf(
        "{\"ok\": %s, \"text\": \"%s\", \"sent\": %llu, \"received\": %llu, \"messages\": %llu, ",
        peer->done && !peer->failed ? "true" : "false", peer->text, (unsigned long long)peer->sent,
        (unsigned long long)peer->received, (unsigned long long)peer->messages);
    printf("\"seconds\": %.6f, \"cpu_seconds\": %.3f, \"rss_kib\": %ld, \"datagrams_sent\": %llu, "
           "\"datagrams_received\": %llu, \"dropped\": %llu, \"sha256\": \"",
           (double)monotime_difference_us(peer->end, peer->begin) / MONOTIME_SECOND,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / MONOTIME_SECOND,
           usage.ru_maxrss, (unsigned long long)figures.datagrams_sent,
           (unsigned long long)figures.datagrams_received, (unsigned long long)figures.dropped);
    for (unsigned i = 0; i < size; i++) {
        printf("%02x", sum[i]);
    }
    printf("\"}\n");
}

static void read_options(struct data_peer *peer, int count, char **words)
{
    static const char *const verbs[] = {"echo", "receive", "send"};
    size_t verb = 0;

    if (count < 3) {
        die("usage: data_peer client|server echo|receive|send BYTES [plain] [message=SIZE] "
            "[nohash]");
    }
    peer->role = strcmp(words[1], "client") == 0 ? DATA_ROLE_CLIENT : DATA_ROLE_SERVER;
    while (verb < 3 && strcmp(words[2], verbs[verb]) != 0) {
        verb++;
    }
    peer->verb = (enum verb)verb;
    peer->wanted = count > 3 ? strtoull(words[3], NULL, 10) : UINT64_MAX;
    for (int i = 4; i < count; i++) {
        peer->plain |= strcmp(words[i], "plain") == 0;
        peer->hashing &= strcmp(words[i], "nohash") != 0;
        if (strncmp(words[i], "message=", 8) == 0) {
            peer->message_size = strtoul(words[i] + 8, NULL, 10);
        }
    }
}

int main(int count, char **words)
{
    static struct data_peer peer = {.message_size = 65536, .hashing = true};

    read_options(&peer, count, words);
    peer.identity = identity_new();
    peer.message = calloc(1, DATA_MESSAGE_MAX);
    peer.waiting = malloc(DATA_MESSAGE_MAX);
    peer.hash = EVP_MD_CTX_new();
    if (peer.identity == NULL || peer.message == NULL || peer.waiting == NULL ||
        EVP_DigestInit_ex(peer.hash, EVP_sha256(), NULL) != 1 || peer.message_size == 0 ||
        peer.message_size > DATA_MESSAGE_MAX) {
        die("cannot begin");
    }
    open_socket(&peer);
    meet(&peer);
    run(&peer);
    report(&peer);
    data_session_free(peer.session);
    identity_free(peer.identity);
    EVP_MD_CTX_free(peer.hash);
    free(peer.message);
    free(peer.waiting);
    close(peer.socket);
    return peer.done && !peer.failed ? 0 : 1;
}

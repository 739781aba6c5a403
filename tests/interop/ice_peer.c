/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our ICE agent on loopback sockets, spoken to by lines, for tests against other stacks:
 *
 *   ice_peer controlling|controlled [lite] [ADDRESS…]
 *
 * It writes "credentials UFRAG PASSWORD full|lite", candidate lines and "end", and reads the peer's
 * in the same form. Then "connected LOCAL REMOTE", "selected LOCAL REMOTE", "data TEXT" for what
 * the peer sends, "disconnected" and "failed". Once connected it sends "hello from postern" ten
 * times a second. The end of standard input ends it.
 */
#include "base/address.h"
#include "net/clock.h"
#include "net/socket_address.h"
#include "proto/ice/ice.h"
#include "wire/candidate.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 4
#define ROOM 64
#define HELLO_MS 100

struct peer {
    struct ice_agent *agent;
    struct outbox outbox;
    int sockets[SOCKETS_MAX];
    struct stun_address addresses[SOCKETS_MAX];
    size_t count;
    struct monotime hello;
    char line[4096];
    size_t line_size;
    bool ended;
};

static uint64_t random_bits(void *context)
{
    uint64_t bits;
    (void)context;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits) {
        abort();
    }
    return bits;
}

static void flush(struct outbox *outbox, void *context)
{
    struct peer *peer = context;
    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        union socket_address to;
        socklen_t size = socket_address_write(&to, &entry->flow.remote);
        (void)sendto(peer->sockets[entry->flow.via], entry->bytes, entry->size, 0, &to.any, size);
    }
    outbox_clear(outbox);
}

static void add_socket(struct peer *peer, const char *text)
{
    struct stun_address address;
    union socket_address bound;
    if (!address_parse_ip(&address, text) || peer->count == SOCKETS_MAX) {
        fprintf(stderr, "%s is not an address\n", text);
        exit(2);
    }
    socklen_t size = socket_address_write(&bound, &address);
    int fd = socket(bound.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, &bound.any, size) != 0 || getsockname(fd, &bound.any, &size) != 0) {
        perror("socket");
        exit(1);
    }
    peer->sockets[peer->count] = fd;
    peer->addresses[peer->count] = socket_address_read(&bound.any);
    peer->count++;
}

static void tell_pair(const char *what, const struct ice_event *event)
{
    printf("%s %s %s\n", what, candidate_type_text(event->pair.local.type),
           candidate_type_text(event->pair.remote.type));
}

static void tell(const struct ice_event *event)
{
    char text[ICE_CANDIDATE_TEXT_SIZE];
    switch (event->type) {
    case ICE_LOCAL_CANDIDATE:
        candidate_format(&event->candidate, text);
        puts(text);
        break;
    case ICE_GATHERED:
        puts("end");
        break;
    case ICE_CONNECTED:
        tell_pair("connected", event);
        break;
    case ICE_SELECTED:
        tell_pair("selected", event);
        break;
    case ICE_DISCONNECTED:
        puts("disconnected");
        break;
    case ICE_FAILED:
        puts("failed");
        break;
    case ICE_ROLE_CHANGED:
        puts("role changed");
        break;
    default:
        break;
    }
}

static void settle(struct peer *peer)
{
    struct ice_event event;
    flush(&peer->outbox, peer);
    while (ice_event(peer->agent, &event)) {
        tell(&event);
    }
    fflush(stdout);
}

static void read_line(struct peer *peer, struct monotime now, const char *line)
{
    struct ice_candidate candidate;
    char ufrag[ICE_UFRAG_SIZE], password[ICE_PASSWORD_SIZE], kind[8];
    if (sscanf(line, "credentials %256s %256s %7s", ufrag, password, kind) == 3) {
        int status = ice_remote_credentials(peer->agent, now, ufrag, password,
                                            strcmp(kind, "lite") == 0, &peer->outbox);
        fprintf(stderr, "credentials: %d\n", status);
    } else if (strcmp(line, "end") == 0) {
        ice_remote_end_of_candidates(peer->agent, now);
    } else if (candidate_parse(&candidate, line, strlen(line)) == NULL) {
        ice_remote_candidate(peer->agent, now, &candidate, &peer->outbox);
    } else {
        fprintf(stderr, "not understood: %s\n", line);
    }
}

static void read_input(struct peer *peer, struct monotime now)
{
    ssize_t size =
        read(STDIN_FILENO, peer->line + peer->line_size, sizeof peer->line - 1 - peer->line_size);
    if (size <= 0) {
        peer->ended = true;
        return;
    }
    peer->line_size += (size_t)size;
    peer->line[peer->line_size] = '\0';
    char *end;
    while ((end = strchr(peer->line, '\n')) != NULL) {
        *end = '\0';
        read_line(peer, now, peer->line);
        peer->line_size -= (size_t)(end + 1 - peer->line);
        memmove(peer->line, end + 1, peer->line_size + 1);
    }
}

static void receive(struct peer *peer, struct monotime now, size_t index)
{
    uint8_t room[ROOM + 2048 + ROOM];
    union socket_address from;
    socklen_t from_size = sizeof from;
    ssize_t size =
        recvfrom(peer->sockets[index], room + ROOM, 2048, MSG_DONTWAIT, &from.any, &from_size);
    if (size < 0) {
        return;
    }
    struct packet packet = {.bytes = room + ROOM,
                            .size = (uint32_t)size,
                            .headroom = ROOM,
                            .tailroom = ROOM},
                  data;
    struct flow flow = {.via = (uint32_t)index, .local = peer->addresses[index]};
    flow.remote = socket_address_read(&from.any);
    if (ice_input(peer->agent, now, &flow, &packet, &data, &peer->outbox) == ICE_INPUT_DATA) {
        printf("data %.*s\n", (int)data.size, (const char *)data.bytes);
    }
}

static void say_hello(struct peer *peer, struct monotime now)
{
    static const char hello[] = "hello from postern";
    uint8_t room[ICE_HEADROOM + sizeof hello + ICE_TAILROOM];
    struct packet packet = {.bytes = room + ICE_HEADROOM,
                            .size = sizeof hello - 1,
                            .headroom = ICE_HEADROOM,
                            .tailroom = ICE_TAILROOM};
    if (!monotime_reached(now, peer->hello)) {
        return;
    }
    peer->hello = monotime_add_ms(now, HELLO_MS);
    memcpy(packet.bytes, hello, sizeof hello - 1);
    ice_send(peer->agent, now, &packet, &peer->outbox);
}

static int wait_ms(const struct peer *peer, struct monotime now)
{
    struct monotime due = monotime_earlier(ice_due(peer->agent), peer->hello);
    int64_t us = monotime_difference_us(due, now);
    return us <= 0 ? 0 : (int)(us / 1000) + 1;
}

static void run(struct peer *peer)
{
    while (!peer->ended) {
        struct pollfd polled[SOCKETS_MAX + 1] = {{STDIN_FILENO, POLLIN, 0}};
        for (size_t i = 0; i < peer->count; i++) {
            polled[i + 1] = (struct pollfd){peer->sockets[i], POLLIN, 0};
        }
        poll(polled, peer->count + 1, wait_ms(peer, clock_now()));
        struct monotime now = clock_now();
        if (polled[0].revents != 0) {
            read_input(peer, now);
        }
        for (size_t i = 0; i < peer->count; i++) {
            if (polled[i + 1].revents != 0) {
                receive(peer, now, i);
            }
        }
        if (monotime_reached(now, ice_due(peer->agent))) {
            ice_tick(peer->agent, now, &peer->outbox);
        }
        say_hello(peer, now);
        settle(peer);
    }
}

int main(int argc, char **argv)
{
    static struct peer peer;
    struct ice_setup setup = {.crypto = stun_crypto_new(), .random = random_bits};
    bool has_address = false;
    outbox_init(&peer.outbox, flush, &peer);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "controlled") == 0 || strcmp(argv[i], "controlling") == 0) {
            setup.role = strcmp(argv[i], "controlled") == 0 ? ICE_CONTROLLED : ICE_CONTROLLING;
        } else if (strcmp(argv[i], "lite") == 0) {
            setup.lite = true;
        } else {
            add_socket(&peer, argv[i]);
            has_address = true;
        }
    }
    if (!has_address) {
        add_socket(&peer, "127.0.0.1");
    }
    peer.agent = ice_agent_new(&setup);
    if (peer.agent == NULL) {
        return 1;
    }
    printf("credentials %s %s %s\n", ice_local_ufrag(peer.agent), ice_local_password(peer.agent),
           setup.lite ? "lite" : "full");
    struct monotime now = clock_now();
    peer.hello = now;
    for (size_t i = 0; i < peer.count; i++) {
        ice_add_socket(peer.agent, now, (uint32_t)i, &peer.addresses[i], (uint16_t)(1000 - i),
                       &peer.outbox);
    }
    ice_gathering_complete(peer.agent, now);
    settle(&peer);
    run(&peer);
    ice_agent_free(peer.agent);
    stun_crypto_free(setup.crypto);
    return 0;
}

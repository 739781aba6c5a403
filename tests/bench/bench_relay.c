/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads a TURN server's relay path and tells what a packet costs it: allocations with one channel
 * each, ChannelData from clients to a peer ("up"), then datagrams from the peer to the clients
 * ("down"). Packets in flight are bounded, so that a server that keeps up loses none. CPU time is
 * the server process's own, from the scheduler's count in /proc.
 *
 *   bench_relay --pid PID [options] ADDRESS:PORT USER PASSWORD
 *
 * Prints one JSON object on standard output. Exits 1 when the server refused, or nothing came
 * through.
 */
#include "base/address.h"
#include "net/socket_address.h"

#include <postern/stun.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define CHANNEL 0x4000
#define PATIENCE_MS 500 /* without any packet: what is in flight is lost */

struct options {
    int pid;
    unsigned allocations, packets, size, window, burst;
    struct stun_address server;
    const char *user, *password;
};

struct client {
    int descriptor; /* connected to the server */
    union socket_address relayed;
    socklen_t relayed_size;
};

struct bench {
    struct options options;
    struct client *clients;
    int peer; /* one socket for all; its address is each channel's peer */
    struct stun_address peer_address;
    int poll; /* an epoll of the clients */
    struct stun_crypto *crypto;
    struct stun_key key;
    char realm[256];
    uint8_t nonce[256];
    size_t nonce_size;
};

struct result {
    uint64_t sent, received, cpu_ns, wall_ns;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What all threads of the process have run so far. */
static uint64_t cpu_ns(int pid)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) {
        fail(path);
    }
    uint64_t sum = 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        char line[100];
        if (file && fgets(line, sizeof line, file)) {
            sum += strtoull(line, NULL, 10);
        }
        if (file) {
            fclose(file);
        }
    }
    closedir(tasks);
    return sum;
}

/* ---- allocations ----------------------------------------------------------------------------- */

static int open_udp(const struct stun_address *local)
{
    union socket_address name = {0};
    socklen_t size = socket_address_write(&name, local);
    int descriptor = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int buffer = 4 << 20;
    struct timeval patience = {2, 0};
    if (descriptor < 0 || bind(descriptor, &name.any, size) != 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) != 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
        fail("socket");
    }
    return descriptor;
}

static void begin(struct stun_builder *builder, uint8_t *bytes, size_t capacity, uint16_t method)
{
    uint8_t id[STUN_TRANSACTION_ID_SIZE];
    if (getrandom(id, sizeof id, 0) != sizeof id) {
        fail("getrandom");
    }
    stun_builder_begin(builder, bytes, capacity, STUN_REQUEST, method, id);
}

static void put_credentials(struct bench *bench, struct stun_builder *builder)
{
    if (bench->nonce_size > 0) {
        stun_builder_put_string(builder, STUN_USERNAME, bench->options.user);
        stun_builder_put_string(builder, STUN_REALM, bench->realm);
        stun_builder_put_bytes(builder, STUN_NONCE, bench->nonce, bench->nonce_size);
        stun_builder_put_integrity(builder, bench->crypto, &bench->key);
    }
}

/* Sends what was built and parses the answer. Returns its error code, or 0 for success. */
static int exchange(int descriptor, struct stun_builder *builder, uint8_t *answer, size_t capacity,
                    struct stun_view *view)
{
    int size = stun_builder_finish(builder);
    if (size < 0 || send(descriptor, builder->bytes, (size_t)size, 0) != size) {
        fail("request");
    }
    ssize_t received = recv(descriptor, answer, capacity, 0);
    if (received < 0 || stun_view_parse(view, answer, (size_t)received) != STUN_OK) {
        fail("no answer from the server");
    }
    uint16_t code = 0;
    if (view->message_class == STUN_ERROR) {
        (void)stun_view_error(view, &code, NULL, NULL);
    }
    return code;
}

static void learn_challenge(struct bench *bench, const struct stun_view *view)
{
    const struct stun_attribute_view *realm = stun_view_find(view, STUN_REALM);
    const struct stun_attribute_view *nonce = stun_view_find(view, STUN_NONCE);
    if (!realm || !nonce || realm->size >= sizeof bench->realm ||
        nonce->size > sizeof bench->nonce) {
        fail("a challenge without realm and nonce");
    }
    memcpy(bench->realm, realm->value, realm->size);
    bench->realm[realm->size] = '\0';
    memcpy(bench->nonce, nonce->value, nonce->size);
    bench->nonce_size = nonce->size;
    if (stun_key_long_term(bench->crypto, &bench->key, STUN_PASSWORD_MD5, bench->options.user,
                           bench->realm, bench->options.password) != STUN_OK) {
        fail("key");
    }
}

static void allocate(struct bench *bench, struct client *client)
{
    uint8_t request[1024], answer[2048];
    struct stun_builder builder;
    struct stun_view view;
    int code = 0;
    for (int attempt = 0; attempt < 3; attempt++) {
        begin(&builder, request, sizeof request, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
        put_credentials(bench, &builder);
        code = exchange(client->descriptor, &builder, answer, sizeof answer, &view);
        if (code != 401 && code != 438) {
            break;
        }
        learn_challenge(bench, &view);
    }
    struct stun_address relayed;
    if (code != 0 || stun_view_xor_address(&view, STUN_XOR_RELAYED_ADDRESS, &relayed) != STUN_OK) {
        fprintf(stderr, "bench_relay: Allocate was answered with %d\n", code);
        exit(1);
    }
    client->relayed_size = socket_address_write(&client->relayed, &relayed);
    begin(&builder, request, sizeof request, STUN_CHANNEL_BIND);
    stun_builder_put_u16_reserved(&builder, STUN_CHANNEL_NUMBER, CHANNEL);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, &bench->peer_address);
    put_credentials(bench, &builder);
    code = exchange(client->descriptor, &builder, answer, sizeof answer, &view);
    if (code != 0) {
        fprintf(stderr, "bench_relay: ChannelBind was answered with %d\n", code);
        exit(1);
    }
}

static void set_up(struct bench *bench)
{
    struct stun_address any = bench->options.server;
    any.port = 0;
    bench->crypto = stun_crypto_new();
    bench->clients = calloc(bench->options.allocations, sizeof *bench->clients);
    bench->poll = epoll_create1(EPOLL_CLOEXEC);
    bench->peer = open_udp(&any);
    union socket_address name = {0};
    socklen_t size = sizeof name;
    if (!bench->crypto || !bench->clients || bench->poll < 0 ||
        getsockname(bench->peer, &name.any, &size) != 0) {
        fail("start");
    }
    bench->peer_address = socket_address_read(&name.any);
    for (unsigned i = 0; i < bench->options.allocations; i++) {
        struct client *client = &bench->clients[i];
        client->descriptor = open_udp(&any);
        size = socket_address_write(&name, &bench->options.server);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (connect(client->descriptor, &name.any, size) != 0 ||
            epoll_ctl(bench->poll, EPOLL_CTL_ADD, client->descriptor, &event) != 0) {
            fail("client");
        }
        allocate(bench, client);
    }
}

static void tear_down(struct bench *bench)
{
    for (unsigned i = 0; i < bench->options.allocations; i++) {
        uint8_t request[1024];
        struct stun_builder builder;
        begin(&builder, request, sizeof request, STUN_REFRESH);
        stun_builder_put_u32(&builder, STUN_LIFETIME, 0);
        put_credentials(bench, &builder);
        int size = stun_builder_finish(&builder);
        if (size > 0) {
            (void)!send(bench->clients[i].descriptor, request, (size_t)size, 0);
        }
        close(bench->clients[i].descriptor);
    }
    close(bench->peer);
    close(bench->poll);
    free(bench->clients);
    stun_crypto_free(bench->crypto);
}

/* ---- load ------------------------------------------------------------------------------------ */

static uint8_t scratch[BATCH][2048];
static struct iovec scratch_vectors[BATCH];

/* Receives what is there; only packets of the right size count. */
static unsigned drain(int descriptor, size_t size)
{
    struct mmsghdr messages[BATCH];
    unsigned right = 0;
    int count;
    do {
        for (int i = 0; i < BATCH; i++) {
            scratch_vectors[i] = (struct iovec){scratch[i], sizeof scratch[i]};
            messages[i] =
                (struct mmsghdr){.msg_hdr = {.msg_iov = &scratch_vectors[i], .msg_iovlen = 1}};
        }
        count = recvmmsg(descriptor, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < count; i++) {
            right += messages[i].msg_len == size;
        }
    } while (count == BATCH);
    return right;
}

/* A burst of one allocation; `framed`: ChannelData from its client, else bare from the peer. */
static void send_burst(struct bench *bench, unsigned number, bool framed)
{
    static uint8_t packet[2048];
    struct client *client = &bench->clients[number];
    struct mmsghdr messages[BATCH];
    struct iovec vector = {packet + STUN_CHANNEL_HEADER_SIZE, bench->options.size};
    if (framed) {
        stun_channel_write(packet, CHANNEL, (uint16_t)bench->options.size);
        vector = (struct iovec){packet, bench->options.size + STUN_CHANNEL_HEADER_SIZE};
    }
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (!framed) {
        header.msg_name = &client->relayed;
        header.msg_namelen = client->relayed_size;
    }
    for (unsigned i = 0; i < bench->options.burst; i++) {
        messages[i].msg_hdr = header;
    }
    if (sendmmsg(framed ? client->descriptor : bench->peer, messages, bench->options.burst, 0) <
        0) {
        fail("send");
    }
}

static unsigned receive_up(struct bench *bench, int timeout_ms)
{
    struct pollfd wanted = {.fd = bench->peer, .events = POLLIN};
    return poll(&wanted, 1, timeout_ms) == 1 ? drain(bench->peer, bench->options.size) : 0;
}

static unsigned receive_down(struct bench *bench, int timeout_ms)
{
    struct epoll_event events[BATCH];
    int ready = epoll_wait(bench->poll, events, BATCH, timeout_ms);
    unsigned count = 0;
    for (int i = 0; i < ready; i++) {
        count += drain(bench->clients[events[i].data.u32].descriptor,
                       bench->options.size + STUN_CHANNEL_HEADER_SIZE);
    }
    return count;
}

static struct result run(struct bench *bench, bool up)
{
    const struct options *options = &bench->options;
    struct result result = {0};
    uint64_t cpu = cpu_ns(options->pid), wall = wall_ns(), lost = 0;
    unsigned next = 0;
    while (result.received + lost < options->packets) {
        uint64_t in_flight = result.sent - result.received - lost;
        bool sending =
            result.sent < options->packets && in_flight + options->burst <= options->window;
        if (sending) {
            send_burst(bench, next, up);
            next = (next + 1) % options->allocations;
            result.sent += options->burst;
        }
        /* Look for arrivals at every quarter of a window, and when nothing may be sent. */
        if (!sending || (result.sent / options->burst) % (options->window / 4 + 1) == 0) {
            int patience = sending ? 0 : PATIENCE_MS;
            unsigned count = up ? receive_up(bench, patience) : receive_down(bench, patience);
            result.received += count;
            if (count == 0 && !sending) {
                lost += result.sent - result.received - lost;
            }
        }
    }
    result.wall_ns = wall_ns() - wall;
    result.cpu_ns = cpu_ns(options->pid) - cpu;
    return result;
}

/* ---- main ------------------------------------------------------------------------------------ */

static void print_result(const char *name, const struct result *result)
{
    double received = result->received ? (double)result->received : 1;
    printf("\"%s\": {\"sent\": %llu, \"received\": %llu, \"cpu_us_per_packet\": %.3f, "
           "\"packets_per_second\": %.0f}",
           name, (unsigned long long)result->sent, (unsigned long long)result->received,
           (double)result->cpu_ns / 1000 / received, received * 1e9 / (double)result->wall_ns);
}

static void usage(void)
{
    fputs("usage: bench_relay --pid PID [--allocations N] [--packets N] [--size BYTES]\n"
          "                   [--window PACKETS] [--burst PACKETS] ADDRESS:PORT USER PASSWORD\n",
          stderr);
    exit(2);
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"pid", required_argument, NULL, 'i'},
        {"allocations", required_argument, NULL, 'n'},
        {"packets", required_argument, NULL, 'p'},
        {"size", required_argument, NULL, 's'},
        {"window", required_argument, NULL, 'w'},
        {"burst", required_argument, NULL, 'b'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){
        .allocations = 100, .packets = 200000, .size = 160, .window = 128, .burst = 1};
    unsigned *numbers[] = {['n'] = &options->allocations, ['p'] = &options->packets,
                           ['s'] = &options->size,        ['w'] = &options->window,
                           ['b'] = &options->burst,       ['i'] = (unsigned *)&options->pid};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == '?') {
            usage();
        }
        *numbers[option] = (unsigned)strtoul(optarg, NULL, 10);
    }
    if (argc - optind != 3 || options->pid <= 0 || options->allocations == 0 ||
        options->size == 0 || options->size > 1400 || options->burst == 0 ||
        options->burst > BATCH || options->window < options->burst ||
        !address_parse(&options->server, argv[optind])) {
        usage();
    }
    options->user = argv[optind + 1];
    options->password = argv[optind + 2];
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    parse_options(&bench.options, argc, argv);
    set_up(&bench);
    (void)run(&bench, true); /* warms caches, ARP-like state and the frequency */
    struct result up = run(&bench, true);
    struct result down = run(&bench, false);
    printf("{\"allocations\": %u, \"size\": %u, ", bench.options.allocations, bench.options.size);
    print_result("up", &up);
    printf(", ");
    print_result("down", &down);
    printf("}\n");
    tear_down(&bench);
    return up.received > 0 && down.received > 0 ? 0 : 1;
}

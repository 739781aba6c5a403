/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_world.h"

#include "base/address.h"
#include "tests/unit/seeded.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_IPV4 "192.0.2.1:3478"
#define SERVER_IPV6 "[2001:db8::1]:3478"
#define DEAD_SERVER "192.0.2.99:3478"
#define VIA_CONNECTION 100 /* a host's handles of connections begin here */
#define INNER_DELAY_US 200 /* within a site */
#define DATA_EVERY_US (50 * MONOTIME_MILLISECOND)
#define DATA_SIZE 12
#define RELIABLE_LOSS_US (200 * MONOTIME_MILLISECOND) /* what a lost segment costs */

uint64_t world_random(void *context)
{
    return seeded_next(&((struct world *)context)->seed);
}

static struct stun_address address_of(const char *text)
{
    struct stun_address address;
    bool ok = address_parse(&address, text);

    assert(ok);
    return address;
}

static int64_t between(struct world *world, int64_t low, int64_t high)
{
    return low + (int64_t)seeded_below(&world->seed, (uint64_t)(high - low + 1));
}

static bool percent(struct world *world, unsigned value)
{
    return value > 0 && seeded_below(&world->seed, 100) < value;
}

/* ---- events, the earliest first ----------------------------------------------------------------
 */

static bool is_earlier(const struct world_event *a, const struct world_event *b)
{
    return a->when.us < b->when.us || (a->when.us == b->when.us && a->order < b->order);
}

static void swap_events(struct world *world, size_t a, size_t b)
{
    struct world_event *event = world->events[a];

    world->events[a] = world->events[b];
    world->events[b] = event;
}

static struct world_event *add_event(struct world *world, enum world_event_type type,
                                     struct monotime when)
{
    struct world_event *event = calloc(1, sizeof *event);

    assert(event != NULL && world->event_count < WORLD_EVENTS_MAX);
    event->type = type;
    event->when = when;
    event->order = world->order++;
    size_t at = world->event_count++;
    world->events[at] = event;
    while (at > 0 && is_earlier(world->events[at], world->events[(at - 1) / 2])) {
        swap_events(world, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    return event;
}

static struct world_event *take_event(struct world *world)
{
    struct world_event *first = world->events[0];
    size_t at = 0;

    world->events[0] = world->events[--world->event_count];
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < world->event_count &&
                is_earlier(world->events[child], world->events[least])) {
                least = child;
            }
        }
        if (least == at) {
            return first;
        }
        swap_events(world, at, least);
        at = least;
    }
}

static void free_event(struct world_event *event)
{
    free(event->bytes);
    free(event);
}

static void give_bytes(struct world_event *event, const uint8_t *bytes, uint32_t size)
{
    event->bytes = malloc(size + 1);
    assert(event->bytes != NULL);
    memcpy(event->bytes, bytes, size);
    event->size = size;
}

/* ---- who is where ------------------------------------------------------------------------------
 */

enum place_type {
    PLACE_NONE,
    PLACE_HOST,
    PLACE_BOX,
    PLACE_SERVER,
};

struct place {
    enum place_type type;
    int index;
};

static bool host_has(const struct world_host *host, const struct stun_address *ip)
{
    for (size_t i = 0; i < host->socket_count; i++) {
        if (address_equal_ip(&host->sockets[i].address, ip)) {
            return true;
        }
    }
    return false;
}

/* Whether the host is behind the box, however far. */
static bool is_behind(const struct world *world, int host, int box)
{
    int network = world->hosts[host].network;

    while (network != 0) {
        if (network - 1 == box) {
            return true;
        }
        network = world->parents[network - 1];
    }
    return false;
}

/* Whether a packet for this address, seen in the network that the box is in, is the box's. */
static bool box_takes(const struct world *world, int index, const struct stun_address *ip)
{
    const struct box *box = &world->boxes[index];
    bool translates = box->kind->translates && ip->family == STUN_FAMILY_IPV4;

    if (translates) {
        return address_equal_ip(&box->address, ip);
    }
    for (int host = 0; host < 2; host++) {
        if (is_behind(world, host, index) && host_has(&world->hosts[host], ip)) {
            return true;
        }
    }
    return false;
}

static bool is_server(const struct stun_address *ip)
{
    struct stun_address ipv4 = address_of(SERVER_IPV4), ipv6 = address_of(SERVER_IPV6);

    return address_equal_ip(ip, &ipv4) || address_equal_ip(ip, &ipv6);
}

static struct place find_place(const struct world *world, int network,
                               const struct stun_address *ip)
{
    for (int host = 0; host < 2; host++) {
        if (world->hosts[host].network == network && host_has(&world->hosts[host], ip)) {
            return (struct place){PLACE_HOST, host};
        }
    }
    for (int box = 0; box < WORLD_BOXES_MAX; box++) {
        if (world->box_is_used[box] && world->parents[box] == network &&
            box_takes(world, box, ip)) {
            return (struct place){PLACE_BOX, box};
        }
    }
    if (network == 0 && is_server(ip)) {
        return (struct place){PLACE_SERVER, 0};
    }
    return (struct place){PLACE_NONE, 0};
}

/* Delay from the middle to whoever has this public address. */
static int64_t delay_to(const struct world *world, struct place place)
{
    if (place.type == PLACE_SERVER) {
        return world->server_delay_us;
    }
    if (place.type == PLACE_HOST) {
        return world->hosts[place.index].delay_us;
    }
    return world->hosts[is_behind(world, 0, place.index) ? 0 : 1].delay_us;
}

int64_t world_server_rtt_us(const struct world *world, int host)
{
    return 2 * (world->hosts[host].delay_us + world->server_delay_us);
}

int64_t world_peer_rtt_us(const struct world *world)
{
    return 2 * (world->hosts[0].delay_us + world->hosts[1].delay_us);
}

/* ---- datagrams ---------------------------------------------------------------------------------
 */

static void put_packet(struct world *world, int network, const struct stun_address *from,
                       const struct stun_address *to, int hops, int64_t delay_us,
                       const uint8_t *bytes, uint32_t size)
{
    struct world_event *event =
        add_event(world, WORLD_PACKET, monotime_add_us(world->now, delay_us));

    event->network = network;
    event->from = *from;
    event->to = *to;
    event->hops = hops;
    give_bytes(event, bytes, size);
}

/* Over the middle: delay, loss, duplicates; `from_delay` is the sender's way to it. */
static void cross(struct world *world, const struct stun_address *from,
                  const struct stun_address *to, struct place place, int hops, int64_t from_delay,
                  const uint8_t *bytes, uint32_t size)
{
    unsigned copies = percent(world, world->duplicate_percent) ? 2 : 1;

    world->packets++;
    for (unsigned i = 0; i < copies; i++) {
        int64_t delay_us = from_delay + delay_to(world, place);
        if (percent(world, world->loss_percent)) {
            world->lost++;
            continue;
        }
        if (world->jitter_us > 0) {
            delay_us += between(world, 0, world->jitter_us);
        }
        put_packet(world, 0, from, to, hops, delay_us, bytes, size);
    }
}

/* From network 0, where `from` is what the world sees. */
static void send_in_middle(struct world *world, const struct stun_address *from,
                           const struct stun_address *to, int hops, int64_t from_delay,
                           const uint8_t *bytes, uint32_t size)
{
    struct place place = find_place(world, 0, to);
    struct place source = find_place(world, 0, from);

    if (place.type == PLACE_NONE) {
        return;
    }
    bool same = place.type == source.type && place.index == source.index;
    if (same && place.type == PLACE_BOX) { /* it comes back at once (hairpin) */
        put_packet(world, 0, from, to, hops, INNER_DELAY_US, bytes, size);
        return;
    }
    if (place.type != PLACE_SERVER && source.type != PLACE_SERVER) {
        if (hops <= world->routers || world->peers_are_cut) {
            return;
        }
        world->openers_crossed += hops < 16;
        hops -= world->routers;
    }
    cross(world, from, to, place, hops, from_delay, bytes, size);
}

/* Out of the host's network, through box after box, until somebody there has the address. */
static void send_from_host(struct world *world, int index, const struct stun_address *socket,
                           const struct stun_address *to, int hops, const uint8_t *bytes,
                           uint32_t size)
{
    struct stun_address from = *socket;
    int network = world->hosts[index].network;

    while (network != 0) {
        if (find_place(world, network, to).type != PLACE_NONE) {
            put_packet(world, network, &from, to, hops, INNER_DELAY_US, bytes, size);
            return;
        }
        struct box *box = &world->boxes[network - 1];
        bool turns_back = box->kind->translates && address_equal_ip(&box->address, to);
        if (--hops <= 0 || (turns_back && !box->kind->hairpin) ||
            !box_out(box, world->now, &from, to)) {
            return;
        }
        network = world->parents[network - 1];
    }
    send_in_middle(world, &from, to, hops, world->hosts[index].delay_us, bytes, size);
}

/* ---- the server --------------------------------------------------------------------------------
 */

static void put_frame(struct world *world, enum world_event_type type, int connection,
                      const uint8_t *bytes, uint32_t size)
{
    struct world_connection *c = &world->connections[connection];
    bool to_host = type == WORLD_TO_HOST;
    int64_t delay_us = world->hosts[c->host].delay_us + world->server_delay_us;

    if (percent(world, world->loss_percent)) {
        delay_us += RELIABLE_LOSS_US;
    }
    struct monotime when = monotime_add_us(world->now, delay_us);
    when = monotime_before(when, c->last[to_host]) ? c->last[to_host] : when;
    c->last[to_host] = when;
    struct world_event *event = add_event(world, type, when);
    event->connection = connection;
    event->request = c->request;
    give_bytes(event, bytes, size);
}

static void server_catches_up(struct world *world)
{
    shell_advance_us(world->shell, monotime_difference_us(world->now, world->shell->now));
}

static void server_sends(struct world *world)
{
    const struct shell_sent *sent;

    while ((sent = shell_take(world->shell)) != NULL) {
        uint32_t via = sent->flow.via;
        if (via > SHELL_VIA_LISTENER && via < SHELL_VIA_RELAY) {
            put_frame(world, WORLD_TO_HOST, (int)via - 2, sent->bytes, sent->size);
            continue;
        }
        const struct stun_address *from =
            via >= SHELL_VIA_RELAY ? &world->shell->relayed[via] : &sent->flow.local;
        if (is_server(&sent->flow.remote)) { /* to another relayed port of its own */
            put_packet(world, 0, from, &sent->flow.remote, WORLD_HOPS, 1, sent->bytes, sent->size);
        } else {
            send_in_middle(world, from, &sent->flow.remote, WORLD_HOPS, world->server_delay_us,
                           sent->bytes, sent->size);
        }
    }
    shell_clear(world->shell);
}

static void serve(struct world *world, const struct world_event *event)
{
    /* Between two relayed ports of its own no datagram leaves it. */
    bool inside = is_server(&event->from);
    if (world->server_is_dead || (world->udp_to_server_is_dead && !inside)) {
        return;
    }
    server_catches_up(world);
    if (event->to.port == 3478) {
        struct flow flow = {
            .via = SHELL_VIA_LISTENER,
            .transport = TRANSPORT_UDP,
            .remote = event->from,
            .local = event->to,
        };
        shell_input(world->shell, &flow, event->bytes, event->size);
    } else {
        shell_relayed(world->shell, &event->to, &event->from, event->bytes, event->size);
    }
    server_sends(world);
}

static struct flow server_flow(const struct world_connection *connection)
{
    return (struct flow){
        .via = connection->server_via,
        .transport = connection->transport,
        .remote = connection->address,
        .local = address_of(SERVER_IPV4),
    };
}

/* ---- a host's agent ----------------------------------------------------------------------------
 */

static void host_flush(struct outbox *outbox, void *context)
{
    struct world *world = context;

    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        uint32_t via = entry->flow.via;
        if (via >= VIA_CONNECTION) {
            if (world->connections[via - VIA_CONNECTION].open) {
                put_frame(world, WORLD_TO_SERVER, (int)(via - VIA_CONNECTION), entry->bytes,
                          entry->size);
            }
            continue;
        }
        /* Vias of the two hosts differ, so that an outbox needs no owner. */
        int host = via >= WORLD_SOCKETS_MAX;
        const struct world_socket *socket =
            &world->hosts[host].sockets[via - (host ? WORLD_SOCKETS_MAX : 0)];
        bool full = entry->hop_limit == 0 || world->ignores_hop_limit;
        bool triggered = entry->size > 1 && entry->bytes[0] == 0 && entry->bytes[1] == 1 &&
                         address_equal(&entry->flow.remote, &world->heard_from);
        if (!socket->closed && !(world->drops_triggered && triggered)) {
            send_from_host(world, host, &socket->address, &entry->flow.remote,
                           full ? WORLD_HOPS : entry->hop_limit, entry->bytes, entry->size);
        }
    }
    outbox_clear(outbox);
}

static uint32_t via_of(int host, size_t socket)
{
    return (uint32_t)(host * WORLD_SOCKETS_MAX) + (uint32_t)socket;
}

static void tell(struct world *world, int host, enum world_event_type type,
                 const struct ice_candidate *candidate)
{
    int64_t delay_us =
        world->hosts[0].delay_us + world->hosts[1].delay_us + 2 * world->server_delay_us;
    struct world_event *event = add_event(world, type, monotime_add_us(world->now, delay_us));

    event->host = 1 - host;
    if (candidate != NULL) {
        event->candidate = *candidate;
    }
    if (type == WORLD_DESCRIPTION) {
        const struct ice_agent *agent = world->hosts[host].agent;
        snprintf(event->ufrag, sizeof event->ufrag, "%s", ice_local_ufrag(agent));
        snprintf(event->password, sizeof event->password, "%s", ice_local_password(agent));
        event->lite = world->hosts[host].setup.lite;
    }
}

static void describe(struct world *world, int index)
{
    struct world_host *host = &world->hosts[index];

    host->described = true;
    tell(world, index, WORLD_DESCRIPTION, NULL);
    for (size_t i = 0; i < host->pending_count; i++) {
        tell(world, index, WORLD_CANDIDATE, &host->pending[i]);
    }
    host->pending_count = 0;
    if (host->ended && !host->ended_told) {
        host->ended_told = true;
        tell(world, index, WORLD_END_OF_CANDIDATES, NULL);
    }
}

static void take_candidate(struct world *world, int index, const struct ice_candidate *candidate)
{
    struct world_host *host = &world->hosts[index];

    if (host->described) {
        tell(world, index, WORLD_CANDIDATE, candidate);
    } else {
        assert(host->pending_count < sizeof host->pending / sizeof host->pending[0]);
        host->pending[host->pending_count++] = *candidate;
    }
}

static void begin_connection(struct world *world, int host, const struct ice_event *asked)
{
    int64_t rtt_us = world_server_rtt_us(world, host);
    int64_t trips = asked->transport == TRANSPORT_TLS ? 2 : 1;
    struct world_event *event =
        add_event(world, WORLD_CONNECTED, monotime_add_us(world->now, trips * rtt_us));
    int free_one = -1;

    for (int i = 0; i < WORLD_CONNECTIONS_MAX && free_one < 0; i++) {
        free_one = world->connections[i].request == 0 ? i : -1;
    }
    event->host = host;
    event->request = asked->request;
    event->connection = world->tcp_fails || world->server_is_dead ? -1 : free_one;
    if (event->connection >= 0) {
        world->connections[free_one] = (struct world_connection){
            .host = host,
            .request = asked->request,
            .transport = asked->transport,
            .server_via = 2 + (uint32_t)free_one,
            .address = address_of(host == 0 ? "198.51.100.200:0" : "203.0.113.200:0"),
            .last = {world->now, world->now},
        };
        world->connections[free_one].address.port = (uint16_t)between(world, 1024, 65535);
    }
}

static void end_connection(struct world *world, int host, uint32_t request)
{
    for (int i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
        struct world_connection *connection = &world->connections[i];
        if (connection->request == request && connection->host == host && request != 0) {
            if (connection->open) {
                struct flow flow = server_flow(connection);
                server_catches_up(world);
                turn_server_flow_closed(world->shell->server, world->now, &flow);
            }
            *connection = (struct world_connection){0};
        }
    }
}

static void tell_event(const struct world *world, int index, const struct ice_event *event)
{
    static const char *const names[] = {
        [ICE_LOCAL_CANDIDATE] = "candidate",
        [ICE_GATHERED] = "gathered",
        [ICE_CONNECT] = "connect",
        [ICE_DISCONNECT] = "disconnect",
        [ICE_SERVER_FAILED] = "server failed",
        [ICE_CONNECTED] = "connected",
        [ICE_SELECTED] = "selected",
        [ICE_ROLE_CHANGED] = "role changed",
        [ICE_DISCONNECTED] = "disconnected",
        [ICE_FAILED] = "failed",
        [ICE_CLOSED] = "closed",
        [ICE_TRACE_OPENER] = "opener",
        [ICE_TRACE_CHECK] = "check",
        [ICE_TRACE_HEARD] = "heard",
        [ICE_TRACE_VALID] = "valid",
        [ICE_TRACE_PAIR_FAILED] = "pair failed",
    };
    char local[ADDRESS_TEXT_SIZE], remote[ADDRESS_TEXT_SIZE];
    bool candidate = event->type == ICE_LOCAL_CANDIDATE;
    const struct ice_candidate *ours = candidate ? &event->candidate : &event->pair.local;
    bool called = world->called.us != INT64_MAX;

    if (!world->tells) {
        return;
    }
    printf("# %9.1f %-5s %-12s", called ? (double)(world->now.us - world->called.us) / 1e3 : -1.0,
           world->hosts[index].name, names[event->type]);
    if (candidate || event->pair.remote.priority != 0) {
        printf(" %s %s", candidate_type_text(ours->type), address_format(&ours->address, local));
    }
    if (event->pair.remote.priority != 0) {
        printf(" -> %s %s hops %u%s", candidate_type_text(event->pair.remote.type),
               address_format(&event->pair.remote.address, remote), event->hops,
               event->pair.nominated ? " nominated" : "");
    }
    printf("%s\n", event->failure_text);
}

static void take_ice_event(struct world *world, int index, const struct ice_event *event)
{
    struct world_host *host = &world->hosts[index];

    tell_event(world, index, event);
    switch (event->type) {
    case ICE_LOCAL_CANDIDATE:
        host->candidates[event->candidate.type]++;
        host->last_candidate = event->candidate;
        take_candidate(world, index, &event->candidate);
        break;
    case ICE_GATHERED:
        host->gathered = world->now;
        host->ended = true;
        host->ended_told = host->described;
        if (host->described) {
            tell(world, index, WORLD_END_OF_CANDIDATES, NULL);
        }
        break;
    case ICE_CONNECT:
        begin_connection(world, index, event);
        break;
    case ICE_DISCONNECT:
        end_connection(world, index, event->request);
        break;
    case ICE_SERVER_FAILED:
        host->server_failures++;
        snprintf(host->server_failure, sizeof host->server_failure, "%s", event->failure_text);
        break;
    case ICE_CONNECTED:
        host->connected = monotime_earlier(host->connected, world->now);
        host->sends_data = true;
        host->data_due = monotime_earlier(host->data_due, world->now);
        break;
    case ICE_SELECTED:
        host->selected = world->now;
        host->selections++;
        host->was_relay = host->was_relay || event->pair.local.type == ICE_RELAYED ||
                          event->pair.remote.type == ICE_RELAYED;
        break;
    case ICE_ROLE_CHANGED:
        host->role_changes++;
        break;
    case ICE_DISCONNECTED:
        host->disconnected = world->now;
        break;
    case ICE_FAILED:
        host->failed = world->now;
        host->failures++;
        host->sends_data = false;
        break;
    case ICE_CLOSED:
        host->closed = world->now;
        break;
    default:
        break;
    }
}

void world_lose_socket(struct world *world, int host, size_t socket)
{
    world->hosts[host].sockets[socket].closed = true;
    ice_socket_lost(world->hosts[host].agent, world->now, via_of(host, socket), &world->outbox);
    world_settle(world, host);
}

void world_lose_connections(struct world *world)
{
    for (int i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
        struct world_connection *connection = &world->connections[i];
        int host = connection->host;
        uint32_t request = connection->request;
        if (connection->open) {
            end_connection(world, host, request);
            ice_server_lost(world->hosts[host].agent, world->now, request, &world->outbox);
            world_settle(world, host);
        }
    }
}

void world_settle(struct world *world, int host)
{
    struct ice_event event;

    do {
        host_flush(&world->outbox, world);
        if (world->spoil != NULL) {
            world->spoil(world, host);
        }
        if (!ice_event(world->hosts[host].agent, &event)) {
            break;
        }
        take_ice_event(world, host, &event);
    } while (true);
    host_flush(&world->outbox, world);
}

/* ---- data of the application -------------------------------------------------------------------
 */

static void send_data(struct world *world, int index)
{
    struct world_host *host = &world->hosts[index];
    uint8_t room[ICE_HEADROOM + DATA_SIZE + ICE_TAILROOM] = {0};
    struct packet packet = {.bytes = room + ICE_HEADROOM,
                            .size = DATA_SIZE,
                            .headroom = ICE_HEADROOM,
                            .tailroom = ICE_TAILROOM};

    host->data_due = monotime_add_us(world->now, DATA_EVERY_US);
    if (host->data_sent == WORLD_DATA_MAX) {
        return;
    }
    room[ICE_HEADROOM] = 0x17; /* as of DTLS */
    memcpy(room + ICE_HEADROOM + 4, &host->data_sent, sizeof host->data_sent);
    if (ice_send(host->agent, world->now, &packet, &world->outbox) == 0) {
        host->first_sent = monotime_earlier(host->first_sent, world->now);
        host->data_sent++;
    }
    world_settle(world, index);
}

static void take_data(struct world *world, int index, const struct packet *data)
{
    struct world_host *host = &world->hosts[index];
    struct world_host *sender = &world->hosts[1 - index];
    uint32_t number;

    assert(data->size == DATA_SIZE && data->bytes[0] == 0x17);
    memcpy(&number, data->bytes + 4, sizeof number);
    assert(number < sender->data_sent);
    host->first_received = monotime_earlier(host->first_received, world->now);
    host->data_twice += sender->data_seen[number];
    host->data_received += !sender->data_seen[number];
    sender->data_seen[number] = 1;
}

unsigned world_missing(const struct world *world, int host)
{
    unsigned missing = 0;

    for (uint32_t i = 0; i < world->hosts[host].data_sent; i++) {
        missing += !world->hosts[host].data_seen[i];
    }
    return missing;
}

static void give_to_agent(struct world *world, int index, const struct flow *flow,
                          const uint8_t *bytes, uint32_t size)
{
    static uint8_t room[PACKET_HEADROOM + 4096 + PACKET_TAILROOM];
    struct packet packet = {.bytes = room + PACKET_HEADROOM,
                            .size = size,
                            .headroom = PACKET_HEADROOM,
                            .tailroom = PACKET_TAILROOM};
    struct packet data;

    assert(size <= 4096);
    memcpy(packet.bytes, bytes, size);
    world->heard_from = flow->remote;
    if (ice_input(world->hosts[index].agent, world->now, flow, &packet, &data, &world->outbox) ==
        ICE_INPUT_DATA) {
        take_data(world, index, &data);
    }
    world_settle(world, index);
    world->heard_from = (struct stun_address){0};
}

/* ---- arrivals ----------------------------------------------------------------------------------
 */

static void arrive_at_host(struct world *world, int index, const struct world_event *event,
                           const struct stun_address *to)
{
    struct world_host *host = &world->hosts[index];

    for (size_t i = 0; i < host->socket_count; i++) {
        if (address_equal(&host->sockets[i].address, to) && !host->sockets[i].closed) {
            struct flow flow = {
                .via = via_of(index, i),
                .transport = TRANSPORT_UDP,
                .remote = event->from,
                .local = *to,
            };
            if (event->type == WORLD_UNREACHABLE) {
                ice_unreachable(host->agent, world->now, flow.via, &event->from, &world->outbox);
                world_settle(world, index);
            } else {
                give_to_agent(world, index, &flow, event->bytes, event->size);
            }
        }
    }
}

static void refuse(struct world *world, const struct world_event *event)
{
    if (!world->icmp || event->type == WORLD_UNREACHABLE) {
        return;
    }
    struct place place = find_place(world, 0, &event->from);
    if (place.type == PLACE_NONE || place.type == PLACE_SERVER) {
        return;
    }
    struct world_event *back = add_event(world, WORLD_UNREACHABLE,
                                         monotime_add_us(world->now, world_peer_rtt_us(world) / 2));
    back->from = event->to;
    back->to = event->from;
    back->hops = WORLD_HOPS;
}

/* Into a network: to a host in it, or through the box that has the address. */
static void arrive(struct world *world, const struct world_event *event)
{
    struct stun_address to = event->to;
    int network = event->network, hops = event->hops;

    for (;;) {
        struct place place = find_place(world, network, &to);
        if (place.type == PLACE_SERVER) {
            serve(world, event);
        } else if (place.type == PLACE_HOST) {
            arrive_at_host(world, place.index, event, &to);
        }
        if (place.type != PLACE_BOX) {
            return;
        }
        enum box_verdict verdict =
            box_in(&world->boxes[place.index], world->now, &event->from, &to);
        if (verdict == BOX_REFUSES) {
            refuse(world, event);
        }
        if (verdict != BOX_PASSES || --hops <= 0) {
            return;
        }
        network = place.index + 1;
    }
}

static void arrive_frame(struct world *world, const struct world_event *event)
{
    struct world_connection *connection = &world->connections[event->connection];

    if (!connection->open || connection->request != event->request || world->server_is_dead) {
        return;
    }
    if (event->type == WORLD_TO_HOST) {
        struct flow flow = {
            .via = VIA_CONNECTION + (uint32_t)event->connection,
            .transport = connection->transport,
            .remote = address_of(SERVER_IPV4),
            .local = connection->address,
        };
        give_to_agent(world, connection->host, &flow, event->bytes, event->size);
        return;
    }
    struct flow flow = server_flow(connection);
    server_catches_up(world);
    shell_input(world->shell, &flow, event->bytes, event->size);
    server_sends(world);
}

static void arrive_connected(struct world *world, const struct world_event *event)
{
    struct ice_agent *agent = world->hosts[event->host].agent;

    if (event->connection < 0) {
        ice_server_lost(agent, world->now, event->request, &world->outbox);
    } else if (world->connections[event->connection].request == event->request) {
        struct world_connection *connection = &world->connections[event->connection];
        connection->open = true;
        ice_server_connected(agent, world->now, event->request,
                             VIA_CONNECTION + (uint32_t)event->connection, &connection->address,
                             &world->outbox);
    }
    world_settle(world, event->host);
}

static void arrive_description(struct world *world, const struct world_event *event)
{
    struct world_host *host = &world->hosts[event->host];
    bool is_answer = host->described && !host->has_answer;

    if (host->has_answer) { /* the peer has restarted, so we do */
        host->described = false;
        host->pending_count = 0;
        host->ended_told = host->ended = false;
        ice_agent_restart(host->agent, world->now, &world->outbox);
        world_settle(world, event->host);
    }
    int status = ice_remote_credentials(host->agent, world->now, event->ufrag, event->password,
                                        event->lite, &world->outbox);
    assert(status == 0);
    host->has_answer = true;
    if (is_answer) {
        ice_remote_informed(host->agent, world->now, &world->outbox);
    } else {
        describe(world, event->host);
    }
    world_settle(world, event->host);
}

static void arrive_signal(struct world *world, const struct world_event *event)
{
    struct ice_agent *agent = world->hosts[event->host].agent;

    if (event->type == WORLD_DESCRIPTION) {
        arrive_description(world, event);
        return;
    }
    if (event->type == WORLD_CANDIDATE) {
        (void)ice_remote_candidate(agent, world->now, &event->candidate, &world->outbox);
    } else {
        ice_remote_end_of_candidates(agent, world->now);
    }
    world_settle(world, event->host);
}

static void happen(struct world *world, const struct world_event *event)
{
    switch (event->type) {
    case WORLD_PACKET:
    case WORLD_UNREACHABLE:
        arrive(world, event);
        break;
    case WORLD_TO_SERVER:
    case WORLD_TO_HOST:
        arrive_frame(world, event);
        break;
    case WORLD_CONNECTED:
        arrive_connected(world, event);
        break;
    default:
        arrive_signal(world, event);
        break;
    }
}

/* ---- building ----------------------------------------------------------------------------------
 */

static void add_socket(struct world *world, int host, const char *text)
{
    struct world_host *row = &world->hosts[host];

    assert(row->socket_count < WORLD_SOCKETS_MAX);
    struct world_socket *socket = &row->sockets[row->socket_count++];
    socket->address = address_of(text);
    socket->address.port = (uint16_t)between(world, 32768, 60999);
}

struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);

    assert(world != NULL);
    world->seed = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world->shell = shell_new(seed);
    shell_start(world->shell, NULL);
    world->now = world->shell->now;
    world->crypto = stun_crypto_new();
    world->uses_udp = world->uses_tcp = true;
    world->routers = (int)between(world, 2, 8);
    world->server_delay_us = between(world, 500, 15000);
    world->called = MONOTIME_NEVER;
    outbox_init(&world->outbox, host_flush, world);
    for (int i = 0; i < 2; i++) {
        struct world_host *host = &world->hosts[i];
        host->name = i == 0 ? "Alice" : "Bob";
        host->delay_us = between(world, 1000, 40000);
        host->setup = (struct ice_setup){
            .crypto = world->crypto, .random = world_random, .random_context = world};
        host->connected = host->selected = host->failed = host->closed = host->disconnected =
            host->gathered = host->first_sent = host->first_received = host->data_due =
                MONOTIME_NEVER;
        add_socket(world, i, i == 0 ? "198.51.100.10:0" : "203.0.113.10:0");
    }
    return world;
}

void world_free(struct world *world)
{
    while (world->event_count > 0) {
        free_event(take_event(world));
    }
    ice_agent_free(world->hosts[0].agent);
    ice_agent_free(world->hosts[1].agent);
    stun_crypto_free(world->crypto);
    shell_free(world->shell);
    free(world);
}

static int new_box(struct world *world, const struct box_kind *kind, int parent,
                   const char *address, int64_t lifetime_ms)
{
    struct stun_address outside = address_of(address);

    for (int i = 0; i < WORLD_BOXES_MAX; i++) {
        if (!world->box_is_used[i]) {
            box_init(&world->boxes[i], kind, &outside, lifetime_ms, &world->seed);
            world->box_is_used[i] = true;
            world->parents[i] = parent;
            return i;
        }
    }
    assert(!"too many boxes");
    return 0;
}

static void move_host(struct world *world, int host, int network, const char *address)
{
    struct stun_address *socket = &world->hosts[host].sockets[0].address;
    uint16_t port = socket->port;

    world->hosts[host].network = network;
    *socket = address_of(address);
    socket->port = port;
}

void world_put_box(struct world *world, int host, const struct box_kind *kind, int64_t lifetime_ms)
{
    static const char *const inner[] = {"100.64.1.2:0", "100.64.2.2:0"};
    static const char *const outer[] = {"198.51.100.1:0", "203.0.113.1:0"};
    static const char *const homes[2][2] = {{"10.1.0.2:0", "10.2.0.2:0"},
                                            {"192.168.1.2:0", "192.168.1.2:0"}};
    int parent = world->hosts[host].network;
    int box = new_box(world, kind, parent, parent == 0 ? outer[host] : inner[host], lifetime_ms);

    world->hosts[host].network = box + 1;
    if (kind->translates) {
        move_host(world, host, box + 1, homes[parent != 0][host]);
    }
}

void world_share_box(struct world *world, const struct box_kind *outer,
                     const struct box_kind *inner, int64_t lifetime_ms)
{
    int shared = new_box(world, outer, 0, "198.51.100.1:0", lifetime_ms);

    for (int host = 0; host < 2; host++) {
        move_host(world, host, shared + 1, host == 0 ? "192.168.1.2:0" : "192.168.1.3:0");
        if (inner != NULL) {
            int box = new_box(world, inner, shared + 1, host == 0 ? "100.64.0.2:0" : "100.64.0.3:0",
                              lifetime_ms);
            move_host(world, host, box + 1, host == 0 ? "10.1.0.2:0" : "10.2.0.2:0");
        }
    }
}

void world_add_ipv6(struct world *world)
{
    add_socket(world, 0, "[2001:db8:1::a]:0");
    add_socket(world, 1, "[2001:db8:2::b]:0");
}

static void add_server(struct world *world, int host, const char *address, uint8_t transport,
                       bool turn, uint32_t number)
{
    const struct ice_server server = {
        .address = address_of(address),
        .transport = transport,
        .turn = turn,
        .user = turn ? "alice" : NULL,
        .password = turn ? (world->wrong_password ? "wrong" : "secret") : NULL,
        .number = number,
    };
    int status = ice_add_server(world->hosts[host].agent, world->now, &server, &world->outbox);

    assert(status == 0);
}

static void start_host(struct world *world, int index)
{
    struct world_host *host = &world->hosts[index];
    bool ipv6 = host->socket_count > 1;

    if (!host->keeps_role) {
        host->setup.role = host->calls ? ICE_CONTROLLING : ICE_CONTROLLED;
    }
    host->agent = ice_agent_new(&host->setup);
    assert(host->agent != NULL);
    for (size_t i = 0; i < host->socket_count; i++) {
        int status = ice_add_socket(host->agent, world->now, via_of(index, i),
                                    &host->sockets[i].address, 1000, &world->outbox);
        assert(status == 0);
    }
    if (world->has_dead_server) {
        add_server(world, index, DEAD_SERVER, TRANSPORT_UDP, true, 9);
    }
    add_server(world, index, SERVER_IPV4, TRANSPORT_UDP, false, 1);
    if (ipv6) {
        add_server(world, index, SERVER_IPV6, TRANSPORT_UDP, false, 2);
    }
    if (world->uses_udp) {
        add_server(world, index, SERVER_IPV4, TRANSPORT_UDP, true, 3);
    }
    if (world->uses_tcp) {
        add_server(world, index, SERVER_IPV4, index == 0 ? TRANSPORT_TCP : TRANSPORT_TLS, true, 4);
    }
    ice_gathering_complete(host->agent, world->now);
    world_settle(world, index);
}

void world_start(struct world *world)
{
    start_host(world, 0);
    start_host(world, 1);
}

/* ---- running -----------------------------------------------------------------------------------
 */

/* The next thing that happens, if before `end`. */
static bool step(struct world *world, struct monotime end)
{
    struct monotime next = world->event_count > 0 ? world->events[0]->when : MONOTIME_NEVER;
    int who = -1;
    bool data = false;

    for (int i = 0; i < 2; i++) {
        struct world_host *host = &world->hosts[i];
        struct monotime due = host->agent != NULL ? ice_due(host->agent) : MONOTIME_NEVER;
        if (monotime_before(due, next)) {
            next = due;
            who = i;
            data = false;
        }
        if (host->sends_data && monotime_before(host->data_due, next)) {
            next = host->data_due;
            who = i;
            data = true;
        }
    }
    if (monotime_before(end, next)) {
        return false;
    }
    if (monotime_before(world->now, next)) {
        world->now = next;
    }
    if (who < 0) {
        struct world_event *event = take_event(world);
        happen(world, event);
        free_event(event);
    } else if (data) {
        send_data(world, who);
    } else {
        ice_tick(world->hosts[who].agent, world->now, &world->outbox);
        world_settle(world, who);
    }
    return true;
}

void world_run_us(struct world *world, int64_t us)
{
    struct monotime end = monotime_add_us(world->now, us);
    uint64_t steps = 0;

    while (step(world, end)) {
        steps++;
        assert(steps < 1000000); /* a machine that is due for ever */
    }
    world->now = end;
}

void world_gather(struct world *world, int64_t us)
{
    struct monotime end = monotime_add_us(world->now, us);

    while (world->hosts[0].gathered.us == INT64_MAX || world->hosts[1].gathered.us == INT64_MAX) {
        if (!step(world, end)) {
            return;
        }
    }
}

void world_call(struct world *world, int caller)
{
    world->called = world->now;
    describe(world, caller);
    world_settle(world, caller);
}

void world_restart(struct world *world, int index)
{
    struct world_host *host = &world->hosts[index];

    host->described = true;
    host->has_answer = false;
    host->ended = host->ended_told = false;
    int status = ice_agent_restart(host->agent, world->now, &world->outbox);
    assert(status == 0);
    tell(world, index, WORLD_DESCRIPTION, NULL);
    world_settle(world, index);
}

/* ---- looking -----------------------------------------------------------------------------------
 */

enum world_path world_path(const struct world *world)
{
    struct ice_pair_report a, b;

    if (!ice_selected(world->hosts[0].agent, &a) || !ice_selected(world->hosts[1].agent, &b)) {
        return PATH_NONE;
    }
    bool relayed = a.local.type == ICE_RELAYED || a.remote.type == ICE_RELAYED;
    bool fits = relayed == (b.local.type == ICE_RELAYED || b.remote.type == ICE_RELAYED);
    /* What one has as its own address the other must see, where no NAT is behind it. */
    fits =
        fits && (a.local.type != ICE_RELAYED || address_equal(&a.local.address, &b.remote.address));
    fits =
        fits && (b.local.type != ICE_RELAYED || address_equal(&b.local.address, &a.remote.address));
    if (!fits) {
        return PATH_NONE;
    }
    return relayed ? PATH_RELAY : PATH_DIRECT;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/ice_world_internal.h"

#include "base/address.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define DATA_EVERY_US (50 * MONOTIME_MILLISECOND)
#define DATA_SIZE 12

/* ---- a host's agent ----------------------------------------------------------------------------
 */

void world_host_flush(struct outbox *outbox, void *context)
{
    struct world *world = context;

    for (size_t i = 0; i < outbox->count; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];
        uint32_t via = entry->flow.via;
        if (via >= VIA_CONNECTION) {
            if (world->connections[via - VIA_CONNECTION].open) {
                world_put_frame(world, WORLD_TO_SERVER, (int)(via - VIA_CONNECTION), entry->bytes,
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
            world_send_from_host(world, host, &socket->address, &entry->flow.remote,
                                 full ? WORLD_HOPS : entry->hop_limit, entry->bytes, entry->size);
        }
    }
    outbox_clear(outbox);
}

uint32_t world_via(int host, size_t socket)
{
    return (uint32_t)(host * WORLD_SOCKETS_MAX) + (uint32_t)socket;
}

void world_tell(struct world *world, int host, enum world_event_type type,
                const struct ice_candidate *candidate)
{
    int64_t delay_us =
        world->hosts[0].delay_us + world->hosts[1].delay_us + 2 * world->server_delay_us;
    struct monotime when = monotime_add_us(world->now, delay_us);

    if (world->signal_jitter_us > 0) {
        when = monotime_add_us(when, world_between(world, 0, world->signal_jitter_us));
        when =
            monotime_before(when, world->signal_due[1 - host]) ? world->signal_due[1 - host] : when;
        world->signal_due[1 - host] = when;
    }
    struct world_event *event = world_add_event(world, type, when);
    event->host = 1 - host;
    if (candidate != NULL) {
        event->candidate = *candidate;
    }
    if (type == WORLD_OFFER || type == WORLD_ANSWER) {
        const struct ice_agent *agent = world->hosts[host].agent;
        snprintf(event->ufrag, sizeof event->ufrag, "%s", ice_local_ufrag(agent));
        snprintf(event->password, sizeof event->password, "%s", ice_local_password(agent));
        event->lite = world->hosts[host].setup.lite;
    }
}

void world_begin_session(struct world *world, int index)
{
    struct world_host *host = &world->hosts[index];

    host->described = false;
    host->known_count = 0;
    host->ended_told = host->ended = false;
    int status = ice_agent_restart(host->agent, world->now, &world->outbox);
    assert(status == 0);
    world_settle(world, index);
}

void world_describe(struct world *world, int index, bool is_offer)
{
    struct world_host *host = &world->hosts[index];

    host->described = true;
    if (is_offer) {
        negotiation_offer(&host->negotiation, world->now);
    }
    world_tell(world, index, is_offer ? WORLD_OFFER : WORLD_ANSWER, NULL);
    for (size_t i = 0; i < host->known_count; i++) {
        world_tell(world, index, WORLD_CANDIDATE, &host->known[i]);
    }
    if (host->ended && !host->ended_told) {
        host->ended_told = true;
        world_tell(world, index, WORLD_END_OF_CANDIDATES, NULL);
    }
}

static void take_candidate(struct world *world, int index, const struct ice_candidate *candidate)
{
    struct world_host *host = &world->hosts[index];

    assert(host->known_count < sizeof host->known / sizeof host->known[0]);
    host->known[host->known_count++] = *candidate;
    if (host->described) {
        world_tell(world, index, WORLD_CANDIDATE, candidate);
    }
}

struct stun_address world_connection_address(int host)
{
    return world_address(host == 0 ? "198.51.100.200:0" : "203.0.113.200:0");
}

static void begin_connection(struct world *world, int host, const struct ice_event *asked)
{
    int64_t rtt_us = world_server_rtt_us(world, host);
    int64_t trips = asked->transport == TRANSPORT_TLS ? 2 : 1;
    struct world_event *event =
        world_add_event(world, WORLD_CONNECTED, monotime_add_us(world->now, trips * rtt_us));
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
            .address = world_connection_address(host),
            .last = {world->now, world->now},
        };
        world->connections[free_one].address.port = (uint16_t)world_between(world, 1024, 65535);
    }
}

static void end_connection(struct world *world, int host, uint32_t request)
{
    for (int i = 0; i < WORLD_CONNECTIONS_MAX; i++) {
        struct world_connection *connection = &world->connections[i];
        if (connection->request == request && connection->host == host && request != 0) {
            if (connection->open) {
                struct flow flow = world_server_flow(connection);
                world_server_catches_up(world);
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
        [ICE_CARRIED] = "carried",
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
    bool called = !monotime_is_never(world->called);

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
            world_tell(world, index, WORLD_END_OF_CANDIDATES, NULL);
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
        host->silences++;
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
    ice_socket_lost(world->hosts[host].agent, world->now, world_via(host, socket), &world->outbox);
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
        world_host_flush(&world->outbox, world);
        if (world->spoil != NULL) {
            world->spoil(world, host);
        }
        if (!ice_event(world->hosts[host].agent, &event)) {
            break;
        }
        take_ice_event(world, host, &event);
    } while (true);
    world_host_flush(&world->outbox, world);
}

/* ---- data of the application -------------------------------------------------------------------
 */

void world_send_data(struct world *world, int index)
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

void world_give(struct world *world, int index, const struct flow *flow, const uint8_t *bytes,
                uint32_t size)
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

/* ---- words by way of the rendezvous -----------------------------------------------------------
 */

void world_connection_made(struct world *world, const struct world_event *event)
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

/* Whether it is to be taken, after a restart of our own where it asks for that. */
static bool prepare_for(struct world *world, const struct world_event *event)
{
    static const struct session_fingerprint certificate = {.algorithm = "sha-256", .size = 32};
    static struct session_description told;
    struct world_host *host = &world->hosts[event->host];

    told = (struct session_description){.fingerprints = {certificate}, .fingerprint_count = 1};
    memcpy(told.ufrag, event->ufrag, sizeof told.ufrag);
    memcpy(told.password, event->password, sizeof told.password);
    switch (negotiation_take(&host->negotiation, world->now, event->type == WORLD_OFFER, &told)) {
    case NEGOTIATION_RESTART:
        world_begin_session(world, event->host);
        return true;
    case NEGOTIATION_COLLIDE:
        host->collisions++;
        return false;
    case NEGOTIATION_STRAY:
    case NEGOTIATION_REFUSE:
        return false;
    default:
        return true;
    }
}

static void arrive_description(struct world *world, const struct world_event *event)
{
    struct world_host *host = &world->hosts[event->host];

    if (host->agent == NULL) {
        world_start_host(world, event->host);
    }
    if (!prepare_for(world, event)) {
        return;
    }
    int status = ice_remote_credentials(host->agent, world->now, event->ufrag, event->password,
                                        event->lite, &world->outbox);
    assert(status == 0);
    if (event->type == WORLD_ANSWER) {
        ice_remote_informed(host->agent, world->now, &world->outbox);
    } else {
        world_describe(world, event->host, false);
        if (host->asks_late) {
            world_use_relays(world, event->host);
        }
        struct world_event *told =
            world_add_event(world, WORLD_ANSWER_TOLD,
                            monotime_add_us(world->now, world_server_rtt_us(world, event->host)));
        told->host = event->host;
    }
    world_settle(world, event->host);
}

void world_signal(struct world *world, const struct world_event *event)
{
    struct ice_agent *agent = world->hosts[event->host].agent;

    if (event->type == WORLD_OFFER || event->type == WORLD_ANSWER) {
        arrive_description(world, event);
        return;
    }
    if (event->type == WORLD_CANDIDATE) {
        (void)ice_remote_candidate(agent, world->now, &event->candidate, &world->outbox);
    } else if (event->type == WORLD_ANSWER_TOLD) {
        ice_remote_expected(agent, world->now, &world->outbox);
    } else {
        ice_remote_end_of_candidates(agent, world->now);
    }
    world_settle(world, event->host);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/streams.h"

#include "net/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A via: bit 31 set, bit 30 not, 10 bits of generation, 20 bits of place in the table. */
#define VIA_STREAM 0x80000000u
#define PLACE_BITS 20
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define GENERATION_MASK 0x3FFu
#define PLACES_MAX (1u << PLACE_BITS)
#define NO_PLACE UINT32_MAX

struct place {
    struct connection *connection; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct streams {
    struct streams_user user;
    struct acceptor *acceptor;
    struct place *places;
    uint32_t place_count, room;
    uint32_t first_free, last_free; /* the longest free place is taken first */
};

/* ---- vias ------------------------------------------------------------------------------------ */

static uint32_t place_via(const struct streams *streams, uint32_t number)
{
    return VIA_STREAM | (streams->places[number].generation & GENERATION_MASK) << PLACE_BITS |
           number;
}

static struct connection *find_connection(const struct streams *streams, uint32_t via)
{
    uint32_t number = via & PLACE_MASK;
    if (number >= streams->place_count || place_via(streams, number) != via) {
        return NULL;
    }
    return streams->places[number].connection;
}

static bool grow(struct streams *streams)
{
    uint32_t room = streams->room ? streams->room * 2 : 16;
    struct place *places =
        room > PLACES_MAX ? NULL : realloc(streams->places, room * sizeof *places);
    if (places) {
        streams->places = places;
        streams->room = room;
    }
    return places != NULL;
}

/* Returns a free place, or NO_PLACE. */
static uint32_t take_place(struct streams *streams)
{
    uint32_t number = streams->first_free;
    if (number != NO_PLACE) {
        streams->first_free = streams->places[number].next_free;
        if (streams->first_free == NO_PLACE) {
            streams->last_free = NO_PLACE;
        }
        return number;
    }
    if (streams->place_count == streams->room && !grow(streams)) {
        return NO_PLACE;
    }
    number = streams->place_count++;
    streams->places[number] = (struct place){0};
    return number;
}

static void give_place_back(struct streams *streams, uint32_t number)
{
    struct place *place = &streams->places[number];
    *place = (struct place){.generation = place->generation + 1, .next_free = NO_PLACE};
    if (streams->last_free == NO_PLACE) {
        streams->first_free = number;
    } else {
        streams->places[streams->last_free].next_free = number;
    }
    streams->last_free = number;
}

/* ---- from the acceptor ----------------------------------------------------------------------- */

static struct flow flow_of(const struct streams *streams, const struct connection *connection)
{
    return (struct flow){
        .via = place_via(streams, connection_number(connection)),
        .transport = connection_transport(connection),
        .remote = *connection_remote(connection),
        .local = *connection_local(connection),
    };
}

static void on_opened(struct connection *connection, void *context)
{
    struct streams *streams = context;
    uint32_t number = take_place(streams);
    connection_set_number(connection, number);
    if (number == NO_PLACE) {
        connection_close(connection);
        return;
    }
    streams->places[number].connection = connection;
}

static void on_frame(struct connection *connection, struct packet *packet, void *context)
{
    struct streams *streams = context;
    struct flow flow = flow_of(streams, connection);
    streams->user.frame(streams->user.context, &flow, packet);
}

static void on_flush(void *context)
{
    struct streams *streams = context;
    streams->user.flush(streams->user.context);
}

static void on_closed(struct connection *connection, const char *text, void *context)
{
    (void)text;
    struct streams *streams = context;
    struct flow flow = flow_of(streams, connection);
    streams->user.closed(streams->user.context, &flow);
    give_place_back(streams, connection_number(connection));
}

/* ---- life ------------------------------------------------------------------------------------ */

struct streams *streams_new(struct event_base *base, const struct streams_user *user,
                            const struct config_boot *boot, struct connection_limit *limit)
{
    struct streams *streams = calloc(1, sizeof *streams);
    if (!streams) {
        return NULL;
    }
    streams->user = *user;
    streams->first_free = streams->last_free = NO_PLACE;
    struct acceptor_policy policy = acceptor_policy_default;
    policy.idle_seconds = boot->tcp_idle_timeout_s;
    const struct acceptor_user acceptor_user = {
        .context = streams,
        .opened = on_opened,
        .frame = on_frame,
        .flush = on_flush,
        .closed = on_closed,
    };
    streams->acceptor = acceptor_new(base, &acceptor_user, &policy, limit);
    if (!streams->acceptor) {
        free(streams);
        return NULL;
    }
    return streams;
}

void streams_free(struct streams *streams)
{
    if (streams) {
        acceptor_free(streams->acceptor);
        free(streams->places);
        free(streams);
    }
}

int streams_listen(struct streams *streams, const struct config_listener *listener)
{
    const struct acceptor_port port = {
        .plain = listener->tcp,
        .tls = listener->tls,
        .proxies = listener->proxies.count > 0 ? &listener->proxies : NULL,
        .upstream = {.address = listener->upstream,
                     .names = (const char *const *)listener->server_names,
                     .name_count = listener->server_name_count,
                     .proxy_header = listener->upstream_proxy_header},
    };
    return acceptor_listen(streams->acceptor, &listener->address, &port, NULL);
}

void streams_set_policy(struct streams *streams, const struct config_policy *policy)
{
    acceptor_set_tls(streams->acceptor, policy->tls_context);
}

int streams_start(struct streams *streams)
{
    return acceptor_start(streams->acceptor);
}

void streams_send(struct streams *streams, const struct outbox_entry *entry)
{
    struct connection *connection = find_connection(streams, entry->flow.via);
    if (connection) {
        (void)connection_send(connection, entry->bytes, entry->size);
    }
}

const char *streams_server_name(const struct streams *streams, uint32_t via)
{
    const struct connection *connection = find_connection(streams, via);
    return connection ? connection_server_name(connection) : NULL;
}

void streams_hold(struct streams *streams, uint32_t via, bool held)
{
    struct connection *connection = find_connection(streams, via);
    if (connection) {
        connection_hold(connection, held);
    }
}

int streams_join(struct streams *streams, uint32_t via, int descriptor, tunnel_meter *meter,
                 void *context)
{
    struct connection *connection = find_connection(streams, via);
    if (!connection) {
        close(descriptor);
        return -EPIPE;
    }
    return connection_join(connection, descriptor, meter, context);
}

void streams_joined_bytes(const struct streams *streams, uint32_t via, uint64_t *from_client,
                          uint64_t *to_client)
{
    const struct connection *connection = find_connection(streams, via);
    *from_client = *to_client = 0;
    if (connection) {
        connection_joined_bytes(connection, from_client, to_client);
    }
}

void streams_close(struct streams *streams, uint32_t via)
{
    struct connection *connection = find_connection(streams, via);
    if (connection) {
        connection_close(connection);
        give_place_back(streams, via & PLACE_MASK);
    }
}

const struct acceptor_counters *streams_counters(const struct streams *streams)
{
    return acceptor_counters(streams->acceptor);
}

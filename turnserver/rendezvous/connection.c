/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdlib.h>
#include <string.h>

#define PINGS_MISSED_MAX 2
#define RETURN_SPREAD_S 10 /* clients of a server that goes down come back one by one */

static uint64_t hash_number(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, sizeof(uint64_t));
}

static bool has_number(const struct hash_node *node, const void *wanted)
{
    return container_of(node, const struct connection, node)->number == *(const uint64_t *)wanted;
}

const struct hash_map_type connection_map_type = {hash_number, has_number};

struct connection *connection_find(const struct rendezvous *rendezvous, uint64_t number)
{
    struct hash_node *node = hash_map_find(&rendezvous->connections, &number);

    return node != NULL ? container_of(node, struct connection, node) : NULL;
}

/* ---- waiting for a look-up ------------------------------------------------------------------- */

bool connection_start_asking(struct rendezvous *rendezvous, struct connection *connection,
                             const char *hello, size_t size, uint64_t lookup)
{
    connection->hello = malloc(size);
    if (connection->hello == NULL) {
        return false;
    }
    memcpy(connection->hello, hello, size);
    connection->hello_size = (uint16_t)size;
    connection->lookup = lookup;
    connection->state = CONNECTION_ASKING;
    connection->previous_asking = NULL;
    connection->next_asking = rendezvous->first_asking;
    if (rendezvous->first_asking != NULL) {
        rendezvous->first_asking->previous_asking = connection;
    }
    rendezvous->first_asking = connection;
    return true;
}

void connection_stop_asking(struct rendezvous *rendezvous, struct connection *connection)
{
    if (connection->state != CONNECTION_ASKING) {
        return;
    }
    if (connection->previous_asking != NULL) {
        connection->previous_asking->next_asking = connection->next_asking;
    } else {
        rendezvous->first_asking = connection->next_asking;
    }
    if (connection->next_asking != NULL) {
        connection->next_asking->previous_asking = connection->previous_asking;
    }
    free(connection->hello);
    connection->hello = NULL;
    connection->state = CONNECTION_GREETED;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void let_go(struct rendezvous *rendezvous, struct connection *connection)
{
    connection_stop_asking(rendezvous, connection);
    timer_wheel_cancel(&rendezvous->connection_timers, &connection->timer);
    hash_map_remove(&rendezvous->connections, &connection->node);
    rendezvous->counters.connections_now--;
}

static void say_why(struct rendezvous *rendezvous, struct connection *connection,
                    enum signal_code code)
{
    struct signal_message error = {.type = SIGNAL_ERROR, .error.code = code};
    uint8_t spread = 0;

    if (code == SIGNAL_SHUTTING_DOWN) {
        rendezvous->random(rendezvous->random_context, &spread, 1);
        error.error.retry_after_s = 1 + spread % RETURN_SPREAD_S;
    }
    /* Who does not read does not hear of it. */
    output_to_connection(rendezvous, connection, &error, OUTPUT_OWN);
}

void connection_dismiss(struct rendezvous *rendezvous, struct connection *connection,
                        enum signal_code code)
{
    if (code != RENDEZVOUS_NO_CODE) {
        say_why(rendezvous, connection, code);
    }
    let_go(rendezvous, connection);
    connection->state = CONNECTION_CLOSING;
    connection->reason = (uint8_t)code;
    connection->unwritable = false;
    output_update_ready(rendezvous, connection);
}

void connection_forget(struct rendezvous *rendezvous, struct connection *connection)
{
    let_go(rendezvous, connection);
    output_drop(&connection->queue);
    output_update_ready(rendezvous, connection);
    connection_free(connection);
}

void connection_free(struct connection *connection)
{
    output_drop(&connection->queue);
    free(connection->realm);
    free(connection->hello);
    free(connection);
}

/* ---- its time -------------------------------------------------------------------------------- */

/* No hello came, or its user could not be looked up. */
static void time_out_stranger(struct rendezvous *rendezvous, struct connection *connection)
{
    enum signal_code code =
        connection->state == CONNECTION_ASKING ? SIGNAL_TRY_LATER : SIGNAL_TIMED_OUT;

    rendezvous->counters.timed_out++;
    event_of_connection(rendezvous, RENDEZVOUS_REFUSED, connection, code);
    connection_dismiss(rendezvous, connection, code);
}

static void ping(struct rendezvous *rendezvous, struct monotime now, struct connection *connection)
{
    const struct signal_message message = {.type = SIGNAL_PING};

    if (connection->pings >= PINGS_MISSED_MAX) {
        rendezvous->counters.timed_out++;
        session_end(rendezvous, now, connection->session, SIGNAL_TIMED_OUT);
    } else if (output_to_connection(rendezvous, connection, &message, OUTPUT_OWN) !=
               RENDEZVOUS_NO_CODE) {
        rendezvous->counters.queue_full++;
        session_end(rendezvous, now, connection->session, SIGNAL_QUEUE_FULL);
    } else {
        connection->pings++;
        timer_wheel_set(&rendezvous->connection_timers, &connection->timer,
                        monotime_add_seconds(now, rendezvous->policy->ping_s));
    }
}

void connection_tick(struct rendezvous *rendezvous, struct monotime now,
                     struct connection *connection)
{
    if (connection->state != CONNECTION_REGISTERED) {
        time_out_stranger(rendezvous, connection);
        return;
    }
    struct monotime due = monotime_add_seconds(connection->heard, rendezvous->policy->ping_s);
    if (monotime_reached(now, due)) {
        ping(rendezvous, now, connection);
    } else {
        timer_wheel_set(&rendezvous->connection_timers, &connection->timer, due);
    }
}

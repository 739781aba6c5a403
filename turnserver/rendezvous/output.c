/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is to be sent waits with the connection that it is for. Connections that have something, and
 * whose shell takes it, stand in a list; each is asked for one message in turn.
 */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- queues ---------------------------------------------------------------------------------- */

static bool enqueue(struct outgoing_queue *queue, const char *bytes, size_t size)
{
    struct outgoing *outgoing = malloc(sizeof *outgoing + size + 1);

    if (outgoing == NULL) {
        return false;
    }
    outgoing->next = NULL;
    outgoing->size = size;
    memcpy(outgoing->bytes, bytes, size);
    outgoing->bytes[size] = '\n';
    if (queue->last != NULL) {
        queue->last->next = outgoing;
    } else {
        queue->first = outgoing;
    }
    queue->last = outgoing;
    queue->bytes += size + 1;
    return true;
}

static struct outgoing *dequeue(struct outgoing_queue *queue)
{
    struct outgoing *outgoing = queue->first;

    if (outgoing != NULL) {
        queue->first = outgoing->next;
        queue->bytes -= outgoing->size + 1;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
    }
    return outgoing;
}

void output_drop(struct outgoing_queue *queue)
{
    struct outgoing *outgoing;

    while ((outgoing = dequeue(queue)) != NULL) {
        free(outgoing);
    }
}

static bool has_room(const struct rendezvous *rendezvous, const struct outgoing_queue *queue,
                     size_t size, enum output_class class)
{
    size_t bound = rendezvous->policy->queue_bytes;

    return queue->bytes + size < (class == OUTPUT_FORWARD ? bound / 2 : bound);
}

/* ---- the list of those who have something ---------------------------------------------------- */

static void add_ready(struct rendezvous *rendezvous, struct connection *connection)
{
    connection->ready = true;
    connection->next_ready = NULL;
    connection->previous_ready = rendezvous->last_ready;
    if (rendezvous->last_ready != NULL) {
        rendezvous->last_ready->next_ready = connection;
    } else {
        rendezvous->first_ready = connection;
    }
    rendezvous->last_ready = connection;
}

static void remove_ready(struct rendezvous *rendezvous, struct connection *connection)
{
    connection->ready = false;
    if (connection->previous_ready != NULL) {
        connection->previous_ready->next_ready = connection->next_ready;
    } else {
        rendezvous->first_ready = connection->next_ready;
    }
    if (connection->next_ready != NULL) {
        connection->next_ready->previous_ready = connection->previous_ready;
    } else {
        rendezvous->last_ready = connection->previous_ready;
    }
}

void output_update_ready(struct rendezvous *rendezvous, struct connection *connection)
{
    bool closing = connection->state == CONNECTION_CLOSING;
    bool wanted = closing || (connection->queue.first != NULL && !connection->unwritable);

    if (wanted && !connection->ready) {
        add_ready(rendezvous, connection);
    } else if (!wanted && connection->ready) {
        remove_ready(rendezvous, connection);
    }
}

/* ---- putting in ------------------------------------------------------------------------------ */

/* Builds the message and puts it into a queue. */
static enum signal_code put(struct rendezvous *rendezvous, struct outgoing_queue *queue,
                            const struct signal_message *message, enum output_class class)
{
    size_t size = signal_message_build(message, rendezvous->scratch, sizeof rendezvous->scratch);

    if (size == 0) {
        return SIGNAL_TOO_LARGE;
    }
    return has_room(rendezvous, queue, size, class) && enqueue(queue, rendezvous->scratch, size)
               ? RENDEZVOUS_NO_CODE
               : SIGNAL_QUEUE_FULL;
}

enum signal_code output_to_connection(struct rendezvous *rendezvous, struct connection *connection,
                                      const struct signal_message *message, enum output_class class)
{
    enum signal_code code = put(rendezvous, &connection->queue, message, class);

    output_update_ready(rendezvous, connection);
    return code;
}

enum signal_code output_to_session(struct rendezvous *rendezvous, struct session *session,
                                   const struct signal_message *message, enum output_class class)
{
    return session->connection != NULL
               ? output_to_connection(rendezvous, session->connection, message, class)
               : put(rendezvous, &session->waiting, message, class);
}

void output_deliver(struct rendezvous *rendezvous, struct session *session)
{
    struct outgoing_queue *queue = &session->connection->queue;

    if (session->waiting.first == NULL) {
        return;
    }
    if (queue->last != NULL) {
        queue->last->next = session->waiting.first;
    } else {
        queue->first = session->waiting.first;
    }
    queue->last = session->waiting.last;
    queue->bytes += session->waiting.bytes;
    session->waiting = (struct outgoing_queue){0};
    output_update_ready(rendezvous, session->connection);
}

/* ---- answers --------------------------------------------------------------------------------- */

void reply(struct request *request, struct signal_message *answer)
{
    struct rendezvous *rendezvous = request->rendezvous;
    struct connection *connection = request->connection;

    request->answered = true;
    answer->rid = request->message->rid;
    if (connection->state == CONNECTION_CLOSING ||
        output_to_connection(rendezvous, connection, answer, OUTPUT_OWN) == RENDEZVOUS_NO_CODE) {
        return;
    }
    /* It asks and does not read the answers. */
    rendezvous->counters.queue_full++;
    if (connection->session != NULL) {
        session_end(rendezvous, request->now, connection->session, SIGNAL_QUEUE_FULL);
        request->session = NULL;
    } else {
        connection_dismiss(rendezvous, connection, SIGNAL_QUEUE_FULL);
    }
}

void reply_code(struct request *request, enum signal_code code)
{
    reply_retry(request, code, 0);
}

void reply_retry(struct request *request, enum signal_code code, int64_t after_us)
{
    struct signal_message error = {.type = SIGNAL_ERROR, .error.code = code};
    int64_t seconds = (after_us + MONOTIME_SECOND - 1) / MONOTIME_SECOND;

    error.call = request->message->type == SIGNAL_CALL ? NULL : request->message->call;
    error.error.retry_after_s = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    reply(request, &error);
}

/* ---- taking out ------------------------------------------------------------------------------ */

static void give(struct rendezvous *rendezvous, struct connection *connection,
                 struct rendezvous_output *output)
{
    struct outgoing *outgoing = dequeue(&connection->queue);

    remove_ready(rendezvous, connection);
    *output = (struct rendezvous_output){.connection = connection->number};
    if (outgoing != NULL) {
        output->type = RENDEZVOUS_SEND;
        output->bytes = outgoing->bytes;
        output->size = outgoing->size;
        rendezvous->lent = outgoing;
        rendezvous->counters.messages_out++;
        output_update_ready(rendezvous, connection);
    } else {
        output->type = RENDEZVOUS_CLOSE;
        output->reason = (enum signal_code)connection->reason;
        connection_free(connection);
    }
}

bool rendezvous_next_output(struct rendezvous *rendezvous, struct rendezvous_output *output)
{
    free(rendezvous->lent);
    rendezvous->lent = NULL;
    if (rendezvous->first_ready == NULL) {
        return false;
    }
    give(rendezvous, rendezvous->first_ready, output);
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/mobility.h"

#include "base/base64.h"
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>
#include <string.h>

/* What waits for another worker waits under a number that no look-up of a user has. */
#define MOVE_ID UINT64_C(0x8000000000000000)

/* ---- tickets --------------------------------------------------------------------------------- */

/* In constant time. */
static bool ticket_equal(const uint8_t *a, const uint8_t *b)
{
    uint8_t difference = 0;

    for (size_t i = 0; i < TURN_TICKET_SIZE; i++) {
        difference |= a[i] ^ b[i];
    }
    return difference == 0;
}

static uint64_t hash_ticket(const struct siphash_key *key, const void *wanted)
{
    return siphash(key, wanted, TURN_TICKET_SIZE);
}

static bool is_of_ticket(const struct hash_node *node, const void *wanted)
{
    return ticket_equal(container_of(node, const struct mobility, by_ticket)->ticket, wanted);
}

void mobility_table_init(struct hash_map *tickets, const struct siphash_key *key)
{
    static const struct hash_map_type type = {hash_ticket, is_of_ticket};

    hash_map_init(tickets, &type, key, SIZE_MAX);
}

/* 22 bytes of chance after the number of the worker, as text: there are clients that keep a ticket
 * as a string (coturn's). */
#define TICKET_BYTES 24

/* Whatever number a stranger's bytes make. */
static uint32_t ticket_worker(const uint8_t *ticket)
{
    char text[5] = {0};
    uint8_t head[3];

    memcpy(text, ticket, 4);
    return base64_decode(text, head, sizeof head) ? (uint32_t)head[0] << 8 | head[1] : UINT32_MAX;
}

static bool ticket_give(struct turn_server *server, struct mobility *mobility)
{
    uint8_t bytes[TICKET_BYTES];
    char text[BASE64_TEXT_SIZE(TICKET_BYTES)];

    for (size_t i = 0; i < sizeof bytes; i += sizeof(uint64_t)) {
        uint64_t random = turn_server_random(server);
        memcpy(bytes + i, &random, sizeof random);
    }
    bytes[0] = (uint8_t)(server->setup.worker >> 8);
    bytes[1] = (uint8_t)server->setup.worker;
    memcpy(mobility->ticket, base64_encode(bytes, sizeof bytes, text), TURN_TICKET_SIZE);
    return hash_map_insert(&server->tickets, &mobility->by_ticket, mobility->ticket) == 0;
}

struct mobility *mobility_find(struct turn_server *server, const uint8_t *ticket)
{
    struct hash_node *node = hash_map_find(&server->tickets, ticket);

    return node == NULL ? NULL : container_of(node, struct mobility, by_ticket);
}

/* ---- life ------------------------------------------------------------------------------------ */

void mobility_begin(struct turn_server *server, struct allocation *allocation)
{
    struct mobility *mobility = calloc(1, sizeof *mobility);

    if (mobility == NULL) {
        return;
    }
    mobility->allocation = allocation;
    if (!ticket_give(server, mobility)) {
        free(mobility);
        return;
    }
    allocation->mobility = mobility;
}

void mobility_end(struct turn_server *server, struct allocation *allocation)
{
    if (allocation->mobility != NULL) {
        hash_map_remove(&server->tickets, &allocation->mobility->by_ticket);
        free(allocation->mobility);
        allocation->mobility = NULL;
    }
}

/* The ticket has been used: the next one. */
static void mobility_rotate(struct turn_request *request, struct mobility *mobility)
{
    hash_map_remove(&request->server->tickets, &mobility->by_ticket);
    memcpy(mobility->used, mobility->ticket, TURN_TICKET_SIZE);
    memcpy(mobility->transaction_id, request->view->transaction_id, STUN_TRANSACTION_ID_SIZE);
    if (!ticket_give(request->server, mobility)) {
        mobility->allocation->mobility = NULL;
        free(mobility);
    }
}

/* ---- Refresh --------------------------------------------------------------------------------- */

static enum mobility_outcome mobility_refuse(struct turn_request *request, uint16_t code,
                                             const char *reason)
{
    reply_error(request, code, reason);
    return MOBILITY_ANSWERED;
}

/* Asks the worker that gave the ticket; the request waits. */
static enum mobility_outcome mobility_ask(struct turn_request *request, const uint8_t *ticket)
{
    struct turn_server *server = request->server;
    struct move_queue *moves = &server->moves;
    struct turn_move *move = &moves->entries[(moves->first + moves->count) % MOVES_MAX];
    enum parking_result parked = PARKING_REFUSED;

    if (moves->count < MOVES_MAX) {
        move->id = MOVE_ID | (moves->asked + 1);
        parked = parking_put(&server->parking, request->now, request->flow, move->id,
                             request->view->bytes, request->view->size);
    }
    server->counters.dropped_parking += parked == PARKING_REFUSED;
    if (parked == PARKING_TAKEN) {
        move->from = ticket_worker(ticket);
        memcpy(move->ticket, ticket, TURN_TICKET_SIZE);
        memcpy(move->user, request->identity->user, sizeof move->user);
        moves->asked++;
        moves->count++;
    }
    return MOBILITY_ANSWERED;
}

static enum mobility_outcome mobility_unknown(struct turn_request *request, const uint8_t *ticket)
{
    const struct turn_setup *setup = &request->server->setup;
    uint32_t worker = ticket_worker(ticket);

    if (request->move_status == TURN_MOVE_NOT_OWNER) {
        return mobility_refuse(request, 441, NULL);
    }
    if (request->move_status == TURN_MOVE_NOT_ASKED && worker != setup->worker &&
        worker < setup->worker_count) {
        return mobility_ask(request, ticket);
    }
    return mobility_refuse(request, 437, "Allocation Mismatch: no allocation has this ticket");
}

/* The flow has an allocation already: it can only be this one. */
static enum mobility_outcome mobility_stay(struct turn_request *request, const uint8_t *ticket)
{
    struct mobility *mobility = request->allocation->mobility;

    if (!request_owns_allocation(request)) {
        return MOBILITY_ANSWERED;
    }
    if (mobility != NULL && ticket_equal(mobility->ticket, ticket)) {
        mobility_rotate(request, mobility);
        return MOBILITY_MOVED;
    }
    if (mobility != NULL && ticket_equal(mobility->used, ticket) &&
        memcmp(mobility->transaction_id, request->view->transaction_id, STUN_TRANSACTION_ID_SIZE) ==
            0) {
        return MOBILITY_REPEATED;
    }
    return mobility_refuse(request, 400, "Bad Request: the ticket is not this allocation's");
}

static void mobility_move(struct turn_request *request, struct mobility *mobility)
{
    struct allocation *allocation = mobility->allocation;
    struct turn_event moved = {.type = TURN_MOVED};

    if (allocation->attached) {
        moved.previous = allocation->flow.remote;
        moved.previous_via = allocation->flow.via;
        moved.previous_transport = allocation->flow.transport;
    }
    /* What is on its way to the old address leaves first. */
    if (request->outbox->count > 0) {
        request->outbox->flush(request->outbox, request->outbox->context);
    }
    allocation_attach(request->server, allocation, request->flow);
    mobility_rotate(request, mobility);
    request->allocation = allocation;
    request->server->counters.allocations_moved++;
    allocation_report(request->server, allocation, &moved);
}

enum mobility_outcome mobility_refresh(struct turn_request *request,
                                       const struct stun_attribute_view *ticket)
{
    struct mobility *mobility;

    if (!request->server->policy->mobility) {
        return mobility_refuse(request, 405, NULL);
    }
    if (ticket->size != TURN_TICKET_SIZE) {
        return mobility_refuse(request, 400, "Bad Request: this is not a ticket of ours");
    }
    if (request->allocation != NULL) {
        return mobility_stay(request, ticket->value);
    }
    mobility = mobility_find(request->server, ticket->value);
    if (mobility == NULL) {
        return mobility_unknown(request, ticket->value);
    }
    if (strcmp(mobility->allocation->account->name, request->identity->user) != 0) {
        return mobility_refuse(request, 441, NULL);
    }
    mobility_move(request, mobility);
    return MOBILITY_MOVED;
}

bool turn_server_next_move(struct turn_server *server, struct turn_move *move)
{
    struct move_queue *moves = &server->moves;

    if (moves->count == 0) {
        return false;
    }
    *move = moves->entries[moves->first];
    moves->first = (moves->first + 1) % MOVES_MAX;
    moves->count--;
    return true;
}

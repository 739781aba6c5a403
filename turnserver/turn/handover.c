/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocation changes its worker, because its client's packets now arrive at another one. It goes
 * as it is, in its own memory; what it was known by stays behind, and its ports go by the handles
 * that the shell gives for them.
 */
#include "turnserver/turn/mobility.h"
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>
#include <string.h>

struct turn_handover {
    struct allocation *allocation; /* in no table */
    int ports[2]; /* handles, of the first and the second port where these are open */
    uint16_t quota_offset;
    char user[];
};

static void list_ports(const struct turn_handover *handover, struct relay_port *ports[2])
{
    ports[0] = &handover->allocation->port;
    ports[1] = handover->allocation->second;
    for (size_t i = 0; i < 2; i++) {
        ports[i] = ports[i] != NULL && ports[i]->open ? ports[i] : NULL;
    }
}

/* ---- at the worker that has it --------------------------------------------------------------- */

static struct turn_handover *handover_new(struct allocation *allocation)
{
    const struct account *account = allocation->account;
    size_t size = strlen(account->name) + 1;
    struct turn_handover *handover = malloc(sizeof *handover + size);

    if (handover != NULL) {
        *handover =
            (struct turn_handover){.allocation = allocation, .quota_offset = account->quota_offset};
        memcpy(handover->user, account->name, size);
    }
    return handover;
}

static void handover_give(struct turn_server *server, struct turn_handover *handover)
{
    struct allocation *allocation = handover->allocation;
    struct relay_port *ports[2];

    allocation_detach(server, allocation);
    timer_wheel_cancel(&server->allocations.timers, &allocation->timer);
    hash_map_remove(&server->tickets, &allocation->mobility->by_ticket);
    list_ports(handover, ports);
    for (size_t i = 0; i < 2; i++) {
        if (ports[i] != NULL) {
            hash_map_remove(&server->allocations.by_via, &ports[i]->by_via);
            handover->ports[i] =
                server->setup.passing.give(server->setup.ports.context, ports[i]->via);
        }
    }
    account_release(&server->accounts, allocation->account);
    allocation->account = NULL;
    server->counters.allocations_now--;
}

enum turn_move_status turn_server_give_away(struct turn_server *server,
                                            const struct turn_move *move,
                                            struct turn_handover **handover, struct outbox *outbox)
{
    struct mobility *mobility = mobility_find(server, move->ticket);

    *handover = NULL;
    /* A port that others have too stays where it is. */
    if (mobility == NULL || !server->policy->mobility || server->setup.shared_ports > 0) {
        return TURN_MOVE_UNKNOWN;
    }
    if (strcmp(mobility->allocation->account->name, move->user) != 0) {
        return TURN_MOVE_NOT_OWNER;
    }
    *handover = handover_new(mobility->allocation);
    if (*handover == NULL) {
        return TURN_MOVE_UNKNOWN;
    }
    if (outbox->count > 0) {
        outbox->flush(outbox, outbox->context);
    }
    allocation_report(server, mobility->allocation, &(struct turn_event){.type = TURN_LEFT});
    handover_give(server, *handover);
    return TURN_MOVE_DONE;
}

/* ---- at the worker that gets it -------------------------------------------------------------- */

/* Takes over the ports that are still somebody's handles; those that cannot be taken are closed. */
static bool take_ports(struct turn_server *server, struct turn_handover *handover)
{
    struct relay_port *ports[2];
    bool any = false;

    list_ports(handover, ports);
    for (size_t i = 0; i < 2; i++) {
        if (ports[i] == NULL) {
            continue;
        }
        ports[i]->open = server->setup.passing.take(server->setup.ports.context, &ports[i]->relayed,
                                                    handover->ports[i], &ports[i]->via) == 0;
        if (!ports[i]->open) {
            port_pool_give_back(server->setup.pool, &ports[i]->relayed);
            account_give_back(server, handover->user + handover->quota_offset,
                              (struct turn_holding){0, 1});
            continue;
        }
        (void)hash_map_insert(&server->allocations.by_via, &ports[i]->by_via, &ports[i]->via);
        any = true;
    }
    return any;
}

/* What cannot go on gives back what it holds. */
static void handover_drop(struct turn_server *server, struct turn_handover *handover)
{
    const char *user = handover->user + handover->quota_offset;
    struct turn_holding holding = {1, 0};
    struct relay_port *ports[2];

    list_ports(handover, ports);
    for (size_t i = 0; i < 2; i++) {
        if (ports[i] != NULL) {
            server->setup.passing.discard(server->setup.ports.context, handover->ports[i]);
            port_pool_give_back(server->setup.pool, &ports[i]->relayed);
            holding.ports++;
        }
    }
    allocation_end_reservation(server, handover->allocation, user);
    account_give_back(server, user, holding);
    allocation_free_memory(handover->allocation);
}

static void adopt(struct turn_server *server, struct turn_handover *handover)
{
    struct allocation *allocation = handover->allocation;

    allocation->account = account_get(&server->accounts, handover->user, handover->quota_offset);
    if (allocation->account == NULL || !take_ports(server, handover)) {
        account_release(&server->accounts, allocation->account);
        handover_drop(server, handover);
        return;
    }
    (void)hash_map_insert(&server->tickets, &allocation->mobility->by_ticket,
                          allocation->mobility->ticket);
    /* Not of this worker's count: all is judged anew. */
    allocation->policy_generation = server->allocations.policy_generation - 1;
    allocation_set_timer(server, allocation);
    server->counters.allocations_now++;
}

void turn_server_take_over(struct turn_server *server, struct monotime now, uint64_t id,
                           enum turn_move_status status, struct turn_handover *handover,
                           struct outbox *outbox)
{
    struct parked *parked;

    if (handover != NULL) {
        adopt(server, handover);
        free(handover);
    }
    while ((parked = parking_take(&server->parking, id)) != NULL) {
        turn_server_resume(server, now, parked, status, outbox);
    }
}

void turn_handover_free(struct turn_handover *handover, const struct turn_passing *passing,
                        void *context)
{
    struct relay_port *ports[2];

    if (handover == NULL) {
        return;
    }
    list_ports(handover, ports);
    for (size_t i = 0; i < 2; i++) {
        if (ports[i] != NULL) {
            passing->discard(context, handover->ports[i]);
        }
    }
    allocation_free_memory(handover->allocation);
    free(handover);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ConnectionBind: RFC 6062 §5.4. The id says which worker has the connection to the peer. If that
 * is another one, it is asked (a claim), and the request is answered when its answer is there.
 */
#include "turnserver/turn/deferred.h"
#include "turnserver/turn/tcp_connection.h"
#include "turnserver/turn/turn_internal.h"

#include <stdlib.h>

#define CLAIMS_MAX 256
#define CLAIM_SECONDS 10

static const char *refusal(uint16_t code)
{
    return code == 400 ? "Bad Request: no connection with this CONNECTION-ID waits" : NULL;
}

/* Answers, and joins the two connections when `code` is 0. */
static bool finish(struct turn_request *request, uint32_t id, uint16_t code)
{
    const struct turn_tcp_ports *tcp = &request->server->setup.tcp;

    if (code != 0) {
        reply_error(request, code, refusal(code));
        return false;
    }
    reply_success(request);
    return tcp->join(tcp->context, id, request->flow,
                     request->identity->user + request->identity->account_offset) == 0;
}

static void bind_own(struct turn_request *request, uint32_t id)
{
    struct turn_server *server = request->server;
    uint16_t code = turn_server_tcp_claim(server, request->now, id, request->identity->user,
                                          server->setup.worker & TCP_WORKER_MASK);

    if (!finish(request, id, code) && code == 0) { /* the client has gone meanwhile */
        tcp_connection_close(server, request->now, tcp_connection_find(server, id));
    }
}

static void bind_elsewhere(struct turn_request *request, uint32_t id)
{
    struct turn_server *server = request->server;
    const struct turn_tcp_ports *tcp = &server->setup.tcp;
    struct tcp_table *table = &server->tcp;
    struct tcp_claim *claim = table->claim_count < CLAIMS_MAX ? calloc(1, sizeof *claim) : NULL;
    struct tcp_claim **last = &table->claims;

    if (claim != NULL) {
        claim->request = deferred_new(request);
        claim->number = ++table->claim_number;
        claim->id = id;
        claim->ends = monotime_add_seconds(request->now, CLAIM_SECONDS);
    }
    if (claim == NULL || claim->request == NULL) {
        free(claim);
        reply_error(request, 508, NULL);
        return;
    }
    if (!tcp->claim(tcp->context, claim->number, id, request->identity->user)) {
        deferred_free(claim->request);
        free(claim);
        reply_error(request, 400, refusal(400));
        return;
    }
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = claim;
    table->claim_count++;
}

void connection_bind_handle(struct turn_request *request)
{
    static const uint16_t known[] = {STUN_CONNECTION_ID};
    uint8_t transport = request->flow->transport;
    uint32_t id;

    if (request_refuse_unknown(request, known, 1)) {
        return;
    }
    if (transport != TRANSPORT_TCP && transport != TRANSPORT_TLS) {
        reply_error(request, 400, "Bad Request: a data connection is TCP or TLS");
    } else if (request->allocation != NULL) {
        reply_error(request, 400, "Bad Request: this connection carries an allocation");
    } else if (stun_view_u32(request->view, STUN_CONNECTION_ID, &id) != STUN_OK) {
        reply_error(request, 400, "Bad Request: CONNECTION-ID is missing or malformed");
    } else if ((id & TCP_WORKER_MASK) == (request->server->setup.worker & TCP_WORKER_MASK)) {
        bind_own(request, id);
    } else {
        bind_elsewhere(request, id);
    }
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void claim_free(struct tcp_table *table, struct tcp_claim **place)
{
    struct tcp_claim *claim = *place;

    *place = claim->next;
    table->claim_count--;
    deferred_free(claim->request);
    free(claim);
}

bool turn_server_tcp_claimed(struct turn_server *server, struct monotime now, uint32_t number,
                             uint16_t code, struct outbox *outbox)
{
    struct tcp_table *table = &server->tcp;
    struct tcp_claim **place = &table->claims;
    struct turn_request request;
    struct stun_view view;
    bool joined;

    while (*place != NULL && (*place)->number != number) {
        place = &(*place)->next;
    }
    if (*place == NULL) {
        return false;
    }
    deferred_resume((*place)->request, server, now, outbox, &request, &view);
    joined = finish(&request, (*place)->id, code);
    claim_free(table, place);
    return joined;
}

void connection_bind_expire(struct turn_server *server, struct monotime now)
{
    struct tcp_table *table = &server->tcp;

    while (table->claims != NULL && monotime_reached(now, table->claims->ends)) {
        claim_free(table, &table->claims);
    }
}

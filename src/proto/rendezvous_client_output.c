/* SPDX-License-Identifier: BSD-3-Clause */
/* What we say, in its order: flags of what is due, and the messages of calls. */
#include "proto/rendezvous_client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RID_TURN "turn"

/* ---- messages of calls ----------------------------------------------------------------------- */

static bool brings_answer(const struct signal_message *message)
{
    const struct signal_description *description =
        message->type == SIGNAL_ACCEPT ? &message->accept.description : &message->description;
    return (message->type == SIGNAL_ACCEPT || message->type == SIGNAL_DESCRIPTION) &&
           description->type != NULL && strcmp(description->type, "answer") == 0;
}

void rendezvous_keep(struct rendezvous_client *client, uint32_t call,
                     struct signal_message *message)
{
    char rid[RID_SIZE];
    snprintf(rid, sizeof rid, "%u", ++client->last_rid);
    message->rid = rid;
    size_t size = signal_message_build(message, client->lent, sizeof client->lent);
    struct kept_message *kept = size == 0 || client->kept_count == RENDEZVOUS_MESSAGES_MAX
                                    ? NULL
                                    : malloc(sizeof *kept + size + 1);
    if (kept == NULL) {
        client->counters.overflowing++;
        return;
    }
    *kept = (struct kept_message){
        .call = call,
        .size = size,
        .is_call = message->type == SIGNAL_CALL,
        .answers = brings_answer(message),
    };
    memcpy(kept->rid, rid, sizeof rid);
    memcpy(kept->text, client->lent, size + 1);
    struct kept_message **end = &client->kept;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = kept;
    client->kept_count++;
}

struct kept_message *rendezvous_take_kept(struct rendezvous_client *client, const char *rid)
{
    if (rid == NULL) {
        return NULL;
    }
    for (struct kept_message **at = &client->kept; *at != NULL; at = &(*at)->next) {
        struct kept_message *kept = *at;
        if (kept->sent && strcmp(kept->rid, rid) == 0) {
            *at = kept->next;
            client->kept_count--;
            return kept;
        }
    }
    return NULL;
}

void rendezvous_output_restart(struct rendezvous_client *client)
{
    client->open_due = client->pong_due = client->ping_due = client->turn_wanted = false;
    client->hello_size = 0;
    for (struct kept_message *kept = client->kept; kept != NULL; kept = kept->next) {
        kept->sent = false;
    }
}

void rendezvous_output_free(struct rendezvous_client *client)
{
    while (client->kept != NULL) {
        struct kept_message *next = client->kept->next;
        free(client->kept);
        client->kept = next;
    }
}

/* ---- the next to send ------------------------------------------------------------------------ */

static size_t build_plain(struct rendezvous_client *client, const struct signal_message *message)
{
    return signal_message_build(message, client->lent, sizeof client->lent);
}

/* What is not of a call: the flags, in the order of their urgency. */
static size_t next_control(struct rendezvous_client *client)
{
    if (client->open_due) {
        client->open_due = false;
        return build_plain(client, &(struct signal_message){.type = SIGNAL_OPEN,
                                                            .open = {.version = SIGNAL_VERSION}});
    }
    if (client->hello_size > 0) {
        size_t size = client->hello_size;
        memcpy(client->lent, client->hello, size + 1);
        client->hello_size = 0;
        return size;
    }
    if (client->pong_due) {
        client->pong_due = false;
        const char *rid = client->pong_rid[0] == '\0' ? NULL : client->pong_rid;
        return build_plain(client, &(struct signal_message){.type = SIGNAL_PONG, .rid = rid});
    }
    if (client->ping_due) {
        client->ping_due = false;
        return build_plain(client, &(struct signal_message){.type = SIGNAL_PING});
    }
    if (client->turn_wanted) {
        client->turn_wanted = false;
        return build_plain(client, &(struct signal_message){.type = SIGNAL_TURN, .rid = RID_TURN});
    }
    return 0;
}

static size_t next_kept(struct rendezvous_client *client)
{
    if (client->state != CONNECTION_REGISTERED) {
        return 0;
    }
    for (struct kept_message *kept = client->kept; kept != NULL; kept = kept->next) {
        if (!kept->sent) {
            kept->sent = true;
            memcpy(client->lent, kept->text, kept->size + 1);
            return kept->size;
        }
    }
    return 0;
}

const char *rendezvous_client_output(struct rendezvous_client *client, size_t *size)
{
    if (client->state < CONNECTION_OPENING) {
        return NULL;
    }
    *size = next_control(client);
    if (*size == 0) {
        *size = next_kept(client);
    }
    if (*size == 0) {
        return NULL;
    }
    client->counters.messages_sent++;
    return client->lent;
}

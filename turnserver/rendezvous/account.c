/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include <stdlib.h>
#include <string.h>

/* Every bucket is full again by then: calls are counted by the minute. */
#define ACCOUNT_LINGER_S 60

static bool is_account(const struct hash_node *node, const void *wanted)
{
    return strcmp(container_of(node, const struct account, node)->name, wanted) == 0;
}

const struct hash_map_type account_map_type = {hash_map_text, is_account};

static void linger(struct rendezvous *rendezvous, struct monotime now, struct account *account)
{
    timer_wheel_set(&rendezvous->account_timers, &account->timer,
                    monotime_add_seconds(now, ACCOUNT_LINGER_S));
}

struct account *account_of(struct rendezvous *rendezvous, struct monotime now, const char *name,
                           const char *realm)
{
    struct hash_node *node = hash_map_find(&rendezvous->accounts, name);

    if (node != NULL) {
        return container_of(node, struct account, node);
    }
    size_t name_size = strlen(name) + 1, realm_size = strlen(realm) + 1;
    struct account *account = calloc(1, sizeof *account + name_size + realm_size);
    if (account == NULL) {
        return NULL;
    }
    memcpy(account->name, name, name_size);
    memcpy(account->name + name_size, realm, realm_size);
    account->realm = account->name + name_size;
    account->base_size = (uint16_t)(name_size - 1);
    if (auth_realm_kind(rendezvous->auth, realm) == AUTH_REALM_OTHER && name_size > realm_size) {
        account->base_size = (uint16_t)(name_size - 1 - realm_size);
    }
    if (rendezvous->accounts.count >= 2 * (size_t)rendezvous->policy->sessions_max ||
        hash_map_insert(&rendezvous->accounts, &account->node, account->name) != 0) {
        free(account);
        return NULL;
    }
    linger(rendezvous, now, account);
    return account;
}

void account_free(struct rendezvous *rendezvous, struct account *account)
{
    timer_wheel_cancel(&rendezvous->account_timers, &account->timer);
    hash_map_remove(&rendezvous->accounts, &account->node);
    free(account);
}

void account_add_session(struct rendezvous *rendezvous, struct account *account,
                         struct session *session)
{
    timer_wheel_cancel(&rendezvous->account_timers, &account->timer);
    session->account = account;
    session->previous = NULL;
    session->next = account->sessions;
    if (account->sessions != NULL) {
        account->sessions->previous = session;
    }
    account->sessions = session;
    account->session_count++;
}

void account_remove_session(struct rendezvous *rendezvous, struct monotime now,
                            struct account *account, struct session *session)
{
    if (session->previous != NULL) {
        session->previous->next = session->next;
    } else {
        account->sessions = session->next;
    }
    if (session->next != NULL) {
        session->next->previous = session->previous;
    }
    account->session_count--;
    if (account->session_count == 0) {
        linger(rendezvous, now, account);
    }
}

/* ---- how much it may ask --------------------------------------------------------------------- */

static int64_t take(struct token_bucket *bucket, const struct token_rate *rate, struct monotime now,
                    uint64_t amount)
{
    if (token_bucket_take(bucket, rate, now, amount)) {
        return 0;
    }
    int64_t wait = monotime_difference_us(token_bucket_ready(bucket, rate, now, amount), now);
    return wait > 0 ? wait : 1;
}

int64_t account_take_message(const struct rendezvous *rendezvous, struct account *account,
                             struct monotime now)
{
    uint64_t rate = rendezvous->policy->messages_per_account;

    return take(&account->messages, &(struct token_rate){rate, 5 * rate}, now, 1);
}

/* A call takes sixty tokens, so that a rate of one a second is one a minute. */
int64_t account_take_call(const struct rendezvous *rendezvous, struct account *account,
                          struct monotime now)
{
    uint64_t rate = rendezvous->policy->calls_per_account;

    return take(&account->calls, &(struct token_rate){rate, 60 * rate}, now, 60);
}

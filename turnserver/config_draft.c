/* SPDX-License-Identifier: BSD-3-Clause */
/* What the file says, by itself: its lists grow here, and its keys are asked for their places. */
#include "turnserver/config_keys.h"

#include <stdlib.h>
#include <string.h>

static void *new_listener(struct config_draft *draft, unsigned line)
{
    struct draft_listener *listener = &draft->listeners[draft->listener_count++];
    *listener = (struct draft_listener){.line = line,
                                        .transports = CONFIG_TRANSPORT_UDP | CONFIG_TRANSPORT_TCP};
    return listener;
}

static void *new_user(struct config_draft *draft, unsigned line)
{
    if (draft->user_count == draft->user_capacity) {
        size_t capacity = draft->user_capacity ? draft->user_capacity * 2 : 64;
        struct draft_user *users = realloc(draft->users, capacity * sizeof(*users));
        if (!users)
            return NULL;
        draft->users = users;
        draft->user_capacity = capacity;
    }
    struct draft_user *user = &draft->users[draft->user_count++];
    *user = (struct draft_user){.line = line};
    return user;
}

static void *new_alternate(struct config_draft *draft, unsigned line)
{
    struct draft_alternate *alternate = &draft->alternates[draft->alternate_count++];
    *alternate = (struct draft_alternate){.line = line};
    return alternate;
}

static void *new_certificate(struct config_draft *draft, unsigned line)
{
    struct draft_certificate *certificate = &draft->certificates[draft->certificate_count++];
    *certificate = (struct draft_certificate){.line = line};
    return certificate;
}

static void *new_token_key(struct config_draft *draft, unsigned line)
{
    struct draft_token_key *key = &draft->token_keys[draft->token_key_count++];
    *key = (struct draft_token_key){.line = line};
    return key;
}

static void *new_realm(struct config_draft *draft, unsigned line)
{
    struct draft_realm *realm = &draft->realms[draft->realm_count++];
    *realm = (struct draft_realm){.line = line};
    return realm;
}

static void *new_user_of_realm(struct config_draft *draft, unsigned line)
{
    struct draft_user *user = new_user(draft, line);
    if (user)
        user->realm = draft->realm_count;
    return user;
}

static void *new_rendezvous_listener(struct config_draft *draft, unsigned line)
{
    struct draft_rendezvous *rendezvous = &draft->rendezvous;
    struct draft_rendezvous_listener *listener =
        &rendezvous->listeners[rendezvous->listener_count++];
    *listener = (struct draft_rendezvous_listener){.line = line};
    return listener;
}

static void *new_rendezvous_key(struct config_draft *draft, unsigned line)
{
    struct draft_rendezvous_key *key = &draft->rendezvous.keys[draft->rendezvous.key_count++];
    *key = (struct draft_rendezvous_key){.line = line};
    return key;
}

/* The lists of groups, and what makes room for one more element; bounds are in the table. */
static const struct {
    const char *path;
    void *(*make)(struct config_draft *draft, unsigned line);
} element_makers[] = {
    {"listeners", new_listener},
    {"users", new_user},
    {"oauth.keys", new_token_key},
    {"tls.certificates", new_certificate},
    {"alternate_servers", new_alternate},
    {"realms", new_realm},
    {"realms[].users", new_user_of_realm},
    {"rendezvous.listeners", new_rendezvous_listener},
    {"rendezvous.keys", new_rendezvous_key},
};

void *config_draft_new_element(struct config_draft *draft, const char *path, unsigned line)
{
    size_t i = 0;
    while (strcmp(element_makers[i].path, path) != 0)
        i++;
    return element_makers[i].make(draft, line);
}

void config_draft_free(struct config_draft *draft)
{
    free(draft->users);
    draft->users = NULL;
}

static size_t find_row(const char *path)
{
    size_t row = 0;
    while (config_keys[row].path && strcmp(config_keys[row].path, path) != 0)
        row++;
    return row;
}

bool config_draft_has(const struct config_draft *draft, const char *path)
{
    return draft->lines[find_row(path)] > 0;
}

struct config_place config_draft_place(const struct config_draft *draft, const char *path)
{
    return config_text_place(draft->text, draft->lines[find_row(path)], path);
}

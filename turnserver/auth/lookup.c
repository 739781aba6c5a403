/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/auth/lookup.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is asked for ----------------------------------------------------------------------- */

static uint64_t hash_question(const struct siphash_key *key, const void *wanted)
{
    const struct auth_question *question = wanted;
    uint64_t realm = siphash(key, question->realm, strlen(question->realm)) + question->kind;
    uint64_t rest = question->kind == AUTH_QUESTION_USERHASH
                        ? siphash(key, question->userhash, sizeof question->userhash)
                        : siphash(key, question->name, strlen(question->name));
    const uint64_t both[2] = {realm, rest};

    return siphash(key, both, sizeof both);
}

static bool is_question(const struct hash_node *node, const void *wanted)
{
    const struct auth_question *a = &container_of(node, const struct lookup_entry, node)->question;
    const struct auth_question *b = wanted;

    return a->kind == b->kind && strcmp(a->realm, b->realm) == 0 && strcmp(a->name, b->name) == 0 &&
           memcmp(a->userhash, b->userhash, sizeof a->userhash) == 0;
}

/* ---- entries --------------------------------------------------------------------------------- */

static void list_add(struct lookup_list *list, struct lookup_entry *entry)
{
    entry->next = NULL;
    entry->previous = list->newest;
    *(list->newest != NULL ? &list->newest->next : &list->oldest) = entry;
    list->newest = entry;
    list->count++;
}

static void list_remove(struct lookup_list *list, struct lookup_entry *entry)
{
    *(entry->previous != NULL ? &entry->previous->next : &list->oldest) = entry->next;
    *(entry->next != NULL ? &entry->next->previous : &list->newest) = entry->previous;
    list->count--;
}

static struct lookup_list *list_of(struct lookup_table *table, const struct lookup_entry *entry)
{
    return entry->state == LOOKUP_FOUND ? &table->found : &table->absent;
}

static void forget_answer(struct lookup_entry *entry)
{
    if (entry->user.name != NULL) {
        free(entry->user.name);
    }
    for (size_t i = 0; i < entry->secret_count; i++) {
        OPENSSL_clear_free(entry->secrets[i], strlen(entry->secrets[i]) + 1);
    }
    free((void *)entry->secrets);
    OPENSSL_clear_free(entry->token_key, sizeof *entry->token_key);
    entry->token_key = NULL;
    OPENSSL_cleanse(&entry->user, sizeof entry->user);
    entry->secrets = NULL;
    entry->secret_count = 0;
}

static void entry_free(struct lookup_table *table, struct lookup_entry *entry)
{
    hash_map_remove(&table->entries, &entry->node);
    forget_answer(entry);
    free(entry);
}

void lookup_table_init(struct lookup_table *table, const struct siphash_key *key)
{
    static const struct hash_map_type type = {hash_question, is_question};

    *table = (struct lookup_table){0};
    hash_map_init(&table->entries, &type, key,
                  LOOKUPS_ASKED_MAX + LOOKUPS_FOUND_MAX + LOOKUPS_ABSENT_MAX);
}

void lookup_table_clear(struct lookup_table *table)
{
    struct hash_cursor cursor;
    struct hash_node *node = hash_map_first(&table->entries, &cursor);

    while (node != NULL) {
        entry_free(table, container_of(node, struct lookup_entry, node));
        node = hash_map_next(&table->entries, &cursor);
    }
    hash_map_clear(&table->entries);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The place in `asked`, and a number that makes the id new. Never 0. */
static uint64_t make_id(struct lookup_table *table, size_t place)
{
    return (uint64_t)++table->round << 32 | (place + 1);
}

static size_t free_place(const struct lookup_table *table)
{
    size_t place = 0;

    while (table->asked[place] != NULL) {
        place++;
    }
    return place;
}

static void begin(struct lookup_table *table, struct monotime now, struct lookup_entry *entry)
{
    size_t place = free_place(table);

    table->asked[place] = entry;
    table->asked_count++;
    table->waiting++;
    entry->id = make_id(table, place);
    entry->state = LOOKUP_ASKED;
    entry->taken = false;
    entry->ends = monotime_add_seconds(now, LOOKUP_PATIENCE_S);
}

static struct lookup_entry *add_entry(struct lookup_table *table,
                                      const struct auth_question *question)
{
    struct lookup_entry *entry = calloc(1, sizeof *entry);

    if (entry == NULL) {
        return NULL;
    }
    entry->question = *question;
    if (hash_map_insert(&table->entries, &entry->node, &entry->question) != 0) {
        free(entry);
        return NULL;
    }
    return entry;
}

static enum lookup_state known_state(const struct lookup_entry *entry, struct monotime now)
{
    bool late = entry->state == LOOKUP_ASKED && monotime_reached(now, entry->ends);

    return late ? LOOKUP_FAILED : entry->state;
}

enum lookup_state lookup_table_ask(struct lookup_table *table, struct monotime now,
                                   const struct auth_question *question,
                                   const struct lookup_entry **out)
{
    struct hash_node *node = hash_map_find(&table->entries, question);
    struct lookup_entry *entry =
        node != NULL ? container_of(node, struct lookup_entry, node) : NULL;

    *out = entry;
    if (entry != NULL && (entry->state == LOOKUP_ASKED || monotime_before(now, entry->ends))) {
        return known_state(entry, now);
    }
    if (table->asked_count == LOOKUPS_ASKED_MAX) {
        return LOOKUP_FULL;
    }
    if (entry != NULL) {
        list_remove(list_of(table, entry), entry);
        forget_answer(entry);
    } else {
        entry = add_entry(table, question);
    }
    *out = entry;
    if (entry == NULL) {
        return LOOKUP_FULL;
    }
    begin(table, now, entry);
    return LOOKUP_ASKED;
}

bool lookup_table_next(struct lookup_table *table, struct auth_question *question)
{
    for (size_t i = 0; table->waiting > 0 && i < LOOKUPS_ASKED_MAX; i++) {
        struct lookup_entry *entry = table->asked[i];
        if (entry != NULL && !entry->taken) {
            entry->taken = true;
            table->waiting--;
            *question = entry->question;
            question->id = entry->id;
            return true;
        }
    }
    return false;
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool keep_user(struct lookup_entry *entry, const struct auth_finding *finding)
{
    const struct auth_question *question = &entry->question;
    const char *name = question->kind == AUTH_QUESTION_USERHASH ? finding->name : question->name;

    entry->user = (struct user){
        .name = strdup(name), .has_md5 = finding->has_md5, .has_sha256 = finding->has_sha256};
    memcpy(entry->user.md5_key, finding->md5_key, sizeof finding->md5_key);
    memcpy(entry->user.sha256_key, finding->sha256_key, sizeof finding->sha256_key);
    return entry->user.name != NULL;
}

static bool keep_secrets(struct lookup_entry *entry, const struct auth_finding *finding)
{
    entry->secrets = calloc(AUTH_SECRETS_MAX, sizeof *entry->secrets);
    for (size_t i = 0; entry->secrets != NULL && i < finding->secret_count; i++) {
        entry->secrets[i] = OPENSSL_strdup(finding->secrets[i]);
        if (entry->secrets[i] == NULL) {
            return false;
        }
        entry->secret_count++;
    }
    return entry->secrets != NULL;
}

static bool keep_token_key(struct lookup_entry *entry, const struct auth_finding *finding)
{
    entry->token_key = OPENSSL_memdup(&finding->token_key, sizeof finding->token_key);
    return entry->token_key != NULL;
}

static enum lookup_state keep(struct lookup_entry *entry, const struct auth_finding *finding)
{
    bool kept;

    if (finding->status != AUTH_FOUND) {
        return finding->status == AUTH_ABSENT ? LOOKUP_ABSENT : LOOKUP_FAILED;
    }
    switch (entry->question.kind) {
    case AUTH_QUESTION_SECRETS:
        kept = keep_secrets(entry, finding);
        break;
    case AUTH_QUESTION_TOKEN_KEY:
        kept = keep_token_key(entry, finding);
        break;
    default:
        kept = keep_user(entry, finding);
        break;
    }
    if (!kept) {
        forget_answer(entry);
    }
    return kept ? LOOKUP_FOUND : LOOKUP_FAILED;
}

static void make_room(struct lookup_table *table, struct lookup_list *list, size_t max)
{
    if (list->count == max) {
        struct lookup_entry *oldest = list->oldest;
        list_remove(list, oldest);
        entry_free(table, oldest);
    }
}

/* The question that an id belongs to, if it is under way. */
static struct lookup_entry *take_asked(struct lookup_table *table, uint64_t id)
{
    uint64_t place = (id & UINT32_MAX) - 1;

    if (place >= LOOKUPS_ASKED_MAX || table->asked[place] == NULL ||
        table->asked[place]->id != id) {
        return NULL;
    }
    struct lookup_entry *entry = table->asked[place];
    table->asked[place] = NULL;
    table->asked_count--;
    table->waiting -= !entry->taken;
    return entry;
}

bool lookup_table_answer(struct lookup_table *table, struct monotime now,
                         const struct auth_finding *finding, unsigned lifetime_s)
{
    struct lookup_entry *entry = take_asked(table, finding->id);

    if (entry == NULL) {
        return false;
    }
    entry->state = keep(entry, finding);
    bool failed = entry->state == LOOKUP_FAILED;
    entry->ends = monotime_add_seconds(now, failed ? LOOKUP_FAILURE_S : lifetime_s);
    struct lookup_list *list = list_of(table, entry);
    make_room(table, list, entry->state == LOOKUP_FOUND ? LOOKUPS_FOUND_MAX : LOOKUPS_ABSENT_MAX);
    list_add(list, entry);
    return true;
}

struct auth_finding *auth_finding_new(uint64_t id)
{
    struct auth_finding *finding = calloc(1, sizeof *finding);

    if (finding != NULL) {
        finding->id = id;
    }
    return finding;
}

void auth_finding_free(struct auth_finding *finding)
{
    if (finding != NULL) {
        OPENSSL_cleanse(finding, sizeof *finding);
        free(finding);
    }
}

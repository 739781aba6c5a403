/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users who are kept elsewhere: questions that go out, answers that come back, and a bounded memory
 * of both for a short time. A worker has one; whoever runs the machine takes the questions
 * (auth_next_question) to an auth_source and brings the answers back (auth_answer_lookup).
 *
 * What was found and what was not are remembered apart, so that a flood of invented names pushes
 * nobody out.
 */
#ifndef AUTH_LOOKUP_H
#define AUTH_LOOKUP_H

#include "base/hash_map.h"
#include "base/monotime.h"
#include "turnserver/auth/auth.h"
#include "turnserver/auth/user_table.h"

#define LOOKUPS_ASKED_MAX 256 /* questions under way */
#define LOOKUPS_FOUND_MAX 4096
#define LOOKUPS_ABSENT_MAX 1024
/* A source answers every question; what takes longer counts as no answer meanwhile. */
#define LOOKUP_PATIENCE_S 5
#define LOOKUP_FAILURE_S 1

enum lookup_state {
    LOOKUP_ASKED,
    LOOKUP_FOUND,
    LOOKUP_ABSENT,
    LOOKUP_FAILED, /* nobody could be asked, or there was no answer */
    LOOKUP_FULL,   /* too many questions are under way: this one was not asked */
};

struct lookup_entry;

struct lookup_list {
    struct lookup_entry *oldest, *newest;
    size_t count;
};

struct lookup_table {
    struct hash_map entries;
    struct lookup_entry *asked[LOOKUPS_ASKED_MAX];
    struct lookup_list found, absent; /* in the order in which they end */
    uint32_t asked_count, waiting;    /* under way; of these, not yet taken by the shell */
    uint32_t round;                   /* makes ids differ */
};

/* What is known of one question. */
struct lookup_entry {
    struct hash_node node;
    struct lookup_entry *next, *previous;
    struct monotime ends; /* of an answer; while it is ASKED, of patience */
    enum lookup_state state;
    bool taken;
    uint64_t id;
    struct user user; /* FOUND; its name is owned */
    char **secrets;   /* FOUND, AUTH_QUESTION_SECRETS */
    size_t secret_count;
    struct token_key *token_key; /* FOUND, AUTH_QUESTION_TOKEN_KEY */
    struct auth_question question;
};

void lookup_table_init(struct lookup_table *table, const struct siphash_key *key);
/* Frees all of it, and leaves no key behind in memory. */
void lookup_table_clear(struct lookup_table *table);

/*
 * What is known now of `question` (whose id does not matter); asks when nothing is. `entry` is set
 * but for LOOKUP_FULL, and lives until the next call.
 */
enum lookup_state lookup_table_ask(struct lookup_table *table, struct monotime now,
                                   const struct auth_question *question,
                                   const struct lookup_entry **entry);
/* Takes the next question that has to go out; false when there is none. */
bool lookup_table_next(struct lookup_table *table, struct auth_question *question);
/* Takes an answer, which is remembered for `lifetime_s`. Returns false when nobody waited. */
bool lookup_table_answer(struct lookup_table *table, struct monotime now,
                         const struct auth_finding *finding, unsigned lifetime_s);

#endif

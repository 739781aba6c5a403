/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys that open OAuth tokens (RFC 7635): base64, and the time in which each is good. */
#include "turnserver/config_build.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Reads "2026-11-22" or "2026-11-22T12:00:00Z" (UTC). */
static bool parse_time(const char *text, int64_t *seconds)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm parts = {0};
        const char *end = strptime(text, forms[i], &parts);
        if (end && *end == '\0' && strlen(text) == (i == 0 ? 20 : 10)) {
            *seconds = (int64_t)timegm(&parts);
            return true;
        }
    }
    return false;
}

static void read_time(const struct config_draft *draft, struct config_place place, const char *name,
                      const char *text, int64_t *seconds)
{
    if (text && !parse_time(text, seconds))
        config_report_error(draft->report, place,
                            "expected %s to be a day or a time in UTC (\"2026-11-22\", "
                            "\"2026-11-22T12:00:00Z\"), got \"%s\"",
                            name, text);
}

static int add_key(struct auth_policy *policy, const struct config_draft *draft, size_t index)
{
    const struct draft_token_key *from = &draft->token_keys[index];
    struct token_key key = {.algorithm = (enum token_algorithm)from->algorithm,
                            .not_before = INT64_MIN,
                            .not_after = INT64_MAX};
    char name[40];
    snprintf(name, sizeof(name), "oauth.keys[%zu]", index);
    struct config_place place = config_text_place(draft->text, from->line, name);
    if (!from->kid || !from->key)
        return 0; /* reported as missing or wrong */
    snprintf(key.id, sizeof(key.id), "%s", from->kid);
    read_time(draft, place, "not_before", from->not_before, &key.not_before);
    read_time(draft, place, "not_after", from->not_after, &key.not_after);
    if (!token_key_read(&key, from->key))
        config_report_error(draft->report, place,
                            "expected key to be base64 of at least %zu bytes (\"openssl rand "
                            "-base64 %zu\")",
                            token_key_size(key.algorithm), token_key_size(key.algorithm));
    if (key.not_before > key.not_after)
        config_report_error(draft->report, place, "expected not_before to come before not_after");
    else if (key.not_after < (int64_t)time(NULL))
        config_report_warning(draft->report, place, "the key \"%s\" is good no more since %s",
                              from->kid, from->not_after);
    int result = auth_policy_add_token_key(policy, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    if (result == -EEXIST)
        config_report_error(draft->report, place, "expected each kid once, got \"%s\" again",
                            from->kid);
    return result == -ENOMEM ? result : 0;
}

/*
 * What a challenge has room for in realm and server name, each padded to four bytes. The smallest
 * Allocate has 28 bytes, and is answered with at most ten times as many (turn/reply.c), of which
 * 120 are the rest of the challenge.
 */
#define CHALLENGE_ROOM 160

static void check_challenge(const struct config_draft *draft, const char *realm,
                            const char *server_name)
{
    size_t size = ((strlen(realm) + 3) & ~(size_t)3) + ((strlen(server_name) + 3) & ~(size_t)3);
    if (size > CHALLENGE_ROOM)
        config_report_error(
            draft->report, config_draft_place(draft, "oauth"),
            "expected realm and server_name to have at most %d bytes together, each "
            "rounded up to four, got %zu: clients over UDP would get no challenge, "
            "since it may not be more than ten times as large as their request",
            CHALLENGE_ROOM, size);
}

bool config_oauth_build(struct auth_policy *policy, const struct config_draft *draft)
{
    if (!config_draft_has(draft, "oauth"))
        return true;
    if (draft->token_key_count == 0 && !config_draft_has(draft, "users_database.redis")) {
        config_report_error(draft->report, config_draft_place(draft, "oauth"),
                            "expected keys, those of the authorization servers, got none");
        return true;
    }
    for (size_t i = 0; i < draft->token_key_count; i++)
        if (add_key(policy, draft, i) < 0)
            return false;
    const char *realm = auth_policy_realm(policy);
    const char *server_name = draft->oauth_server_name ? draft->oauth_server_name : realm;
    check_challenge(draft, realm, server_name);
    return auth_policy_set_oauth(policy, server_name) == 0;
}

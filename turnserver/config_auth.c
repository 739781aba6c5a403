/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may relay: users, secrets and realms, from the draft to what authentication is given. */
#include "turnserver/config_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A secret is guessed offline by anybody who was given one credential made with it. */
#define SECRET_SIZE_ADVISED 16

void config_report_memory(const struct config_building *building)
{
    config_report_error(building->draft->report, config_text_place(building->draft->text, 0, NULL),
                        "memory is out");
}

/* ---- users ------------------------------------------------------------------------------------
 */

static int hexadecimal_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return found ? (int)(found - digits) : -1;
}

static bool parse_hexadecimal(const char *text, uint8_t *out, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hexadecimal_digit(text[2 * i]);
        int low = hexadecimal_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

#define KEY_EXPECTED                                                                              \
    "expected a key that \"turnserver --make-key\" wrote: 32 hexadecimal digits, or \"sha256:\" " \
    "and 64"

static int add_user_key(struct auth_policy *auth, const struct draft_user *user)
{
    static const struct {
        const char *prefix;
        enum stun_password_algorithm algorithm;
        size_t size;
    } forms[] = {{"sha256:", STUN_PASSWORD_SHA256, 32},
                 {"md5:", STUN_PASSWORD_MD5, 16},
                 {"", STUN_PASSWORD_MD5, 16}};
    uint8_t key[32];
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t prefix = strlen(forms[i].prefix);
        if (strncmp(user->key, forms[i].prefix, prefix) == 0)
            return parse_hexadecimal(user->key + prefix, key, forms[i].size)
                       ? auth_policy_add_user_key(auth, user->name, forms[i].algorithm, key,
                                                  forms[i].size)
                       : -EBADMSG;
    }
    return -EBADMSG;
}

static void add_user(const struct config_building *building, size_t index)
{
    const struct draft_user *user = &building->draft->users[index];
    struct config_report *report = building->draft->report;
    char key[32];
    snprintf(key, sizeof(key), "users[%zu]", index);
    struct config_place place = config_text_place(building->draft->text, user->line, key);
    if (!user->name)
        return; /* reported as missing or wrong */
    if (!user->password == !user->key) {
        config_report_error(report, place, "expected either password or key, got %s",
                            user->key ? "both" : "neither");
        return;
    }
    struct auth_policy *realm = building->realms[user->realm];
    if (!realm)
        return; /* reported */
    int result = user->key ? add_user_key(realm, user)
                           : auth_policy_add_user(realm, user->name, user->password);
    if (result == -EEXIST)
        config_report_error(report, place, "expected each name once, got \"%s\" again", user->name);
    else if (result == -EBADMSG)
        config_report_error(report, place, KEY_EXPECTED);
    else if (result == -EINVAL)
        config_report_error(report, place,
                            "expected a name and a password without control characters (RFC 8265), "
                            "got \"%s\"",
                            user->name);
    else if (result < 0)
        config_report_memory(building);
}

static void add_secrets(const struct config_building *building, struct auth_policy *realm,
                        config_setting_t *secrets, const char *path)
{
    const struct config_draft *draft = building->draft;
    for (int i = 0; secrets && i < config_setting_length(secrets); i++) {
        config_setting_t *element = config_setting_get_elem(secrets, (unsigned)i);
        const char *secret = config_setting_get_string(element);
        char key[64];
        snprintf(key, sizeof(key), "%s[%d]", path, i);
        struct config_place place = config_text_place(draft->text, config_line_of(element), key);
        if (strlen(secret) < SECRET_SIZE_ADVISED)
            config_report_warning(draft->report, place,
                                  "fewer than 16 bytes can be guessed by anybody who holds one "
                                  "credential: \"openssl rand -hex 32\" makes a better one");
        if (auth_policy_add_secret(realm, secret) < 0)
            config_report_memory(building);
    }
}

/* ---- realms beside the first ------------------------------------------------------------------
 */

static void add_origins(const struct config_building *building, struct auth_policy *realm,
                        config_setting_t *origins)
{
    for (int i = 0; origins && i < config_setting_length(origins); i++)
        if (auth_policy_add_origin(realm, config_setting_get_string_elem(origins, i)) < 0)
            config_report_memory(building);
}

static void add_server_names(const struct config_building *building, struct auth_policy *realm,
                             const struct draft_realm *from, size_t index)
{
    for (int i = 0; from->server_names && i < config_setting_length(from->server_names); i++) {
        config_setting_t *element = config_setting_get_elem(from->server_names, (unsigned)i);
        char *name = config_host_copy(config_setting_get_string(element));
        char key[64];
        snprintf(key, sizeof(key), "realms[%zu].server_names[%d]", index, i);
        if (!name)
            config_report_error(
                building->draft->report,
                config_text_place(building->draft->text, config_line_of(element), key),
                "expected a host name, or \"*.\" and one, got \"%s\"",
                config_setting_get_string(element));
        else if (auth_policy_add_server_name(realm, name) < 0)
            config_report_memory(building);
        free(name);
    }
}

static void add_realm(struct config_building *building, size_t index)
{
    const struct config_draft *draft = building->draft;
    const struct draft_realm *from = &draft->realms[index];
    char key[32];
    snprintf(key, sizeof(key), "realms[%zu]", index);
    struct config_place place = config_text_place(draft->text, from->line, key);
    if (!from->name)
        return; /* reported as missing or wrong */
    if (!auth_realm_is_valid(from->name)) {
        config_report_error(draft->report, place,
                            "expected a name of printable ASCII without quotes and backslashes, "
                            "got \"%s\"",
                            from->name);
        return;
    }
    struct auth_policy *realm = auth_policy_new(from->name, draft->nonce_lifetime);
    int result = realm ? auth_policy_add_realm(building->policy->auth, realm) : -ENOMEM;
    if (result < 0) {
        auth_policy_free(realm);
        if (result == -EEXIST)
            config_report_error(draft->report, place, "expected each realm once, got \"%s\" again",
                                from->name);
        else
            config_report_memory(building);
        return;
    }
    building->realms[index + 1] = realm;
    char path[64];
    snprintf(path, sizeof(path), "realms[%zu].secrets", index);
    add_secrets(building, realm, from->secrets, path);
    add_origins(building, realm, from->origins);
    add_server_names(building, realm, from, index);
    if (config_draft_has(draft, "username_anonymity"))
        auth_policy_set_username_anonymity(realm, draft->username_anonymity);
}

static void add_listener(const struct config_building *building, size_t index)
{
    const struct config_draft *draft = building->draft;
    const struct draft_listener *listener = &draft->listeners[index];
    struct stun_address address = listener->address;
    address.port = (uint16_t)listener->port;
    if (!listener->realm || strcmp(listener->realm, draft->realm) == 0)
        return;
    for (size_t i = 0; i < draft->realm_count; i++)
        if (building->realms[i + 1] && strcmp(draft->realms[i].name, listener->realm) == 0) {
            if (auth_policy_add_listener(building->realms[i + 1], &address) < 0)
                config_report_memory(building);
            return;
        }
    char key[64];
    snprintf(key, sizeof(key), "listeners[%zu].realm", index);
    config_report_error(draft->report, config_text_place(draft->text, listener->line, key),
                        "expected the name of a realm in realms, got \"%s\"", listener->realm);
}

/* Limits for the quotas of `realms`. */
static bool keep_realm_limits(const struct config_building *building)
{
    const struct config_draft *draft = building->draft;
    struct config_policy *policy = building->policy;
    policy->realm_limits = calloc(draft->realm_count + 1, sizeof(*policy->realm_limits));
    if (!policy->realm_limits)
        return false;
    for (size_t i = 0; i < draft->realm_count; i++) {
        const struct draft_realm *from = &draft->realms[i];
        if (!building->realms[i + 1])
            continue;
        /* The name lives in the realm, which lives as long as the policy. */
        policy->realm_limits[policy->realm_count++] =
            (struct turn_realm_limit){.name = auth_policy_realm(building->realms[i + 1]),
                                      .holding = {from->allocations, from->ports},
                                      .bandwidth = from->bandwidth};
    }
    return true;
}

static bool any_stands_in(const struct config_draft *draft, config_setting_t *list,
                          const struct config_text_file *file)
{
    for (int i = 0; list && i < config_setting_length(list); i++) {
        config_setting_t *element = config_setting_get_elem(list, (unsigned)i);
        if (config_text_file_of(draft->text, config_line_of(element)) == file)
            return true;
    }
    return false;
}

/* Whether a password, a key or a secret stands in this file. */
static bool holds_secrets(const struct config_draft *draft, const struct config_text_file *file)
{
    for (size_t i = 0; i < draft->user_count; i++)
        if (config_text_file_of(draft->text, draft->users[i].line) == file)
            return true;
    for (size_t i = 0; i < draft->realm_count; i++)
        if (any_stands_in(draft, draft->realms[i].secrets, file))
            return true;
    return any_stands_in(draft, draft->secrets, file);
}

static void check_readers(const struct config_draft *draft)
{
    for (size_t i = 0; i < draft->text->file_count; i++) {
        const struct config_text_file *file = &draft->text->files[i];
        struct config_place place = {.file = file->name};
        if (file->world_readable && holds_secrets(draft, file))
            config_report_warning(draft->report, place,
                                  "everybody on this host can read it, and it holds passwords or "
                                  "secrets: chmod o-r");
    }
}

/* The rendezvous service makes credentials for its clients, also where the operator has not written
 * down a secret. */
static void issue_credentials(const struct config_building *building,
                              const struct config_boot *boot)
{
    if (boot->rendezvous_listener_count > 0)
        auth_policy_issue_credentials(building->policy->auth);
}

/* Whether there is anybody who could be let in. */
static bool has_clients(const struct config_building *building, const struct config_boot *boot)
{
    const struct draft_rendezvous *rendezvous = &building->draft->rendezvous;
    return !auth_policy_is_empty(building->policy->auth) ||
           (boot->rendezvous_listener_count > 0 &&
            (rendezvous->key_count > 0 || rendezvous->unknown_keys || rendezvous->turn_token));
}

bool config_auth_build(struct config_building *building, const struct config_boot *boot)
{
    const struct config_draft *draft = building->draft;
    struct config_policy *policy = building->policy;
    bool valid = auth_realm_is_valid(draft->realm);
    if (!valid)
        config_report_error(draft->report, config_draft_place(draft, "realm"),
                            "expected printable ASCII without quotes and backslashes, got \"%s\"",
                            draft->realm);
    policy->auth = auth_policy_new(valid ? draft->realm : "-", draft->nonce_lifetime);
    if (!policy->auth)
        return false;
    building->realms[0] = policy->auth;
    for (size_t i = 0; i < draft->realm_count; i++)
        add_realm(building, i);
    for (size_t i = 0; i < draft->listener_count; i++)
        add_listener(building, i);
    for (size_t i = 0; i < draft->user_count; i++)
        add_user(building, i);
    add_secrets(building, policy->auth, draft->secrets, "rest.secrets");
    for (size_t i = 0; i <= draft->realm_count; i++) {
        struct auth_source_traits traits = user_source_traits(&boot->users_database);
        if (boot->users_database.kind != USER_SOURCE_NONE && building->realms[i])
            auth_policy_set_source(building->realms[i], &traits);
    }
    issue_credentials(building, boot);
    if (!keep_realm_limits(building))
        return false;
    if (!config_oauth_build(policy->auth, draft))
        return false;
    if (config_draft_has(draft, "username_anonymity"))
        auth_policy_set_username_anonymity(policy->auth, draft->username_anonymity);
    policy->turn.relay_enabled = has_clients(building, boot);
    if (policy->turn.relay_enabled)
        check_readers(draft);
    else if (config_draft_has(draft, "relay.addresses") && draft->report->errors == 0)
        config_report_warning(draft->report, config_draft_place(draft, "relay.addresses"),
                              "without users and rest.secrets nothing is relayed");
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "net/dtls.h"
#include "net/tls_context.h"
#include "turnserver/config_build.h"
#include "turnserver/config_certificate.h"
#include "turnserver/config_host.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* A secret is guessed offline by anybody who was given one credential made with it. */
#define SECRET_SIZE_ADVISED 16
#define EXPIRY_DAYS_ADVISED 14

struct building {
    const struct config_draft *draft;
    struct config_policy *policy;
    const struct config_files *files;
    struct auth_policy *realms[CONFIG_REALMS_MAX + 1]; /* the first, and those of `realms` */
};

static void report_memory(const struct building *building)
{
    config_report_error(building->draft->report, config_text_place(building->draft->text, 0, NULL),
                        "memory is out");
}

/* ---- who may ----------------------------------------------------------------------------------
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

static void add_user(const struct building *building, size_t index)
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
        report_memory(building);
}

static void add_secrets(const struct building *building, struct auth_policy *realm,
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
            report_memory(building);
    }
}

/* ---- realms beside the first ------------------------------------------------------------------
 */

static void add_origins(const struct building *building, struct auth_policy *realm,
                        config_setting_t *origins)
{
    for (int i = 0; origins && i < config_setting_length(origins); i++)
        if (auth_policy_add_origin(realm, config_setting_get_string_elem(origins, i)) < 0)
            report_memory(building);
}

static void add_server_names(const struct building *building, struct auth_policy *realm,
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
            report_memory(building);
        free(name);
    }
}

static void add_realm(struct building *building, size_t index)
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
            report_memory(building);
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

static void add_listener(const struct building *building, size_t index)
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
                report_memory(building);
            return;
        }
    char key[64];
    snprintf(key, sizeof(key), "listeners[%zu].realm", index);
    config_report_error(draft->report, config_text_place(draft->text, listener->line, key),
                        "expected the name of a realm in realms, got \"%s\"", listener->realm);
}

/* Limits for the quotas of `realms`. */
static bool keep_realm_limits(const struct building *building)
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
static void issue_credentials(const struct building *building, const struct config_boot *boot)
{
    if (boot->rendezvous_listener_count > 0)
        auth_policy_issue_credentials(building->policy->auth);
}

/* Whether there is anybody who could be let in. */
static bool has_clients(const struct building *building, const struct config_boot *boot)
{
    const struct draft_rendezvous *rendezvous = &building->draft->rendezvous;
    return !auth_policy_is_empty(building->policy->auth) ||
           (boot->rendezvous_listener_count > 0 &&
            (rendezvous->key_count > 0 || rendezvous->unknown_keys || rendezvous->turn_token));
}

static bool build_auth(struct building *building, const struct config_boot *boot)
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

/* ---- where to ---------------------------------------------------------------------------------
 */

static void add_rules(const struct building *building, const char *name, config_setting_t *list,
                      int (*add)(struct peer_rules *rules, const char *text))
{
    for (int i = 0; list && i < config_setting_length(list); i++) {
        config_setting_t *element = config_setting_get_elem(list, (unsigned)i);
        const char *text = config_setting_get_string(element);
        int result = add(building->policy->peers, text);
        char key[32];
        snprintf(key, sizeof(key), "%s[%d]", name, i);
        if (result == -EINVAL)
            config_report_error(
                building->draft->report,
                config_text_place(building->draft->text, config_line_of(element), key),
                "expected an address, a prefix (\"10.0.0.0/8\", no bits beyond its length) or a "
                "range (\"192.0.2.5-192.0.2.9\"), got \"%s\"",
                text);
        else if (result < 0)
            report_memory(building);
    }
}

#define OWN_ADDRESSES_MAX 1024

static bool add_own(struct peer_rules *rules, const struct config_boot *boot)
{
    struct stun_address addresses[OWN_ADDRESSES_MAX];
    size_t count = config_host_addresses(addresses, OWN_ADDRESSES_MAX);
    bool good = true;
    for (size_t i = 0; i < count && i < OWN_ADDRESSES_MAX; i++)
        good = good && peer_rules_add_own(rules, &addresses[i]) == 0;
    for (size_t i = 0; i < boot->relay_address_count; i++)
        good = good && peer_rules_add_relay(rules, &boot->relay_addresses[i]) == 0;
    if (boot->users_database.kind == USER_SOURCE_REDIS)
        good = good && peer_rules_add_protected(rules, &boot->users_database.redis_address) == 0;
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++) {
        const struct stun_address *address = &boot->rendezvous_listeners[i].address;
        good = good && peer_rules_add_protected(rules, address) == 0 &&
               (address_is_unspecified(address) || peer_rules_add_own(rules, address) == 0);
    }
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct stun_address *address = &boot->listeners[i].address;
        good = good && peer_rules_add_protected(rules, address) == 0 &&
               (address_is_unspecified(address) || peer_rules_add_own(rules, address) == 0);
        const struct stun_address *upstream = &boot->listeners[i].upstream;
        if (upstream->family != STUN_FAMILY_NONE)
            good = good && peer_rules_add_protected(rules, upstream) == 0;
    }
    return good;
}

/* The four endpoints of RFC 5780: each of both addresses with each of both ports. */
static bool add_alternate(struct peer_rules *rules, const struct config_boot *boot,
                          struct stun_address alternate)
{
    const struct config_listener *listener = config_boot_primary(boot, alternate.family);
    if (!listener)
        return true;
    struct stun_address primary = listener->address;
    bool good = peer_rules_add_own(rules, &alternate) == 0;
    alternate.port = primary.port;
    good = good && peer_rules_add_protected(rules, &alternate) == 0;
    alternate.port = primary.port = boot->alternate_port;
    return good && peer_rules_add_protected(rules, &alternate) == 0 &&
           peer_rules_add_protected(rules, &primary) == 0;
}

static bool add_nat_behavior(struct peer_rules *rules, const struct config_boot *boot)
{
    bool good = true;
    for (size_t i = 0; good && i < boot->alternate_count; i++)
        good = add_alternate(rules, boot, boot->alternates[i]);
    return good;
}

static bool build_peers(const struct building *building, const struct config_boot *boot)
{
    const struct config_draft *draft = building->draft;
    struct peer_rules *rules = peer_rules_new();
    building->policy->peers = rules;
    building->policy->turn.peers = rules;
    if (!rules)
        return false;
    add_rules(building, "peers.allow", draft->allow, peer_rules_add_allow);
    add_rules(building, "peers.deny", draft->deny, peer_rules_add_deny);
    return add_own(rules, boot) && add_nat_behavior(rules, boot);
}

/* ---- certificate ------------------------------------------------------------------------------
 */

static void check_expiry(const struct building *building)
{
    struct config_place place = config_draft_place(building->draft, "tls.certificate");
    int days = config_certificate_days_left(building->policy->certificate);
    if (days < 0)
        config_report_warning(building->draft->report, place,
                              "the certificate has expired: clients will refuse it");
    else if (days < EXPIRY_DAYS_ADVISED)
        config_report_warning(building->draft->report, place, "the certificate expires in %d days",
                              days);
}

static bool load_certificate(const struct building *building)
{
    const struct config_draft *draft = building->draft;
    struct config_policy *policy = building->policy;
    policy->certificate_path = config_draft_path(draft, "tls.certificate", draft->certificate);
    policy->key_path = config_draft_path(draft, "tls.key", draft->certificate_key);
    if (!policy->certificate_path || !policy->key_path) {
        report_memory(building);
        return false;
    }
    char problem[512];
    enum config_certificate_part part =
        config_certificate_load(&policy->certificate, building->files, policy->certificate_path,
                                policy->key_path, problem, sizeof(problem));
    if (part != CONFIG_CERTIFICATE_GOOD) {
        const char *key = part == CONFIG_CERTIFICATE_KEY_BAD ? "tls.key" : "tls.certificate";
        config_report_error(draft->report, config_draft_place(draft, key), "%s", problem);
        return false;
    }
    check_expiry(building);
    return true;
}

static bool listens_on_tls(const struct config_boot *boot)
{
    bool found = false;
    for (size_t i = 0; i < boot->listener_count; i++)
        found = found || boot->listeners[i].tls || boot->listeners[i].dtls;
    return found;
}

static bool needs_certificate(const struct config_boot *boot)
{
    bool needed = listens_on_tls(boot);
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++)
        needed = needed || boot->rendezvous_listeners[i].tls;
    return needed;
}

/* A context of OpenSSL with the certificate, for connections to come. */
static SSL_CTX *build_tls_context(const struct building *building, enum tls_transport transport,
                                  const char *protocol)
{
    const struct config_draft *draft = building->draft;
    const struct tls_server_setup setup = {
        .transport = transport,
        .ciphers = draft->tls_ciphers,
        .version_1_3_only = draft->tls_min_version != 0,
        .protocol = protocol,
    };
    SSL_CTX *context = tls_context_new_server(&setup);
    if (!context && draft->tls_ciphers)
        config_report_error(draft->report, config_draft_place(draft, "tls.ciphers"),
                            "expected a list of ciphers as in openssl-ciphers(1), got \"%s\"",
                            draft->tls_ciphers);
    else if (!context)
        report_memory(building);
    else if (!config_certificate_use(building->policy->certificate, context))
        config_report_error(draft->report, config_draft_place(draft, "tls.certificate"),
                            "expected a certificate that OpenSSL takes, got one whose key or "
                            "signature is too weak");
    ERR_clear_error();
    return context;
}

/* The second is not made where the first has told a problem: both have the same. */
static void build_tls_contexts(const struct building *building)
{
    struct config_policy *policy = building->policy;
    unsigned before = building->draft->report->errors;
    policy->tls_context = build_tls_context(building, TLS_OVER_STREAM, NULL);
    if (building->draft->report->errors != before)
        return;
    policy->dtls_context = build_tls_context(building, TLS_OVER_DATAGRAM, NULL);
    if (policy->dtls_context)
        dtls_prepare_server(policy->dtls_context);
    if (policy->rendezvous)
        policy->rendezvous->tls_context =
            build_tls_context(building, TLS_OVER_STREAM, TLS_ALPN_HTTP);
}

static void build_certificate(const struct building *building, const struct config_boot *boot)
{
    const struct config_draft *draft = building->draft;
    bool needed = needs_certificate(boot);
    if (!draft->certificate != !draft->certificate_key) {
        config_report_error(draft->report, config_draft_place(draft, "tls"),
                            "expected certificate and key, got only one of them");
    } else if (draft->certificate && load_certificate(building)) {
        build_tls_contexts(building);
        if (!needed)
            config_report_warning(draft->report, config_draft_place(draft, "tls"),
                                  "no listener uses the certificate: none has \"tls\" or \"dtls\" "
                                  "among its transports");
    } else if (!draft->certificate && needed) {
        config_report_error(
            draft->report,
            config_draft_place(draft, listens_on_tls(boot) ? "listeners" : "rendezvous.listeners"),
            "expected tls = { certificate = ...; key = ...; } in this file, since "
            "a listener has \"tls\" or \"dtls\", got none");
    }
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void build_alternates(const struct config_draft *draft, struct config_policy *policy)
{
    for (size_t i = 0; i < draft->alternate_count; i++) {
        const struct draft_alternate *from = &draft->alternates[i];
        struct turn_alternate *to = &policy->alternates[i];
        to->address = from->address;
        to->address.port = (uint16_t)from->port;
        if (from->domain)
            snprintf(to->domain, sizeof(to->domain), "%s", from->domain);
    }
    policy->turn.alternates = policy->alternates;
    policy->turn.alternate_count = draft->alternate_count;
    policy->turn.redirect_always = draft->alternate_when == 0;
}

static bool build_turn(const struct building *building)
{
    const struct config_draft *draft = building->draft;
    struct config_policy *policy = building->policy;
    struct turn_policy *turn = &policy->turn;
    turn->lifetime_default_s = draft->lifetime_default;
    turn->lifetime_max_s = draft->lifetime_max;
    turn->permission_lifetime_s = 300; /* RFC 8656 §9 */
    turn->channel_lifetime_s = 600;    /* RFC 8656 §12 */
    turn->unauthenticated_per_source = draft->unauthenticated_per_source;
    turn->permissions_per_allocation = draft->permissions_per_allocation;
    turn->channels_per_allocation = draft->channels_per_allocation;
    turn->tcp_connections_per_allocation = draft->relay_tcp ? draft->tcp_peers_per_allocation : 0;
    turn->allocations_max = draft->allocations_per_worker;
    turn->rfc5766_channels = draft->channel_numbers != 0;
    turn->mobility = draft->mobility;
    turn->bandwidth_account = draft->user_bandwidth;
    turn->bandwidth_total = draft->total_bandwidth;
    turn->classic_stun = draft->classic_stun;
    build_alternates(draft, policy);
    turn->relay_family_of_client = draft->relay_default_family != 0;
    policy->software = draft->software ? strdup(draft->software) : NULL;
    turn->software = policy->software;
    if (draft->lifetime_default > draft->lifetime_max)
        config_report_error(draft->report, config_draft_place(draft, "limits.lifetime_default"),
                            "expected at most limits.lifetime_max (%u s), got %u s",
                            draft->lifetime_max, draft->lifetime_default);
    return !draft->software || policy->software;
}

static bool build_log(const struct building *building)
{
    const struct config_draft *draft = building->draft;
    struct config_policy *policy = building->policy;
    policy->log_level = (int)draft->log_level;
    policy->log_json = draft->log_json;
    policy->log_file = config_draft_path(draft, "log.file", draft->log_file);
    return !draft->log_file || policy->log_file;
}

struct config_policy *config_policy_build(const struct config_draft *draft,
                                          const struct config_boot *boot,
                                          const struct config_files *files)
{
    struct config_policy *policy = calloc(1, sizeof(*policy));
    struct building building = {draft, policy, files, {NULL}};
    if (!policy)
        return NULL;
    atomic_init(&policy->references, 1);
    policy->user_quota = (struct turn_holding){draft->user_allocations, draft->user_ports};
    policy->total_quota = (struct turn_holding){draft->total_allocations, draft->total_ports};
    bool good = build_auth(&building, boot) && build_peers(&building, boot) &&
                build_turn(&building) && build_log(&building);
    if (good) {
        policy->rendezvous = config_rendezvous_build(draft, boot, policy->turn.relay_enabled);
        build_certificate(&building, boot);
        return policy;
    }
    config_policy_release(policy);
    return NULL;
}

struct config_policy *config_policy_acquire(struct config_policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void config_policy_release(struct config_policy *policy)
{
    if (!policy || atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) > 1)
        return;
    auth_policy_free(policy->auth);
    peer_rules_free(policy->peers);
    SSL_CTX_free(policy->tls_context);
    SSL_CTX_free(policy->dtls_context);
    config_rendezvous_free(policy->rendezvous);
    config_certificate_free(policy->certificate);
    free(policy->certificate_path);
    free(policy->key_path);
    free(policy->realm_limits);
    free(policy->software);
    free(policy->log_file);
    free(policy);
}

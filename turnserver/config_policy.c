/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "turnserver/config_build.h"
#include "turnserver/config_certificate.h"
#include "turnserver/config_host.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* ---- where to ---------------------------------------------------------------------------------
 */

static void add_rules(const struct config_building *building, const char *name,
                      config_setting_t *list,
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
            config_report_memory(building);
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

static bool build_peers(const struct config_building *building, const struct config_boot *boot)
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

static bool build_turn(const struct config_building *building)
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

static bool build_log(const struct config_building *building)
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
    struct config_building building = {draft, policy, files, {NULL}};
    if (!policy)
        return NULL;
    atomic_init(&policy->references, 1);
    policy->user_quota = (struct turn_holding){draft->user_allocations, draft->user_ports};
    policy->total_quota = (struct turn_holding){draft->total_allocations, draft->total_ports};
    bool good = config_auth_build(&building, boot) && build_peers(&building, boot) &&
                build_turn(&building) && build_log(&building);
    if (good) {
        policy->rendezvous = config_rendezvous_build(draft, boot, policy->turn.relay_enabled);
        config_tls_build(&building, boot);
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
    for (size_t i = 0; i < policy->certificate_count; i++)
        config_certificate_free(policy->certificates[i]);
    free(policy->realm_limits);
    free(policy->software);
    free(policy->log_file);
    free(policy);
}

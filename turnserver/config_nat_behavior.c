/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NAT behavior discovery (RFC 5780): a second address for a family, or for each of both; named in
 * the configuration, or found among the listeners.
 */
#include "base/address.h"
#include "turnserver/config_build.h"
#include "turnserver/config_host.h"
#include "turnserver/turn/peer_rules.h"

static const char one_key[] = "nat_behavior.alternate_address";
static const char both_key[] = "nat_behavior.alternate_addresses";

const struct config_listener *config_boot_primary(const struct config_boot *boot, uint8_t family)
{
    for (size_t i = 0; i < boot->listener_count; i++)
        if (boot->listeners[i].udp && boot->listeners[i].address.family == family)
            return &boot->listeners[i];
    return NULL;
}

static void check_alternate(const struct config_boot *boot, const struct config_draft *draft,
                            const struct stun_address *alternate, struct config_place place)
{
    struct config_report *report = draft->report;
    char text[ADDRESS_TEXT_SIZE];
    const struct config_listener *primary = config_boot_primary(boot, alternate->family);
    if (!primary)
        config_report_error(report, place,
                            "expected an address of the family of a listener with \"udp\", got %s",
                            address_format_ip(alternate, text));
    else if (address_is_unspecified(&primary->address) || address_is_unspecified(alternate))
        config_report_error(report, place,
                            "expected two addresses by name: neither this one nor the first "
                            "listener's may be the wildcard");
    else if (address_equal_ip(&primary->address, alternate))
        config_report_error(report, place,
                            "expected an address other than the first listener's, got %s, the same",
                            address_format_ip(alternate, text));
    else if (!config_host_has(alternate))
        config_report_warning(report, place,
                              "%s is not an address of this host now: listening there will fail",
                              address_format_ip(alternate, text));
    if (primary && primary->address.port == draft->alternate_port)
        config_report_error(report, config_draft_place(draft, "nat_behavior.alternate_port"),
                            "expected a port other than the first listener's, got %u, the same",
                            draft->alternate_port);
}

static void add_alternate(struct config_boot *boot, const struct config_draft *draft,
                          const struct stun_address *alternate, struct config_place place)
{
    char text[ADDRESS_TEXT_SIZE];
    if (boot->alternate_count > 0 && boot->alternates[0].family == alternate->family) {
        config_report_error(draft->report, place, "expected one address of each family, got %s too",
                            address_format_ip(alternate, text));
        return;
    }
    check_alternate(boot, draft, alternate, place);
    boot->alternates[boot->alternate_count++] = *alternate;
}

static void read_both(struct config_boot *boot, const struct config_draft *draft)
{
    for (int i = 0; i < config_setting_length(draft->alternate_addresses); i++) {
        config_setting_t *element =
            config_setting_get_elem(draft->alternate_addresses, (unsigned)i);
        struct stun_address alternate;
        char key[64];
        snprintf(key, sizeof(key), "%s[%d]", both_key, i);
        if (address_parse_ip(&alternate, config_setting_get_string(element)))
            add_alternate(boot, draft, &alternate,
                          config_text_place(draft->text, config_line_of(element), key));
    }
}

/* Whether clients anywhere can come to this address. */
static bool is_public(const struct peer_rules *rules, const struct stun_address *address)
{
    return !address_is_unspecified(address) && peer_rules_check(rules, address) == PEER_ALLOWED;
}

/* The listener that has the same port as the first one, at a second address; or NULL. */
static const struct config_listener *find_second(const struct config_boot *boot,
                                                 const struct peer_rules *rules,
                                                 const struct config_listener *primary)
{
    for (size_t i = 0; i < boot->listener_count; i++) {
        const struct config_listener *listener = &boot->listeners[i];
        if (listener->udp && listener->address.family == primary->address.family &&
            listener->address.port == primary->address.port &&
            !address_equal_ip(&listener->address, &primary->address) &&
            is_public(rules, &listener->address))
            return listener;
    }
    return NULL;
}

/* Whether the alternate port serves something else already. */
static bool alternate_port_is_taken(const struct config_boot *boot)
{
    for (size_t i = 0; i < boot->listener_count; i++)
        if (boot->listeners[i].address.port == boot->alternate_port)
            return true;
    return false;
}

/* Two public addresses of a family make the four endpoints, without being asked. */
static void find_alternates(struct config_boot *boot)
{
    static const uint8_t families[] = {STUN_FAMILY_IPV4, STUN_FAMILY_IPV6};
    struct peer_rules *rules = peer_rules_new();
    for (size_t i = 0; rules && i < 2 && !alternate_port_is_taken(boot); i++) {
        const struct config_listener *primary = config_boot_primary(boot, families[i]);
        const struct config_listener *second = primary && is_public(rules, &primary->address)
                                                   ? find_second(boot, rules, primary)
                                                   : NULL;
        if (second) {
            boot->alternates[boot->alternate_count] = second->address;
            boot->alternates[boot->alternate_count++].port = 0;
        }
    }
    peer_rules_free(rules);
}

void config_nat_behavior_build(struct config_boot *boot, const struct config_draft *draft)
{
    bool one = config_draft_has(draft, one_key);
    bool both = config_draft_has(draft, both_key);
    boot->alternate_port = (uint16_t)draft->alternate_port;
    if (!draft->nat_behavior)
        return;
    if (!one && !both)
        find_alternates(boot);
    if (!config_draft_has(draft, "nat_behavior") || boot->alternate_count > 0)
        return;
    if (one == both)
        config_report_error(draft->report, config_draft_place(draft, "nat_behavior"),
                            "expected alternate_address, the second address of the four endpoints "
                            "of RFC 5780, or alternate_addresses, got %s",
                            one ? "both" : "none");
    else if (one && draft->alternate_address.family != STUN_FAMILY_NONE)
        add_alternate(boot, draft, &draft->alternate_address, config_draft_place(draft, one_key));
    else if (draft->alternate_addresses)
        read_both(boot, draft);
}

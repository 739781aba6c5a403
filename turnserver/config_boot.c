/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "turnserver/config_build.h"
#include "turnserver/config_host.h"

#include <openssl/crypto.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---- relaying ---------------------------------------------------------------------------------
 */

static bool has_relay_address(const struct config_boot *boot, const struct stun_address *address)
{
    for (size_t i = 0; i < boot->relay_address_count; i++)
        if (address_equal_ip(&boot->relay_addresses[i], address))
            return true;
    return false;
}

static void add_relay_address(struct config_boot *boot, struct stun_address address)
{
    address.port = 0;
    if (boot->relay_address_count < CONFIG_RELAY_ADDRESSES_MAX &&
        !has_relay_address(boot, &address))
        boot->relay_addresses[boot->relay_address_count++] = address;
}

/* A listener's address; for a wildcard the one that packets leave from, since an address of a
 * bridge or a tunnel would be of no use to most peers. False when there is none. */
static bool relay_address_of(const struct config_listener *listener, struct stun_address *out)
{
    *out = listener->address;
    return out->family != STUN_FAMILY_NONE &&
           (!address_is_unspecified(out) || config_host_outward(out->family, out));
}

/* Loopback only where there is nothing else: a relay there is of no use to a client elsewhere. */
static void default_relay_addresses(struct config_boot *boot)
{
    for (int loopback = 0; loopback < 2 && boot->relay_address_count == 0; loopback++)
        for (size_t i = 0; i < boot->listener_count; i++) {
            struct stun_address address;
            if (relay_address_of(&boot->listeners[i], &address) &&
                address_is_loopback(&address) == (loopback == 1))
                add_relay_address(boot, address);
        }
}

static void read_relay_address(struct config_boot *boot, const struct config_draft *draft,
                               unsigned index)
{
    config_setting_t *element = config_setting_get_elem(draft->relay_addresses, index);
    const char *text = config_setting_get_string(element);
    char key[64];
    snprintf(key, sizeof(key), "relay.addresses[%u]", index);
    struct config_place place = config_text_place(draft->text, config_line_of(element), key);
    struct stun_address address;
    address_parse_ip(&address, text);
    bool multicast =
        address.family == STUN_FAMILY_IPV4 ? address.ip[0] >= 224 : address.ip[0] == 0xff;
    if (address_is_unspecified(&address) || multicast)
        config_report_error(draft->report, place,
                            "expected an address that clients' peers can send to, got \"%s\"",
                            text);
    else if (has_relay_address(boot, &address))
        config_report_error(draft->report, place, "expected each address once, got %s again", text);
    else if (!config_host_has(&address))
        config_report_warning(draft->report, place,
                              "%s is not an address of this host now: relaying there will fail",
                              text);
    add_relay_address(boot, address);
}

static void build_relay(struct config_boot *boot, const struct config_draft *draft)
{
    if (draft->relay_addresses)
        for (int i = 0; i < config_setting_length(draft->relay_addresses); i++)
            read_relay_address(boot, draft, (unsigned)i);
    else
        default_relay_addresses(boot);
    boot->relay_ip_fields = draft->relay_ip_fields;
    boot->relay_port_min = (uint16_t)draft->relay_port_min;
    boot->relay_port_max = (uint16_t)draft->relay_port_max;
    if (draft->relay_port_min > draft->relay_port_max) {
        bool max = config_draft_has(draft, "relay.ports.max");
        config_report_error(draft->report,
                            config_draft_place(draft, max ? "relay.ports.max" : "relay.ports.min"),
                            "expected relay.ports.min to be at most relay.ports.max, got %u and %u",
                            draft->relay_port_min, draft->relay_port_max);
    }
}

/* Each worker needs a port of its own; where nobody has said how many there are, fewer will do. */
static void build_shared_ports(struct config_boot *boot, const struct config_draft *draft)
{
    unsigned ports = draft->relay_port_max - draft->relay_port_min + 1;
    boot->relay_shared_ports = draft->relay_shared_ports;
    if (!draft->relay_shared_ports || draft->relay_port_min > draft->relay_port_max ||
        ports >= boot->workers)
        return;
    if (draft->workers == 0)
        boot->workers = ports;
    else
        config_report_error(draft->report, config_draft_place(draft, "relay.shared_ports"),
                            "expected at least one relayed port for each of %u workers, got %u",
                            boot->workers, ports);
}

/* ---- the rest ---------------------------------------------------------------------------------
 */

static unsigned count_cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count > 256 ? 256 : (unsigned)count;
}

static char *duplicate(const char *text)
{
    return text ? strdup(text) : NULL;
}

const char *config_draft_folder(const struct config_draft *draft, const char *key)
{
    size_t row = 0;
    while (config_keys[row].path && strcmp(config_keys[row].path, key) != 0)
        row++;
    return config_text_file_of(draft->text, draft->lines[row])->folder;
}

char *config_draft_path(const struct config_draft *draft, const char *key, const char *path)
{
    return path ? config_path_resolve(config_draft_folder(draft, key), path) : NULL;
}

/* ---- users who are kept elsewhere --------------------------------------------------------------
 */

static void build_users_database(struct config_boot *boot, const struct config_draft *draft)
{
    struct user_source_settings *settings = &boot->users_database;
    settings->lifetime_s = draft->users_lifetime;
    settings->path = config_draft_path(draft, "users_database.sqlite", draft->users_sqlite);
    settings->redis_address = draft->redis_address;
    settings->redis_address.port = (uint16_t)draft->redis_port;
    settings->redis_user = duplicate(draft->redis_user);
    settings->redis_password = duplicate(draft->redis_password);
    settings->redis_database = draft->redis_database;
    settings->several_realms = draft->realm_count > 0;
    bool redis = config_draft_has(draft, "users_database.redis");
    if (config_draft_has(draft, "users_database") && !draft->users_sqlite == !redis)
        config_report_error(draft->report, config_draft_place(draft, "users_database"),
                            "expected either sqlite or redis, got %s", redis ? "both" : "neither");
    if (draft->redis_user && !draft->redis_password)
        config_report_error(draft->report, config_draft_place(draft, "users_database.redis.user"),
                            "expected only beside password, got it alone");
    if (draft->users_sqlite)
        settings->kind = USER_SOURCE_SQLITE;
    else if (redis)
        settings->kind = USER_SOURCE_REDIS;
}

void config_boot_build(struct config_boot *boot, const struct config_draft *draft)
{
    *boot = (struct config_boot){
        .workers = draft->workers > 0 ? draft->workers : count_cores(),
        .datapath = (enum config_datapath)draft->datapath,
        .tcp_connections_max = draft->tcp_connections,
        .tcp_connections_per_source = draft->tcp_connections_per_source,
        .tcp_idle_timeout_s = draft->tcp_idle_timeout,
        .user = duplicate(draft->user),
        .group = duplicate(draft->group),
        .pid_file = config_draft_path(draft, "pid_file", draft->pid_file),
    };
    if (draft->group && !draft->user)
        config_report_error(draft->report, config_draft_place(draft, "group"),
                            "expected only beside user, got it alone");
    config_listeners_build(boot, draft);
    config_nat_behavior_build(boot, draft);
    build_relay(boot, draft);
    build_shared_ports(boot, draft);
    build_users_database(boot, draft);
    config_rendezvous_boot_build(boot, draft);
}

static void free_secret(char *secret)
{
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

void config_boot_free(struct config_boot *boot)
{
    for (size_t i = 0; i < boot->listener_count; i++)
        config_listener_free(&boot->listeners[i]);
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++)
        config_listener_free(&boot->rendezvous_listeners[i]);
    free(boot->user);
    free(boot->group);
    free(boot->pid_file);
    free(boot->users_database.path);
    free(boot->users_database.redis_user);
    free_secret(boot->users_database.redis_password);
    *boot = (struct config_boot){0};
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_listeners(const struct config_boot *a, const struct config_boot *b)
{
    bool same = a->listener_count == b->listener_count;
    for (size_t i = 0; same && i < a->listener_count; i++) {
        const struct config_listener *one = &a->listeners[i];
        const struct config_listener *other = &b->listeners[i];
        same = config_listener_equal(one, other);
    }
    return same;
}

static bool same_rendezvous(const struct config_boot *a, const struct config_boot *b)
{
    bool same = a->rendezvous_listener_count == b->rendezvous_listener_count;
    for (size_t i = 0; same && i < a->rendezvous_listener_count; i++)
        same = config_listener_equal(&a->rendezvous_listeners[i], &b->rendezvous_listeners[i]);
    return same;
}

static bool same_users_database(const struct config_boot *a, const struct config_boot *b)
{
    const struct user_source_settings *one = &a->users_database;
    const struct user_source_settings *other = &b->users_database;
    return one->kind == other->kind && one->lifetime_s == other->lifetime_s &&
           same_text(one->path, other->path) &&
           address_equal(&one->redis_address, &other->redis_address) &&
           same_text(one->redis_user, other->redis_user) &&
           same_text(one->redis_password, other->redis_password) &&
           one->redis_database == other->redis_database;
}

static bool same_relay_addresses(const struct config_boot *a, const struct config_boot *b)
{
    bool same = a->relay_address_count == b->relay_address_count;
    for (size_t i = 0; same && i < a->relay_address_count; i++)
        same = address_equal_ip(&a->relay_addresses[i], &b->relay_addresses[i]);
    return same;
}

static bool same_nat_behavior(const struct config_boot *a, const struct config_boot *b)
{
    bool same = a->alternate_count == b->alternate_count && a->alternate_port == b->alternate_port;
    for (size_t i = 0; same && i < a->alternate_count; i++)
        same = address_equal_ip(&a->alternates[i], &b->alternates[i]);
    return same;
}

void config_boot_compare(const struct config_boot *a, const struct config_boot *b,
                         void (*changed)(void *context, const char *key), void *context)
{
    const struct {
        const char *key;
        bool same;
    } keys[] = {
        {"listeners", same_listeners(a, b)},
        {"nat_behavior", same_nat_behavior(a, b)},
        {"relay.addresses", same_relay_addresses(a, b)},
        {"relay.ports",
         a->relay_port_min == b->relay_port_min && a->relay_port_max == b->relay_port_max},
        {"relay.copy_ip_fields", a->relay_ip_fields == b->relay_ip_fields},
        {"relay.shared_ports", a->relay_shared_ports == b->relay_shared_ports},
        {"workers", a->workers == b->workers},
        {"datapath", a->datapath == b->datapath},
        {"limits.tcp_idle_timeout", a->tcp_idle_timeout_s == b->tcp_idle_timeout_s},
        {"rendezvous.listeners", same_rendezvous(a, b)},
        {"users_database", same_users_database(a, b)},
        {"user", same_text(a->user, b->user)},
        {"group", same_text(a->group, b->group)},
        {"pid_file", same_text(a->pid_file, b->pid_file)},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!keys[i].same)
            changed(context, keys[i].key);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Several realms on one server: whose clients belong where. */
#include "base/address.h"
#include "base/text.h"
#include "turnserver/auth/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_realm(const struct auth_policy *policy, const uint8_t *name, size_t size)
{
    return strlen(policy->realm) == size && memcmp(policy->realm, name, size) == 0;
}

const struct auth_policy *policy_find_realm(const struct auth_policy *policy, const uint8_t *name,
                                            size_t size)
{
    const struct auth_policy *found = is_realm(policy, name, size) ? policy : NULL;

    for (size_t i = 0; found == NULL && i < policy->other_count; i++) {
        found = is_realm(policy->others[i], name, size) ? policy->others[i] : NULL;
    }
    return found;
}

int auth_policy_add_realm(struct auth_policy *policy, struct auth_policy *realm)
{
    if (policy_find_realm(policy, (const uint8_t *)realm->realm, strlen(realm->realm)) != NULL) {
        return -EEXIST;
    }
    if (policy->other_count == AUTH_REALMS_MAX) {
        return -ENOSPC;
    }
    policy->others[policy->other_count++] = realm;
    return 0;
}

static int add_name(struct realm_names *names, const char *name)
{
    char **items = reallocarray((void *)names->items, names->count + 1, sizeof *items);

    if (items == NULL) {
        return -ENOMEM;
    }
    names->items = items;
    items[names->count] = strdup(name);
    if (items[names->count] == NULL) {
        return -ENOMEM;
    }
    names->count++;
    return 0;
}

static void clear_names(struct realm_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
    }
    free((void *)names->items);
}

void realm_clear(struct auth_policy *realm)
{
    clear_names(&realm->origins);
    clear_names(&realm->server_names);
    free(realm->listeners);
}

int auth_policy_add_origin(struct auth_policy *realm, const char *origin)
{
    return add_name(&realm->origins, origin);
}

int auth_policy_add_server_name(struct auth_policy *realm, const char *name)
{
    return add_name(&realm->server_names, name);
}

int auth_policy_add_listener(struct auth_policy *realm, const struct stun_address *address)
{
    struct stun_address *listeners =
        reallocarray(realm->listeners, realm->listener_count + 1, sizeof *listeners);

    if (listeners == NULL) {
        return -ENOMEM;
    }
    realm->listeners = listeners;
    listeners[realm->listener_count++] = *address;
    return 0;
}

static bool has_origin(const struct auth_policy *realm, const struct stun_attribute_view *origin)
{
    for (size_t i = 0; i < realm->origins.count; i++) {
        if (strlen(realm->origins.items[i]) == origin->size &&
            memcmp(realm->origins.items[i], origin->value, origin->size) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_server_name(const struct auth_policy *realm, const char *name)
{
    bool found = false;

    for (size_t i = 0; !found && i < realm->server_names.count; i++) {
        found = text_host_matches(realm->server_names.items[i], name);
    }
    return found;
}

static bool has_listener(const struct auth_policy *realm, const struct stun_address *local)
{
    for (size_t i = 0; i < realm->listener_count; i++) {
        const struct stun_address *listener = &realm->listeners[i];
        if (listener->port == local->port && listener->family == local->family &&
            (address_is_unspecified(listener) || address_equal_ip(listener, local))) {
            return true;
        }
    }
    return false;
}

const struct auth_policy *policy_find_origin(const struct auth_policy *policy,
                                             const struct stun_attribute_view *origin)
{
    for (size_t i = 0; i < policy->other_count; i++) {
        if (has_origin(policy->others[i], origin)) {
            return policy->others[i];
        }
    }
    return NULL;
}

const struct auth_policy *policy_choose_realm(const struct auth_policy *policy,
                                              const struct stun_attribute_view *origin,
                                              const char *server_name,
                                              const struct stun_address *local)
{
    const struct auth_policy *of_origin =
        origin != NULL ? policy_find_origin(policy, origin) : NULL;

    if (of_origin != NULL) {
        return of_origin;
    }
    for (size_t i = 0; server_name != NULL && i < policy->other_count; i++) {
        if (has_server_name(policy->others[i], server_name)) {
            return policy->others[i];
        }
    }
    for (size_t i = 0; i < policy->other_count; i++) {
        if (has_listener(policy->others[i], local)) {
            return policy->others[i];
        }
    }
    return policy;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/try.h"

#include "base/address.h"
#include "base/text.h"
#include "turnserver/config_host.h"
#include "turnserver/config_text.h"
#include "turnserver/service.h"
#include "wire/signal.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAT_PORT_DISTANCE 1        /* UDP */
#define RENDEZVOUS_PORT_DISTANCE 1 /* TCP */

struct plan {
    struct stun_address listeners[OPTIONS_LISTEN_MAX];
    size_t count;
    struct stun_address alternates[2]; /* RFC 5780 */
    size_t alternate_count;
};

/* ---- where to listen ---------------------------------------------------------------------------
 */

static bool add_listener(struct plan *plan, const char *text, FILE *diagnostics)
{
    struct stun_address address;
    if (!address_parse(&address, text)) {
        if (!address_parse_ip(&address, text)) {
            fprintf(diagnostics,
                    "turnserver: --listen: expected ADDRESS or ADDRESS:PORT such as 192.0.2.1:3478 "
                    "or [2001:db8::1]:3478, got %s\n",
                    text);
            return false;
        }
        address.port = TRY_PORT;
    }
    if (address.port == 0) {
        fprintf(diagnostics, "turnserver: --listen: expected a port from 1 to 65535, got 0\n");
        return false;
    }
    plan->listeners[plan->count++] = address;
    return true;
}

static bool add_if_new(struct plan *plan, struct stun_address address)
{
    address.port = TRY_PORT;
    for (size_t i = 0; i < plan->count; i++)
        if (address_equal_ip(&plan->listeners[i], &address))
            return false;
    plan->listeners[plan->count++] = address;
    return true;
}

static void plan_default(struct plan *plan)
{
    static const uint8_t families[] = {STUN_FAMILY_IPV4, STUN_FAMILY_IPV6};
    struct stun_address loopback[] = {{.family = STUN_FAMILY_IPV4, .ip = {127, 0, 0, 1}},
                                      {.family = STUN_FAMILY_IPV6, .ip = {[15] = 1}}};
    for (size_t i = 0; i < 2; i++)
        if (config_host_has(&loopback[i]))
            add_if_new(plan, loopback[i]);
    for (size_t i = 0; i < 2; i++) {
        struct stun_address outward;
        if (config_host_outward(families[i], &outward))
            add_if_new(plan, outward);
    }
    /* All of 127.0.0.0/8 is ours: NAT behavior discovery can at least be looked at. */
    if (plan->listeners[0].family == STUN_FAMILY_IPV4)
        plan->alternates[plan->alternate_count++] = (struct stun_address){
            .family = STUN_FAMILY_IPV4, .port = TRY_PORT + NAT_PORT_DISTANCE, .ip = {127, 0, 0, 2}};
}

/* Two addresses of one family make the four endpoints of RFC 5780. The first UDP listener of the
 * alternate address's family is the primary one; its next port is the alternate port, one for both
 * families. */
static void plan_family(struct plan *plan, uint8_t family)
{
    const struct stun_address *first = NULL;
    for (size_t i = 0; i < plan->count; i++) {
        const struct stun_address *address = &plan->listeners[i];
        if (address->family != family)
            continue;
        if (!first)
            first = address;
        uint16_t port = plan->alternate_count > 0 ? plan->alternates[0].port
                                                  : (uint16_t)(first->port + NAT_PORT_DISTANCE);
        if (address_is_unspecified(first) || port < NAT_PORT_DISTANCE || port == first->port)
            return;
        if (!address_equal_ip(first, address) && !address_is_unspecified(address)) {
            plan->alternates[plan->alternate_count] = *address;
            plan->alternates[plan->alternate_count++].port = port;
            return;
        }
    }
}

static void plan_nat_behavior(struct plan *plan)
{
    plan_family(plan, STUN_FAMILY_IPV4);
    plan_family(plan, STUN_FAMILY_IPV6);
}

static bool make_plan(struct plan *plan, const struct options *options, FILE *diagnostics)
{
    *plan = (struct plan){0};
    for (size_t i = 0; i < options->listen_count; i++)
        if (!add_listener(plan, options->listen[i], diagnostics))
            return false;
    if (options->listen_count == 0)
        plan_default(plan);
    else
        plan_nat_behavior(plan);
    if (plan->count == 0)
        fprintf(diagnostics, "turnserver: this host has no address: give --listen ADDRESS\n");
    return plan->count > 0;
}

/* ---- configuration -----------------------------------------------------------------------------
 */

/* Root becomes nobody, unless it is the root of a namespace that has no such user: its map of ids
 * is not the whole one then. */
static const char *unprivileged_user(void)
{
    unsigned first = 1;
    unsigned outside = 1;
    unsigned count = 0;
    char line[64] = "";
    FILE *map = geteuid() == 0 ? fopen("/proc/self/uid_map", "r") : NULL;
    if (map && fgets(line, sizeof(line), map)) {
        char *end = line;
        first = (unsigned)strtoul(end, &end, 10);
        outside = (unsigned)strtoul(end, &end, 10);
        count = (unsigned)strtoul(end, &end, 10);
    }
    if (map)
        fclose(map);
    bool whole = first == 0 && outside == 0 && count == UINT32_MAX;
    return whole && getpwnam("nobody") ? "nobody" : NULL;
}

/* Beside each listener, where there is a port for it. A page needs credentials wherever it comes
 * from. */
static void put_rendezvous(struct text_buffer *text, const struct plan *plan)
{
    const char *separator = "";
    char address[ADDRESS_TEXT_SIZE];
    if (signal_absent() || plan->listeners[0].port > UINT16_MAX - RENDEZVOUS_PORT_DISTANCE)
        return;
    text_buffer_put_string(text, "rendezvous = { origins = [ \"*\" ]; listeners = (");
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->listeners[i].port > UINT16_MAX - RENDEZVOUS_PORT_DISTANCE)
            continue;
        text_buffer_put_format(text, "%s\n  { address = \"%s\"; port = %u; tls = true; }",
                               separator, address_format_ip(&plan->listeners[i], address),
                               plan->listeners[i].port + RENDEZVOUS_PORT_DISTANCE);
        separator = ",";
    }
    text_buffer_put_string(text, "\n); };\n");
}

static void put_configuration(struct text_buffer *text, const struct plan *plan,
                              const struct try_state *state)
{
    char address[ADDRESS_TEXT_SIZE];
    text_buffer_put_string(text, "listeners = (");
    for (size_t i = 0; i < plan->count; i++)
        text_buffer_put_format(text,
                               "%s\n  { address = \"%s\"; port = %u; transports = [ \"udp\", "
                               "\"tcp\", \"tls\", \"dtls\" ]; }",
                               i > 0 ? "," : "", address_format_ip(&plan->listeners[i], address),
                               plan->listeners[i].port);
    /* Beside the file that this text stands for. */
    text_buffer_put_string(
        text, "\n);\ntls = { certificate = \"certificate.pem\"; key = \"key.pem\"; };");
    text_buffer_put_format(text, "\nrealm = \"%s\";\nrest = { secrets = [ \"%s\" ]; };\n",
                           TRY_REALM, state->secret);
    for (size_t i = 0; i < plan->alternate_count; i++)
        text_buffer_put_format(text, "%s\"%s\"",
                               i == 0 ? "nat_behavior = { alternate_addresses = [ " : ", ",
                               address_format_ip(&plan->alternates[i], address));
    if (plan->alternate_count > 0)
        text_buffer_put_format(text, " ]; alternate_port = %u; };\n", plan->alternates[0].port);
    put_rendezvous(text, plan);
    const char *user = unprivileged_user();
    if (user)
        text_buffer_put_format(text, "user = \"%s\";\n", user);
}

static void announce(void *context, const struct config *config)
{
    try_text_print(stdout, context, &config->boot);
}

static enum exit_status run(struct try_state *state, const struct plan *plan)
{
    enum exit_status status = STATUS_FAILED;
    struct text_buffer text;
    text_buffer_init_growing(&text);
    put_configuration(&text, plan, state);
    struct config_input input = {.path = config_path_resolve(state->folder, "(built in)"),
                                 .text = text_buffer_finish(&text)};
    struct config *config = input.path && input.text ? config_load_input(&input, stderr) : NULL;
    const struct config_files files = {.open = try_state_open_file, .context = state};
    struct service_setup setup = {.config_file = input.path,
                                  .config_text = input.text,
                                  .files = &files,
                                  .ready = announce,
                                  .context = state};
    if (config)
        status = service_run(&setup, config, stderr);
    free((char *)input.path);
    text_buffer_free(&text);
    return status;
}

enum exit_status try_run(const struct options *options)
{
    struct plan plan;
    struct try_state state = {.certificate = -1, .key = -1};
    if (!make_plan(&plan, options, stderr))
        return STATUS_UNUSABLE;
    enum exit_status status = STATUS_FAILED;
    if (try_state_open(&state, options->folder, plan.listeners, plan.count, stderr)) {
        try_text_find_client(&state);
        status = run(&state, &plan);
    }
    try_state_free(&state);
    return status;
}

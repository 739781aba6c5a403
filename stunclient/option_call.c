/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/option_call.h"

#include "base/base64.h"
#include "base/text.h"
#include "net/interface.h"
#include "wire/ed25519.h"
#include "wire/signal.h"

#include <string.h>

_Static_assert(CALL_CALLERS_MAX <= SIGNAL_ALLOW_MAX, "what a hello may list");

const char *option_set_server(struct options *options, char *value)
{
    static const char *const schemes[] = {"tcp://", "tls://", "ws://", "wss://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strncmp(value, schemes[i], strlen(schemes[i])) == 0) {
            options->call.server = value;
            return NULL;
        }
    }
    return "tcp://, tls://, ws:// or wss:// and HOST[:PORT]";
}

const char *option_set_key(struct options *options, char *value)
{
    options->call.key_file = value;
    return NULL;
}

const char *option_set_interface(struct options *options, char *value)
{
    struct call_options *call = &options->call;
    if (!interface_exists(value)) {
        return "a network interface of this host";
    }
    if (call->interface_count == CALL_INTERFACES_MAX) {
        return "fewer interfaces";
    }
    call->interfaces[call->interface_count++] = value;
    return NULL;
}

const char *option_set_relay_only(struct options *options, char *value)
{
    (void)value;
    options->call.relay_only = true;
    return NULL;
}

const char *option_set_no_relay(struct options *options, char *value)
{
    (void)value;
    options->call.no_relay = true;
    return NULL;
}

const char *option_set_lite(struct options *options, char *value)
{
    (void)value;
    options->call.lite = true;
    return NULL;
}

const char *option_set_keep(struct options *options, char *value)
{
    (void)value;
    options->call.keep = true;
    return NULL;
}

const char *option_set_any_key(struct options *options, char *value)
{
    (void)value;
    options->call.any_key = true;
    return NULL;
}

const char *option_set_list(struct options *options, char *value)
{
    (void)value;
    options->call.list_keys = true;
    return NULL;
}

static bool is_key(const char *text)
{
    uint8_t bytes[ED25519_KEY_SIZE];
    return base64_decode(text, bytes, sizeof bytes);
}

const char *option_set_trust(struct options *options, char *value)
{
    const char *equals = strrchr(value, '=');
    options->call.trust = value;
    return equals == NULL || equals == value || !is_key(equals + 1)
               ? "NAME=KEY, the key as `stunclient key` prints it"
               : NULL;
}

const char *option_set_forget(struct options *options, char *value)
{
    options->call.forget = value;
    return value[0] == '\0' ? "a name" : NULL;
}

static bool is_target(const char *text)
{
    struct stun_host host;
    return stun_host_parse(&host, text) == NULL && host.port != 0;
}

const char *option_set_allow(struct options *options, char *value)
{
    struct call_options *call = &options->call;
    if (!is_target(value) || call->allowed_count == CALL_FORWARDS_MAX) {
        return "HOST:PORT, at most 16 times";
    }
    call->allowed[call->allowed_count++] = value;
    return NULL;
}

const char *option_set_from(struct options *options, char *value)
{
    struct call_options *call = &options->call;
    size_t size = strlen(value);
    if (size == 0 || size > SIGNAL_NAME_MAX || call->caller_count == CALL_CALLERS_MAX) {
        return "a name of at most 255 bytes, at most 16 times";
    }
    call->callers[call->caller_count++] = value;
    return NULL;
}

const char *option_set_forward(struct options *options, char *value)
{
    struct call_options *call = &options->call;
    const char *colon = strchr(value, ':');
    uint64_t port;
    if (colon == NULL || !text_parse_u64(value, (size_t)(colon - value), UINT16_MAX, &port) ||
        port == 0 || !is_target(colon + 1) || call->forward_count == CALL_FORWARDS_MAX) {
        return "PORT:HOST:PORT, at most 16 times";
    }
    call->forwards[call->forward_count++] =
        (struct forward_option){.port = (uint16_t)port, .target = colon + 1};
    return NULL;
}

const char *option_set_connect(struct options *options, char *value)
{
    options->call.connect = value;
    return is_target(value) ? NULL : "HOST:PORT";
}

const char *option_set_report(struct options *options, char *value)
{
    options->call.report_file = value;
    return NULL;
}

const char *option_set_trace(struct options *options, char *value)
{
    (void)value;
    options->call.trace = true;
    return NULL;
}

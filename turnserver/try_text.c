/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address.h"
#include "base/json_writer.h"
#include "net/clock.h"
#include "net/message_stream.h"
#include "turnserver/auth/rest.h"
#include "turnserver/config_host.h"
#include "turnserver/try.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CREDENTIAL_LIFETIME_S 86400

struct credential {
    char user[32];
    char password[REST_PASSWORD_SIZE];
};

static bool make_credential(struct credential *out, const char *secret, const char *account)
{
    struct auth_digests digests;
    snprintf(out->user, sizeof(out->user), "%" PRId64 ":%s",
             clock_unix_seconds() + CREDENTIAL_LIFETIME_S, account);
    bool good = auth_digests_open(&digests) &&
                rest_password(&digests, AUTH_HMAC_SHA1, secret, out->user, out->password);
    auth_digests_close(&digests);
    return good;
}

void try_text_find_client(struct try_state *state)
{
    static const char *const places[] = {"/../stunclient/stunclient", "/../bin/stunclient"};
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    own[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(own, '/');
    for (size_t i = 0; slash && !state->client && i < sizeof(places) / sizeof(places[0]); i++) {
        char candidate[2 * PATH_MAX];
        *slash = '\0';
        snprintf(candidate, sizeof(candidate), "%s%s", own, places[i]);
        state->client = realpath(candidate, NULL);
        if (state->client && (access(state->client, X_OK) != 0 || strpbrk(state->client, " '\""))) {
            free(state->client);
            state->client = NULL;
        }
    }
}

/* Where a client on this host, or another one, reaches a listener. */
static struct stun_address reachable(const struct stun_address *listener)
{
    struct stun_address address = *listener;
    if (address_is_unspecified(&address) && config_host_outward(address.family, &address))
        address.port = listener->port;
    return address;
}

static void print_listeners(FILE *stream, const struct config_boot *boot)
{
    fprintf(stream, "Listening (STUN and TURN):\n");
    for (size_t i = 0; i < boot->listener_count; i++) {
        char text[ADDRESS_TEXT_SIZE];
        const struct config_listener *listener = &boot->listeners[i];
        fprintf(stream, "  %-28s udp, tcp, tls, dtls\n", address_format(&listener->address, text));
    }
    for (size_t i = 0; i < boot->alternate_count; i++) {
        char text[ADDRESS_TEXT_SIZE];
        fprintf(stream, "  %s, port %u: the alternate address and port of RFC 5780\n",
                address_format_ip(&boot->alternates[i], text), boot->alternate_port);
    }
}

static void print_rendezvous(FILE *stream, const struct config_boot *boot)
{
    if (boot->rendezvous_listener_count == 0)
        return;
    fprintf(stream, "Rendezvous (clients find each other):\n");
    for (size_t i = 0; i < boot->rendezvous_listener_count; i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct stun_address address = reachable(&boot->rendezvous_listeners[i].address);
        const char *url = address_format(&address, text);
        fprintf(stream, "  tcp://%s (also tls://%s)\n", url,
                message_stream_has_websocket() ? ", ws:// and wss://" : "");
    }
}

/* As a shell reads it: between apostrophes, which stand for themselves outside of them. */
static void print_quoted(FILE *stream, const char *text)
{
    fputc('\'', stream);
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\'", stream);
        fputc(*text, stream);
    }
    fputc('\'', stream);
}

static void print_commands(FILE *stream, const struct try_state *state,
                           const struct config_boot *boot, const struct credential *credential)
{
    static const char *const secure[] = {"tls", "dtls"};
    const char *client = state->client ? state->client : "stunclient";
    char text[ADDRESS_TEXT_SIZE];
    struct stun_address last = reachable(&boot->listeners[boot->listener_count - 1].address);
    fprintf(stream, "\nTry it:\n");
    for (size_t i = 0; i < boot->listener_count; i++) {
        struct stun_address address = reachable(&boot->listeners[i].address);
        fprintf(stream, "  %s %s\n", client, address_format(&address, text));
    }
    for (size_t i = 0; i < boot->alternate_count; i++)
        fprintf(
            stream, "  %s nat %s\n", client,
            address_format(&config_boot_primary(boot, boot->alternates[i].family)->address, text));
    for (int tcp = 0; tcp < 2; tcp++)
        fprintf(stream, "  %s turn %s --user %s --password '%s'%s\n", client,
                address_format(&last, text), credential->user, credential->password,
                tcp ? " --protocol tcp" : "");
    for (size_t i = 0; i < 2; i++) {
        fprintf(stream, "  %s turn %s --user %s --password '%s' --protocol %s --ca ", client,
                address_format(&last, text), credential->user, credential->password, secure[i]);
        print_quoted(stream, state->certificate_path);
        fputc('\n', stream);
    }
}

/* What Bob types in his terminal, and Alice in hers. */
static void print_calls(FILE *stream, const struct try_state *state, const struct config_boot *boot)
{
    static const char *const people[][2] = {{"bob", "listen"}, {"alice", "call"}};
    const char *client = state->client ? state->client : "stunclient";
    struct credential credential;
    char text[ADDRESS_TEXT_SIZE];
    if (boot->rendezvous_listener_count == 0)
        return;
    const struct config_listener *last =
        &boot->rendezvous_listeners[boot->rendezvous_listener_count - 1];
    struct stun_address address = reachable(&last->address);
    fprintf(stream, "\nCall each other, from two terminals or hosts:\n");
    for (size_t i = 0; i < 2; i++)
        if (make_credential(&credential, state->secret, people[i][0]))
            fprintf(stream, "  %s %s bob --server tcp://%s --user %s --password '%s'\n", client,
                    people[i][1], address_format(&address, text), credential.user,
                    credential.password);
}

static void put_url(struct json_writer *json, const char *scheme,
                    const struct stun_address *address, const char *query)
{
    char text[ADDRESS_TEXT_SIZE];
    char url[ADDRESS_TEXT_SIZE + 32];
    snprintf(url, sizeof(url), "%s:%s%s", scheme, address_format(address, text), query);
    json_put_string(json, url);
}

/* A page on another host cannot reach our loopback: it is told only when there is nothing else. */
static bool is_told(const struct config_boot *boot, size_t index)
{
    struct stun_address address = reachable(&boot->listeners[index].address);
    if (!address_is_loopback(&address))
        return true;
    for (size_t i = 0; i < boot->listener_count; i++) {
        struct stun_address other = reachable(&boot->listeners[i].address);
        if (!address_is_loopback(&other))
            return false;
    }
    return true;
}

static void put_urls(struct json_writer *json, const struct config_boot *boot, bool turn)
{
    json_put_key(json, "urls");
    json_begin_array(json);
    for (size_t i = 0; i < boot->listener_count; i++) {
        struct stun_address address = reachable(&boot->listeners[i].address);
        if (!is_told(boot, i))
            continue;
        if (!turn) {
            put_url(json, "stun", &address, "");
            continue;
        }
        put_url(json, "turn", &address, "?transport=udp");
        put_url(json, "turn", &address, "?transport=tcp");
    }
    json_end_array(json);
}

/* RTCConfiguration.iceServers, as new RTCPeerConnection() takes it. */
static void print_ice_servers(FILE *stream, const struct config_boot *boot,
                              const struct credential *credential)
{
    struct text_buffer buffer;
    struct json_writer json;
    text_buffer_init_growing(&buffer);
    json_init(&json, &buffer);
    json_begin_object(&json);
    json_put_key(&json, "iceServers");
    json_begin_array(&json);
    json_begin_object(&json);
    put_urls(&json, boot, false);
    json_end_object(&json);
    json_begin_object(&json);
    put_urls(&json, boot, true);
    json_member_string(&json, "username", credential->user);
    json_member_string(&json, "credential", credential->password);
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
    fprintf(stream, "\nFor a web page (good for 24 hours):\n  ");
    json_print(&json, stream);
    text_buffer_free(&buffer);
}

void try_text_print(FILE *stream, const struct try_state *state, const struct config_boot *boot)
{
    struct credential credential;
    print_listeners(stream, boot);
    print_rendezvous(stream, boot);
    fprintf(stream, "Secret and certificate are kept in %s\n", state->folder);
    if (make_credential(&credential, state->secret, "try")) {
        print_commands(stream, state, boot, &credential);
        print_calls(stream, state, boot);
        print_ice_servers(stream, boot, &credential);
    }
    fprintf(stream, "\nIt runs until Ctrl-C.\n");
    fflush(stream);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* iceServers: an entry for STUN, and one for the relay with a name and password made on the spot.
 */
#include "turnserver/rendezvous/rendezvous_internal.h"

#include "base/address.h"
#include "base/json_writer.h"

#include <stdio.h>
#include <string.h>

/* Whether a URL of that scheme needs credentials. */
static bool is_relay(const struct rendezvous_url *url)
{
    return strncmp(url->scheme, "turn", 4) == 0;
}

/* The host as it stands in URLs. */
static const char *host_of(const struct rendezvous_url *url, const struct stun_address *local,
                           char text[ADDRESS_TEXT_SIZE])
{
    char ip[ADDRESS_TEXT_SIZE];

    if (url->host != NULL) {
        return url->host;
    }
    address_format_ip(local, ip);
    snprintf(text, ADDRESS_TEXT_SIZE, strchr(ip, ':') != NULL ? "[%.52s]" : "%.54s", ip);
    return text;
}

static bool write_url(const struct rendezvous_url *url, const struct stun_address *local,
                      char out[SIGNAL_TEXT_MAX + 1])
{
    char text[ADDRESS_TEXT_SIZE];
    int size =
        snprintf(out, SIGNAL_TEXT_MAX + 1, "%s:%s:%u%s%s", url->scheme, host_of(url, local, text),
                 (unsigned)url->port, url->transport != NULL ? "?transport=" : "",
                 url->transport != NULL ? url->transport : "");

    return size > 0 && size <= SIGNAL_TEXT_MAX;
}

/* All URLs of the one kind become one server, if there are any. */
static struct signal_ice_server *add_server(struct rendezvous *rendezvous, bool relay,
                                            const struct stun_address *local,
                                            struct credentials *credentials)
{
    const struct rendezvous_policy *policy = rendezvous->policy;
    struct signal_ice_server *server = &credentials->ice.servers[credentials->ice.count];

    for (size_t i = 0; i < policy->url_count && server->url_count < SIGNAL_URLS_MAX; i++) {
        char *text = credentials->urls[relay * SIGNAL_URLS_MAX + server->url_count];
        if (is_relay(&policy->urls[i]) == relay && write_url(&policy->urls[i], local, text)) {
            server->urls[server->url_count++] = text;
        }
    }
    if (server->url_count == 0) {
        return NULL;
    }
    credentials->ice.count++;
    return server;
}

/* A client that knows the challenge has its relay a round trip earlier. */
static void add_challenge(struct rendezvous *rendezvous, struct monotime now, const char *realm,
                          const struct stun_address *client, struct credentials *credentials,
                          struct signal_ice_server *relay)
{
    static const char *const names[] = {
        [STUN_PASSWORD_MD5] = "MD5",
        [STUN_PASSWORD_SHA256] = "SHA-256",
    };
    const struct auth_challenge *challenge = &credentials->challenge;

    if (client == NULL ||
        !auth_make_challenge(rendezvous->auth, now, realm, client, &credentials->challenge)) {
        return;
    }
    relay->challenge.realm = challenge->realm;
    relay->challenge.nonce = challenge->nonce;
    for (size_t i = 0; i < challenge->algorithm_count; i++) {
        relay->challenge.algorithms[i] = names[challenge->algorithms[i]];
    }
    relay->challenge.algorithm_count = challenge->algorithm_count;
}

void credentials_make(struct rendezvous *rendezvous, struct monotime now, const char *account,
                      const char *realm, const struct stun_address *local,
                      const struct stun_address *client, struct credentials *credentials)
{
    uint32_t lifetime = rendezvous->policy->credential_lifetime_s;

    memset(credentials, 0, sizeof *credentials);
    credentials->ice.ttl_s = lifetime;
    add_server(rendezvous, false, local, credentials);
    if (auth_issue(rendezvous->auth, now, realm, account, lifetime, &credentials->issued)) {
        struct signal_ice_server *relay = add_server(rendezvous, true, local, credentials);
        if (relay != NULL) {
            relay->username = credentials->issued.name;
            relay->credential = credentials->issued.password;
            add_challenge(rendezvous, now, realm, client, credentials, relay);
        }
    }
}

void credentials_of_session(struct rendezvous *rendezvous, struct monotime now,
                            const struct session *session, struct credentials *credentials)
{
    const struct account *account = session->account;
    char name[AUTH_USER_SIZE];

    memcpy(name, account->name, account->base_size);
    name[account->base_size] = '\0';
    credentials_make(rendezvous, now, name, account->realm, &session->local, &session->remote,
                     credentials);
}

void credentials_answer(struct request *request)
{
    struct signal_message answer = {.type = SIGNAL_TURN};
    struct credentials credentials;

    credentials_of_session(request->rendezvous, request->now, request->session, &credentials);
    answer.turn.ice = credentials.ice;
    reply(request, &answer);
}

/* ---- for web back ends ----------------------------------------------------------------------- */

bool rendezvous_put_credentials(struct rendezvous *rendezvous, struct monotime now,
                                const char *account, const struct stun_address *local,
                                struct text_buffer *out)
{
    const char *realm = auth_choose_realm(rendezvous->auth, NULL, local);
    struct credentials credentials;
    struct json_writer json;

    credentials_make(rendezvous, now, account, realm, local, NULL, &credentials);
    if (credentials.issued.password[0] == '\0') {
        return false;
    }
    json_init(&json, out);
    json_begin_object(&json);
    json_put_key(&json, "iceServers");
    json_begin_array(&json);
    for (size_t i = 0; i < credentials.ice.count; i++) {
        signal_put_ice_server(&json, &credentials.ice.servers[i]);
    }
    json_end_array(&json);
    json_member_u64(&json, "ttl", credentials.ice.ttl_s);
    json_end_object(&json);
    return text_buffer_finish(out) != NULL;
}

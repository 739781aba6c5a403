/* SPDX-License-Identifier: BSD-3-Clause */
/* The section `rendezvous`. */
#include "config_test.h"

#include "net/message_stream.h"
#include "turnserver/turn/peer_rules.h"
#include "wire/signal.h"

#define USERS "users = ( { name = \"bob\"; password = \"builder\"; } );\n"
#define LISTENER "{ address = \"127.0.0.1\"; port = 8080; }"

/* "scheme host port transport" of a URL. */
static void assert_url(const struct config *config, size_t index, const char *expected)
{
    const struct rendezvous_policy *policy = &config->policy->rendezvous->policy;
    char text[128];
    assert_true(index < policy->url_count);
    const struct rendezvous_url *url = &policy->urls[index];
    snprintf(text, sizeof(text), "%s %s %u %s", url->scheme, url->host ? url->host : "-", url->port,
             url->transport ? url->transport : "-");
    assert_string_equal(text, expected);
}

static void test_off_by_itself(void **state)
{
    (void)state;
    struct config *config = load_good(USERS);
    assert_null(config->policy->rendezvous);
    assert_int_equal(config->boot.rendezvous_listener_count, 0);
    config_free(config);
}

static void test_defaults(void **state)
{
    (void)state;
    struct rendezvous_policy expected = {0};
    struct config *config =
        load_good("listeners = ( { address = \"127.0.0.1\"; port = 3400; } );\n" USERS
                  "rendezvous = { listeners = ( " LISTENER " ); };\n");
    const struct rendezvous_policy *policy = &config->policy->rendezvous->policy;
    const struct config_listener *listener = &config->boot.rendezvous_listeners[0];
    assert_int_equal(config->boot.rendezvous_listener_count, 1);
    assert_int_equal(listener->address.port, 8080);
    assert_true(listener->tcp && !listener->tls);
    rendezvous_policy_defaults(&expected);
    assert_int_equal(policy->credential_lifetime_s, expected.credential_lifetime_s);
    assert_int_equal(policy->hello_timeout_s, expected.hello_timeout_s);
    assert_int_equal(policy->ping_s, expected.ping_s);
    assert_int_equal(policy->resume_s, expected.resume_s);
    assert_int_equal(policy->ring_timeout_s, expected.ring_timeout_s);
    assert_int_equal(policy->sessions_max, expected.sessions_max);
    assert_int_equal(policy->sessions_per_account, expected.sessions_per_account);
    assert_int_equal(policy->calls_per_session, expected.calls_per_session);
    assert_int_equal(policy->queue_bytes, expected.queue_bytes);
    assert_int_equal(policy->hellos_per_source, expected.hellos_per_source);
    assert_int_equal(policy->messages_per_account, expected.messages_per_account);
    assert_int_equal(policy->calls_per_account, expected.calls_per_account);
    assert_int_equal(policy->callers, RENDEZVOUS_CALLERS_SAME_REALM);
    assert_false(policy->unknown_keys || policy->tokens_in_clear);
    assert_int_equal(policy->url_count, 3);
    assert_url(config, 0, "stun 127.0.0.1 3400 -");
    assert_url(config, 1, "turn 127.0.0.1 3400 udp");
    assert_url(config, 2, "turn 127.0.0.1 3400 tcp");
    config_free(config);
}

static void test_urls(void **state)
{
    (void)state;
    struct config *config = load_good(
        "listeners = ( { address = \"127.0.0.1\"; }, { address = \"0.0.0.0\"; port = 3400; },\n"
        " { address = \"0.0.0.0\"; port = 3401; transports = [ \"tcp\" ]; } );\n" USERS
        "rendezvous = { listeners = ( " LISTENER " ); };\n");
    assert_url(config, 0, "stun - 3400 -"); /* loopback is of no use where there is another */
    assert_url(config, 1, "turn - 3400 udp");
    assert_url(config, 2, "turn - 3400 tcp");
    assert_url(config, 3, "turn - 3401 tcp");
    assert_int_equal(config->policy->rendezvous->policy.url_count, 4);
    config_free(config);
    config =
        load_good("listeners = ( { address = \"0.0.0.0\"; }, { address = \"::\"; } );\n" USERS
                  "rendezvous = { host = \"turn.example.org\"; listeners = ( " LISTENER " ); };\n");
    assert_url(config, 0, "stun turn.example.org 3478 -");
    assert_int_equal(config->policy->rendezvous->policy.url_count, 3); /* once each */
    config_free(config);
}

static void test_values(void **state)
{
    (void)state;
    struct config *config = load_good(
        USERS "software = \"x\";\nrendezvous = { listeners = ( " LISTENER
              " ); callers = \"listed\"; "
              "turn_token = \"0123456789abcdef\"; ping_interval = \"2s\"; unknown_keys = true;\n"
              "keys = ( { account = \"erin\"; public_key = "
              "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"; } ); };\n");
    const struct config_rendezvous *rendezvous = config->policy->rendezvous;
    assert_int_equal(rendezvous->policy.callers, RENDEZVOUS_CALLERS_LISTED);
    assert_string_equal(rendezvous->turn_token, "0123456789abcdef");
    assert_string_equal(rendezvous->policy.server, "x");
    assert_int_equal(rendezvous->policy.ping_s, 2);
    assert_int_equal(rendezvous->policy.key_count, 1);
    assert_string_equal(rendezvous->policy.keys[0].account, "erin");
    assert_memory_equal(rendezvous->policy.keys[0].public_key, "\xd7\x5a\x98\x01\x82\xb1", 6);
    config_free(config);
}

static void test_relay_does_not_reach_it(void **state)
{
    (void)state;
    struct config *config = load_good(USERS "peers = { allow = [ \"127.0.0.0/8\" ]; };\n"
                                            "rendezvous = { listeners = ( " LISTENER " ); };\n");
    struct stun_address peer = {.family = STUN_FAMILY_IPV4, .port = 8080, .ip = {127, 0, 0, 1}};
    assert_int_equal(peer_rules_check(config->policy->peers, &peer), PEER_PROTECTED);
    peer.port = 8081;
    assert_int_equal(peer_rules_check(config->policy->peers, &peer), PEER_ALLOWED);
    config_free(config);
}

static void test_problems(void **state)
{
    (void)state;
    load_bad(USERS "rendezvous = { };\n",
             "/etc/t.conf:2: rendezvous: expected listeners = ( { address = ...; port = ...; } ), "
             "got none\n");
    load_bad(USERS "rendezvous = { listeners = (\n" LISTENER ",\n" LISTENER " ); };\n",
             "/etc/t.conf:4: rendezvous.listeners[1]: expected an address and port that no other "
             "listener has, got 127.0.0.1:8080\n");
    load_bad(USERS "rendezvous = { listeners = (\n"
                   "{ address = \"127.0.0.1\"; plain = false; } ); };\n",
             "/etc/t.conf:3: rendezvous.listeners[0]: expected tls = true beside plain = false, or "
             "nobody can come in\n");
    load_bad(
        USERS "rendezvous = {\nlisteners = ( { address = \"127.0.0.1\"; tls = true; } ); };\n",
        "/etc/t.conf:3: rendezvous.listeners: expected tls = { certificate = ...; key = ...; } "
        "in this file, since a listener has \"tls\" or \"dtls\", got none\n");
    load_bad(USERS "rendezvous = { listeners = ( " LISTENER " );\nkeys = (\n{ account = \"a\"; "
                   "public_key = \"11qYAYKxCrfVS=7TyWQHOg7hcvPapiMlrwIaaPcHURo\"; } ); };\n",
             "/etc/t.conf:4: rendezvous.keys[0].public_key: expected base64url of the 32 bytes of "
             "an Ed25519 key, as \"stunclient key\" shows it, got "
             "\"11qYAYKxCrfVS=7TyWQHOg7hcvPapiMlrwIaaPcHURo\"\n");
}

static void test_origins(void **state)
{
    (void)state;
    if (!message_stream_has_websocket())
        return; /* a warning then says so */
    struct config *config =
        load_good(USERS "rendezvous = { listeners = ( " LISTENER " ); origins = [ \"*\", "
                        "\"https://a.test\", \"http://localhost:8000\" ]; };\n");
    assert_int_equal(config->policy->rendezvous->policy.origin_count, 3);
    assert_string_equal(config->policy->rendezvous->policy.origins[1], "https://a.test");
    config_free(config);
    load_bad(USERS "rendezvous = { listeners = ( " LISTENER " ); origins = [\n\"a.test\" ]; };\n",
             "/etc/t.conf:3: rendezvous.origins[0]: expected an origin as browsers write it "
             "(\"https://example.org\", \"http://localhost:8000\") or \"*\", got \"a.test\"\n");
}

static void test_nobody(void **state)
{
    (void)state;
    struct test_files none = {0};
    config_free(load_warned(
        "rendezvous = { listeners = ( " LISTENER " ); };\n", &none,
        "/etc/t.conf:1: rendezvous: warning: nobody can register: there are neither users, secrets "
        "nor keys\n"));
}

static void test_absent(void **state)
{
    (void)state;
    struct test_files none = {0};
    char *diagnostics = NULL;
    assert_null(load_with(USERS "rendezvous = { listeners = ( " LISTENER " ); };\n", &none, NULL,
                          &diagnostics));
    assert_non_null(strstr(diagnostics, "/etc/t.conf:2: rendezvous: expected no such section"));
    assert_non_null(strstr(diagnostics, "libjansson"));
    free(diagnostics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_by_itself), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_urls),          cmocka_unit_test(test_values),
        cmocka_unit_test(test_problems),      cmocka_unit_test(test_relay_does_not_reach_it),
        cmocka_unit_test(test_origins),       cmocka_unit_test(test_nobody),
    };
    const struct CMUnitTest absent[] = {
        cmocka_unit_test(test_off_by_itself),
        cmocka_unit_test(test_absent),
    };
    return signal_absent() ? cmocka_run_group_tests_name("config_rendezvous", absent, NULL, NULL)
                           : cmocka_run_group_tests_name("config_rendezvous", tests, NULL, NULL);
}

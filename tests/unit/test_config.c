/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration means: each key's values, defaults, and the rules between keys. */
#include "config_test.h"

#include "base/address.h"
#include "base/log.h"
#include "turnserver/config_host.h"
#include "turnserver/config_keys.h"
#include "wire/signal.h"

#define SECRET "0123456789abcdef"

static void assert_address(const struct stun_address *address, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];
    assert_string_equal(address_format(address, text), expected);
}

static void assert_ip(const struct stun_address *address, const char *expected)
{
    char text[ADDRESS_TEXT_SIZE];
    assert_string_equal(address_format_ip(address, text), expected);
}

/* ---- values ------------------------------------------------------------------------------------
 */

static void test_empty_file_is_a_stun_server(void **state)
{
    (void)state;
    struct config *config = load_good("");
    const struct config_boot *boot = &config->boot;
    const struct turn_policy *turn = &config->policy->turn;

    assert_in_range(boot->listener_count, 1, 2);
    for (size_t i = 0; i < boot->listener_count; i++) {
        assert_true(address_is_unspecified(&boot->listeners[i].address));
        assert_int_equal(boot->listeners[i].address.port, 3478);
        assert_true(boot->listeners[i].udp && boot->listeners[i].tcp);
        assert_false(boot->listeners[i].tls || boot->listeners[i].dtls);
    }
    assert_true(boot->relay_address_count <= boot->listener_count);
    assert_int_equal(boot->alternate_count, 0);
    assert_int_equal(boot->relay_port_min, 49152);
    assert_int_equal(boot->relay_port_max, 65535);
    assert_in_range(boot->workers, 1, 256);
    assert_int_equal(boot->datapath, CONFIG_DATAPATH_AUTO);
    assert_int_equal(boot->tcp_connections_max, 20000);
    assert_int_equal(boot->tcp_connections_per_source, 1000);
    assert_int_equal(boot->tcp_idle_timeout_s, 30);
    assert_null(boot->user);
    assert_null(boot->group);
    assert_null(boot->pid_file);

    assert_false(turn->relay_enabled);
    assert_true(auth_policy_is_empty(config->policy->auth));
    assert_string_equal(auth_policy_realm(config->policy->auth), "postern");
    assert_int_equal(config->policy->user_quota.allocations, 100);
    assert_int_equal(turn->unauthenticated_per_source, 1000);
    assert_int_equal(turn->allocations_max, 0);
    assert_int_equal(turn->permissions_per_allocation, 256);
    assert_int_equal(turn->channels_per_allocation, 256);
    assert_int_equal(turn->tcp_connections_per_allocation, 32);
    assert_int_equal(turn->lifetime_default_s, 600);
    assert_int_equal(turn->lifetime_max_s, 3600);
    assert_int_equal(turn->permission_lifetime_s, 300);
    assert_int_equal(turn->channel_lifetime_s, 600);
    assert_false(turn->relay_family_of_client);
    assert_true(turn->rfc5766_channels);
    assert_null(turn->software);
    assert_int_equal(config->policy->certificate_count, 0);
    assert_null(config->policy->log_file);
    assert_int_equal(config->policy->log_level, LOG_INFO);
    assert_false(config->policy->log_json);
    config_free(config);
}

static void test_keys_of_boot(void **state)
{
    (void)state;
    struct config *config = load_good(
        "listeners = ( { address = \"127.0.0.1\"; port = 3478; transports = [ \"udp\", \"tcp\" ]; "
        "},"
        " { address = \"127.0.0.1\"; port = 65535; transports = ( \"tcp\" ) },"
        " { address = \"127.0.0.3\"; } );"
        "relay = { addresses = [ \"127.0.0.1\", \"127.0.0.9\" ]; ports = { min = 1024; max = "
        "65535; "
        "}; };"
        "rest = { secrets = [ \"" SECRET "\" ] };"
        "nat_behavior = { alternate_address = \"127.0.0.2\"; alternate_port = 3480; };"
        "limits = { tcp_connections = 1; tcp_connections_per_source = 1000000; tcp_idle_timeout = "
        "\"1d\" };"
        "workers = 256; datapath = \"socket\"; user = \"u\"; group = \"g\"; pid_file = "
        "\"run/pid\";");
    const struct config_boot *boot = &config->boot;

    assert_int_equal(boot->listener_count, 3);
    assert_address(&boot->listeners[0].address, "127.0.0.1:3478");
    assert_true(boot->listeners[0].udp && boot->listeners[0].tcp);
    assert_address(&boot->listeners[1].address, "127.0.0.1:65535");
    assert_true(!boot->listeners[1].udp && boot->listeners[1].tcp);
    assert_address(&boot->listeners[2].address, "127.0.0.3:3478");
    assert_int_equal(boot->relay_address_count, 2);
    assert_ip(&boot->relay_addresses[1], "127.0.0.9");
    assert_int_equal(boot->relay_port_min, 1024);
    assert_int_equal(boot->relay_port_max, 65535);
    assert_int_equal(boot->alternate_count, 1);
    assert_ip(&boot->alternates[0], "127.0.0.2");
    assert_int_equal(boot->alternate_port, 3480);
    assert_int_equal(boot->tcp_connections_max, 1);
    assert_int_equal(boot->tcp_connections_per_source, 1000000);
    assert_int_equal(boot->tcp_idle_timeout_s, 86400);
    assert_int_equal(boot->workers, 256);
    assert_int_equal(boot->datapath, CONFIG_DATAPATH_SOCKET);
    assert_string_equal(boot->user, "u");
    assert_string_equal(boot->group, "g");
    assert_string_equal(boot->pid_file, "/etc/run/pid");
    config_free(config);
}

static void test_keys_of_policy(void **state)
{
    (void)state;
    struct config *config =
        load_good("listeners = ( { address = \"127.0.0.1\"; } ); realm = \"example.org\";"
                  "users = ( { name = \"alice\"; password = \"secret\"; },"
                  " { name = \"bob\"; key = \"8493FBC53BA582FB4C044C456BDC40EB\"; },"
                  " { name = \"bob\"; key = "
                  "\"sha256:8493fbc53ba582fb4c044c456bdc40eb8493fbc53ba582fb4c044c456bdc40eb\"; },"
                  " { name = \"carol\"; key = \"md5:8493fbc53ba582fb4c044c456bdc40eb\"; } );"
                  "rest : { secrets : ( \"" SECRET "\", \"fedcba9876543210\" ) }"
                  "relay = { tcp = false; default_family = \"client\" };"
                  "peers = { allow = [ \"10.1.0.0/16\", \"fd00::/8\", \"192.168.0.1\" ];"
                  " deny = ( \"10.1.2.3-10.1.2.9\" ); };"
                  "quotas = { user = { allocations = 0; bandwidth = \"64 kbit/s\"; };"
                  " total = { bandwidth = \"1000 Gbit/s\"; }; };"
                  "limits = { unauthenticated_per_source = 0; allocations_per_worker = 10000000;"
                  " permissions_per_allocation = 65535; channels_per_allocation = 1;"
                  " lifetime_default = \"60s\"; lifetime_max = \"24h\"; nonce_lifetime = \"1s\"; };"
                  "channel_numbers = \"rfc8656\"; software = \"Postern\"; log = { level = "
                  "\"debug\"; json = TRUE; file = "
                  "\"/var/log/x.log\"; };");
    const struct config_policy *policy = config->policy;

    assert_true(policy->turn.relay_enabled);
    assert_string_equal(auth_policy_realm(policy->auth), "example.org");
    assert_true(policy->turn.relay_family_of_client);
    assert_int_equal(policy->user_quota.allocations, 0);
    assert_int_equal(policy->turn.bandwidth_account, 8000);
    assert_int_equal(policy->turn.bandwidth_total, 125000000000);
    assert_int_equal(policy->turn.unauthenticated_per_source, 0);
    assert_int_equal(policy->turn.allocations_max, 10000000);
    assert_int_equal(policy->turn.permissions_per_allocation, 65535);
    assert_int_equal(policy->turn.channels_per_allocation, 1);
    assert_int_equal(policy->turn.tcp_connections_per_allocation, 0);
    assert_int_equal(policy->turn.lifetime_default_s, 60);
    assert_int_equal(policy->turn.lifetime_max_s, 86400);
    assert_false(policy->turn.rfc5766_channels);
    assert_string_equal(policy->turn.software, "Postern");
    assert_int_equal(policy->log_level, LOG_DEBUG);
    assert_true(policy->log_json);
    assert_string_equal(policy->log_file, "/var/log/x.log");
    /* The listeners' address is where relays are, when nothing else is said. */
    assert_int_equal(config->boot.relay_address_count, 1);
    assert_ip(&config->boot.relay_addresses[0], "127.0.0.1");
    config_free(config);
}

/* A relay on loopback is of no use to a client that came by another address. */
static void test_relays_by_default(void **state)
{
    (void)state;
    struct test_files none = {0};
    struct config *config = load_warned(
        "listeners = ( { address = \"127.0.0.1\"; }, { address = \"192.0.2.1\"; } );", &none,
        "/etc/t.conf:1: listeners[1]: warning: 192.0.2.1 is not an address of this host now: "
        "listening there will fail\n");
    assert_int_equal(config->boot.relay_address_count, 1);
    assert_ip(&config->boot.relay_addresses[0], "192.0.2.1");
    config_free(config);

    config =
        load_good("listeners = ( { address = \"127.0.0.1\"; }, { address = \"127.0.0.1\"; port = "
                  "1; }, { address = \"127.0.0.3\"; } );");
    assert_int_equal(config->boot.relay_address_count, 2);
    assert_ip(&config->boot.relay_addresses[0], "127.0.0.1");
    assert_ip(&config->boot.relay_addresses[1], "127.0.0.3");
    config_free(config);
}

static enum peer_verdict verdict(const struct config *config, const char *text)
{
    struct stun_address address;
    assert_true(address_parse(&address, text));
    return peer_rules_check(config->policy->turn.peers, &address);
}

static void test_peer_rules(void **state)
{
    (void)state;
    struct config *config = load_good(
        "listeners = ( { address = \"127.0.0.1\"; port = 3478; } );"
        "nat_behavior = { alternate_address = \"127.0.0.2\"; alternate_port = 3480; };"
        "rest = { secrets = [ \"" SECRET "\" ] };"
        "relay = { addresses = [ \"127.0.0.5\", \"127.0.0.1\", \"127.0.0.2\" ]; };"
        "peers = { allow = [ \"10.1.0.0/16\" ]; deny = [ \"10.1.2.3\", \"203.0.112.0/24\" ]; };");

    assert_int_equal(verdict(config, "10.1.0.1:1"), PEER_ALLOWED);
    assert_int_equal(verdict(config, "10.1.2.3:1"), PEER_REFUSED_DENIED);
    assert_int_equal(verdict(config, "203.0.112.1:1"), PEER_REFUSED_DENIED);
    assert_int_equal(verdict(config, "10.2.0.1:1"), PEER_REFUSED_SPECIAL);
    assert_int_equal(verdict(config, "8.8.8.8:53"), PEER_ALLOWED);
    /* Where relays are, but nothing is relayed to where we listen. */
    assert_int_equal(verdict(config, "127.0.0.5:50000"), PEER_OWN);
    assert_int_equal(verdict(config, "127.0.0.1:50000"), PEER_OWN);
    assert_int_equal(verdict(config, "127.0.0.2:50000"), PEER_OWN);
    assert_int_equal(verdict(config, "127.0.0.1:3478"), PEER_PROTECTED);
    assert_int_equal(verdict(config, "127.0.0.1:3480"), PEER_PROTECTED);
    assert_int_equal(verdict(config, "127.0.0.2:3478"), PEER_PROTECTED);
    assert_int_equal(verdict(config, "127.0.0.2:3480"), PEER_PROTECTED);
    assert_int_equal(verdict(config, "127.0.0.77:1"), PEER_REFUSED_SPECIAL);
    config_free(config);
}

/* A reload keeps to what runs: a port that the new file no longer names is still listened at. */
static void test_reload_protects_what_runs(void **state)
{
    (void)state;
    struct test_files none = {0};
    struct config *first = load_good("listeners = ( { address = \"127.0.0.1\"; port = 3478; } );");
    char *diagnostics = NULL;
    struct config *second = load_with("listeners = ( { address = \"127.0.0.1\"; port = 4000; } );"
                                      "peers = { allow = [ \"127.0.0.0/8\" ]; };",
                                      &none, &first->boot, &diagnostics);

    assert_string_equal(diagnostics, "");
    assert_non_null(second);
    assert_int_equal(verdict(second, "127.0.0.1:3478"), PEER_PROTECTED);
    assert_int_equal(verdict(second, "127.0.0.1:4000"), PEER_ALLOWED);
    free(diagnostics);
    config_free(first);
    config_free(second);
}

struct changes {
    char text[512];
};

static void note_change(void *context, const char *key)
{
    struct changes *changes = context;
    size_t used = strlen(changes->text);
    snprintf(changes->text + used, sizeof(changes->text) - used, "%s ", key);
}

static void test_compares_boot(void **state)
{
    (void)state;
    static const struct {
        const char *text, *changed;
    } table[] = {
        {"", ""},
        {"realm = \"x\"; limits = { tcp_connections = 5; };", ""},
        {"listeners = ( { address = \"127.0.0.1\"; port = 1; } ); relay = { addresses = [ "
         "\"127.0.0.1\" ]; };",
         "listeners "},
        {"relay = { addresses = [ \"127.0.0.2\" ]; ports = { min = 50000; }; };",
         "relay.addresses relay.ports "},
        {"nat_behavior = { alternate_address = \"127.0.0.2\"; };", "nat_behavior "},
        {"limits = { tcp_idle_timeout = \"9s\"; };", "limits.tcp_idle_timeout "},
        {"workers = 7; datapath = \"socket\"; user = \"a\"; group = \"b\"; pid_file = \"c\";",
         "workers datapath user group pid_file "},
    };
    static const char base[] =
        "listeners = ( { address = \"127.0.0.1\"; } ); rest = { secrets = [ \"" SECRET "\" ]; };";
    struct config *running = load_good(base);

    for (size_t i = 0; i < COUNT(table); i++) {
        char text[512];
        struct changes changes = {""};
        bool listeners = strstr(table[i].text, "listeners") != NULL;
        snprintf(text, sizeof(text), "%s %s", listeners ? strstr(base, "rest") : base,
                 table[i].text);
        struct config *other = load_good(text);
        config_boot_compare(&running->boot, &other->boot, note_change, &changes);
        assert_string_equal(changes.text, table[i].changed);
        config_free(other);
    }
    config_free(running);
}

static void test_durations(void **state)
{
    (void)state;
    uint32_t seconds = 0;
    static const struct {
        const char *text;
        uint32_t seconds;
    } good[] = {{"0s", 0}, {"1s", 1}, {"90s", 90}, {"10m", 600}, {"2h", 7200}, {"3d", 259200}};
    static const char *const bad[] = {"",     "s",  "1",  "m1",  "1 m",          "-1s",     "+1s",
                                      "1.5h", "1M", "1w", "01s", "99999999999s", "9999999d"};

    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(config_parse_duration(good[i].text, &seconds));
        assert_int_equal(seconds, good[i].seconds);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(config_parse_duration(bad[i], &seconds));
}

/* ---- every key's range and type ----------------------------------------------------------------
 */

/* A configuration with `value` at a row's path. */
static void wrap(char *out, size_t size, const char *path, const char *value)
{
    char opening[256] = "";
    char closing[64] = "";
    const char *at = path;
    for (const char *dot; (dot = strchr(at, '.')); at = dot + 1) {
        bool list = dot[-1] == ']';
        size_t length = strlen(opening);
        snprintf(opening + length, sizeof(opening) - length, "%.*s = %s{ ",
                 (int)(dot - at - (list ? 2 : 0)), at, list ? "( " : "");
        char longer[64];
        snprintf(longer, sizeof(longer), "}%s; %s", list ? " )" : "", closing);
        memcpy(closing, longer, sizeof(closing));
    }
    snprintf(out, size, "%s%s = %s; %s", opening, at, value, closing);
}

/* The path as messages write it: the index in place of []. */
static void message_path(char *out, size_t size, const char *path)
{
    size_t used = 0;
    for (const char *list; (list = strstr(path, "[]")); path = list + 2)
        used += (size_t)snprintf(out + used, size - used, "%.*s[0]", (int)(list - path), path);
    snprintf(out + used, size - used, "%s", path);
}

/* Whether one of the problems is that `got` stands where the row expects something else. */
static void assert_refused(const struct config_key *key, const char *value, const char *got)
{
    struct test_files none = {0};
    char text[16384];
    char path[128];
    char expected[512];
    char line[1024];
    char *diagnostics = NULL;
    wrap(text, sizeof(text), key->path, value);
    message_path(path, sizeof(path), key->path);
    snprintf(line, sizeof(line), "/etc/t.conf:1: %s: expected %s, got %s\n", path,
             config_key_expected(key, expected, sizeof(expected)), got);
    struct config *config = load_with(text, &none, NULL, &diagnostics);
    if (!strstr(diagnostics, line))
        fail_msg("%s\nshould say\n%sbut says\n%s", text, line, diagnostics);
    assert_null(config);
    free(diagnostics);
}

static void refuse_beyond_range(const struct config_key *key)
{
    char number[32];
    snprintf(number, sizeof(number), "%lld", (long long)key->min - 1);
    assert_refused(key, number, number);
    snprintf(number, sizeof(number), "%lld", (long long)key->max + 1);
    assert_refused(key, number, number);
    /* Without an L, libconfig would make 1 of it. */
    assert_refused(key, "4294967297", "4294967297");
    assert_refused(key, "0x100000001", "4294967297");
    assert_refused(key, "99999999999999999999", "a number beyond 64 bits");
    assert_refused(key, "1.5", "a number with a point");
}

static void refuse_lengths(const struct config_key *key, bool secret)
{
    static char value[8192];
    char got[64];
    if (key->min > 0)
        assert_refused(key, "\"\"", secret ? "a string of 0 bytes" : "\"\"");
    size_t size = (size_t)key->max + 1;
    value[0] = '"';
    memset(value + 1, 'a', size);
    memcpy(value + 1 + size, "\"", 2);
    if (secret || size > 60)
        snprintf(got, sizeof(got), "a string of %zu bytes", size);
    else
        snprintf(got, sizeof(got), "%s", value);
    assert_refused(key, value, got);
    assert_refused(key, "\"\\xff\"", secret ? "a string of 1 bytes" : "\"?\"");
}

static void refuse_wrong_types(const struct config_key *key)
{
    bool text = key->kind == CONFIG_STRING || key->kind == CONFIG_SECRET;
    bool secret = key->kind == CONFIG_SECRET || key->kind == CONFIG_SECRETS;
    if (key->kind != CONFIG_BOOLEAN)
        assert_refused(key, "true", "true");
    if (key->kind != CONFIG_INTEGER)
        assert_refused(key, "12345678", secret ? "a number" : "12345678");
    if (!text)
        assert_refused(key, "\"?\"", secret ? "a string of 1 bytes" : "\"?\"");
    if (key->kind != CONFIG_GROUP)
        assert_refused(key, "{ }", "a group { ... }");
    if (key->kind != CONFIG_GROUPS && key->kind != CONFIG_STRINGS && key->kind != CONFIG_SECRETS &&
        key->kind != CONFIG_ADDRESSES && key->kind != CONFIG_CHOICES)
        assert_refused(key, "[ ]", "an array [ ... ] of 0");
}

static void test_every_key_refuses(void **state)
{
    (void)state;
    for (const struct config_key *key = config_keys; key->path; key++) {
        refuse_wrong_types(key);
        if (key->kind == CONFIG_INTEGER)
            refuse_beyond_range(key);
        if (key->kind == CONFIG_STRING || key->kind == CONFIG_SECRET)
            refuse_lengths(key, key->kind == CONFIG_SECRET);
        if (key->kind == CONFIG_DURATION) {
            assert_refused(key, "\"10\"", "\"10\"");
            assert_refused(key, "\"0s\"", "\"0s\"");
            assert_refused(key, "\"86401s\"", "\"86401s\"");
        }
        if (key->kind == CONFIG_RATE) {
            assert_refused(key, "\"10\"", "\"10\"");
            assert_refused(key, "\"10Mbit/s\"", "\"10Mbit/s\"");
            assert_refused(key, "\"63 kbit/s\"", "\"63 kbit/s\"");
            assert_refused(key, "\"1001 Gbit/s\"", "\"1001 Gbit/s\"");
            assert_refused(key, "\"10 Mbyte/s\"", "\"10 Mbyte/s\"");
        }
        if (key->kind == CONFIG_ADDRESS) {
            assert_refused(key, "\"localhost\"", "\"localhost\"");
            assert_refused(key, "\"127.0.0.1:80\"", "\"127.0.0.1:80\"");
        }
    }
}

/* Every row's own limits are accepted. */
static void test_every_key_accepts_its_limits(void **state)
{
    (void)state;
    static const char credentials[] = "rest = { secrets = [ \"" SECRET "\" ]; };";
    for (const struct config_key *key = config_keys; key->path; key++) {
        if (key->kind != CONFIG_INTEGER || strchr(key->path, '[') ||
            strncmp(key->path, "nat_behavior", 12) == 0 ||
            (strncmp(key->path, "rendezvous.", 11) == 0 && signal_absent()))
            continue;
        for (int high = 0; high < 2; high++) {
            char text[1024];
            char value[128];
            bool port = strncmp(key->path, "relay.ports", 11) == 0;
            snprintf(value, sizeof(value), "%lld", (long long)(high ? key->max : key->min));
            if (port)
                snprintf(value, sizeof(value), "%s; %s = %s", high ? "65535" : "1024",
                         strstr(key->path, "min") ? "max" : "min", high ? "65535" : "1024");
            if (strncmp(key->path, "users_database.redis", 20) == 0)
                strncat(value, "; address = \"127.0.0.1\"", sizeof(value) - strlen(value) - 1);
            if (strncmp(key->path, "rendezvous.", 11) == 0)
                strncat(value, "; listeners = ( { address = \"127.0.0.1\"; } )",
                        sizeof(value) - strlen(value) - 1);
            wrap(text, sizeof(text), key->path, value);
            size_t used = strlen(text);
            snprintf(text + used, sizeof(text) - used, "%s", credentials);
            config_free(load_good(text));
        }
    }
}

/* ---- rules between keys ------------------------------------------------------------------------
 */

#define LISTENER "listeners = ( { address = \"127.0.0.1\"; } );\n"

static void test_shared_ports_are_enough(void **state)
{
    (void)state;
    struct config *config = load_good(LISTENER "relay = { shared_ports = true;"
                                               " ports = { min = 2000; max = 2000; }; };\n"
                                               "rest = { secrets = [ \"" SECRET "\" ]; };");
    assert_true(config->boot.relay_shared_ports);
    assert_int_equal(config->boot.workers, 1);
    config_free(config);
    load_bad(LISTENER "workers = 3;\n"
                      "relay = { shared_ports = true; ports = { min = 2000; max = 2001; }; };",
             "/etc/t.conf:3: relay.shared_ports: expected at least one relayed port for each of 3 "
             "workers, got 2\n");
}

static void test_listeners_differ(void **state)
{
    (void)state;
    load_bad(
        "listeners = ( { address = \"127.0.0.1\"; port = 3478; },\n"
        " { address = \"127.0.0.1\"; transports = [ \"tcp\" ]; } );",
        "/etc/t.conf:2: listeners[1]: expected an address and port that no other listener has, "
        "got 127.0.0.1:3478, as in line 1\n");
    load_bad("listeners = ( { address = \"127.0.0.1\"; transports = [ \"udp\" ]; },\n"
             " { address = \"127.0.0.1\"; transports = [ \"dtls\" ]; } );",
             "/etc/t.conf:2: listeners[1]: expected an address and port that no other listener "
             "has, got 127.0.0.1:3478, as in line 1\n"
             "/etc/t.conf:1: listeners: expected tls = { certificate = ...; key = ...; } in this "
             "file, since a listener has \"tls\" or \"dtls\", got none\n");
    config_free(load_good("listeners = ( { address = \"127.0.0.1\"; transports = [ \"udp\" ]; },\n"
                          " { address = \"127.0.0.1\"; transports = [ \"tcp\" ]; } );"));
    load_bad("listeners = ( );", "/etc/t.conf:1: listeners: expected a list of at most 64 groups "
                                 "( { ... }, { ... } ), got a list ( ... ) of 0\n");
    load_bad("listeners = ( { port = 1; } );",
             "/etc/t.conf:1: listeners[0].address: expected an IP address such as \"192.0.2.1\" or "
             "\"2001:db8::1\", got nothing: the key is required\n");
}

static void test_transports_of_later_versions(void **state)
{
    (void)state;
    load_bad("listeners = ( { address = \"127.0.0.1\"; transports = [ \"udp\", \"sctp\" ]; } );",
             "/etc/t.conf:1: listeners[0].transports[1]: expected one of \"udp\", \"tcp\", "
             "\"tls\", \"dtls\", got \"sctp\"\n");
    load_bad("datapath = \"steer\";\n",
             "/etc/t.conf:1: datapath: expected one of \"auto\", "
             "\"socket\", got \"steer\", which is not in this version\n");
    load_bad(
        "datapath = \"offload\";\n",
        "/etc/t.conf:1: datapath: expected one of \"auto\", \"socket\", got \"offload\", which "
        "is not in this version\n");
}

static struct config *load_two(const char *first, const char *second, const char *more)
{
    char text[512];
    snprintf(text, sizeof(text), "listeners = ( { address = \"%s\"; }, { address = \"%s\"; } ); %s",
             first, second, more);
    struct test_files none = {0};
    char *diagnostics = NULL; /* this host need not have the addresses, and is said to lack them */
    struct config *config = load_with(text, &none, NULL, &diagnostics);
    free(diagnostics);
    assert_non_null(config);
    return config;
}

/* How many alternate addresses there are, found or named. */
static size_t alternates_of(const char *first, const char *second, const char *more)
{
    struct config *config = load_two(first, second, more);
    size_t count = config->boot.alternate_count;
    config_free(config);
    return count;
}

static void test_nat_behavior_is_on_with_two_public_addresses(void **state)
{
    (void)state;
    struct config *config = load_two("11.0.0.1", "11.0.0.2", "");
    assert_int_equal(config->boot.alternate_count, 1);
    assert_ip(&config->boot.alternates[0], "11.0.0.2");
    assert_int_equal(config->boot.alternate_port, 3479);
    config_free(config);
    assert_int_equal(alternates_of("2a0b::1", "2a0b::2", ""), 1);
    assert_int_equal(alternates_of("11.0.0.1", "11.0.0.2", "nat_behavior = { enabled = false; };"),
                     0);
    assert_int_equal(
        alternates_of("11.0.0.1", "11.0.0.2", "nat_behavior = { alternate_port = 9; };"), 1);
    assert_int_equal(alternates_of("11.0.0.1", "2a0b::2", ""), 0);
    assert_int_equal(alternates_of("11.0.0.1", "10.0.0.2", ""), 0);
    assert_int_equal(alternates_of("10.0.0.1", "11.0.0.2", ""), 0);
    assert_int_equal(alternates_of("127.0.0.1", "127.0.0.2", ""), 0);
    assert_int_equal(alternates_of("0.0.0.0", "11.0.0.2", ""), 0);
    assert_int_equal(alternates_of("11.0.0.1", "11.0.0.2\"; port = 3477; }, { address = \"::1", ""),
                     0);
    assert_int_equal(alternates_of("11.0.0.1", "11.0.0.2\"; }, { port = 3479; address = \"::1", ""),
                     0);
}

static void test_nat_behavior_needs_two_addresses(void **state)
{
    (void)state;
    static const char key[] = "/etc/t.conf:2: nat_behavior.alternate_address: expected ";
    char expected[512];
    load_bad(LISTENER "nat_behavior = { };",
             "/etc/t.conf:2: nat_behavior: expected alternate_address, the second address of the "
             "four endpoints of RFC 5780, or alternate_addresses, got none\n");
    load_bad(LISTENER "nat_behavior = { alternate_address = \"127.0.0.2\"; "
                      "alternate_addresses = [ \"127.0.0.2\" ]; };",
             "/etc/t.conf:2: nat_behavior: expected alternate_address, the second address of the "
             "four endpoints of RFC 5780, or alternate_addresses, got both\n");
    load_bad(LISTENER
             "nat_behavior = { alternate_addresses = [ \"127.0.0.2\",\n\"127.0.0.3\" ]; };",
             "/etc/t.conf:3: nat_behavior.alternate_addresses[1]: expected one address of each "
             "family, got 127.0.0.3 too\n");
    snprintf(expected, sizeof(expected),
             "%san address other than the first listener's, got 127.0.0.1, the same\n", key);
    load_bad(LISTENER "nat_behavior = { alternate_address = \"127.0.0.1\"; };", expected);
    snprintf(expected, sizeof(expected),
             "%san address of the family of a listener with \"udp\", got ::1\n", key);
    load_bad(LISTENER "nat_behavior = { alternate_address = \"::1\"; };", expected);
    snprintf(expected, sizeof(expected),
             "%stwo addresses by name: neither this one nor the first listener's may be the "
             "wildcard\n",
             key);
    load_bad(LISTENER "nat_behavior = { alternate_address = \"0.0.0.0\"; };", expected);
    load_bad("listeners = ( { address = \"0.0.0.0\"; } );\n"
             "nat_behavior = { alternate_address = \"127.0.0.1\"; };",
             expected);
    load_bad(LISTENER "nat_behavior = { alternate_address = \"127.0.0.2\";\nalternate_port = 3478; "
                      "};",
             "/etc/t.conf:3: nat_behavior.alternate_port: expected a port other than the first "
             "listener's, got 3478, the same\n");
}

static void test_server_names_of_realms(void **state)
{
    (void)state;
    config_free(
        load_good("realms = ( { name = \"b\"; server_names = [ \"*.Example.net.\", \"a\" ]; } );"));
    load_bad(
        "realms = ( { name = \"b\";\nserver_names = [ \"a\", \"*\" ]; } );",
        "/etc/t.conf:2: realms[0].server_names[1]: expected a host name, or \"*.\" and one, got "
        "\"*\"\n");
}

static void test_relay(void **state)
{
    (void)state;
    load_bad("relay = { ports = {\n min = 50001;\n max = 50000; }; };",
             "/etc/t.conf:3: relay.ports.max: expected relay.ports.min to be at most "
             "relay.ports.max, got 50001 and 50000\n");
    load_bad("relay = { ports = {\n max = 49000; }; };",
             "/etc/t.conf:2: relay.ports.max: expected relay.ports.min to be at most "
             "relay.ports.max, got 49152 and 49000\n");
    load_bad(
        "relay = { addresses = [ \"127.0.0.1\",\n \"127.0.0.1\",\n \"::\",\n \"224.0.0.1\"\n ]; "
        "};",
        "/etc/t.conf:2: relay.addresses[1]: expected each address once, got 127.0.0.1 again\n"
        "/etc/t.conf:3: relay.addresses[2]: expected an address that clients' peers can send "
        "to, got \"::\"\n"
        "/etc/t.conf:4: relay.addresses[3]: expected an address that clients' peers can send "
        "to, got \"224.0.0.1\"\n");
    load_bad("relay = { addresses = [ \"127.0.0.1\",\n \"example.org\"\n ]; };",
             "/etc/t.conf:2: relay.addresses[1]: expected an IP address such as \"192.0.2.1\" or "
             "\"2001:db8::1\", got \"example.org\"\n");
    load_bad("relay = { addresses = [ ]; };",
             "/etc/t.conf:1: relay.addresses: expected 1 to 16 IP addresses [ \"192.0.2.1\", "
             "\"2001:db8::1\" ], got an array [ ... ] of 0\n");
}

static void test_users(void **state)
{
    (void)state;
    load_bad("users = ( { name = \"a\"; },\n"
             "{ name = \"b\"; password = \"p\"; key = \"8493fbc53ba582fb4c044c456bdc40eb\"; },\n"
             "{ name = \"c\"; password = \"p\"; },\n"
             "{ name = \"c\"; password = \"q\"; },\n"
             "{ name = \"d\"; key = \"8493fbc53ba582fb4c044c456bdc40e\"; },\n"
             "{ name = \"e\"; key = \"sha256:8493fbc53ba582fb4c044c456bdc40eb\"; },\n"
             "{ name = \"f\"; key = \"8493fbc53ba582fb4c044c456bdc40eg\"; },\n"
             "{ name = \"g\\n\"; password = \"p\"; },\n"
             "{ password = \"p\"; } );",
             "/etc/t.conf:9: users[8].name: expected a string of 1 to 508 bytes, got nothing: the "
             "key is required\n"
             "/etc/t.conf:1: users[0]: expected either password or key, got neither\n"
             "/etc/t.conf:2: users[1]: expected either password or key, got both\n"
             "/etc/t.conf:4: users[3]: expected each name once, got \"c\" again\n"
             "/etc/t.conf:5: users[4]: expected a key that \"turnserver --make-key\" wrote: 32 "
             "hexadecimal digits, or \"sha256:\" and 64\n"
             "/etc/t.conf:6: users[5]: expected a key that \"turnserver --make-key\" wrote: 32 "
             "hexadecimal digits, or \"sha256:\" and 64\n"
             "/etc/t.conf:7: users[6]: expected a key that \"turnserver --make-key\" wrote: 32 "
             "hexadecimal digits, or \"sha256:\" and 64\n"
             "/etc/t.conf:8: users[7]: expected a name and a password without control characters "
             "(RFC 8265), got \"g?\"\n");
    load_bad("realm = \"a\\\"b\";", "/etc/t.conf:1: realm: expected printable ASCII without quotes "
                                    "and backslashes, got \"a\"b\"\n");
}

static void test_peers_and_limits(void **state)
{
    (void)state;
    load_bad(
        "peers = { allow = [ \"10.0.0.0/8\",\n \"10.0.0.1/8\" ];\n deny = [ \"example.org\" ]; "
        "};",
        "/etc/t.conf:2: peers.allow[1]: expected an address, a prefix (\"10.0.0.0/8\", no bits "
        "beyond its length) or a range (\"192.0.2.5-192.0.2.9\"), got \"10.0.0.1/8\"\n"
        "/etc/t.conf:3: peers.deny[0]: expected an address, a prefix (\"10.0.0.0/8\", no bits "
        "beyond its length) or a range (\"192.0.2.5-192.0.2.9\"), got \"example.org\"\n");
    load_bad("limits = { lifetime_default = \"2h\"; };",
             "/etc/t.conf:1: limits.lifetime_default: expected at most limits.lifetime_max (3600 "
             "s), got 7200 s\n");
    load_bad("group = \"g\";", "/etc/t.conf:1: group: expected only beside user, got it alone\n");
}

static void test_warnings(void **state)
{
    (void)state;
    struct test_files none = {0};
    config_free(load_warned(LISTENER "rest = { secrets = [\n \"s3cret\" ]; };", &none,
                            "/etc/t.conf:3: rest.secrets[0]: warning: fewer than 16 bytes can be "
                            "guessed by anybody who "
                            "holds one credential: \"openssl rand -hex 32\" makes a better one\n"));
    config_free(
        load_warned(LISTENER "relay = { addresses = [ \"127.0.0.1\" ]; };", &none,
                    "/etc/t.conf:2: relay.addresses: warning: without users and rest.secrets "
                    "nothing is relayed\n"));
    config_free(load_warned("listeners = ( { address = \"192.0.2.1\"; } );", &none,
                            "/etc/t.conf:1: listeners[0]: warning: 192.0.2.1 is not an address of "
                            "this host now: listening there will fail\n"));
}

static void test_policies_are_counted(void **state)
{
    (void)state;
    struct config *config = load_good("");
    struct config_policy *policy = config_policy_acquire(config->policy);
    config_free(config);
    assert_string_equal(auth_policy_realm(policy->auth), "postern"); /* a sanitizer would object */
    config_policy_release(policy);
    config_policy_release(NULL);
    config_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_file_is_a_stun_server),
        cmocka_unit_test(test_keys_of_boot),
        cmocka_unit_test(test_keys_of_policy),
        cmocka_unit_test(test_relays_by_default),
        cmocka_unit_test(test_peer_rules),
        cmocka_unit_test(test_reload_protects_what_runs),
        cmocka_unit_test(test_compares_boot),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_every_key_refuses),
        cmocka_unit_test(test_every_key_accepts_its_limits),
        cmocka_unit_test(test_shared_ports_are_enough),
        cmocka_unit_test(test_listeners_differ),
        cmocka_unit_test(test_transports_of_later_versions),
        cmocka_unit_test(test_nat_behavior_is_on_with_two_public_addresses),
        cmocka_unit_test(test_nat_behavior_needs_two_addresses),
        cmocka_unit_test(test_server_names_of_realms),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_peers_and_limits),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_policies_are_counted),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The file itself: grammar, libconfig's traps, includes, unknown keys, certificates. */
#include "config_test.h"

#include "turnserver/config_certificate.h"
#include "turnserver/config_report.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

/* ---- grammar -----------------------------------------------------------------------------------
 */

struct sample {
    const char *text, *problem;
};

static void test_mistakes_of_grammar(void **state)
{
    (void)state;
    static const struct sample table[] = {
        {"realm = example.org;",
         ":1: realm: expected a value (text in double quotes), got example"},
        {"realm = 'x';", ":1: realm: expected a value (text in double quotes), got a ': strings "
                         "stand in double quotes"},
        {"\nrealm = \"x;\n",
         ":2: realm: expected a value (text in double quotes), got a string that "
         "is not closed: it must end with \" on the line on which it began"},
        {"realm \"x\";", ":1: realm: expected '=' after the key, got a string"},
        {"realm = ;", ":1: realm: expected a value (text in double quotes), got ;"},
        {"realm = \"a\\x00b\";",
         ":1: realm: expected a value (text in double quotes), got a string "
         "with a zero byte (\\x00)"},
        {"rest.secrets = [ ];",
         ":1: rest: expected '=' after the key (members stand in a group: a = { b = 1; }), got "
         "something that is neither a number nor a string: text stands in double quotes"},
        {"= 3;", ":1: expected a key, got ="},
        {")", ":1: expected a key, got )"},
        {"\"realm\" = \"x\";", ":1: expected a key, got a string"},
        {"true = 1;", ":1: expected a key, got true"},
        {"realm = \"x\"; };", ":1: expected a key, got }"},
        {"relay = {\n ports = {\n", ":2: relay.ports: expected a key, or '}' to close what line 2 "
                                    "opened, got the end of the file"},
        {"relay = { ports = { min = 1024; );", ":1: relay.ports: expected a key, or '}' to close "
                                               "what line 1 opened, got )"},
        {"users = (\n { name = \"a\" }\n { name = \"b\" } );",
         ":3: users: expected ',' or ')' (what line 1 opened), got {"},
        {"peers = { allow = [ \"a\", 5 ]; };",
         ":1: peers.allow[1]: expected elements of one kind between [ and ], got 5"},
        {"users = [ { } ];",
         ":1: users[0]: expected a string, a number or a boolean (between [ and "
         "]; other values stand between ( and )), got {"},
        {"workers = 12x;", ":1: workers: expected a value (text in double quotes), got something "
                           "that is neither a number nor a string: text stands in double quotes"},
        {"workers = -;",
         ":1: workers: expected a value (text in double quotes), got something that "
         "is neither a number nor a string: text stands in double quotes"},
        {"workers = $;", ":1: workers: expected a value (text in double quotes), got a character "
                         "that has no meaning here"},
        {"/* never closed", ": expected a key, got a comment that is not closed by */"},
        {"realm = @include \"x\"", ":1: realm: expected a value (text in double quotes), got an @: "
                                   "@include must be the first thing on its line"},
        {"@include x", ":1: expected @include \"PATH\" and nothing else on the line"},
        {"@include \"x\" realm = \"y\"", ":1: expected @include \"PATH\" and nothing else on the "
                                         "line"},
        {"a = ((((((((((((((1))))))))))))));",
         ":1: a[0][0][0][0][0][0][0][0][0][0][0][0]: expected "
         "at most 12 brackets within each other, got ("},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char expected[512];
        snprintf(expected, sizeof(expected), "/etc/t.conf%s\n", table[i].problem);
        load_bad(table[i].text, expected);
    }
}

static void test_ways_to_write(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "\n\n",
        "# comment at the end, without a newline",
        "// comment\n/* another\n @include \"nothing\"\n */ realm : \"x\"",
        "\xEF\xBB\xBFrealm = \"x\";",
        "realm=\"x\",workers=1",
        "realm = \"ex\" \"ample\"\n \".org\";",
        "workers = 0x10L;\r\nrealm = \"x\\x41\";\r\n",
        "limits = { nonce_lifetime = \"1h\" }",
        "log = { json = TRUE; };",
        "peers = { allow = [ ]; deny = ( ); };",
        "users = ( );",
        "workers = 007;",
        "realm = \"# no comment /* nor this\";",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        config_free(load_good(good[i]));
}

/* A line of libconfig's own would be that of the next token. */
static void test_lines_are_those_of_the_value(void **state)
{
    (void)state;
    load_bad(
        "workers\n=\n0\n;\nlog = {\n level\n = \"x\";\n};\nquotas = {\n\n};\npeers = { allow = "
        "[ \"10.0.0.0/8\",\n\"x\"\n\n]; };",
        "/etc/t.conf:1: workers: expected a number from 1 to 256, got 0\n"
        "/etc/t.conf:6: log.level: expected one of \"error\", \"warning\", \"info\", "
        "\"debug\", got \"x\"\n"
        "/etc/t.conf:13: peers.allow[1]: expected an address, a prefix (\"10.0.0.0/8\", no bits "
        "beyond its length) or a range (\"192.0.2.5-192.0.2.9\"), got \"x\"\n");
}

/* What can be mended is mended, so that the rest is examined in the same run. */
static void test_tells_all_problems(void **state)
{
    (void)state;
    load_bad(
        "realm = \"a\";\nrealm = \"b\";\nrealm = \"c\";\nworkers = 4294967297;\n"
        "peers = { allow = [ \"10.0.0.0/8\", ]; allow = [ ]; };\nwokers = 1;\nlog = { json = 1; "
        "};\n",
        "/etc/t.conf:2: realm: expected once, got it again: it stands in /etc/t.conf:1 "
        "already\n"
        "/etc/t.conf:3: realm: expected once, got it again: it stands in /etc/t.conf:1 "
        "already\n"
        "/etc/t.conf:5: peers.allow: expected another element after the comma, got ]: take the "
        "comma away\n"
        "/etc/t.conf:5: peers.allow: expected once, got it again: it stands in /etc/t.conf:5 "
        "already\n"
        "/etc/t.conf:4: workers: expected a number from 1 to 256, got 4294967297\n"
        "/etc/t.conf:6: wokers: expected a known key, got \"wokers\": did you mean "
        "\"workers\"?\n"
        "/etc/t.conf:7: log.json: expected true or false, got 1\n");
}

static void test_unknown_keys(void **state)
{
    (void)state;
    static const struct sample table[] = {
        {"Realm = \"x\";", "Realm: expected a known key, got \"Realm\": did you mean \"realm\"?"},
        {"listener = ( );", "listener: expected a known key, got \"listener\": did you mean "
                            "\"listeners\"?"},
        {"listeners = ( { address = \"127.0.0.1\"; transport = [ \"udp\" ]; } );",
         "listeners[0].transport: expected a known key, got \"transport\": did you mean "
         "\"transports\"?"},
        {"secrets = [ \"x\" ];",
         "secrets: expected a known key, got \"secrets\": did you mean rest.secrets?"},
        {"relay = { min = 3; };",
         "relay.min: expected a known key, got \"min\": did you mean relay.ports.min?"},
        {"prometheus = true;", "prometheus: expected a known key, got \"prometheus\"; "
                               "turnserver.conf(5) lists them"},
        {"realm*2 = \"x\";",
         "realm*2: expected a known key, got \"realm*2\": did you mean \"realm\"?"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char expected[512];
        snprintf(expected, sizeof(expected), "/etc/t.conf:1: %s\n", table[i].problem);
        load_bad(table[i].text, expected);
    }
}

/* Neither a secret nor an escape sequence reaches a terminal. */
static void test_messages_are_discreet(void **state)
{
    (void)state;
    load_bad(
        "users = ( { name = \"a\"; password = 12345678; } );\nrest = { secrets = [ 77777 ]; };\n"
        "realm = \"\x1b[31m\";",
        "/etc/t.conf:1: users[0].password: expected a string of 1 to 512 bytes, got a number\n"
        "/etc/t.conf:2: rest.secrets[0]: expected a string of 1 to 512 bytes, got a number\n"
        "/etc/t.conf:3: realm: expected printable ASCII without quotes and backslashes, got "
        "\"?[31m\"\n"
        "/etc/t.conf:1: users[0]: expected either password or key, got neither\n");
}

static void test_many_problems_end(void **state)
{
    (void)state;
    static char text[20000];
    struct test_files none = {0};
    char *diagnostics = NULL;
    text[0] = '\0';
    for (int i = 0; i < 150; i++)
        sprintf(text + strlen(text), "unheard_of_%d = 1;\n", i);
    assert_null(load_with(text, &none, NULL, &diagnostics));
    size_t lines = 0;
    for (const char *at = diagnostics; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, CONFIG_ERRORS_MAX + 1);
    assert_non_null(strstr(diagnostics, "/etc/t.conf: and 50 more errors like these\n"));
    free(diagnostics);
}

static void test_bounds(void **state)
{
    (void)state;
    static char text[400000];
    char name[CONFIG_ERRORS_MAX];
    memset(name, 'a', 65);
    name[65] = '\0';
    snprintf(text, sizeof(text), "%s = 1;", name);
    load_bad(text, "/etc/t.conf:1: expected a key, got a name of more than 64 characters\n");

    text[0] = '\0';
    size_t used = 0;
    for (int i = 0; i < 257; i++)
        used += (size_t)sprintf(text + used, "a%d = 1; ", i);
    load_bad(text, "/etc/t.conf:1: a256: expected at most 256 settings in a group, got a256\n");

    used = (size_t)sprintf(text, "users = (");
    for (int i = 0; i < 5000; i++)
        used += (size_t)sprintf(text + used, "%s{ name = \"user%d\"; password = \"p\"; }",
                                i > 0 ? ",\n" : "\n", i);
    sprintf(text + used, ");");
    config_free(load_good(text));
}

/* ---- includes ----------------------------------------------------------------------------------
 */

static void test_includes(void **state)
{
    (void)state;
    struct test_files files = {
        .files = {
            {"/etc/users.conf", "users = (\n@include \"sub/list\"\n);"},
            {"/etc/sub/list", "{ name = \"a\"; password = \"p\"; }"},
            {"/etc/bad.conf", "\nworkers = 0;\n\nlog = { file = \"x.log\"; };"},
            {"/etc/loop", "@include \"loop\"\n"},
            {"/etc/broken", "realm = \"x\";\nworkers = ;"},
        }};
    struct config *config =
        load_warned("@include \"users.conf\" # comment\nrealm = \"r\";\n", &files, "");
    assert_true(config->policy->turn.relay_enabled);
    config_free(config);

    load_bad_with("realm = \"x\";\n@include \"bad.conf\"\nworkers = 3;\ndatapath = 1;", &files,
                  "/etc/t.conf:3: workers: expected once, got it again: it stands in "
                  "/etc/bad.conf:2 already\n"
                  "/etc/bad.conf:2: workers: expected a number from 1 to 256, got 0\n"
                  "/etc/t.conf:4: datapath: expected one of \"auto\", \"socket\", got 1\n");
    load_bad_with(
        "\n  @include \"none.conf\"", &files,
        "/etc/t.conf:2: expected a file to include, but /etc/none.conf cannot be read: No "
        "such file or directory\n");
    load_bad_with(
        "@include \"loop\"", &files,
        "/etc/loop:1: @include is nested more than 4 deep: does a file include itself?\n");
    load_bad_with("@include \"broken\"", &files,
                  "/etc/broken:2: workers: expected a value (text in double quotes), got ;\n");
}

/* Only the files that hold a secret are to be closed. */
static void test_secrets_that_everybody_can_read(void **state)
{
    (void)state;
    struct test_files files = {
        .files = {{"/etc/users", "users = ( { name = \"a\"; password = \"p\"; } );"},
                  {"/etc/secrets", "rest = { secrets = [ \"0123456789abcdef\" ]; };"},
                  {"/etc/realm", "realm = \"x\";"},
                  {"/etc/closed", "users = ( { name = \"a\"; password = \"p\"; } );"}},
        .shared = "/etc/users /etc/secrets /etc/realm",
    };
    static const char told[] =
        ": warning: everybody on this host can read it, and it holds passwords "
        "or secrets: chmod o-r\n";
    char expected[512];
    snprintf(expected, sizeof(expected), "/etc/users%s/etc/secrets%s", told, told);
    config_free(load_warned("@include \"users\"\n@include \"realm\"\n@include \"secrets\"\n",
                            &files, expected));
    config_free(load_warned("@include \"closed\"\n@include \"realm\"\n", &files, ""));
}

/* Paths are relative to the folder of the file in which they stand. */
static void test_paths(void **state)
{
    (void)state;
    struct test_files files = {.files = {
                                   {"/srv/log.conf", "log = { file = \"a/x.log\"; };"},
                               }};
    struct config *config =
        load_warned("@include \"/srv/log.conf\"\npid_file = \"p\";", &files, "");
    assert_string_equal(config->policy->log_file, "/srv/a/x.log");
    assert_string_equal(config->boot.pid_file, "/etc/p");
    config_free(config);
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_null(config_load("/nowhere/at/all", stream));
    assert_null(config_load("/", stream));
    fclose(stream);
    assert_string_equal(text, "/nowhere/at/all: cannot be read: No such file or directory\n"
                              "/: cannot be read: Is a directory\n");
    free(text);
}

/* ---- certificates ------------------------------------------------------------------------------
 */

static char *pem_of(BIO *bio)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(bio, &bytes);
    char *text = strndup(bytes, (size_t)size);
    BIO_free(bio);
    return text;
}

static char *make_certificate(EVP_PKEY *key, const char *name, long seconds_left)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    BIO *bio = BIO_new(BIO_s_mem());
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -1000000);
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds_left);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    X509_free(certificate);
    return pem_of(bio);
}

static char *write_key(EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, passphrase ? EVP_aes_128_cbc() : NULL, NULL,
                                              0, NULL, (void *)passphrase),
                     1);
    return pem_of(bio);
}

struct pems {
    char *certificate, *expired, *soon, *key, *other_key, *locked_key, *chain, *bad_chain;
};

static int make_pems(void **state)
{
    static struct pems pems;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *other = EVP_EC_gen("P-256");
    pems.certificate = make_certificate(key, "turn.example.org", 100L * 86400);
    pems.expired = make_certificate(key, "old", -5);
    pems.soon = make_certificate(key, "soon", 3L * 86400 + 60);
    pems.key = write_key(key, NULL);
    pems.other_key = write_key(other, NULL);
    pems.locked_key = write_key(key, "open sesame");
    assert_true(asprintf(&pems.chain, "%s%s", pems.certificate, pems.soon) > 0);
    assert_true(asprintf(&pems.bad_chain,
                         "%s-----BEGIN CERTIFICATE-----\nMIIB\n-----END "
                         "CERTIFICATE-----\n",
                         pems.certificate) > 0);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    *state = &pems;
    return 0;
}

static int free_pems(void **state)
{
    struct pems *pems = *state;
    free(pems->certificate);
    free(pems->expired);
    free(pems->soon);
    free(pems->key);
    free(pems->other_key);
    free(pems->locked_key);
    free(pems->chain);
    free(pems->bad_chain);
    return 0;
}

#define TLS "tls = {\n certificate = \"c.pem\";\n key = \"k.pem\"; };"
#define UNUSED                                                                                     \
    "/etc/t.conf:1: tls: warning: no listener uses the certificate: none has \"tls\" or \"dtls\" " \
    "among its transports\n"

static void load_tls(const char *certificate, const char *key, const char *problem)
{
    struct test_files files = {.files = {{"/etc/c.pem", certificate}, {"/etc/k.pem", key}}};
    char expected[512];
    snprintf(expected, sizeof(expected), "/etc/t.conf:%s\n", problem);
    load_bad_with(TLS, &files, expected);
}

static void test_certificate(void **state)
{
    const struct pems *pems = *state;
    struct test_files files = {.files = {{"/etc/c.pem", pems->chain}, {"/etc/k.pem", pems->key}}};
    struct config *config = load_warned(TLS, &files, UNUSED);
    const struct config_policy *policy = config->policy;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    assert_int_equal(policy->certificate_count, 1);
    assert_string_equal(config_certificate_subject(policy->certificates[0]), "CN=turn.example.org");
    assert_int_equal(strlen(config_certificate_fingerprint(policy->certificates[0])), 64);
    assert_in_range(config_certificate_days_left(policy->certificates[0]), 99, 100);
    assert_true(config_certificate_use(policy->certificates[0], context));
    SSL_CTX_free(context);
    config_free(config);
}

static void test_certificate_expires(void **state)
{
    const struct pems *pems = *state;
    struct test_files files = {.files = {{"/etc/c.pem", pems->expired}, {"/etc/k.pem", pems->key}}};
    config_free(load_warned(TLS, &files,
                            "/etc/t.conf:2: tls.certificate: warning: the certificate has expired: "
                            "clients will refuse it\n" UNUSED));
    files.files[0].content = pems->soon;
    config_free(load_warned(TLS, &files,
                            "/etc/t.conf:2: tls.certificate: warning: the certificate expires in 3 "
                            "days\n" UNUSED));
}

static void test_certificate_problems(void **state)
{
    const struct pems *pems = *state;
    struct test_files none = {0};
    load_bad_with(TLS, &none,
                  "/etc/t.conf:2: tls.certificate: expected a PEM file, but /etc/c.pem cannot be "
                  "read: No such file or directory\n");
    load_tls("", pems->key,
             "2: tls.certificate: expected a certificate in PEM form, got none in /etc/c.pem");
    load_tls(pems->key, pems->key,
             "2: tls.certificate: expected a certificate in PEM form, got none in /etc/c.pem");
    load_tls(pems->bad_chain, pems->key,
             "2: tls.certificate: expected certificates in PEM form, got a broken one in "
             "/etc/c.pem");
    load_tls(pems->certificate, "no key",
             "3: tls.key: expected a private key in PEM form, got none in /etc/k.pem");
    load_tls(pems->certificate, pems->locked_key,
             "3: tls.key: expected a private key without a passphrase, got one in /etc/k.pem");
    load_tls(pems->certificate, pems->other_key,
             "3: tls.key: expected the private key of the certificate /etc/c.pem, got another in "
             "/etc/k.pem");
    load_bad_with("tls = { key = \"k.pem\"; };", &none,
                  "/etc/t.conf:1: tls: expected certificate and key, got only one of them\n");
}

#define SERVED \
    "listeners = ( { address = \"127.0.0.1\"; port = 5349; transports = [ \"tls\" ]; } );\n"

static void test_tls_listener(void **state)
{
    const struct pems *pems = *state;
    struct test_files files = {.files = {{"/etc/c.pem", pems->chain}, {"/etc/k.pem", pems->key}}};
    struct config *config = load_warned(SERVED TLS, &files, "");

    assert_true(config->boot.listeners[0].tls);
    assert_false(config->boot.listeners[0].tcp || config->boot.listeners[0].udp);
    assert_non_null(config->policy->tls_context);
    assert_non_null(SSL_CTX_get0_certificate(config->policy->tls_context));
    assert_int_equal(SSL_CTX_get_min_proto_version(config->policy->tls_context), TLS1_2_VERSION);
    config_free(config);
    config = load_warned(SERVED "tls = { certificate = \"c.pem\"; key = \"k.pem\";"
                                " min_version = \"1.3\"; };",
                         &files, "");
    assert_int_equal(SSL_CTX_get_min_proto_version(config->policy->tls_context), TLS1_3_VERSION);
    config_free(config);
    load_bad_with(
        SERVED "tls = { certificate = \"c.pem\"; key = \"k.pem\";\n"
               " ciphers = \"nonsense\"; };",
        &files,
        "/etc/t.conf:3: tls.ciphers: expected a list of ciphers as in openssl-ciphers(1), "
        "got \"nonsense\"\n");
    load_bad_with(SERVED, &files,
                  "/etc/t.conf:1: listeners: expected tls = { certificate = ...; key = ...; } in "
                  "this file, since a listener has \"tls\" or \"dtls\", got none\n");
}

/* What stands in a TLS listener beside its transports. */
static void load_listener(struct test_files *files, const char *keys, const char *problem)
{
    char text[1024];
    char expected[512];
    snprintf(text, sizeof(text),
             "listeners = ( { address = \"127.0.0.1\"; port = 443; transports = [ \"tls\" ];\n%s } "
             ");\n" TLS,
             keys);
    snprintf(expected, sizeof(expected), "/etc/t.conf:1: listeners[0].%s\n", problem);
    load_bad_with(text, files, expected);
}

static void test_upstream_and_proxies(void **state)
{
    const struct pems *pems = *state;
    struct test_files files = {.files = {{"/etc/c.pem", pems->chain}, {"/etc/k.pem", pems->key}}};
    struct config *config =
        load_warned("listeners = ( { address = \"127.0.0.1\"; port = 443; transports = [ \"tls\" ];"
                    " upstream = \"127.0.0.1:8443\"; upstream_proxy_header = true;"
                    " server_names = [ \"Turn.Example.ORG.\", \"b\" ];"
                    " proxy_protocol_from = [ \"10.0.0.0/8\", \"2001:db8::1\" ]; } );\n" TLS,
                    &files, "");
    const struct config_listener *listener = &config->boot.listeners[0];
    struct stun_address inside = {.family = STUN_FAMILY_IPV4, .ip = {10, 1, 2, 3}};

    assert_int_equal(listener->upstream.port, 8443);
    assert_true(listener->upstream_proxy_header);
    assert_int_equal(listener->server_name_count, 2);
    assert_string_equal(listener->server_names[0], "turn.example.org");
    assert_true(address_set_contains(&listener->proxies, &inside));
    inside.ip[0] = 11;
    assert_false(address_set_contains(&listener->proxies, &inside));
    config_free(config);
    load_listener(&files, "upstream = \"localhost:8443\";",
                  "upstream: expected an address and a port such as \"127.0.0.1:8443\", got "
                  "\"localhost:8443\"");
    load_listener(&files, "upstream = \"127.0.0.1:443\";",
                  "upstream: expected another address than the listener's own, got "
                  "\"127.0.0.1:443\"");
    load_listener(&files, "upstream = \"127.0.0.1:1\"; server_names = [ \"a b\" ];",
                  "server_names: expected a host name, got \"a b\"");
    load_listener(&files, "upstream = \"127.0.0.1:1\"; server_names = [ \"a.*.b\" ];",
                  "server_names: expected a host name, got \"a.*.b\"");
    load_listener(&files, "server_names = [ \"a\" ];",
                  "server_names: expected only beside upstream");
    load_listener(&files, "proxy_protocol_from = [ \"10.0.0.1/8\" ];",
                  "proxy_protocol_from: expected an address, a prefix (\"10.0.0.0/8\", no bits "
                  "beyond its length) or a range, got \"10.0.0.1/8\"");
    load_bad("listeners = ( { address = \"127.0.0.1\"; upstream = \"127.0.0.1:1\"; } );",
             "/etc/t.conf:1: listeners[0].upstream: expected only beside \"tls\" in transports\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes_of_grammar),
        cmocka_unit_test(test_ways_to_write),
        cmocka_unit_test(test_lines_are_those_of_the_value),
        cmocka_unit_test(test_tells_all_problems),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_messages_are_discreet),
        cmocka_unit_test(test_many_problems_end),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_secrets_that_everybody_can_read),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_certificate_expires),
        cmocka_unit_test(test_certificate_problems),
        cmocka_unit_test(test_tls_listener),
        cmocka_unit_test(test_upstream_and_proxies),
    };
    return cmocka_run_group_tests_name("config_file", tests, make_pems, free_pems);
}

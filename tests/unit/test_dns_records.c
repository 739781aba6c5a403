/* SPDX-License-Identifier: BSD-3-Clause */
/* --print-dns: which records fit a configuration, compared as whole zones. */
#include "config_test.h"

#include "turnserver/dns_records.h"

static void check(const char *text, const char *expected)
{
    struct config *config = load_good(text);
    char *zone = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&zone, &size);
    assert_true(dns_records_print(config, "example.org", stream));
    fclose(stream);
    assert_string_equal(zone, expected);
    free(zone);
    config_free(config);
}

#define HEAD "; The records by which clients of example.org find this server.\n$TTL 3600\n"
#define STUN "\n; STUN: RFC 8489, section 8.1\n"

static void test_stun_only(void **state)
{
    (void)state;
    check("listeners = ( { address = \"127.0.0.1\"; port = 3479; transports = [ \"udp\" ]; } );",
          HEAD "turn.example.org. IN A 127.0.0.1 ; a loopback address: write the public one that "
               "leads here\n" STUN "_stun._udp.example.org. IN SRV 0 0 3479 turn.example.org.\n");
}

/* Services at the same addresses share a host; a second port of a transport comes after it. */
static void test_hosts_and_ports(void **state)
{
    (void)state;
    check("listeners = ( { address = \"127.0.0.1\"; transports = [ \"udp\", \"tcp\" ]; },"
          "              { address = \"::1\"; transports = [ \"udp\", \"tcp\" ]; },"
          "              { address = \"::1\"; port = 80; transports = [ \"tcp\" ]; } );",
          HEAD
          "turn.example.org. IN A 127.0.0.1 ; a loopback address: write the public one that leads "
          "here\n"
          "turn.example.org. IN AAAA ::1 ; the loopback address: write the public one that leads "
          "here\n"
          "turn2.example.org. IN AAAA ::1 ; the loopback address: write the public one that leads "
          "here\n" STUN "_stun._udp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "_stun._tcp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "_stun._tcp.example.org. IN SRV 10 0 80 turn2.example.org.\n");
}

static void test_relay_and_behavior(void **state)
{
    (void)state;
    check("listeners = ( { address = \"127.0.0.1\"; transports = [ \"udp\", \"tcp\" ]; } );"
          "nat_behavior = { alternate_address = \"127.0.0.2\"; };"
          "rest = { secrets = [ \"0123456789abcdef\" ]; };",
          HEAD
          "turn.example.org. IN A 127.0.0.1 ; a loopback address: write the public one that leads "
          "here\n"
          "\n; STUN: RFC 8489, section 8.1; NAT behavior: RFC 5780, section 7.1\n"
          "_stun._udp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "_stun._tcp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "_stun-behavior._udp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "\n; TURN: RFC 5928, and RFC 8155, section 4\n"
          "example.org. IN NAPTR 100 10 \"S\" \"RELAY:turn.udp\" \"\" _turn._udp.example.org.\n"
          "example.org. IN NAPTR 100 30 \"S\" \"RELAY:turn.tcp\" \"\" _turn._tcp.example.org.\n"
          "_turn._udp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "_turn._tcp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "\n; TURN for everybody in this network: RFC 8155, section 5 (DNS-SD)\n"
          "_turn._udp.example.org. IN PTR turn._turn._udp.example.org.\n"
          "turn._turn._udp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "turn._turn._udp.example.org. IN TXT \"\"\n"
          "_turn._tcp.example.org. IN PTR turn._turn._tcp.example.org.\n"
          "turn._turn._tcp.example.org. IN SRV 0 0 3478 turn.example.org.\n"
          "turn._turn._tcp.example.org. IN TXT \"\"\n");
}

static void test_domains(void **state)
{
    (void)state;
    static const char long_label[] =
        "a123456789012345678901234567890123456789012345678901234567890123.org";
    char long_name[300];

    assert_true(dns_records_is_domain("example.org"));
    assert_true(dns_records_is_domain("localhost"));
    assert_true(dns_records_is_domain("xn--bcher-kva.example"));
    assert_true(dns_records_is_domain(long_label + 1));
    static const char *const wrong[] = {"",        ".",         "example.org.",  ".org",
                                        "a..b",    "-a.org",    "a-.org",        "a b.org",
                                        "a;b.org", "exa\nmple", "b\xc3\xbc.org", long_label};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(dns_records_is_domain(wrong[i]));
    }
    for (size_t i = 0; i < sizeof long_name; i++) {
        long_name[i] = i % 2 == 0 ? 'a' : '.';
    }
    long_name[sizeof long_name - 1] = '\0';
    assert_false(dns_records_is_domain(long_name));
    long_name[235] = '\0';
    assert_true(dns_records_is_domain(long_name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stun_only),
        cmocka_unit_test(test_hosts_and_ports),
        cmocka_unit_test(test_relay_and_behavior),
        cmocka_unit_test(test_domains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

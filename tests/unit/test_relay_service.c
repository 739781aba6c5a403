/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine_test.h"

#include "proto/relay_service.h"

#define ANY (RELAY_UDP | RELAY_TCP | RELAY_TLS | RELAY_DTLS)

/* The fields are those of the examples of RFC 5928 §6, and ones that are none of ours. */
static void what_fields_offer(void **state)
{
    static const struct {
        const char *service;
        unsigned wanted;
        enum relay_transport chosen;
    } rows[] = {
        {"RELAY:turn.udp", ANY, RELAY_UDP},
        {"RELAY:turn.udp:turn.tcp:turn.tls", ANY, RELAY_UDP},
        {"RELAY:turn.udp:turn.tcp:turn.tls", RELAY_TLS | RELAY_TCP, RELAY_TCP},
        {"RELAY:turn.tls:turn.udp", RELAY_TLS, RELAY_TLS},
        {"RELAY:turn.dtls:turn.tls", RELAY_TLS | RELAY_DTLS, RELAY_DTLS},
        {"relay:TURN.TCP", ANY, RELAY_TCP},
        {"RELAY:turn.udp", RELAY_TLS, RELAY_NONE},
        {"RELAY", ANY, RELAY_NONE},
        {"RELAY:", ANY, RELAY_NONE},
        {"RELAY:turn.sctp", ANY, RELAY_NONE},
        {"RELAY:turn.sctp:turn.tls", ANY, RELAY_TLS},
        {"RELAY:turn.udpx", ANY, RELAY_NONE},
        {"RELAYS:turn.udp", ANY, RELAY_NONE},
        {"SIP+D2U", ANY, RELAY_NONE},
        {"", ANY, RELAY_NONE},
        {":turn.udp", ANY, RELAY_NONE},
        {"turn.udp", ANY, RELAY_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(relay_service_choose(rows[i].service, rows[i].wanted), rows[i].chosen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_fields_offer)};

    return cmocka_run_group_tests_name("relay_service", tests, NULL, NULL);
}

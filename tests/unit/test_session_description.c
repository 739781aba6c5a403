/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/address.h"
#include "tests/unit/session_texts.h"
#include "wire/session_description.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct session_description parsed, offered;

/* Parses a copy of exactly that size, so that a sanitizer sees a read behind it. */
static const char *parse(struct session_description *out, const char *text, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);

    assert_non_null(copy);
    memcpy(copy, text, size);
    const char *problem = session_description_parse(out, copy, size);
    free(copy);
    return problem;
}

static void assert_good(struct session_description *out, const char *text)
{
    const char *problem = parse(out, text, strlen(text));

    if (problem != NULL) {
        fail_msg("%s\n%s", text, problem);
    }
}

static void assert_hash(const struct session_fingerprint *fingerprint)
{
    char text[256];

    assert_true(session_fingerprint_format(fingerprint, text, sizeof text) > 0);
    assert_string_equal(text, "sha-256 " SESSION_TEXT_HASH);
}

static void test_chromium(void **state)
{
    (void)state;
    assert_good(&parsed, SESSION_TEXT_CHROMIUM);
    assert_true(parsed.session_id == 4611731400430051336u && parsed.session_version == 2);
    assert_string_equal(parsed.ufrag, "EsAw");
    assert_string_equal(parsed.password, "bP+XJMM09aR8AiX1jdukzR6Y");
    assert_true(parsed.trickle && parsed.bundled);
    assert_false(parsed.ice_lite || parsed.end_of_candidates);
    assert_int_equal(parsed.fingerprint_count, 1);
    assert_hash(&parsed.fingerprints[0]);
    assert_int_equal(parsed.setup, SESSION_SETUP_ACTPASS);
    assert_string_equal(parsed.mid, "0");
    assert_int_equal(parsed.section_index, 0);
    assert_int_equal(parsed.sctp_port, 5000);
    assert_int_equal(parsed.max_message_size, 262144);
    assert_int_equal(parsed.candidate_count, 3);
    assert_string_equal(parsed.candidates[0].name, "78f1b2e3-0d8e-4a4e-8f3c-2f6d1a9b7c55.local");
    assert_int_equal(parsed.candidates[1].type, ICE_SERVER_REFLEXIVE);
    assert_int_equal(parsed.candidates[2].transport, ICE_TCP_ACTIVE);
    assert_string_equal(parsed.identity, "");
}

static void test_firefox(void **state)
{
    (void)state;
    assert_good(&parsed, SESSION_TEXT_FIREFOX);
    assert_string_equal(parsed.ufrag, "3b5b4a9d");
    assert_true(parsed.trickle && parsed.end_of_candidates && parsed.bundled);
    assert_int_equal(parsed.fingerprint_count, 1);
    assert_hash(&parsed.fingerprints[0]);
    assert_int_equal(parsed.candidate_count, 3);
    assert_int_equal(parsed.max_message_size, 1073741823);
}

static void test_aiortc(void **state)
{
    (void)state;
    assert_good(&parsed, SESSION_TEXT_AIORTC);
    assert_string_equal(parsed.ufrag, "5+Ix");
    assert_true(parsed.end_of_candidates && !parsed.trickle);
    assert_int_equal(parsed.sctp_port, 5000);
    assert_int_equal(parsed.max_message_size, 65536);
    assert_int_equal(parsed.candidate_count, 2);
    assert_string_equal(parsed.sections[0].media, "application 50137 DTLS/SCTP 5000");
}

/* Session-level values hold, the section's own take their place, line ends are LF. */
static void test_lite(void **state)
{
    (void)state;
    assert_good(&parsed, SESSION_TEXT_LITE);
    assert_true(parsed.ice_lite && parsed.trickle);
    assert_string_equal(parsed.ufrag, "lite");
    assert_int_equal(parsed.setup, SESSION_SETUP_PASSIVE);
    assert_int_equal(parsed.fingerprint_count, 1);
    assert_hash(&parsed.fingerprints[0]);
    assert_int_equal(parsed.candidate_count, 1);
    assert_int_equal(parsed.sctp_port, 5000);
    assert_int_equal(parsed.max_message_size, 65536);
    assert_true(parsed.session_version == UINT64_MAX);
    assert_false(parsed.bundled);
}

static void test_media_before_it(void **state)
{
    (void)state;
    assert_good(&parsed, SESSION_TEXT_CHROMIUM_MEDIA);
    assert_int_equal(parsed.section_count, 3);
    assert_int_equal(parsed.section_index, 2);
    assert_string_equal(parsed.mid, "2");
    assert_string_equal(parsed.sections[0].media, "audio 9 UDP/TLS/RTP/SAVPF 111");
    assert_string_equal(parsed.sections[1].media, "video 9 UDP/TLS/RTP/SAVPF 96");
    assert_false(parsed.sections[0].is_data_channel || parsed.sections[1].is_data_channel);
    assert_true(parsed.sections[2].is_data_channel);
    assert_string_equal(parsed.ufrag, "7sFv");
    assert_int_equal(parsed.candidate_count, 0);
}

#define HEAD "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
#define ICE "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
#define HASH "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"
#define DATA "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"

/* The data channel's section leaves the transport to the first of the group (RFC 9143 §7). */
static void test_bundle_only(void **state)
{
    (void)state;
    assert_good(&parsed, HEAD "a=group:BUNDLE a d\r\n"
                              "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n" ICE HASH
                              "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=setup:active\r\n"
                              "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                              "a=bundle-only\r\na=mid:d\r\na=sctp-port:5001\r\n");
    assert_string_equal(parsed.ufrag, "abcd");
    assert_int_equal(parsed.candidate_count, 1);
    assert_int_equal(parsed.sctp_port, 5001);
    assert_int_equal(parsed.setup, SESSION_SETUP_ACTIVE);
    assert_int_equal(parsed.section_index, 1);
    /* outside the group it may not borrow */
    const char *text =
        HEAD "a=group:BUNDLE a\r\n"
             "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n" ICE HASH DATA "a=mid:d\r\n";
    assert_non_null(strstr(parse(&parsed, text, strlen(text)), "ice-ufrag"));
}

static void test_wrong(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "no section"},
        {"hello", "v=0"},
        {"v=1\r\n", "v=0"},
        {HEAD, "no section"},
        {HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" ICE HASH, "no section"},
        {HEAD "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" ICE HASH, "rejects"},
        {HEAD "m=application 9 UDP/BFCP *\r\n" ICE HASH, "no section"},
        {HEAD "m=application x UDP/DTLS/SCTP webrtc-datachannel\r\n", "m="},
        {HEAD "m=application 9 UDP/DTLS/SCTP\r\n", "m="},
        {HEAD "m=application 65536 UDP/DTLS/SCTP webrtc-datachannel\r\n", "m="},
        {HEAD DATA ICE, "fingerprint"},
        {HEAD DATA HASH, "ice-ufrag"},
        {HEAD DATA HASH "a=ice-ufrag:abc\r\n", "ice-ufrag"},
        {HEAD DATA HASH "a=ice-ufrag:ab d\r\n", "ice-ufrag"},
        {HEAD DATA HASH "a=ice-ufrag:abcd\r\na=ice-pwd:012345678901234567890\r\n", "ice-pwd"},
        {HEAD DATA ICE "a=fingerprint:sha-256 00:11\r\n", "fingerprint"},
        {HEAD DATA ICE "a=fingerprint:md5 00:11\r\n", "hash that we know"},
        {HEAD DATA ICE HASH "a=setup:holdconn\r\n", "setup"},
        {HEAD DATA ICE HASH "a=sctp-port:0\r\n", "sctp-port"},
        {HEAD DATA ICE HASH "a=sctp-port:65536\r\n", "sctp-port"},
        {HEAD DATA ICE HASH "a=sctpmap:x webrtc-datachannel\r\n", "sctpmap"},
        {HEAD DATA ICE HASH "a=max-message-size:-1\r\n", "max-message-size"},
        {HEAD DATA ICE HASH "a=mid:\r\n", "mid"},
        {HEAD DATA ICE HASH "a=postern-identity:\r\n", "identity"},
        {HEAD DATA ICE HASH "nonsense\r\n", "line"},
        {HEAD DATA ICE HASH "x=1\r\n", "line"},
        {HEAD DATA "\r\n" ICE HASH, "line"},
        {"v=0\r\no=- one 2 IN IP4 0.0.0.0\r\n" DATA ICE HASH, "o="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *problem = parse(&parsed, cases[i].text, strlen(cases[i].text));
        if (problem == NULL || strstr(problem, cases[i].problem) == NULL) {
            fail_msg("%s: %s", cases[i].text, problem != NULL ? problem : "taken");
        }
    }
    assert_non_null(parse(&parsed, HEAD DATA ICE HASH "a=x\0y\r\n", sizeof HEAD DATA ICE HASH + 6));
}

static void test_bounds(void **state)
{
    static char text[SESSION_DESCRIPTION_SIZE_MAX + 1];
    size_t size = (size_t)snprintf(text, sizeof text, "%s", HEAD DATA ICE HASH);

    (void)state;
    for (int i = 0; i < 100; i++) { /* more than are kept */
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "a=candidate:1 1 udp 1 192.0.2.1 %d typ host\r\n", i + 1);
    }
    assert_null(parse(&parsed, text, size));
    assert_int_equal(parsed.candidate_count, SESSION_CANDIDATES_MAX);
    assert_int_equal(parsed.candidates[SESSION_CANDIDATES_MAX - 1].address.port,
                     SESSION_CANDIDATES_MAX);
    memset(text + size, 'x', sizeof text - size);
    memcpy(text + size, "a=", 2);
    assert_null(parse(&parsed, text, SESSION_DESCRIPTION_SIZE_MAX));
    assert_non_null(parse(&parsed, text, SESSION_DESCRIPTION_SIZE_MAX + 1));

    size = (size_t)snprintf(text, sizeof text, "%s", HEAD ICE HASH);
    for (int i = 0; i < 16; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s", DATA);
    }
    assert_null(parse(&parsed, text, size));
    size += (size_t)snprintf(text + size, sizeof text - size, "%s", DATA);
    assert_non_null(strstr(parse(&parsed, text, size), "16 sections"));
    /* a fifth hash is one too many to keep, and does no harm */
    size = (size_t)snprintf(text, sizeof text, "%s", HEAD DATA ICE HASH HASH HASH HASH HASH);
    assert_null(parse(&parsed, text, size));
    assert_int_equal(parsed.fingerprint_count, SESSION_FINGERPRINTS_MAX);
}

static struct session_description ours(void)
{
    struct session_description d = {.session_id = 7,
                                    .session_version = 1,
                                    .ufrag = "ours",
                                    .password = "abcdefghijklmnopqrstuv",
                                    .trickle = true,
                                    .setup = SESSION_SETUP_ACTIVE,
                                    .sctp_port = 5000,
                                    .max_message_size = 262144};
    const char *hash = "sha-256 " SESSION_TEXT_HASH;

    assert_true(session_fingerprint_parse(&d.fingerprints[0], hash, strlen(hash)));
    d.fingerprint_count = 1;
    const char *line = "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host";
    assert_null(candidate_parse(&d.candidates[0], line, strlen(line)));
    d.candidate_count = 1;
    return d;
}

static void test_offer(void **state)
{
    struct session_description d = ours();
    char text[2048];

    (void)state;
    d.setup = SESSION_SETUP_ACTPASS;
    d.ice_lite = d.end_of_candidates = true;
    memcpy(d.identity, "ed25519 AAAA", sizeof "ed25519 AAAA");
    size_t size = session_description_format(&d, NULL, text, sizeof text);
    assert_string_equal(text, "v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
                              "a=group:BUNDLE 0\r\na=ice-lite\r\n"
                              "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                              "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:ours\r\n"
                              "a=ice-pwd:abcdefghijklmnopqrstuv\r\na=ice-options:trickle ice2\r\n"
                              "a=fingerprint:sha-256 " SESSION_TEXT_HASH "\r\n"
                              "a=setup:actpass\r\na=sctp-port:5000\r\n"
                              "a=max-message-size:262144\r\na=postern-identity:ed25519 AAAA\r\n"
                              "a=candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host\r\n"
                              "a=end-of-candidates\r\n");
    assert_int_equal(size, strlen(text));
    assert_good(&parsed, text);
    assert_string_equal(parsed.identity, "ed25519 AAAA");
    assert_true(parsed.ice_lite && parsed.end_of_candidates && parsed.trickle);
    assert_int_equal(session_description_format(&d, NULL, text, size), 0);
    assert_int_equal(session_description_format(&d, NULL, text, size + 1), size);
}

static void test_answer_rejects_media(void **state)
{
    struct session_description d = ours();
    char text[2048];

    (void)state;
    assert_good(&offered, SESSION_TEXT_CHROMIUM_MEDIA);
    assert_true(session_description_format(&d, &offered, text, sizeof text) > 0);
    assert_non_null(strstr(text, "a=group:BUNDLE 2\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"
                                 "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=inactive\r\n"
                                 "m=video 0 UDP/TLS/RTP/SAVPF 96\r\n"
                                 "c=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"
                                 "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                                 "c=IN IP4 0.0.0.0\r\na=mid:2\r\na=ice-ufrag:ours\r\n"));
    assert_non_null(strstr(text, "a=setup:active\r\n"));
    assert_good(&parsed, text);
    assert_int_equal(parsed.section_index, 2);
    assert_string_equal(parsed.mid, "2");
}

/* Who offers in the older form is answered in it; no group without one offered. */
static void test_answer_older_forms(void **state)
{
    struct session_description d = ours();
    char text[2048];

    (void)state;
    assert_good(&offered, SESSION_TEXT_AIORTC);
    assert_true(session_description_format(&d, &offered, text, sizeof text) > 0);
    assert_non_null(strstr(text, "m=application 9 DTLS/SCTP 5000\r\n"));
    assert_non_null(strstr(text, "a=sctpmap:5000 webrtc-datachannel 65535\r\n"));
    assert_null(strstr(text, "sctp-port"));
    assert_good(&parsed, text);
    assert_good(&offered, SESSION_TEXT_LITE);
    assert_true(session_description_format(&d, &offered, text, sizeof text) > 0);
    assert_null(strstr(text, "BUNDLE"));
    assert_null(strstr(text, "a=mid"));
    assert_non_null(strstr(text, "m=application 9 TCP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_good(&parsed, text);
}

static void test_fingerprints(void **state)
{
    static const char *const wrong[] = {
        "",
        "sha-256",
        "sha-256 ",
        "sha-256 " SESSION_TEXT_HASH ":00",
        "sha-256 " SESSION_TEXT_HASH " x",
        "sha-1 " SESSION_TEXT_HASH,
        "sha-257 " SESSION_TEXT_HASH,
        "sha-1 4A-AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
        "sha-1 4G:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
    };
    struct session_fingerprint fingerprint;
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(session_fingerprint_parse(&fingerprint, wrong[i], strlen(wrong[i])));
    }
    const char *good = "SHA-1 4a:ad:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
    assert_true(session_fingerprint_parse(&fingerprint, good, strlen(good)));
    assert_int_equal(fingerprint.size, 20);
    assert_int_equal(session_fingerprint_format(&fingerprint, text, sizeof text), strlen(good));
    assert_string_equal(text, "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB");
    assert_int_equal(session_fingerprint_format(&fingerprint, text, strlen(good)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chromium),
        cmocka_unit_test(test_firefox),
        cmocka_unit_test(test_aiortc),
        cmocka_unit_test(test_lite),
        cmocka_unit_test(test_media_before_it),
        cmocka_unit_test(test_bundle_only),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_offer),
        cmocka_unit_test(test_answer_rejects_media),
        cmocka_unit_test(test_answer_older_forms),
        cmocka_unit_test(test_fingerprints),
    };
    return cmocka_run_group_tests_name("session_description", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the rendezvous service: each type both ways, and what is refused. The examples of the
 * protocol's page and hostile JSON are in tests/e2e/test_signal.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/signal.h"
#include "wire/signal_proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char built[SIGNAL_MESSAGE_MAX + 1];

/* Each is what build writes, byte for byte. */
static const char *const exact[] = {
    "{\"type\":\"open\",\"rid\":\"1\",\"v\":1}",
    "{\"type\":\"welcome\",\"v\":1,\"server\":\"postern\",\"realm\":\"example.org\","
    "\"auth\":[\"SHA-256\",\"MD5\",\"token\",\"Ed25519\"],\"nonce\":\"AbC-_9\",\"ping\":25}",
    "{\"type\":\"hello\",\"v\":1,\"name\":\"bob/laptop\",\"auth\":\"SHA-256\",\"user\":\"bob\","
    "\"realm\":\"example.org\",\"proof\":\"abc\",\"resume\":\"r\",\"allow\":[\"alice\",\"carol\"]}",
    "{\"type\":\"hello\",\"v\":1,\"auth\":\"token\",\"token\":\"1:bob:x\",\"allow\":[]}",
    "{\"type\":\"hello\",\"v\":1,\"auth\":\"Ed25519\",\"pub\":\"p\",\"sig\":\"s\"}",
    "{\"type\":\"registered\",\"name\":\"bob\",\"session\":\"s\",\"resume\":\"r\","
    "\"resume_ttl\":60,\"resumed\":true,\"reflexive\":\"192.0.2.1:1414\",\"iceServers\":["
    "{\"urls\":[\"stun:192.0.2.9:3478\"]},{\"urls\":[\"turn:192.0.2.9:3478?transport=udp\","
    "\"turns:[2001:db8::1]:5349?transport=tcp\"],\"username\":\"1:bob\",\"credential\":\"c\","
    "\"challenge\":{\"realm\":\"example.org\",\"nonce\":\"obMatJos2AAAB/+\",\"algorithms\":["
    "\"SHA-256\",\"MD5\"]}}],"
    "\"ttl\":3600}",
    "{\"type\":\"turn\",\"rid\":\"t\"}",
    "{\"type\":\"turn\",\"rid\":\"t\",\"iceServers\":[{\"urls\":[\"stun:a\"]}],\"ttl\":1}",
    "{\"type\":\"call\",\"rid\":\"c\",\"to\":\"bob\"}",
    "{\"type\":\"call\",\"to\":\"bob\",\"description\":{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}}",
    "{\"type\":\"incoming\",\"call\":\"x\",\"from\":\"alice\","
    "\"description\":{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}}",
    "{\"type\":\"ringing\",\"call\":\"x\"}",
    "{\"type\":\"accept\",\"call\":\"x\",\"description\":{\"type\":\"answer\",\"sdp\":\"\"}}",
    "{\"type\":\"reject\",\"call\":\"x\",\"reason\":\"declined\"}",
    "{\"type\":\"bye\",\"call\":\"x\"}",
    "{\"type\":\"description\",\"call\":\"x\",\"description\":{\"type\":\"rollback\"}}",
    "{\"type\":\"candidate\",\"call\":\"x\",\"candidate\":{\"candidate\":"
    "\"candidate:1 1 udp 1 192.0.2.1 1 typ host\",\"sdpMid\":\"0\",\"sdpMLineIndex\":0,"
    "\"usernameFragment\":\"abcd\"}}",
    "{\"type\":\"candidate\",\"call\":\"x\",\"candidate\":{\"candidate\":\"\"}}",
    "{\"type\":\"candidate\",\"call\":\"x\",\"candidate\":null}",
    "{\"type\":\"report\",\"call\":\"x\",\"path\":\"direct\",\"ms\":31.000,\"rtt\":12.500}",
    "{\"type\":\"report\",\"call\":\"x\",\"path\":\"none\"}",
    "{\"type\":\"ping\"}",
    "{\"type\":\"pong\",\"rid\":\"p\"}",
    "{\"type\":\"ok\",\"rid\":\"c\",\"call\":\"x\"}",
    "{\"type\":\"error\",\"rid\":\"c\",\"code\":\"rate-limited\",\"message\":\"slow\","
    "\"retry_after\":3}",
    "{\"type\":\"error\",\"code\":\"of-a-later-version\"}",
};

static void test_both_ways(void **state)
{
    bool seen[SIGNAL_TYPE_COUNT] = {false};
    struct signal_message message;
    struct signal_fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        if (!signal_message_parse(&message, exact[i], strlen(exact[i]), &fault)) {
            fail_msg("%s: %s", exact[i], fault.problem);
        }
        seen[message.type] = true;
        assert_int_equal(signal_message_build(&message, built, sizeof built), strlen(exact[i]));
        assert_string_equal(built, exact[i]);
        signal_message_free(&message);
    }
    for (int type = 0; type < SIGNAL_TYPE_COUNT; type++) {
        assert_true(seen[type]);
    }
}

/* What a reader sees of a message with everything in it. */
static void test_members(void **state)
{
    static const char text[] =
        "{\"x\":[{\"y\":1}],\"type\":\"hello\",\"v\":1,\"user\":\"bob\",\"proof\":\"p\","
        "\"name\":null,\"rid\":\"\\u00e9\",\"allow\":[\"a\"]}";
    struct signal_message message;

    (void)state;
    assert_true(signal_message_parse(&message, text, strlen(text), NULL));
    assert_int_equal(message.type, SIGNAL_HELLO);
    assert_string_equal(message.rid, "\xC3\xA9");
    assert_string_equal(message.hello.user, "bob");
    assert_null(message.hello.name);
    assert_int_equal(message.hello.method, SIGNAL_METHOD_SHA256);
    assert_true(message.hello.has_allow);
    assert_int_equal(message.hello.allow_count, 1);
    signal_message_free(&message);
    assert_null(message.storage);
    signal_message_free(&message);
}

static void test_defaults(void **state)
{
    struct signal_message message = {.type = SIGNAL_ERROR, .error.code = SIGNAL_BUSY};

    (void)state;
    assert_true(signal_message_build(&message, built, sizeof built) > 0);
    assert_string_equal(built, "{\"type\":\"error\",\"code\":\"busy\","
                               "\"message\":\"one of both sides has too many calls already\"}");
    assert_true(signal_message_parse(&message, built, strlen(built), NULL));
    assert_int_equal(message.error.code, SIGNAL_BUSY);
    signal_message_free(&message);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *problem, *rid;
        enum signal_code code;
    } rows[] = {
        {"", "expected one JSON object", "", SIGNAL_BAD_MESSAGE},
        {"[]", "expected one JSON object", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\",\"x\":\"\\u0000\"}", "U+0000 is not allowed", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\",\"x\":\"\xff\"}", "expected UTF-8", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\",\"x\":[[[[[[[[0]]]]]]]]}", "objects and arrays are more than 8 deep",
         "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\"}x", "expected one JSON object, and nothing behind it", "",
         SIGNAL_BAD_MESSAGE},
        {"{}", "type: missing, or not a text", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":1}", "type: missing, or not a text", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"dance\",\"rid\":\"7\"}", "type: not known", "7", SIGNAL_UNKNOWN_TYPE},
        {"{\"type\":\"ping\",\"rid\":7}", "rid: expected a text of at most 64 bytes", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\"", "expected one JSON object", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\",\"type\":\"pong\"}", "a key stands twice in one object", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"ping\",\"x\":1e400}", "a number is out of range", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"open\"}", "open.v: missing", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"open\",\"v\":1.5}", "open.v: expected a whole number in its range", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"open\",\"v\":-1}", "open.v: expected a whole number in its range", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"hello\",\"v\":1}", "hello: expected one of proof, token and sig", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"hello\",\"v\":1,\"user\":\"a\",\"proof\":\"p\",\"token\":\"t\"}",
         "hello: expected one of proof, token and sig", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"hello\",\"v\":1,\"proof\":\"p\"}",
         "hello: expected user with proof, or pub with sig", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"hello\",\"v\":1,\"auth\":\"token\",\"user\":\"a\",\"proof\":\"p\"}",
         "hello: expected user with proof, or pub with sig", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"hello\",\"v\":1,\"auth\":\"rot13\",\"user\":\"a\",\"proof\":\"p\"}",
         "hello.auth: expected one of welcome's auth", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"call\",\"to\":\"\"}",
         "call.to: expected a text without control characters, not too long", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"call\",\"to\":\"a\\u001bb\"}",
         "call.to: expected a text without control characters, not too long", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"call\",\"to\":\"bob\",\"description\":{\"type\":\"offer\"}}",
         "call.description: expected {type, sdp}, as in browsers", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"call\",\"to\":\"bob\",\"description\":{\"type\":\"x\",\"sdp\":\"\"}}",
         "call.description: expected {type, sdp}, as in browsers", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"bye\",\"call\":\"a b\"}",
         "bye.call: expected letters, digits, '-' and '_', at most 43", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"candidate\",\"call\":\"x\"}", "candidate.candidate: missing", "",
         SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"report\",\"call\":\"x\",\"path\":\"teleport\"}",
         "report.path: expected direct, relay or none", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"report\",\"call\":\"x\",\"path\":\"direct\",\"ms\":-1}",
         "report.ms: expected a number that is not negative", "", SIGNAL_BAD_MESSAGE},
        {"{\"type\":\"report\",\"call\":\"x\",\"path\":\"direct\",\"ms\":1e300}",
         "report.ms: expected a number that is not negative", "", SIGNAL_BAD_MESSAGE},
    };
    struct signal_message message;
    struct signal_fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(signal_message_parse(&message, rows[i].text, strlen(rows[i].text), &fault));
        assert_string_equal(fault.problem, rows[i].problem);
        assert_string_equal(fault.rid, rows[i].rid);
        assert_int_equal(fault.code, rows[i].code);
        assert_null(message.storage);
    }
}

/* As deep as may be, brackets in texts aside. */
static void test_depth(void **state)
{
    static const char text[] = "{\"type\":\"ping\",\"x\":[[[[[[[\"\\\"[[[[{{{{\"]]]]]]]}";
    struct signal_message message;

    (void)state;
    assert_true(signal_message_parse(&message, text, strlen(text), NULL));
    signal_message_free(&message);
}

static void test_candidate_refused(void **state)
{
    static const char *const bad[] = {"[]",
                                      "\"\"",
                                      "{\"candidate\":1}",
                                      "{\"candidate\":\"\",\"sdpMLineIndex\":65536}",
                                      "{\"candidate\":\"\",\"sdpMLineIndex\":-1}",
                                      "{\"candidate\":\"\",\"sdpMid\":0}"};
    char text[256];
    struct signal_message message;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int size = snprintf(text, sizeof text,
                            "{\"type\":\"candidate\",\"call\":\"x\",\"candidate\":%s}", bad[i]);
        assert_false(signal_message_parse(&message, text, (size_t)size, NULL));
    }
}

/* A text of `count` letters in the place of %s. */
static bool parses(const char *before, size_t count, const char *after)
{
    struct signal_message message;
    size_t head = strlen(before), tail = strlen(after), size = head + count + tail;
    char *text = malloc(size);

    assert_non_null(text);
    memcpy(text, before, head);
    memset(text + head, 'a', count);
    memcpy(text + head + count, after, tail);
    bool parsed = signal_message_parse(&message, text, size, NULL);
    signal_message_free(&message);
    free(text);
    return parsed;
}

static void test_lengths(void **state)
{
    static const char sdp[] =
        "{\"type\":\"call\",\"to\":\"b\",\"description\":{\"type\":\"offer\",\"sdp\":\"";

    (void)state;
    assert_true(parses("{\"type\":\"ping\",\"rid\":\"", SIGNAL_RID_MAX, "\"}"));
    assert_false(parses("{\"type\":\"ping\",\"rid\":\"", SIGNAL_RID_MAX + 1, "\"}"));
    assert_true(parses("{\"type\":\"call\",\"to\":\"", SIGNAL_NAME_MAX, "\"}"));
    assert_false(parses("{\"type\":\"call\",\"to\":\"", SIGNAL_NAME_MAX + 1, "\"}"));
    assert_true(parses("{\"type\":\"bye\",\"call\":\"", SIGNAL_ID_MAX, "\"}"));
    assert_false(parses("{\"type\":\"bye\",\"call\":\"", SIGNAL_ID_MAX + 1, "\"}"));
    assert_true(parses(sdp, SIGNAL_SDP_MAX, "\"}}"));
    assert_false(parses(sdp, SIGNAL_SDP_MAX + 1, "\"}}"));
    /* 15 bytes around it. */
    assert_true(parses("{\"type\":\"ping\",\"x\":\"", SIGNAL_MESSAGE_MAX - 22, "\"}"));
    assert_false(parses("{\"type\":\"ping\",\"x\":\"", SIGNAL_MESSAGE_MAX - 21, "\"}"));
}

static void test_too_large(void **state)
{
    static char text[SIGNAL_MESSAGE_MAX + 1];
    struct signal_message message;
    struct signal_fault fault;

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"type\":\"ping\"}", 15);
    assert_true(signal_message_parse(&message, text, SIGNAL_MESSAGE_MAX, &fault));
    signal_message_free(&message);
    assert_false(signal_message_parse(&message, text, SIGNAL_MESSAGE_MAX + 1, &fault));
    assert_int_equal(fault.code, SIGNAL_TOO_LARGE);
}

static void test_build_bounds(void **state)
{
    static char sdp[SIGNAL_MESSAGE_MAX + 1];
    struct signal_message message = {.type = SIGNAL_PING};

    (void)state;
    assert_int_equal(signal_message_build(&message, built, 16), 15);
    assert_int_equal(signal_message_build(&message, built, 15), 0);
    assert_int_equal(signal_message_build(&message, built, 0), 0);
    memset(sdp, '\n', SIGNAL_SDP_MAX);
    message = (struct signal_message){.type = SIGNAL_CALL,
                                      .invite = {.to = "b", .description = {"offer", sdp}}};
    static char large[2 * sizeof sdp];
    assert_int_equal(signal_message_build(&message, large, sizeof large), 0);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < SIGNAL_TYPE_COUNT; i++) {
        assert_int_equal(signal_type_find(signal_type_name((enum signal_type)i)), i);
    }
    for (int i = 0; i < SIGNAL_CODE_COUNT; i++) {
        assert_int_equal(signal_code_find(signal_code_name((enum signal_code)i)), i);
        assert_true(strlen(signal_code_words((enum signal_code)i)) > 0);
    }
    for (int i = 0; i < SIGNAL_METHOD_COUNT; i++) {
        assert_int_equal(signal_method_find(signal_method_name((enum signal_method)i)), i);
    }
    assert_int_equal(signal_type_find("x"), SIGNAL_TYPE_COUNT);
    assert_int_equal(signal_code_find("x"), SIGNAL_CODE_UNKNOWN);
    assert_int_equal(signal_method_find("x"), SIGNAL_METHOD_COUNT);
}

/* The text, and an HMAC and a signature that Python and openssl(1) made. */
static void test_proof(void **state)
{
    static const char proved[] = "postern-rendezvous-1\0SHA-256\0abc\0example.org\0bob\0\0";
    static const uint8_t private_key[32] = {1, 2, 3};
    struct signal_claim claim = {
        .method = SIGNAL_METHOD_SHA256, .nonce = "abc", .realm = "example.org", .user = "bob"};
    struct stun_key key = {.size = 32, .bytes = {0}};
    uint8_t text[SIGNAL_PROVED_SIZE_MAX];
    char proof[SIGNAL_PROOF_TEXT_SIZE], pub[SIGNAL_PUBLIC_KEY_TEXT_SIZE],
        sig[SIGNAL_SIGNATURE_TEXT_SIZE];

    (void)state;
    for (uint8_t i = 0; i < 32; i++) {
        key.bytes[i] = i;
    }
    assert_int_equal(signal_proved_text(&claim, text, sizeof text), sizeof proved);
    assert_memory_equal(text, proved, sizeof proved);
    assert_int_equal(signal_proved_text(&claim, text, sizeof proved - 1), 0);
    assert_true(signal_proof_make(&claim, &key, proof));
    assert_string_equal(proof, "bVkmusCwqWZTc1lvw8TbZI9fHivcHYrssvemhmAY_2w");
    assert_true(signal_public_key(private_key, pub));
    assert_string_equal(pub, "Ih_l9oWaGk_seQV8nTLI0_w1bhRLHaOw-QFu9vKYiNo");
    claim.method = SIGNAL_METHOD_ED25519;
    claim.user = pub;
    assert_true(signal_sign(&claim, private_key, sig));
    assert_string_equal(
        sig,
        "h4ftGG3n29tEPXpDm2NR3dtDPtvedPfUNabCDw2Gghr0W3RlPDcUCqUqG2tN9q409EQFp9T4H8WMN4b3r2t2Dw");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),    cmocka_unit_test(test_members),
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_candidate_refused),
        cmocka_unit_test(test_lengths),      cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_build_bounds), cmocka_unit_test(test_names),
        cmocka_unit_test(test_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

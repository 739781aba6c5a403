/* SPDX-License-Identifier: BSD-3-Clause */
/* The client of a rendezvous service, against messages written by hand and on virtual time. */
#include "machine_test.h"
#include "seeded.h"

#include "proto/rendezvous_client.h"

#include <stdio.h>
#include <string.h>

#define WELCOME                                                                               \
    "{\"type\":\"welcome\",\"v\":1,\"realm\":\"example.org\",\"auth\":[\"SHA-256\",\"MD5\"]," \
    "\"nonce\":\"abc123\",\"ping\":25}"
#define REGISTERED(resume, resumed)                                                               \
    "{\"type\":\"registered\",\"rid\":\"hello\",\"name\":\"alice\",\"session\":\"s\",\"resume\":" \
    "\"" resume "\",\"resume_ttl\":60,\"resumed\":" resumed                                       \
    ",\"reflexive\":\"192.0.2.7:1414\",\"iceServers\":[{\"urls\":[\"stun:192.0.2.1\"]}],\"ttl\":" \
    "3600}"

static struct stun_crypto *crypto;
static struct rendezvous_client *client;
static struct rendezvous_client_event event;
static struct monotime now;
static uint64_t seed;

static uint64_t random_number(void *context)
{
    (void)context;
    return seeded_next(&seed);
}

static int set_up(void **state)
{
    (void)state;
    seed = 1;
    now = (struct monotime){1000000};
    crypto = stun_crypto_new();
    const struct rendezvous_client_setup setup = {
        .crypto = crypto, .random = random_number, .user = "alice", .password = "secret"};
    client = rendezvous_client_new(&setup);
    assert_non_null(client);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rendezvous_client_free(client);
    stun_crypto_free(crypto);
    return 0;
}

static void pass(int64_t seconds)
{
    now = monotime_add_seconds(now, seconds);
    rendezvous_client_tick(client, now);
}

static void receive(const char *text)
{
    rendezvous_client_input(client, now, text, strlen(text));
}

static void expect_event(enum rendezvous_client_event_type type)
{
    assert_true(rendezvous_client_event(client, &event));
    assert_int_equal(event.type, type);
}

static void expect_no_event(void)
{
    assert_false(rendezvous_client_event(client, &event));
}

static void expect_sent(const char *text)
{
    size_t size;
    const char *sent = rendezvous_client_output(client, &size);
    assert_non_null(sent);
    assert_int_equal(size, strlen(sent));
    assert_string_equal(sent, text);
}

static void expect_silence(void)
{
    size_t size;
    assert_null(rendezvous_client_output(client, &size));
}

static void open_connection(void)
{
    expect_event(RENDEZVOUS_CONNECT);
    rendezvous_client_connected(client, now);
    expect_sent("{\"type\":\"open\",\"v\":1}");
    receive(WELCOME);
}

static void log_in(void)
{
    size_t size;
    rendezvous_client_start(client, now);
    open_connection();
    assert_non_null(rendezvous_client_output(client, &size));
    receive(REGISTERED("r1", "false"));
    expect_event(RENDEZVOUS_REGISTERED);
    expect_silence();
}

/* ---- coming ---------------------------------------------------------------------------------- */

static void proves_itself(void **state)
{
    (void)state;
    rendezvous_client_start(client, now);
    open_connection();
    /* The proof was computed by another program from docs/rendezvous.md. */
    expect_sent("{\"type\":\"hello\",\"rid\":\"hello\",\"v\":1,\"auth\":\"SHA-256\","
                "\"user\":\"alice\",\"proof\":\"9GyYAihsZX_28gAoQgu-i-tQoe_JjOsAFMnkQDHmqTE\"}");
    expect_silence();
    assert_false(rendezvous_client_registered(client));
    receive(REGISTERED("r1", "false"));
    assert_true(rendezvous_client_registered(client));
    expect_event(RENDEZVOUS_REGISTERED);
    assert_false(event.resumed);
    assert_string_equal(event.message->registered.name, "alice");
    assert_string_equal(event.message->registered.reflexive, "192.0.2.7:1414");
    assert_string_equal(event.message->registered.ice.servers[0].urls[0], "stun:192.0.2.1");
    expect_no_event();
}

static void resumes_by_md5_where_that_is_all(void **state)
{
    (void)state;
    log_in();
    rendezvous_client_disconnected(client, now, "gone");
    expect_event(RENDEZVOUS_LOST);
    assert_string_equal(event.text, "gone");
    pass(2);
    expect_event(RENDEZVOUS_CONNECT);
    rendezvous_client_connected(client, now);
    expect_sent("{\"type\":\"open\",\"v\":1}");
    receive("{\"type\":\"welcome\",\"v\":1,\"realm\":\"example.org\",\"auth\":[\"MD5\"],"
            "\"nonce\":\"abc123\",\"ping\":25}");
    expect_sent("{\"type\":\"hello\",\"rid\":\"hello\",\"v\":1,\"auth\":\"MD5\",\"user\":\"alice\","
                "\"proof\":\"KkFdrqKv27jV3ymCQvCH0P-f8j7Hg36qfb4m5p94e8E\",\"resume\":\"r1\"}");
}

static void needs_a_way_to_prove_itself(void **state)
{
    (void)state;
    rendezvous_client_start(client, now);
    expect_event(RENDEZVOUS_CONNECT);
    rendezvous_client_connected(client, now);
    receive("{\"type\":\"welcome\",\"v\":1,\"realm\":\"r\",\"auth\":[\"token\"],\"nonce\":\"n\","
            "\"ping\":25}");
    expect_event(RENDEZVOUS_REFUSED);
    assert_int_equal(event.code, SIGNAL_UNAUTHORIZED);
    expect_event(RENDEZVOUS_DISCONNECT);
    expect_no_event();
    assert_int_equal(rendezvous_client_due(client).us, MONOTIME_NEVER.us);
}

static void does_not_come_back_when_refused(void **state)
{
    size_t size;
    (void)state;
    rendezvous_client_start(client, now);
    open_connection();
    assert_non_null(rendezvous_client_output(client, &size));
    receive("{\"type\":\"error\",\"rid\":\"hello\",\"code\":\"unauthorized\",\"message\":\"x\"}");
    expect_event(RENDEZVOUS_REFUSED);
    assert_int_equal(event.code, SIGNAL_UNAUTHORIZED);
    assert_string_equal(event.text, signal_code_words(SIGNAL_UNAUTHORIZED));
    expect_event(RENDEZVOUS_DISCONNECT);
    rendezvous_client_disconnected(client, now, "closed");
    pass(3600);
    expect_no_event();
}

static void comes_back_when_told(void **state)
{
    size_t size;
    (void)state;
    rendezvous_client_start(client, now);
    open_connection();
    assert_non_null(rendezvous_client_output(client, &size));
    receive("{\"type\":\"error\",\"rid\":\"hello\",\"code\":\"full\",\"message\":\"x\","
            "\"retry_after\":20}");
    expect_event(RENDEZVOUS_DISCONNECT);
    expect_event(RENDEZVOUS_LOST);
    assert_true(event.wait_ms >= 20000 && event.wait_ms < 21000);
    pass(19);
    expect_no_event();
    pass(2);
    expect_event(RENDEZVOUS_CONNECT);
}

static void waits_longer_each_time(void **state)
{
    uint32_t least = 0;
    (void)state;
    rendezvous_client_start(client, now);
    for (int attempt = 0; attempt < 12; attempt++) {
        expect_event(RENDEZVOUS_CONNECT);
        rendezvous_client_disconnected(client, now, "connection refused");
        expect_event(RENDEZVOUS_LOST);
        assert_string_equal(event.text, "connection refused");
        assert_true(event.wait_ms >= least && event.wait_ms <= 30000);
        least = event.wait_ms > 30000 / 2 ? 30000 / 2 : event.wait_ms / 2;
        pass(31);
    }
    assert_int_equal(least, 15000);
}

static void something_else_answers(void **state)
{
    (void)state;
    rendezvous_client_start(client, now);
    expect_event(RENDEZVOUS_CONNECT);
    rendezvous_client_connected(client, now);
    receive("220 mail.example.org ESMTP");
    expect_event(RENDEZVOUS_REFUSED);
    assert_int_equal(rendezvous_client_counters(client)->bad, 1);
}

static void nothing_answers(void **state)
{
    (void)state;
    rendezvous_client_start(client, now);
    expect_event(RENDEZVOUS_CONNECT);
    rendezvous_client_connected(client, now);
    pass(9);
    expect_no_event();
    pass(2);
    expect_event(RENDEZVOUS_DISCONNECT);
    expect_event(RENDEZVOUS_LOST);
}

/* ---- staying --------------------------------------------------------------------------------- */

static void answers_pings(void **state)
{
    (void)state;
    log_in();
    receive("{\"type\":\"ping\"}");
    expect_sent("{\"type\":\"pong\"}");
    receive("{\"type\":\"ping\",\"rid\":\"7\"}");
    expect_sent("{\"type\":\"pong\",\"rid\":\"7\"}");
    expect_silence();
}

static void notices_a_dead_service(void **state)
{
    (void)state;
    log_in();
    pass(36);
    expect_silence();
    pass(2);
    expect_sent("{\"type\":\"ping\"}");
    receive("{\"type\":\"pong\"}");
    pass(37);
    expect_silence();
    pass(1);
    expect_sent("{\"type\":\"ping\"}");
    pass(11);
    expect_event(RENDEZVOUS_DISCONNECT);
    expect_event(RENDEZVOUS_LOST);
}

static void notices_a_changed_network(void **state)
{
    (void)state;
    log_in();
    rendezvous_client_probe(client, now);
    expect_sent("{\"type\":\"ping\"}");
    rendezvous_client_probe(client, now);
    expect_silence();
    pass(2);
    expect_no_event();
    pass(2);
    expect_event(RENDEZVOUS_DISCONNECT);
    expect_event(RENDEZVOUS_LOST);
}

static void asks_for_new_credentials(void **state)
{
    (void)state;
    log_in();
    for (int64_t at = 0; at < 2690; at += 30) {
        pass(30);
        receive("{\"type\":\"ping\"}");
        expect_sent("{\"type\":\"pong\"}");
    }
    pass(30);
    expect_sent("{\"type\":\"turn\",\"rid\":\"turn\"}");
    receive("{\"type\":\"turn\",\"rid\":\"turn\",\"iceServers\":[{\"urls\":[\"turn:h\"],"
            "\"username\":\"u\",\"credential\":\"c\"}],\"ttl\":3600}");
    expect_event(RENDEZVOUS_SERVERS);
    assert_string_equal(event.message->turn.ice.servers[0].credential, "c");
    expect_silence();
}

static void does_not_fight_its_twin(void **state)
{
    (void)state;
    log_in();
    receive("{\"type\":\"error\",\"code\":\"replaced\",\"message\":\"x\"}");
    expect_event(RENDEZVOUS_REFUSED);
    assert_int_equal(event.code, SIGNAL_REPLACED);
    expect_event(RENDEZVOUS_DISCONNECT);
    expect_no_event();
}

static void counts_nonsense(void **state)
{
    (void)state;
    log_in();
    receive("{\"type\":\"accept\",\"call\":\"unknown\"}");
    receive("[]");
    receive("{\"type\":\"welcome\"}");
    receive(WELCOME);
    expect_no_event();
    assert_int_equal(rendezvous_client_counters(client)->bad, 2);
    assert_int_equal(rendezvous_client_counters(client)->strange, 2);
    assert_true(rendezvous_client_registered(client));
}

/* ---- calls ----------------------------------------------------------------------------------- */

static const struct signal_candidate candidate = {
    .candidate = "candidate:1 1 udp 1 192.0.2.1 1 typ host", .sdp_mid = "0", .sdp_mline_index = 0};

static uint32_t call_bob(void)
{
    uint32_t call = rendezvous_client_call(client, now, "bob", "v=0");
    assert_int_not_equal(call, 0);
    expect_sent("{\"type\":\"call\",\"rid\":\"1\",\"to\":\"bob\",\"description\":{\"type\":"
                "\"offer\",\"sdp\":\"v=0\"}}");
    return call;
}

static void calls(void **state)
{
    (void)state;
    log_in();
    uint32_t call = call_bob();
    rendezvous_client_candidate(client, now, call, &candidate);
    expect_silence(); /* the call has no id yet */
    receive("{\"type\":\"ok\",\"rid\":\"1\",\"call\":\"c1\"}");
    expect_event(RENDEZVOUS_CALLING);
    assert_int_equal(event.call, call);
    expect_sent(
        "{\"type\":\"candidate\",\"rid\":\"2\",\"call\":\"c1\",\"candidate\":{\"candidate\":"
        "\"candidate:1 1 udp 1 192.0.2.1 1 typ host\",\"sdpMid\":\"0\",\"sdpMLineIndex\":0}}");
    receive("{\"type\":\"ringing\",\"call\":\"c1\"}");
    expect_event(RENDEZVOUS_RINGING);
    receive("{\"type\":\"accept\",\"call\":\"c1\",\"description\":{\"type\":\"answer\",\"sdp\":\"v="
            "0 b\"}}");
    expect_event(RENDEZVOUS_ACCEPTED);
    assert_string_equal(event.message->accept.description.sdp, "v=0 b");
    receive("{\"type\":\"candidate\",\"call\":\"c1\",\"candidate\":null}");
    expect_event(RENDEZVOUS_CANDIDATE);
    assert_int_equal(event.call, call);
    rendezvous_client_report(client, now, call, "direct", 31.5, -1);
    expect_sent(
        "{\"type\":\"report\",\"rid\":\"3\",\"call\":\"c1\",\"path\":\"direct\",\"ms\":31.500}");
    rendezvous_client_bye(client, now, call, "done");
    expect_sent("{\"type\":\"bye\",\"rid\":\"4\",\"call\":\"c1\",\"reason\":\"done\"}");
    assert_false(rendezvous_client_idle(client));
    for (unsigned rid = 2; rid <= 4; rid++) {
        char ok[64];
        snprintf(ok, sizeof ok, "{\"type\":\"ok\",\"rid\":\"%u\"}", rid);
        receive(ok);
    }
    assert_true(rendezvous_client_idle(client));
    receive("{\"type\":\"bye\",\"call\":\"c1\"}");
    expect_no_event();
}

static void calls_nobody(void **state)
{
    (void)state;
    log_in();
    uint32_t call = call_bob();
    receive("{\"type\":\"error\",\"rid\":\"1\",\"code\":\"unavailable\",\"message\":\"x\"}");
    expect_event(RENDEZVOUS_CALL_ENDED);
    assert_int_equal(event.call, call);
    assert_int_equal(event.ended, RENDEZVOUS_END_REFUSED);
    assert_int_equal(event.code, SIGNAL_UNAVAILABLE);
    rendezvous_client_candidate(client, now, call, &candidate);
    expect_silence();
}

static void hangs_up_before_the_call_has_an_id(void **state)
{
    (void)state;
    log_in();
    rendezvous_client_bye(client, now, call_bob(), NULL);
    expect_silence();
    receive("{\"type\":\"ok\",\"rid\":\"1\",\"call\":\"c1\"}");
    expect_sent("{\"type\":\"bye\",\"rid\":\"2\",\"call\":\"c1\"}");
    expect_no_event();
}

static void is_called(void **state)
{
    (void)state;
    log_in();
    receive("{\"type\":\"incoming\",\"call\":\"c9\",\"from\":\"bob\",\"description\":{\"type\":"
            "\"offer\",\"sdp\":\"v=0\"}}");
    expect_event(RENDEZVOUS_INCOMING);
    assert_string_equal(event.message->incoming.from, "bob");
    uint32_t call = event.call;
    receive("{\"type\":\"incoming\",\"call\":\"c9\",\"from\":\"bob\"}");
    expect_no_event(); /* it knows that one */
    rendezvous_client_ringing(client, now, call);
    expect_sent("{\"type\":\"ringing\",\"rid\":\"1\",\"call\":\"c9\"}");
    rendezvous_client_accept(client, now, call, "v=0 a");
    expect_sent("{\"type\":\"accept\",\"rid\":\"2\",\"call\":\"c9\",\"description\":{\"type\":"
                "\"answer\",\"sdp\":\"v=0 a\"}}");
    receive("{\"type\":\"ok\",\"rid\":\"1\"}");
    expect_no_event();
    receive("{\"type\":\"ok\",\"rid\":\"2\"}");
    expect_event(RENDEZVOUS_ANSWERED);
    assert_int_equal(event.call, call);
    receive("{\"type\":\"bye\",\"call\":\"c9\",\"reason\":\"gone\"}");
    expect_event(RENDEZVOUS_CALL_ENDED);
    assert_int_equal(event.ended, RENDEZVOUS_END_BYE);
    assert_string_equal(event.text, "gone");
}

static void takes_no_more_than_it_can(void **state)
{
    char text[128];
    (void)state;
    log_in();
    for (int i = 0; i < RENDEZVOUS_CALLS_MAX; i++) {
        snprintf(text, sizeof text, "{\"type\":\"incoming\",\"call\":\"c%d\",\"from\":\"bob\"}", i);
        receive(text);
        expect_event(RENDEZVOUS_INCOMING);
    }
    receive("{\"type\":\"incoming\",\"call\":\"more\",\"from\":\"bob\"}");
    expect_no_event();
    expect_sent("{\"type\":\"reject\",\"rid\":\"1\",\"call\":\"more\",\"reason\":\"busy\"}");
    assert_int_equal(rendezvous_client_call(client, now, "bob", NULL), 0);
}

/* ---- a connection that breaks in mid-call ------------------------------------------------------
 */

static void break_and_come_back(const char *registered)
{
    size_t size;
    rendezvous_client_disconnected(client, now, "reset");
    expect_event(RENDEZVOUS_LOST);
    pass(2);
    open_connection();
    assert_non_null(rendezvous_client_output(client, &size));
    receive(registered);
}

static uint32_t call_and_say_two_things(void)
{
    uint32_t call = call_bob();
    receive("{\"type\":\"ok\",\"rid\":\"1\",\"call\":\"c1\"}");
    expect_event(RENDEZVOUS_CALLING);
    rendezvous_client_ringing(client, now, call);
    rendezvous_client_describe(client, now, call, "offer", "v=0");
    expect_sent("{\"type\":\"ringing\",\"rid\":\"2\",\"call\":\"c1\"}");
    expect_sent("{\"type\":\"description\",\"rid\":\"3\",\"call\":\"c1\",\"description\":{\"type\":"
                "\"offer\",\"sdp\":\"v=0\"}}");
    receive("{\"type\":\"ok\",\"rid\":\"2\"}");
    return call;
}

static void says_again_what_was_not_acknowledged(void **state)
{
    (void)state;
    log_in();
    uint32_t call = call_and_say_two_things();
    break_and_come_back(REGISTERED("r2", "true"));
    expect_event(RENDEZVOUS_REGISTERED);
    assert_true(event.resumed);
    expect_sent("{\"type\":\"description\",\"rid\":\"3\",\"call\":\"c1\",\"description\":{\"type\":"
                "\"offer\",\"sdp\":\"v=0\"}}");
    expect_silence();
    receive("{\"type\":\"ok\",\"rid\":\"3\"}");
    rendezvous_client_bye(client, now, call, NULL);
    expect_sent("{\"type\":\"bye\",\"rid\":\"4\",\"call\":\"c1\"}");
}

static void forgets_calls_that_the_service_forgot(void **state)
{
    (void)state;
    log_in();
    uint32_t call = call_and_say_two_things();
    break_and_come_back(REGISTERED("r2", "false"));
    expect_event(RENDEZVOUS_CALL_ENDED);
    assert_int_equal(event.call, call);
    assert_int_equal(event.ended, RENDEZVOUS_END_LOST);
    expect_event(RENDEZVOUS_REGISTERED);
    expect_silence();
}

static void bounds_what_waits(void **state)
{
    (void)state;
    log_in();
    uint32_t call = call_bob();
    receive("{\"type\":\"ok\",\"rid\":\"1\",\"call\":\"c1\"}");
    rendezvous_client_disconnected(client, now, "reset");
    for (int i = 0; i < RENDEZVOUS_MESSAGES_MAX + 10; i++) {
        rendezvous_client_candidate(client, now, call, &candidate);
    }
    assert_int_equal(rendezvous_client_counters(client)->overflowing, 10);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(proves_itself),
        TEST(resumes_by_md5_where_that_is_all),
        TEST(needs_a_way_to_prove_itself),
        TEST(does_not_come_back_when_refused),
        TEST(comes_back_when_told),
        TEST(waits_longer_each_time),
        TEST(something_else_answers),
        TEST(nothing_answers),
        TEST(answers_pings),
        TEST(notices_a_dead_service),
        TEST(notices_a_changed_network),
        TEST(asks_for_new_credentials),
        TEST(does_not_fight_its_twin),
        TEST(counts_nonsense),
        TEST(calls),
        TEST(calls_nobody),
        TEST(hangs_up_before_the_call_has_an_id),
        TEST(is_called),
        TEST(takes_no_more_than_it_can),
        TEST(says_again_what_was_not_acknowledged),
        TEST(forgets_calls_that_the_service_forgot),
        TEST(bounds_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

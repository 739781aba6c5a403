/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may offer when: by hand, and two machines that offer at random over a slow service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/negotiation.h"
#include "tests/unit/seeded.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct monotime start = {1000000};

static struct session_fingerprint fingerprint(const char *algorithm, uint8_t first)
{
    struct session_fingerprint out = {.size = 32};
    snprintf(out.algorithm, sizeof out.algorithm, "%s", algorithm);
    out.bytes[0] = first;
    return out;
}

static struct session_description description(const char *ufrag)
{
    struct session_description out = {.fingerprint_count = 1};
    snprintf(out.ufrag, sizeof out.ufrag, "%s", ufrag);
    snprintf(out.password, sizeof out.password, "password-of-%s", ufrag);
    out.fingerprints[0] = fingerprint("sha-256", 7);
    return out;
}

static enum negotiation_verdict offers(struct negotiation *to, const char *ufrag)
{
    struct session_description told = description(ufrag);
    return negotiation_take(to, start, true, &told);
}

static enum negotiation_verdict answers(struct negotiation *to, const char *ufrag)
{
    struct session_description told = description(ufrag);
    return negotiation_take(to, start, false, &told);
}

static struct negotiation in_call(bool caller)
{
    struct negotiation out;
    negotiation_init(&out, caller);
    if (caller) {
        negotiation_offer(&out, start);
        assert_int_equal(answers(&out, "peer"), NEGOTIATION_FIRST);
    } else {
        assert_int_equal(offers(&out, "peer"), NEGOTIATION_FIRST);
    }
    return out;
}

/* ---- by hand ----------------------------------------------------------------------------------
 */

static void test_the_first_exchange(void **state)
{
    struct negotiation caller, callee;
    (void)state;
    negotiation_init(&caller, true);
    negotiation_init(&callee, false);
    assert_false(negotiation_may_offer(&callee, start));
    assert_int_equal(answers(&callee, "none"), NEGOTIATION_STRAY);
    negotiation_offer(&caller, start);
    assert_int_equal(offers(&callee, "caller"), NEGOTIATION_FIRST);
    assert_int_equal(answers(&caller, "callee"), NEGOTIATION_FIRST);
    assert_true(negotiation_may_offer(&caller, start));
    assert_true(negotiation_may_offer(&callee, start));
}

static void test_either_side_restarts(void **state)
{
    (void)state;
    for (int caller = 0; caller < 2; caller++) {
        struct negotiation side = in_call(caller);
        assert_int_equal(offers(&side, "new"), NEGOTIATION_RESTART);
        assert_int_equal(answers(&side, "stray"), NEGOTIATION_STRAY);
        negotiation_offer(&side, start);
        assert_false(negotiation_may_offer(&side, start));
        assert_int_equal(answers(&side, "newer"), NEGOTIATION_TAKE);
        assert_true(negotiation_may_offer(&side, start));
    }
}

static void test_the_same_once_more(void **state)
{
    struct negotiation side = in_call(true);
    (void)state;
    assert_int_equal(offers(&side, "peer"), NEGOTIATION_TAKE);
    struct session_description told = description("peer");
    told.password[0] = 'P';
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_RESTART);
}

/* What came over a connection that broke may come again. */
static void test_again_after_a_resume(void **state)
{
    struct negotiation side = in_call(true);
    (void)state;
    assert_int_equal(answers(&side, "peer"), NEGOTIATION_TAKE);
    negotiation_offer(&side, start);
    assert_int_equal(answers(&side, "peer"), NEGOTIATION_TAKE);  /* the old one again */
    assert_int_equal(answers(&side, "peer2"), NEGOTIATION_TAKE); /* the one that counts */
    assert_string_equal(side.ufrag, "peer2");
}

static void test_the_callee_yields(void **state)
{
    struct negotiation caller = in_call(true), callee = in_call(false);
    (void)state;
    negotiation_offer(&caller, start);
    negotiation_offer(&callee, start);
    assert_int_equal(offers(&caller, "callee2"), NEGOTIATION_COLLIDE);
    assert_string_equal(caller.ufrag, "peer");
    assert_int_equal(offers(&callee, "caller2"), NEGOTIATION_TAKE);
    assert_int_equal(answers(&callee, "caller2"), NEGOTIATION_STRAY);
    assert_int_equal(answers(&caller, "callee2"), NEGOTIATION_TAKE);
    assert_true(negotiation_may_offer(&caller, start));
    assert_true(negotiation_may_offer(&callee, start));
}

/* A peer that never answered must not be shut out for ever. */
static void test_patience_ends(void **state)
{
    struct negotiation caller = in_call(true);
    struct session_description told = description("callee2");
    struct monotime late = monotime_add_ms(start, NEGOTIATION_PATIENCE_MS);
    (void)state;
    negotiation_offer(&caller, start);
    assert_int_equal(negotiation_take(&caller, monotime_add_ms(late, -1), true, &told),
                     NEGOTIATION_COLLIDE);
    assert_false(negotiation_may_offer(&caller, monotime_add_ms(late, -1)));
    assert_true(negotiation_may_offer(&caller, late));
    assert_int_equal(negotiation_take(&caller, late, true, &told), NEGOTIATION_TAKE);
}

static void test_the_peer_refuses(void **state)
{
    struct negotiation caller = in_call(true);
    (void)state;
    assert_false(negotiation_refused(&caller));
    negotiation_offer(&caller, start);
    assert_true(negotiation_refused(&caller));
    assert_true(negotiation_may_offer(&caller, start));
    assert_int_equal(offers(&caller, "callee2"), NEGOTIATION_RESTART);
}

static void test_certificates(void **state)
{
    struct negotiation side = in_call(false);
    struct session_description told = description("new");
    (void)state;
    told.fingerprints[0] = fingerprint("sha-256", 8);
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_REFUSE);
    told.fingerprint_count = 0;
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_REFUSE);
    told.fingerprint_count = 1;
    told.fingerprints[0] = fingerprint("sha-512", 7);
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_REFUSE);
    told.fingerprint_count = 2;
    told.fingerprints[1] = fingerprint("sha-256", 9);
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_REFUSE);
    told.fingerprints[0] = fingerprint("sha-256", 7);
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_REFUSE);
    assert_string_equal(side.ufrag, "peer");
    told.fingerprints[1] = fingerprint("sha-512", 9);
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_RESTART);
    told.fingerprint_count = 1;
    assert_int_equal(negotiation_take(&side, start, true, &told), NEGOTIATION_TAKE);

    negotiation_offer(&side, start);
    told.fingerprints[0] = fingerprint("sha-256", 8);
    assert_int_equal(negotiation_take(&side, start, false, &told), NEGOTIATION_REFUSE);
    assert_true(negotiation_may_offer(&side, start));
}

/* ---- two of them ------------------------------------------------------------------------------
 */

#define MESSAGES_MAX 64

struct message {
    struct monotime when;
    bool offer;
    char ufrag[ICE_UFRAG_SIZE];
};

struct side {
    struct negotiation negotiation;
    unsigned generation;
    char ufrag[ICE_UFRAG_SIZE];
    struct message to[MESSAGES_MAX]; /* in order: the service is a connection */
    size_t first, count;
};

static void renew(struct side *side)
{
    snprintf(side->ufrag, sizeof side->ufrag, "%s-%u",
             side->negotiation.polite ? "callee" : "caller", ++side->generation);
}

static void tell(struct side *from, struct side *to, struct monotime when, bool offer)
{
    assert_true(to->count < MESSAGES_MAX);
    struct message *message = &to->to[to->count++];
    struct monotime last = to->count > 1 ? to->to[to->count - 2].when : when;
    *message = (struct message){.when = monotime_before(when, last) ? last : when, .offer = offer};
    snprintf(message->ufrag, sizeof message->ufrag, "%s", from->ufrag);
}

static void offer(struct side *from, struct side *to, struct monotime now, struct monotime when)
{
    negotiation_offer(&from->negotiation, now);
    tell(from, to, when, true);
}

static void hear(struct side *side, struct side *other, struct monotime now, struct monotime when)
{
    const struct message *message = &side->to[side->first++];
    struct session_description told = description(message->ufrag);
    switch (negotiation_take(&side->negotiation, now, message->offer, &told)) {
    case NEGOTIATION_RESTART:
        renew(side);
        break;
    case NEGOTIATION_FIRST:
    case NEGOTIATION_TAKE:
        break;
    default:
        return;
    }
    if (message->offer) {
        tell(side, other, when, false);
    }
}

static struct side *next_to_hear(struct side sides[2])
{
    struct side *next = NULL;
    for (int i = 0; i < 2; i++) {
        struct side *side = &sides[i];
        if (side->first < side->count &&
            (next == NULL ||
             monotime_before(side->to[side->first].when, next->to[next->first].when))) {
            next = side;
        }
    }
    return next;
}

/* As long as an answer comes before patience ends. */
static void agree(uint64_t seed, int64_t delay_max_us)
{
    struct side sides[2] = {0};
    struct monotime now = start;
    uint64_t random = seed;
    int wishes = 6;
    negotiation_init(&sides[0].negotiation, true);
    negotiation_init(&sides[1].negotiation, false);
    renew(&sides[0]);
    renew(&sides[1]);
    offer(&sides[0], &sides[1], now, now);
    for (;;) {
        struct side *side = next_to_hear(sides);
        struct monotime delayed =
            monotime_add_us(now, (int64_t)seeded_below(&random, (uint64_t)delay_max_us));
        if (wishes > 0 && seeded_below(&random, 3) == 0) {
            int who = (int)seeded_below(&random, 2);
            now = monotime_add_us(now, (int64_t)seeded_below(&random, 1000000));
            wishes--;
            if (negotiation_may_offer(&sides[who].negotiation, now)) {
                renew(&sides[who]);
                offer(&sides[who], &sides[1 - who], now, delayed);
            }
        } else if (side != NULL) {
            struct monotime when = side->to[side->first].when;
            now = monotime_before(now, when) ? when : now;
            hear(side, &sides[side == &sides[0]], now, delayed);
        } else if (wishes == 0) {
            break;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (strcmp(sides[i].negotiation.ufrag, sides[1 - i].ufrag) != 0) {
            fail_msg("seed %" PRIu64 ": %s is believed where %s holds", seed,
                     sides[i].negotiation.ufrag, sides[1 - i].ufrag);
        }
        assert_false(sides[i].negotiation.offering);
    }
}

static void test_both_agree_in_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        agree(seed, 2 * MONOTIME_SECOND);
        agree(seed, 7 * MONOTIME_SECOND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_exchange),    cmocka_unit_test(test_either_side_restarts),
        cmocka_unit_test(test_the_same_once_more),    cmocka_unit_test(test_again_after_a_resume),
        cmocka_unit_test(test_the_callee_yields),     cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_the_peer_refuses),      cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_both_agree_in_the_end),
    };
    return cmocka_run_group_tests_name("negotiation", tests, NULL, NULL);
}

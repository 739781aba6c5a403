/* SPDX-License-Identifier: BSD-3-Clause */
/* Users who are kept elsewhere: what is asked, what is remembered, and what strangers learn. */
#include "auth_test.h"

#include "turnserver/auth/lookup.h"
#include "turnserver/auth/rest.h"

#define LIFETIME 10

struct lookup_test {
    struct auth_test base; /* alice/secret is in the policy */
    struct auth_source_traits traits;
    struct challenge challenge;
    const char *secret; /* what the source keeps for the realm, or NULL */
    bool down;          /* the source cannot be asked */
    unsigned questions; /* that it was asked */
    uint64_t digests;   /* of the last judgement, without those before an answer came */
    bool bob_is_gone;
};

static void open_test(struct lookup_test *test, const char *secret)
{
    *test = (struct lookup_test){.traits = {.md5 = true,
                                            .sha256 = true,
                                            .userhash = true,
                                            .secrets = secret != NULL,
                                            .lifetime_s = LIFETIME},
                                 .secret = secret};
    auth_test_open(&test->base, NULL, NULL);
    auth_policy_set_source(test->base.policy, &test->traits);
    test->challenge = ask_challenge(&test->base, NOW_SECONDS, CLIENT);
}

static enum auth_outcome check(struct lookup_test *test, int64_t at, const uint8_t *bytes,
                               size_t size, struct auth_answer *answer)
{
    struct flow flow = flow_from(CLIENT);
    struct stun_view view;
    uint64_t before = auth_digest_count(test->base.auth);

    assert_int_equal(stun_view_parse(&view, bytes, size), STUN_OK);
    auth_check(test->base.auth, seconds(at), &flow, &view, NULL, answer);
    test->digests = auth_digest_count(test->base.auth) - before;
    return answer->outcome;
}

/* The source: it knows bob/word. */
static void find_bob(struct lookup_test *test, const struct auth_question *question,
                     struct auth_finding *finding)
{
    uint8_t userhash[STUN_SHA256_SIZE];
    struct stun_key key;

    assert_int_equal(stun_userhash(test->base.crypto, "bob", REALM, userhash), STUN_OK);
    bool meant = question->kind == AUTH_QUESTION_NAME
                     ? strcmp(question->name, "bob") == 0
                     : memcmp(question->userhash, userhash, sizeof userhash) == 0;
    finding->status = meant && !test->bob_is_gone ? AUTH_FOUND : AUTH_ABSENT;
    strcpy(finding->name, "bob");
    stun_key_long_term(test->base.crypto, &key, STUN_PASSWORD_MD5, "bob", REALM, "word");
    memcpy(finding->md5_key, key.bytes, 16);
    stun_key_long_term(test->base.crypto, &key, STUN_PASSWORD_SHA256, "bob", REALM, "word");
    memcpy(finding->sha256_key, key.bytes, 32);
    finding->has_md5 = finding->has_sha256 = true;
}

static void answer_all(struct lookup_test *test, int64_t at)
{
    struct auth_question question;

    while (auth_next_question(test->base.auth, &question)) {
        struct auth_finding *finding = auth_finding_new(question.id);
        test->questions++;
        assert_string_equal(question.realm, REALM);
        if (test->down) {
            finding->status = AUTH_FAILED;
        } else if (question.kind == AUTH_QUESTION_SECRETS) {
            finding->status = AUTH_FOUND;
            finding->secret_count = 1;
            strcpy(finding->secrets[0], test->secret);
        } else {
            find_bob(test, &question, finding);
        }
        auth_answer_lookup(test->base.auth, seconds(at), finding);
        auth_finding_free(finding);
    }
}

/* As the machine does it: asks again when what it waited for is known. Returns 0 or the code. */
static uint16_t ask_at(struct lookup_test *test, int64_t at, const struct request *request)
{
    uint8_t bytes[2048];
    struct auth_answer answer;
    size_t size = build_request(test->base.crypto, request, bytes, sizeof bytes);

    for (int i = 0; check(test, at, bytes, size, &answer) == AUTH_PENDING; i++) {
        assert_true(i < 3 && answer.lookup != 0);
        answer_all(test, at);
    }
    return answer.outcome == AUTH_ACCEPTED ? 0 : answer.code;
}

static uint16_t ask_old(struct lookup_test *test, int64_t at, const char *name,
                        const char *password)
{
    struct request request = old_request(&test->challenge, name, password);

    return ask_at(test, at, &request);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void test_finds_by_name_and_by_userhash(void **state)
{
    (void)state;
    struct lookup_test test;
    uint8_t userhash[STUN_SHA256_SIZE];

    open_test(&test, NULL);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "bob", "word"), 0);
    assert_int_equal(test.questions, 1);
    struct request request = new_request(&test.challenge, NULL, "word");
    assert_int_equal(stun_userhash(test.base.crypto, "bob", REALM, userhash), STUN_OK);
    request.userhash = userhash;
    request.key_name = "bob";
    uint8_t bytes[2048];
    struct auth_answer answer;
    size_t size = build_request(test.base.crypto, &request, bytes, sizeof bytes);
    assert_int_equal(check(&test, NOW_SECONDS, bytes, size, &answer), AUTH_PENDING);
    answer_all(&test, NOW_SECONDS);
    assert_int_equal(check(&test, NOW_SECONDS, bytes, size, &answer), AUTH_ACCEPTED);
    assert_string_equal(answer.identity.user, "bob");
    assert_int_equal(answer.identity.key.size, 32);
    auth_test_close(&test.base);
}

static void test_asks_for_nobody_whom_it_knows(void **state)
{
    (void)state;
    struct lookup_test test;

    open_test(&test, NULL);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "alice", "secret"), 0);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "alice", "wrong"), 401);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "", "wrong"), 401);
    assert_int_equal(test.questions, 0);
    auth_test_close(&test.base);
}

/* A request whose source address may be forged causes no question, and is told nothing. */
static void test_asks_for_nobody_with_a_foreign_nonce(void **state)
{
    (void)state;
    struct lookup_test test;
    static const struct {
        const char *name, *password;
    } all[] = {
        {"bob", "word"}, {"bob", "wrong"}, {"alice", "secret"}, {"alice", "wrong"}, {"x", "y"}};

    open_test(&test, NULL);
    test.challenge.nonce[20] ^= 1;
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(ask_old(&test, NOW_SECONDS, all[i].name, all[i].password), 438);
        assert_int_equal(test.digests, 1);
    }
    assert_int_equal(test.questions, 0);
    auth_test_close(&test.base);
}

static void test_remembers_both_answers_for_a_while(void **state)
{
    (void)state;
    struct lookup_test test;

    open_test(&test, NULL);
    for (int64_t at = NOW_SECONDS; at < NOW_SECONDS + LIFETIME; at++) {
        assert_int_equal(ask_old(&test, at, "bob", "word"), 0);
        assert_int_equal(ask_old(&test, at, "carol", "word"), 401);
    }
    assert_int_equal(test.questions, 2);
    test.bob_is_gone = true;
    assert_int_equal(ask_old(&test, NOW_SECONDS + LIFETIME, "bob", "word"), 401);
    assert_int_equal(test.questions, 3);
    test.bob_is_gone = false;
    assert_int_equal(ask_old(&test, NOW_SECONDS + 2 * LIFETIME, "bob", "word"), 0);
    auth_test_close(&test.base);
}

static void test_finds_secrets(void **state)
{
    (void)state;
    struct lookup_test test;
    struct auth_digests digests;
    char password[REST_PASSWORD_SIZE];

    open_test(&test, "kept elsewhere");
    assert_true(auth_digests_open(&digests));
    assert_true(
        rest_password(&digests, AUTH_HMAC_SHA1, "kept elsewhere", "1700000000:eve", password));
    auth_digests_close(&digests);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "1700000000:eve", password), 0);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "1700000000:eve", "wrong"), 401);
    assert_int_equal(test.questions, 1); /* time-limited names are not looked up themselves */
    assert_int_equal(ask_old(&test, NOW_SECONDS, "bob", "word"), 0);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "bob", "wrong"), 401);
    assert_int_equal(test.questions, 2);
    auth_test_close(&test.base);
}

/* While the source is down nobody is called unknown, and those of the policy go on. */
static void test_source_down(void **state)
{
    (void)state;
    struct lookup_test test;

    open_test(&test, NULL);
    test.down = true;
    assert_int_equal(ask_old(&test, NOW_SECONDS, "bob", "word"), 500);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "carol", "word"), 500);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "alice", "wrong"), 500);
    assert_int_equal(ask_old(&test, NOW_SECONDS, "alice", "secret"), 0);
    unsigned questions = test.questions;
    assert_int_equal(ask_old(&test, NOW_SECONDS, "bob", "word"), 500);
    assert_int_equal(test.questions, questions); /* not asked again at once … */
    test.down = false;
    assert_int_equal(ask_old(&test, NOW_SECONDS + LOOKUP_FAILURE_S, "bob", "word"), 0);
    assert_int_equal(ask_old(&test, NOW_SECONDS + LOOKUP_FAILURE_S, "alice", "wrong"), 401);
    auth_test_close(&test.base);
}

/* A source that says nothing is one that failed, and its late answer is still taken. */
static void test_silence(void **state)
{
    (void)state;
    struct lookup_test test;
    uint8_t bytes[2048];
    struct auth_answer answer;

    open_test(&test, NULL);
    struct request request = old_request(&test.challenge, "bob", "word");
    size_t size = build_request(test.base.crypto, &request, bytes, sizeof bytes);
    assert_int_equal(check(&test, NOW_SECONDS, bytes, size, &answer), AUTH_PENDING);
    uint64_t first = answer.lookup;
    assert_int_equal(check(&test, NOW_SECONDS + 4, bytes, size, &answer), AUTH_PENDING);
    assert_true(answer.lookup == first);
    assert_int_equal(check(&test, NOW_SECONDS + LOOKUP_PATIENCE_S, bytes, size, &answer),
                     AUTH_REFUSED);
    assert_int_equal(answer.code, 500);
    answer_all(&test, NOW_SECONDS + 9);
    assert_int_equal(test.questions, 1);
    assert_int_equal(check(&test, NOW_SECONDS + 9, bytes, size, &answer), AUTH_ACCEPTED);
    auth_test_close(&test.base);
}

/* Wherever a user is or is not, a refusal has the same code and costs the same digests. */
static void test_refusals_cost_the_same(void **state)
{
    (void)state;
    static const char *const secrets[] = {NULL, "kept elsewhere"};
    static const char *const names[] = {"alice", "bob", "carol", "", "1700000000:eve", "1:eve"};

    for (size_t i = 0; i < COUNT(secrets); i++) {
        struct lookup_test test;
        uint64_t expected = 0;
        open_test(&test, secrets[i]);
        for (size_t j = 0; j < COUNT(names); j++) {
            struct request new = new_request(&test.challenge, names[j], "wrong");
            assert_int_equal(ask_old(&test, NOW_SECONDS, names[j], "wrong"), 401);
            expected = j == 0 ? test.digests : expected;
            assert_int_equal(test.digests, expected);
            assert_int_equal(ask_at(&test, NOW_SECONDS, &new), 401);
            assert_int_equal(test.digests, expected);
        }
        assert_true(expected >= 2);
        auth_test_close(&test.base);
    }
}

static void test_challenge_offers_what_the_source_has(void **state)
{
    (void)state;
    struct lookup_test test;
    static const char both[] = "AAAD", algorithms_only[] = "AAAB";

    open_test(&test, NULL);
    assert_memory_equal(test.challenge.nonce + 9, both, 4);
    assert_int_equal(test.challenge.algorithms_size, 8);
    test.traits.sha256 = test.traits.userhash = false;
    auth_policy_set_source(test.base.policy, &test.traits);
    struct challenge challenge = ask_challenge(&test.base, NOW_SECONDS, CLIENT);
    assert_memory_equal(challenge.nonce + 9, algorithms_only, 4);
    assert_memory_equal(challenge.algorithms, "\0\1\0\0", 4);
    assert_int_equal(challenge.algorithms_size, 4);
    auth_test_close(&test.base);
}

/* ---- bounds -----------------------------------------------------------------------------------
 */

static void number_question(struct auth_question *question, unsigned number)
{
    *question = (struct auth_question){.kind = AUTH_QUESTION_NAME, .realm = REALM};
    snprintf(question->name, sizeof question->name, "user%u", number);
}

static void test_bounds(void **state)
{
    (void)state;
    static struct lookup_table table;
    const struct siphash_key key = {{1, 2}};
    struct auth_question question;
    const struct lookup_entry *entry;

    lookup_table_init(&table, &key);
    for (unsigned i = 0; i < 3 * LOOKUPS_FOUND_MAX; i++) {
        number_question(&question, i);
        assert_int_equal(lookup_table_ask(&table, seconds(1), &question, &entry), LOOKUP_ASKED);
        assert_true(lookup_table_next(&table, &question));
        struct auth_finding finding = {.id = question.id,
                                       .status = i < 10 ? AUTH_FOUND : AUTH_ABSENT};
        assert_true(lookup_table_answer(&table, seconds(1), &finding, 60));
        assert_false(lookup_table_answer(&table, seconds(1), &finding, 60));
    }
    assert_int_equal(table.absent.count, LOOKUPS_ABSENT_MAX);
    /* Those who were found are still there. */
    number_question(&question, 3);
    assert_int_equal(lookup_table_ask(&table, seconds(1), &question, &entry), LOOKUP_FOUND);
    assert_string_equal(entry->user.name, "user3");
    for (unsigned i = 0; i < LOOKUPS_ASKED_MAX; i++) {
        number_question(&question, 100000 + i);
        assert_int_equal(lookup_table_ask(&table, seconds(1), &question, &entry), LOOKUP_ASKED);
    }
    number_question(&question, 99);
    assert_int_equal(lookup_table_ask(&table, seconds(1), &question, &entry), LOOKUP_FULL);
    for (unsigned i = 0; i < LOOKUPS_ASKED_MAX; i++) {
        assert_true(lookup_table_next(&table, &question));
    }
    assert_false(lookup_table_next(&table, &question));
    lookup_table_clear(&table);
}

/* Answers with ids that were never given, or of questions that are over, change nothing. */
static void test_strange_answers(void **state)
{
    (void)state;
    static struct lookup_table table;
    const struct siphash_key key = {{1, 2}};
    static const uint64_t ids[] = {0, 1, 257, UINT64_MAX, UINT64_C(1) << 32, UINT64_C(7) << 32 | 1};

    lookup_table_init(&table, &key);
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct auth_finding finding = {.id = ids[i], .status = AUTH_FOUND};
        assert_false(lookup_table_answer(&table, seconds(1), &finding, 60));
    }
    lookup_table_clear(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_by_name_and_by_userhash),
        cmocka_unit_test(test_asks_for_nobody_whom_it_knows),
        cmocka_unit_test(test_asks_for_nobody_with_a_foreign_nonce),
        cmocka_unit_test(test_remembers_both_answers_for_a_while),
        cmocka_unit_test(test_finds_secrets),
        cmocka_unit_test(test_source_down),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_refusals_cost_the_same),
        cmocka_unit_test(test_challenge_offers_what_the_source_has),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_strange_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

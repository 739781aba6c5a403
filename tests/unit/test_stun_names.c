/* SPDX-License-Identifier: BSD-3-Clause */
#include "stun_test.h"

static void methods(void **state)
{
    (void)state;
    assert_string_equal(stun_method_name(STUN_BINDING), "Binding");
    assert_string_equal(stun_method_name(STUN_CREATE_PERMISSION), "CreatePermission");
    assert_string_equal(stun_method_name(STUN_CONNECTION_ATTEMPT), "ConnectionAttempt");
    assert_string_equal(stun_method_name(0), "unknown");
    assert_string_equal(stun_method_name(0xFFFF), "unknown");
}

static void attributes(void **state)
{
    (void)state;
    int named = 0;

    assert_string_equal(stun_attribute_name(STUN_MAPPED_ADDRESS), "MAPPED-ADDRESS");
    assert_string_equal(stun_attribute_name(STUN_DATA_VALUE), "DATA");
    assert_string_equal(stun_attribute_name(STUN_MESSAGE_INTEGRITY_SHA256),
                        "MESSAGE-INTEGRITY-SHA256");
    assert_string_equal(stun_attribute_name(STUN_MOBILITY_TICKET), "MOBILITY-TICKET");
    assert_string_equal(stun_attribute_name(0x7FFF), "unknown");
    for (unsigned type = 0; type <= 0xFFFF; type++)
        named += strcmp(stun_attribute_name((uint16_t)type), "unknown") != 0;
    assert_int_equal(named, 47); /* as many as enum stun_attribute has */
}

static void reasons(void **state)
{
    (void)state;
    static const uint16_t codes[] = {300, 400, 401, 403, 405, 420, 437, 438, 440,
                                     441, 442, 443, 446, 447, 486, 487, 500, 508};

    for (size_t i = 0; i < COUNT(codes); i++)
        assert_true(strlen(stun_error_reason(codes[i])) > 0);
    assert_string_equal(stun_error_reason(438), "Stale Nonce");
    assert_string_equal(stun_error_reason(699), "");
}

static void statuses(void **state)
{
    (void)state;
    for (int status = STUN_OK; status >= STUN_ERROR_CRYPTO; status--)
        assert_string_not_equal(stun_status_text(status), "unknown");
    assert_string_equal(stun_status_text(STUN_ERROR_CRYPTO - 1), "unknown");
    assert_string_equal(stun_status_text(1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods),
        cmocka_unit_test(attributes),
        cmocka_unit_test(reasons),
        cmocka_unit_test(statuses),
    };
    return cmocka_run_group_tests_name("stun_names", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a ClientHello: views stay inside, a cookie that is not ours is not good, the answer
 * is smaller than what asked for it, and its cookie is good where it stands in the same message.
 */
#include "net/dtls_cookie.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void require_inside(const uint8_t *part, size_t part_size, const uint8_t *data, size_t size)
{
    REQUIRE(part >= data && part_size <= size && part <= data + size - part_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[DTLS_COOKIE_KEY_SIZE] = "a key that no input can know";
    static const struct stun_address client = {STUN_FAMILY_IPV4, 4000, {192, 0, 2, 1}};
    static const struct stun_address server = {STUN_FAMILY_IPV4, 3478, {192, 0, 2, 2}};
    static struct dtls_cookies *cookies;
    struct monotime now = {MONOTIME_SECOND};
    struct dtls_client_hello hello;
    uint8_t answer[DTLS_HELLO_VERIFY_SIZE];

    if (cookies == NULL) {
        cookies = dtls_cookies_new(key);
        REQUIRE(cookies != NULL);
    }
    if (!dtls_client_hello_parse(&hello, data, size)) {
        return 0;
    }
    require_inside(hello.random, DTLS_RANDOM_SIZE, data, size);
    require_inside(hello.cookie, hello.cookie_size, data, size);
    require_inside(hello.before, hello.before_size, data, size);
    require_inside(hello.after, hello.after_size, data, size);
    REQUIRE(!dtls_cookie_is_good(cookies, now, &client, &server, &hello));
    REQUIRE(dtls_cookie_answer(cookies, now, &client, &server, &hello, answer));
    REQUIRE(sizeof answer < size);
    if (hello.cookie_size == DTLS_COOKIE_SIZE) {
        uint8_t *copy = malloc(size);
        memcpy(copy, data, size);
        memcpy(copy + (hello.cookie - data), answer + sizeof answer - DTLS_COOKIE_SIZE,
               DTLS_COOKIE_SIZE);
        REQUIRE(dtls_client_hello_parse(&hello, copy, size));
        REQUIRE(dtls_cookie_is_good(cookies, now, &client, &server, &hello));
        free(copy);
    }
    return 0;
}

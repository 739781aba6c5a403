/* SPDX-License-Identifier: BSD-3-Clause */
/* The first bytes of a TLS client, whole and in two parts. */
#include "tests/fuzz/fuzz.h"

#include "wire/client_hello.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct client_hello hello;
    size_t needed = 0;

    int status = client_hello_parse(&hello, data, size, &needed);
    if (status == -EAGAIN) {
        REQUIRE(needed > size && needed <= CLIENT_HELLO_SIZE_MAX);
    }
    if (status == 0) {
        REQUIRE(memchr(hello.server_name, '\0', sizeof hello.server_name) != NULL);
        (void)client_hello_offers(&hello, "stun.turn");
        REQUIRE(!client_hello_offers(&hello, ""));
    }
    /* A part of it asks for more, unless it is refused at once. */
    int part = client_hello_parse(&hello, data, size / 2, &needed);
    REQUIRE(part != 0 || status == 0);
    REQUIRE(status != 0 || part == 0 || part == -EAGAIN);
    return 0;
}

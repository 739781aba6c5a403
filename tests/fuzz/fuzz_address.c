/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an address: what is read can be written and read again, and is canonical at once. */
#include "base/address.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void require_there_and_back(const struct stun_address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    struct stun_address again;

    REQUIRE(address_ip_size(address) != 0);
    REQUIRE(address_parse(&again, address_format(address, text)));
    REQUIRE(address_equal(address, &again) && address_compare(address, &again) == 0);
    REQUIRE(address_parse_ip(&again, address_format_ip(address, text)));
    REQUIRE(address_equal_ip(address, &again));
    struct stun_address canonical = address_canonical(address);
    again = address_canonical(&canonical);
    REQUIRE(address_equal(&canonical, &again) && canonical.port == address->port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[100];
    struct stun_address address;

    if (size >= sizeof text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (address_parse(&address, text)) {
        require_there_and_back(&address);
    }
    if (address_parse_ip(&address, text)) {
        REQUIRE(address.port == 0);
        require_there_and_back(&address);
    }
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A relay that sends to private addresses is a door into the network where it stands. It is asked
 * for permissions for such addresses; nothing is sent to them.
 */
#include "stunclient/turn_test_internal.h"

#include "base/address.h"

#define ANY_PORT 9
#define WAIT_MS 2000

static const char *const probed[TURN_TEST_PRIVATE_MAX] = {
    "127.0.0.1",  "10.0.0.1", "172.16.0.1",      "192.168.0.1",
    "100.64.0.1", "::1",      "169.254.169.254", "fd00::1",
};

/* Peers that hold relays on the same server must be permitted: where a relay stands is no finding.
 */
static bool is_relay(const struct turn_test *test, const struct stun_address *address)
{
    for (unsigned side = NEAR; side <= FAR; side++) {
        if (address_equal_ip(address, &test->sides[side].relayed) ||
            address_equal_ip(address, &test->sides[side].second)) {
            return true;
        }
    }
    return false;
}

static bool has_family(const struct turn_test *test, uint8_t family)
{
    const struct turn_test_side *near = &test->sides[NEAR];
    return near->relayed.family == family || near->second.family == family;
}

static void ask(struct turn_test *test, struct monotime now, const char *text,
                struct outbox *outbox)
{
    struct stun_address address;
    if (!address_parse_ip(&address, text) || !has_family(test, address.family)) {
        return;
    }
    address.port = ANY_PORT;
    if (is_relay(test, &address)) {
        address.ip[address_ip_size(&address) - 1]++;
    }
    if (is_relay(test, &address)) {
        return;
    }
    struct private_peer *peer = &test->private_peers[test->private_count++];
    *peer = (struct private_peer){.address = address};
    peer->answered = turn_client_permit(test->clients[NEAR], now, &address, outbox) != 0;
}

void test_private_begin(struct turn_test *test, struct monotime now, struct outbox *outbox)
{
    test->due = monotime_add_ms(now, WAIT_MS);
    for (unsigned i = 0; i < TURN_TEST_PRIVATE_MAX; i++) {
        ask(test, now, probed[i], outbox);
    }
    if (test->private_count == 0) {
        test->due = now;
    }
}

bool test_private_answered(struct turn_test *test, const struct stun_address *peer, bool permitted)
{
    bool all = true;
    for (size_t i = 0; i < test->private_count; i++) {
        struct private_peer *at = &test->private_peers[i];
        if (address_equal(&at->address, peer)) {
            at->answered = true;
            at->permitted = permitted;
        }
        all = all && at->answered;
    }
    return all;
}

size_t turn_test_private(const struct turn_test *test,
                         struct stun_address out[TURN_TEST_PRIVATE_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < test->private_count; i++) {
        if (test->private_peers[i].permitted) {
            out[count++] = test->private_peers[i].address;
        }
    }
    return count;
}

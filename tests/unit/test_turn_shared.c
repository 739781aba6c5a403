/* SPDX-License-Identifier: BSD-3-Clause */
/* Few ports for many allocations: who hears which peer, and what is refused. */
#include "tests/unit/turn_test.h"

#include "turnserver/turn/shared_port.h"
#include "turnserver/turn/turn_internal.h"

struct sharing {
    struct shell *shell;
    struct shell_client clients[6];
    struct stun_address relayed[6];
};

static int set_up_sharing(void **state)
{
    struct sharing *sharing = calloc(1, sizeof *sharing);

    sharing->shell = shell_new(3);
    sharing->shell->shared_ports = 2;
    shell_start(sharing->shell, NULL);
    for (uint16_t i = 0; i < 6; i++) {
        struct flow flow = shell_flow_udp("198.51.100.9:40000");

        flow.remote.port = (uint16_t)(40000 + i);
        client_init(&sharing->clients[i], sharing->shell, &flow, i % 2 ? "bob" : "alice", "secret");
        assert_int_equal(client_allocate(&sharing->clients[i], &sharing->relayed[i]), 0);
    }
    shell_clear(sharing->shell);
    *state = sharing;
    return 0;
}

static int tear_down_sharing(void **state)
{
    struct sharing *sharing = *state;

    shell_free(sharing->shell); /* asserts that every port was closed */
    free(sharing);
    return 0;
}

/* Whose datagram from `peer` at that relayed address is: the client's number, or -1. */
static int owner(struct sharing *sharing, const struct stun_address *relayed,
                 const struct stun_address *peer)
{
    const struct shell_sent *sent;
    int found = -1;

    shell_clear(sharing->shell);
    shell_relayed(sharing->shell, relayed, peer, "data", 4);
    sent = shell_take(sharing->shell);
    if (sent != NULL) {
        found = sent->flow.remote.port - 40000;
    }
    shell_clear(sharing->shell);
    return found;
}

static void two_ports_serve_all(void **state)
{
    struct sharing *sharing = *state;

    assert_int_equal(sharing->shell->open_count, 2);
    assert_int_equal(turn_server_counters(sharing->shell->server)->allocations_now, 6);
    assert_true(sharing->relayed[0].port != sharing->relayed[1].port);
    for (unsigned i = 2; i < 6; i++) { /* evenly */
        assert_true(sharing->relayed[i].port == sharing->relayed[0].port ||
                    sharing->relayed[i].port == sharing->relayed[1].port);
    }
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(client_refresh(&sharing->clients[i], 0), 0);
    }
    assert_int_equal(sharing->shell->open_count, 0);
}

/* The number of another client on the same port. */
static unsigned neighbour(const struct sharing *sharing, unsigned of)
{
    for (unsigned i = 0;; i++) {
        assert_in_range(i, 0, 5);
        if (i != of && sharing->relayed[i].port == sharing->relayed[of].port) {
            return i;
        }
    }
}

static void peers_tell_them_apart(void **state)
{
    struct sharing *sharing = *state;
    struct stun_address one = test_address("203.0.113.5:7000");
    struct stun_address two = test_address("203.0.113.6:7000");
    unsigned other = neighbour(sharing, 0);

    assert_int_equal(client_permit(&sharing->clients[0], &one), 0);
    assert_int_equal(client_bind(&sharing->clients[other], 0x4000, &two), 0);
    assert_int_equal(owner(sharing, &sharing->relayed[0], &one), 0);
    assert_int_equal(owner(sharing, &sharing->relayed[0], &two), (int)other);
    one.port = 9; /* a permission is for an IP */
    assert_int_equal(owner(sharing, &sharing->relayed[0], &one), 0);
    two = test_address("203.0.113.7:7000");
    assert_int_equal(owner(sharing, &sharing->relayed[0], &two), -1);
}

static void what_would_be_ambiguous_is_refused(void **state)
{
    struct sharing *sharing = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    unsigned other = neighbour(sharing, 0);
    struct turn_event event;
    unsigned reports = 0;

    assert_int_equal(client_permit(&sharing->clients[0], &peer), 0);
    assert_int_equal(client_permit(&sharing->clients[0], &peer), 0); /* its own */
    assert_int_equal(client_permit(&sharing->clients[other], &peer), 508);
    assert_int_equal(client_bind(&sharing->clients[other], 0x4000, &peer), 508);
    while (turn_server_event(sharing->shell->server, &event)) {
        reports += event.type == TURN_PEER_AMBIGUOUS && address_equal(&event.peer, &peer);
    }
    assert_int_equal(reports, 1); /* once an allocation */
    assert_int_equal(owner(sharing, &sharing->relayed[0], &peer), 0);
    /* the refused one cannot send to it either */
    shell_clear(sharing->shell);
    client_send_indication(&sharing->clients[other], &peer, "x", 1);
    assert_int_equal(shell_pending(sharing->shell), 0);
    /* on the other port it is free */
    for (unsigned i = 0; i < 6; i++) {
        if (sharing->relayed[i].port != sharing->relayed[0].port) {
            assert_int_equal(client_permit(&sharing->clients[i], &peer), 0);
            assert_int_equal(owner(sharing, &sharing->relayed[i], &peer), (int)i);
            break;
        }
    }
}

static void a_peer_is_free_again(void **state)
{
    struct sharing *sharing = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    unsigned other = neighbour(sharing, 0);

    assert_int_equal(client_permit(&sharing->clients[0], &peer), 0);
    shell_advance_ms(sharing->shell, 300000); /* when the permission has expired */
    assert_int_equal(client_permit(&sharing->clients[other], &peer), 0);
    assert_int_equal(owner(sharing, &sharing->relayed[0], &peer), (int)other);
    assert_int_equal(client_permit(&sharing->clients[0], &peer), 508);
    assert_int_equal(client_refresh(&sharing->clients[other], 0), 0); /* when its holder has gone */
    assert_int_equal(owner(sharing, &sharing->relayed[0], &peer), -1);
    assert_int_equal(client_permit(&sharing->clients[0], &peer), 0);
    assert_int_equal(owner(sharing, &sharing->relayed[0], &peer), 0);
}

/* What is claimed by requests that are then refused does not pile up, and binds nobody. */
static void claims_for_nothing_are_given_up(void **state)
{
    struct sharing *sharing = *state;
    struct stun_address kept = test_address("203.0.113.5:7000");
    struct stun_address peer = test_address("203.0.113.1:7000");
    unsigned other = neighbour(sharing, 0);
    const struct shared_port *shared;

    sharing->shell->policy.permissions_per_allocation = 20;
    assert_int_equal(client_bind(&sharing->clients[0], 0x4000, &kept), 0);
    for (unsigned i = 0; i < 500; i++) {
        peer.ip[2] = (uint8_t)(i >> 8);
        peer.ip[3] = (uint8_t)i;
        assert_int_equal(client_bind(&sharing->clients[0], 0x4000, &peer),
                         address_equal(&peer, &kept) ? 0 : 400);
    }
    for (shared = sharing->shell->server->shared; shared != NULL; shared = shared->next) {
        assert_in_range(shared->claims.count, 0, 50);
    }
    assert_int_equal(owner(sharing, &sharing->relayed[0], &kept), 0);
    assert_int_equal(client_permit(&sharing->clients[other], &kept), 508);
    assert_int_equal(client_permit(&sharing->clients[other], &peer), 0);
}

static void even_ports_are_refused(void **state)
{
    struct sharing *sharing = *state;
    struct shell_client *client = &sharing->clients[0];
    struct stun_view answer;

    assert_int_equal(client_refresh(client, 0), 0);
    for (unsigned even = 0; even < 2; even++) {
        client_begin(client, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_u8(&client->builder, STUN_EVEN_PORT, even ? 0x80 : 0);
        assert_int_equal(client_ask(client, &answer), 508);
    }
}

static void dual_allocations_share_both(void **state)
{
    struct sharing *sharing = *state;
    struct stun_address peer = test_address("[2001:db8:1::5]:7000");
    struct stun_view answer;

    for (unsigned i = 0; i < 6; i++) {
        struct shell_client *client = &sharing->clients[i];

        assert_int_equal(client_refresh(client, 0), 0);
        client_begin(client, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_u8_reserved(&client->builder, STUN_ADDITIONAL_ADDRESS_FAMILY, 2);
        assert_int_equal(client_ask(client, &answer), 0);
    }
    assert_int_equal(sharing->shell->open_count, 4);
    assert_int_equal(client_permit(&sharing->clients[0], &peer), 0);
}

static void thousands_come_and_go(void **state)
{
    struct sharing *sharing = *state;
    struct stun_address peer = test_address("203.0.113.1:7000");

    for (unsigned i = 0; i < 3000; i++) {
        struct shell_client *client = &sharing->clients[i % 6];

        peer.ip[3] = (uint8_t)(1 + i % 251);
        assert_int_equal(client_refresh(client, 0), 0);
        assert_int_equal(client_allocate(client, &sharing->relayed[i % 6]), 0);
        assert_int_equal(client_permit(client, &peer), 0);
        assert_int_equal(owner(sharing, &sharing->relayed[i % 6], &peer), (int)(i % 6));
    }
    assert_in_range(sharing->shell->open_count, 1, 2);
}

#define SHARING(test) cmocka_unit_test_setup_teardown(test, set_up_sharing, tear_down_sharing)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SHARING(two_ports_serve_all),
        SHARING(peers_tell_them_apart),
        SHARING(what_would_be_ambiguous_is_refused),
        SHARING(a_peer_is_free_again),
        SHARING(claims_for_nothing_are_given_up),
        SHARING(even_ports_are_refused),
        SHARING(dual_allocations_share_both),
        SHARING(thousands_come_and_go),
    };

    (void)set_up;
    (void)tear_down;
    return cmocka_run_group_tests_name("shared ports", tests, NULL, NULL);
}

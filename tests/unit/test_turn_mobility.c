/* SPDX-License-Identifier: BSD-3-Clause */
/* Mobility: RFC 8016, at one worker and from one to another. */
#include "tests/unit/raw_message.h"
#include "tests/unit/turn_test.h"

#include <errno.h>

struct ticket {
    uint8_t bytes[TURN_TICKET_SIZE];
};

static struct ticket ticket_of(const struct stun_view *answer)
{
    const struct stun_attribute_view *found = stun_view_find(answer, STUN_MOBILITY_TICKET);
    struct ticket ticket;

    assert_non_null(found);
    assert_int_equal(found->size, sizeof ticket.bytes);
    memcpy(ticket.bytes, found->value, sizeof ticket.bytes);
    return ticket;
}

static struct ticket allocate(struct shell_client *client, struct stun_address *relayed)
{
    struct stun_view answer;

    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, 17);
    stun_builder_put_flag(&client->builder, STUN_MOBILITY_TICKET);
    assert_int_equal(client_ask(client, &answer), 0);
    assert_int_equal(stun_view_xor_address(&answer, STUN_XOR_RELAYED_ADDRESS, relayed), STUN_OK);
    return ticket_of(&answer);
}

static void begin_move(struct shell_client *client, const struct ticket *ticket,
                       uint32_t lifetime_s)
{
    client_begin(client, STUN_REFRESH);
    stun_builder_put_u32(&client->builder, STUN_LIFETIME, lifetime_s);
    stun_builder_put_bytes(&client->builder, STUN_MOBILITY_TICKET, ticket->bytes,
                           sizeof ticket->bytes);
}

/* Returns the error code; a success fills in the next ticket. */
static int move(struct shell_client *client, struct ticket *ticket)
{
    struct stun_view answer;
    int code;

    begin_move(client, ticket, 600);
    code = client_ask(client, &answer);
    if (code == 0) {
        *ticket = ticket_of(&answer);
    }
    return code;
}

static struct shell_client client_at(struct shell *shell, const char *address, const char *user)
{
    struct flow flow = shell_flow_udp(address);
    struct shell_client client;

    client_init(&client, shell, &flow, user, "secret");
    return client;
}

static uint64_t allocations(const struct shell *shell)
{
    return turn_server_counters(shell->server)->allocations_now;
}

static void expect_data_at(struct shell *shell, const struct stun_address *relayed,
                           const struct stun_address *peer, const struct shell_client *client)
{
    const struct shell_sent *sent;

    shell_clear(shell);
    shell_relayed(shell, relayed, peer, "data", 4);
    sent = shell_take(shell);
    assert_non_null(sent);
    assert_true(address_equal(&sent->flow.remote, &client->flow.remote));
    assert_int_equal(sent->flow.transport, client->flow.transport);
}

static void an_allocation_follows_its_client(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct shell_client moved = client_at(bench->shell, "198.51.100.77:5", "alice");
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed);
    struct ticket first = ticket;
    struct turn_event event;

    assert_int_equal(client_bind(&bench->alice, 0x4000, &peer), 0);
    assert_int_equal(move(&moved, &ticket), 0);
    assert_memory_not_equal(first.bytes, ticket.bytes, sizeof first.bytes);
    while (turn_server_event(bench->shell->server, &event) && event.type != TURN_MOVED) {
    }
    assert_int_equal(event.type, TURN_MOVED);
    assert_true(address_equal(&event.client, &moved.flow.remote));
    assert_true(address_equal(&event.previous, &bench->alice.flow.remote));
    expect_data_at(bench->shell, &relayed, &peer, &moved);
    shell_clear(bench->shell);
    client_send_channel(&moved, 0x4000, "here", 4);
    assert_int_equal(shell_pending(bench->shell), 1);
    shell_clear(bench->shell);
    client_send_channel(&bench->alice, 0x4000, "there", 5);
    assert_int_equal(shell_pending(bench->shell), 0);
    assert_int_equal(client_refresh(&bench->alice, 600), 437);
    assert_int_equal(allocations(bench->shell), 1);
    assert_int_equal(bench->shell->users[0].count, 1);
    /* the old address is free for another allocation, and a used ticket is good for nothing */
    assert_int_equal(client_allocate(&bench->alice, NULL), 0);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    assert_int_equal(move(&bench->alice, &first), 437);
    /* back again */
    assert_int_equal(move(&bench->alice, &ticket), 0);
    expect_data_at(bench->shell, &relayed, &peer, &bench->alice);
    assert_int_equal(turn_server_counters(bench->shell->server)->allocations_moved, 2);
}

static void a_lost_answer_is_given_again(void **state)
{
    struct bench *bench = *state;
    struct shell_client moved = client_at(bench->shell, "198.51.100.77:5", "alice");
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed), again;
    struct stun_view answer;

    assert_int_equal(move(&moved, &ticket), 0);
    shell_clear(bench->shell);
    client_repeat(&moved);
    assert_int_equal(
        stun_view_parse(&answer, bench->shell->sent[0].bytes, bench->shell->sent[0].size), STUN_OK);
    assert_int_equal(answer.message_class, STUN_SUCCESS);
    again = ticket_of(&answer);
    assert_memory_equal(again.bytes, ticket.bytes, sizeof ticket.bytes);
}

static void the_ticket_works_at_home_too(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed);
    struct ticket first = ticket;

    assert_int_equal(move(&bench->alice, &ticket), 0);
    assert_memory_not_equal(first.bytes, ticket.bytes, sizeof first.bytes);
    assert_int_equal(move(&bench->alice, &first), 400);
    assert_int_equal(move(&bench->alice, &ticket), 0);
    assert_int_equal(client_refresh(&bench->alice, 600), 0); /* without one, too */
}

static void only_its_owner_can_use_it(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed);
    struct ticket forged = ticket;

    assert_int_equal(move(&bench->bob, &ticket), 441);
    for (size_t i = 0; i < sizeof forged.bytes; i++) {
        struct shell_client moved = client_at(bench->shell, "198.51.100.77:5", "alice");

        forged.bytes[i] ^= 1;
        assert_int_equal(move(&moved, &forged), 437);
        forged.bytes[i] ^= 1;
    }
    assert_int_equal(client_refresh(&bench->alice, 600), 0);
}

static void a_flow_has_one_allocation(void **state)
{
    struct bench *bench = *state;
    struct shell_client other = client_at(bench->shell, "198.51.100.77:5", "alice");
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed);

    assert_int_equal(client_allocate(&other, NULL), 0);
    assert_int_equal(move(&other, &ticket), 400);
    assert_int_equal(allocations(bench->shell), 2);
}

static void wrong_tickets_are_400(void **state)
{
    static const size_t sizes[] = {0, 1, 23, 25, 400};
    static const uint8_t zeros[400];
    struct bench *bench = *state;
    struct stun_view answer;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        client_begin(&bench->bob, STUN_REFRESH);
        stun_builder_put_bytes(&bench->bob.builder, STUN_MOBILITY_TICKET, zeros, sizes[i]);
        assert_int_equal(client_ask(&bench->bob, &answer), 400);
        client_begin(&bench->bob, STUN_ALLOCATE);
        stun_builder_put_u8_reserved(&bench->bob.builder, STUN_REQUESTED_TRANSPORT, 17);
        stun_builder_put_bytes(&bench->bob.builder, STUN_MOBILITY_TICKET, zeros, sizes[i]);
        assert_int_equal(client_ask(&bench->bob, &answer), sizes[i] == 0 ? 0 : 400);
        client_refresh(&bench->bob, 0);
    }
}

static void where_it_is_off_it_is_405(void **state)
{
    struct bench *bench = *state;
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed);
    struct stun_view answer;

    bench->shell->policy.mobility = false;
    assert_int_equal(move(&bench->bob, &ticket), 405);
    client_begin(&bench->bob, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&bench->bob.builder, STUN_REQUESTED_TRANSPORT, 17);
    stun_builder_put_flag(&bench->bob.builder, STUN_MOBILITY_TICKET);
    assert_int_equal(client_ask(&bench->bob, &answer), 405);
    assert_int_equal(client_allocate(&bench->bob, NULL), 0);
}

static void it_outlives_its_connection(void **state)
{
    struct bench *bench = *state;
    struct stun_address peer = test_address("203.0.113.5:7000");
    struct flow flow = shell_flow_tcp("198.51.100.9:50000", 5);
    struct shell_client stream;
    struct stun_address relayed;
    struct ticket ticket;

    client_init(&stream, bench->shell, &flow, "alice", "secret");
    ticket = allocate(&stream, &relayed);
    assert_int_equal(client_permit(&stream, &peer), 0);
    turn_server_flow_closed(bench->shell->server, bench->shell->now, &flow);
    assert_int_equal(allocations(bench->shell), 1);
    shell_clear(bench->shell);
    shell_relayed(bench->shell, &relayed, &peer, "nobody", 6);
    shell_icmp(bench->shell, &relayed, &peer, &(struct stun_icmp){3, 3, 0});
    assert_int_equal(shell_pending(bench->shell), 0);
    assert_int_equal(move(&bench->alice, &ticket), 0); /* over UDP */
    expect_data_at(bench->shell, &relayed, &peer, &bench->alice);
    assert_int_equal(client_refresh(&bench->alice, 0), 0);
    /* nobody comes back */
    ticket = allocate(&stream, &relayed);
    turn_server_flow_closed(bench->shell->server, bench->shell->now, &flow);
    shell_advance_ms(bench->shell, 601000);
    assert_int_equal(allocations(bench->shell), 0);
    /* nor before the server ends */
    ticket = allocate(&stream, &relayed);
    turn_server_flow_closed(bench->shell->server, bench->shell->now, &flow);
}

static void lifetime_zero_from_elsewhere_deletes(void **state)
{
    struct bench *bench = *state;
    struct shell_client moved = client_at(bench->shell, "198.51.100.77:5", "alice");
    struct stun_address relayed;
    struct ticket ticket = allocate(&bench->alice, &relayed);
    struct stun_view answer;

    begin_move(&moved, &ticket, 0);
    assert_int_equal(client_ask(&moved, &answer), 0);
    assert_int_equal(allocations(bench->shell), 0);
    assert_int_equal(bench->shell->open_count, 0);
}

/* ---- two workers ----------------------------------------------------------------------------- */

struct pair {
    struct shell *here, *there; /* numbers 0 and 1; one pool, one quota */
    struct shell_client alice, moved;
    struct stun_address peer, relayed;
    struct ticket ticket;
};

static int set_up_pair(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);
    struct flow flow = shell_flow_udp("198.51.100.9:40000");

    pair->here = shell_new(3);
    pair->there = shell_new(4);
    port_pool_free(pair->there->pool);
    pair->there->pool = pair->here->pool;
    pair->here->worker_count = pair->there->worker_count = 2;
    pair->there->worker = 1;
    shell_start(pair->here, NULL);
    shell_start(pair->there, NULL);
    client_init(&pair->alice, pair->here, &flow, "alice", "secret");
    pair->moved = client_at(pair->there, "198.51.100.77:5", "alice");
    pair->peer = test_address("203.0.113.5:7000");
    pair->ticket = allocate(&pair->alice, &pair->relayed);
    assert_int_equal(client_bind(&pair->alice, 0x4000, &pair->peer), 0);
    assert_int_equal(client_refresh(&pair->moved, 600), 437); /* learns its nonce */
    shell_clear(pair->there);
    *state = pair;
    return 0;
}

static int tear_down_pair(void **state)
{
    struct pair *pair = *state;

    pair->there->pool = NULL;
    turn_server_free(pair->there->server);
    pair->there->server = NULL;
    shell_free(pair->there);
    shell_free(pair->here);
    free(pair);
    return 0;
}

/* The quota is one: what is counted here is given back there. */
static void carry_quota(struct pair *pair)
{
    pair->there->users[0] = pair->here->users[0];
    pair->here->users[0].count = pair->here->users[0].ports = 0;
}

static enum turn_move_status carry(struct pair *pair)
{
    struct turn_handover *handover;
    struct turn_move move;
    enum turn_move_status status;

    assert_true(turn_server_next_move(pair->there->server, &move));
    assert_false(turn_server_next_move(pair->there->server, &move));
    assert_int_equal(move.from, 0);
    status = turn_server_give_away(pair->here->server, &move, &handover, pair->here->outbox);
    assert_int_equal(status == TURN_MOVE_DONE, handover != NULL);
    if (status == TURN_MOVE_DONE) {
        carry_quota(pair);
    }
    turn_server_take_over(pair->there->server, pair->there->now, move.id, status, handover,
                          pair->there->outbox);
    pair->there->outbox->flush(pair->there->outbox, pair->there->outbox->context);
    return status;
}

static int answered(struct shell *shell, struct stun_view *answer)
{
    const struct shell_sent *sent = shell_take(shell);
    uint16_t code = 0;

    assert_non_null(sent);
    assert_int_equal(stun_view_parse(answer, sent->bytes, sent->size), STUN_OK);
    if (answer->message_class == STUN_ERROR) {
        assert_int_equal(stun_view_error(answer, &code, NULL, NULL), STUN_OK);
    }
    return code;
}

static void it_follows_to_another_worker(void **state)
{
    struct pair *pair = *state;
    struct stun_view answer;
    struct turn_event event, last = {0};

    begin_move(&pair->moved, &pair->ticket, 600);
    client_send(&pair->moved);
    client_repeat(&pair->moved); /* impatient: asked once */
    assert_int_equal(shell_pending(pair->there), 0);
    assert_int_equal(carry(pair), TURN_MOVE_DONE);
    assert_int_equal(answered(pair->there, &answer), 0);
    pair->ticket = ticket_of(&answer);
    assert_memory_equal(pair->ticket.bytes, "AA", 2); /* 0, 1: the worker's number */
    assert_in_range(pair->ticket.bytes[2], 'E', 'H');
    assert_int_equal(allocations(pair->here), 0);
    assert_int_equal(allocations(pair->there), 1);
    assert_int_equal(pair->here->open_count, 0);
    assert_int_equal(pair->there->open_count, 1);
    while (turn_server_event(pair->here->server, &event)) {
        last = event;
    }
    assert_int_equal(last.type, TURN_LEFT);
    expect_data_at(pair->there, &pair->relayed, &pair->peer, &pair->moved);
    shell_clear(pair->there);
    client_send_channel(&pair->moved, 0x4000, "here", 4);
    assert_int_equal(shell_pending(pair->there), 1);
    shell_clear(pair->there);
    assert_int_equal(client_refresh(&pair->alice, 600), 437);
    assert_int_equal(client_refresh(&pair->moved, 1200), 0);
    shell_advance_ms(pair->there, 1201000);
    assert_int_equal(allocations(pair->there), 0);
    assert_int_equal(pair->there->open_count, 0);
}

static void another_worker_can_refuse(void **state)
{
    struct pair *pair = *state;
    struct shell_client bob = client_at(pair->there, "198.51.100.78:5", "bob");
    struct ticket unknown = pair->ticket;
    struct stun_view answer;

    assert_int_equal(client_refresh(&bob, 600), 437);
    shell_clear(pair->there);
    begin_move(&bob, &pair->ticket, 600);
    client_send(&bob);
    assert_int_equal(carry(pair), TURN_MOVE_NOT_OWNER);
    assert_int_equal(answered(pair->there, &answer), 441);
    unknown.bytes[9] ^= 1;
    begin_move(&pair->moved, &unknown, 600);
    client_send(&pair->moved);
    assert_int_equal(carry(pair), TURN_MOVE_UNKNOWN);
    assert_int_equal(answered(pair->there, &answer), 437);
    unknown.bytes[1] = 2; /* there is no such worker */
    begin_move(&pair->moved, &unknown, 600);
    client_send(&pair->moved);
    assert_int_equal(answered(pair->there, &answer), 437);
    assert_int_equal(allocations(pair->here), 1);
    assert_int_equal(client_refresh(&pair->alice, 600), 0);
}

/* It comes late: the allocation waits for the next try. */
static void a_late_answer_is_not_lost(void **state)
{
    struct pair *pair = *state;

    begin_move(&pair->moved, &pair->ticket, 600);
    client_send(&pair->moved);
    shell_advance_ms(pair->there, 20000);
    assert_int_equal(carry(pair), TURN_MOVE_DONE);
    assert_int_equal(shell_pending(pair->there), 0);
    assert_int_equal(allocations(pair->there), 1);
    assert_int_equal(move(&pair->moved, &pair->ticket), 0);
    expect_data_at(pair->there, &pair->relayed, &pair->peer, &pair->moved);
}

/* It cannot be sent, or its port cannot be taken. */
static void a_failed_handover_loses_nothing(void **state)
{
    struct pair *pair = *state;
    struct turn_handover *handover;
    struct turn_move asked;
    struct stun_view answer;

    begin_move(&pair->moved, &pair->ticket, 600);
    client_send(&pair->moved);
    assert_true(turn_server_next_move(pair->there->server, &asked));
    assert_int_equal(
        turn_server_give_away(pair->here->server, &asked, &handover, pair->here->outbox),
        TURN_MOVE_DONE);
    turn_server_take_over(pair->here->server, pair->here->now, 0, TURN_MOVE_DONE, handover,
                          pair->here->outbox);
    assert_int_equal(allocations(pair->here), 1);
    assert_int_equal(client_refresh(&pair->alice, 600), 437); /* it waits, detached */
    shell_advance_ms(pair->there, 10000);
    shell_clear(pair->there);

    pair->there->open_failures = 1;
    pair->there->open_failure_errno = EMFILE;
    begin_move(&pair->moved, &pair->ticket, 600);
    client_send(&pair->moved);
    assert_int_equal(carry(pair), TURN_MOVE_DONE);
    assert_int_equal(answered(pair->there, &answer), 437);
    assert_int_equal(allocations(pair->there), 0);
    assert_int_equal(pair->there->users[0].count, 0);
    assert_false(port_pool_is_live(pair->here->pool, &pair->relayed));
}

/* Written out by hand: an Allocate with an empty ticket, and what answers it. */
static void bytes(void **state)
{
    struct bench *bench = *state;
    struct raw raw = {.size = 0};
    const struct shell_sent *sent;
    const uint8_t *ticket;
    size_t size = 0;

    client_refresh(&bench->alice, 0); /* learns the nonce */
    shell_clear(bench->shell);
    raw_hex(&raw, "0003 000c 2112a442 0102030405060708090a0b0c 0019 0004 11000000 8030 0000");
    raw_authenticate(&raw, bench->alice.nonce, bench->alice.nonce_size);
    shell_input(bench->shell, &bench->alice.flow, raw.bytes, raw.size);
    sent = shell_take(bench->shell);
    assert_memory_equal(sent->bytes, ((uint8_t[]){0x01, 0x03}), 2);
    ticket = raw_find(sent->bytes, sent->size, 0x8030, &size);
    assert_non_null(ticket);
    assert_int_equal(size, 32);
    for (size_t i = 0; i < size; i++) { /* a string: some clients keep it as one */
        assert_true(ticket[i] > ' ' && ticket[i] < 0x7F);
    }
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, set_up_pair, tear_down_pair)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BENCH(an_allocation_follows_its_client),
        WITH_BENCH(a_lost_answer_is_given_again),
        WITH_BENCH(the_ticket_works_at_home_too),
        WITH_BENCH(only_its_owner_can_use_it),
        WITH_BENCH(a_flow_has_one_allocation),
        WITH_BENCH(wrong_tickets_are_400),
        WITH_BENCH(where_it_is_off_it_is_405),
        WITH_BENCH(it_outlives_its_connection),
        WITH_BENCH(lifetime_zero_from_elsewhere_deletes),
        PAIR(it_follows_to_another_worker),
        PAIR(another_worker_can_refuse),
        PAIR(a_late_answer_is_not_lost),
        PAIR(a_failed_handover_loses_nothing),
        WITH_BENCH(bytes),
    };

    return cmocka_run_group_tests_name("mobility", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#undef NDEBUG
#include "tests/sim/turn_shell.h"

#include "tests/unit/seeded.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the machine calls ------------------------------------------------------------------ */

static uint64_t shell_random(void *context)
{
    return seeded_next(&((struct shell *)context)->seed);
}

static int shell_open(void *context, const struct stun_address *relayed, uint32_t *via)
{
    struct shell *shell = context;

    if (shell->open_failures > 0) {
        shell->open_failures--;
        return -shell->open_failure_errno;
    }
    for (uint32_t tried = 0; tried < SHELL_VIAS_MAX; tried++) {
        uint32_t place = shell->next_via++ % SHELL_VIAS_MAX;

        if (place >= SHELL_VIA_RELAY && shell->relayed[place].family == STUN_FAMILY_NONE) {
            shell->relayed[place] = *relayed;
            shell->open_count++;
            *via = place;
            return 0;
        }
    }
    return -EMFILE;
}

static void shell_close(void *context, uint32_t via)
{
    struct shell *shell = context;

    assert(via < SHELL_VIAS_MAX && shell->relayed[via].family != STUN_FAMILY_NONE);
    shell->relayed[via] = (struct stun_address){0};
    shell->open_count--;
}

/* The handle of a port on its way to another shell is its old via. */
static int shell_give(void *context, uint32_t via)
{
    shell_close(context, via);
    return (int)via;
}

static int shell_take_port(void *context, const struct stun_address *relayed, int handle,
                           uint32_t *via)
{
    assert(handle >= SHELL_VIA_RELAY);
    return shell_open(context, relayed, via);
}

static void shell_discard(void *context, int handle)
{
    (void)context;
    assert(handle >= SHELL_VIA_RELAY);
}

static struct shell_user_count *shell_user(struct shell *shell, const char *name)
{
    for (size_t i = 0; i < SHELL_USERS_MAX; i++) {
        if (shell->users[i].name[0] == '\0') {
            strncpy(shell->users[i].name, name, sizeof shell->users[i].name - 1);
        }
        if (strcmp(shell->users[i].name, name) == 0) {
            return &shell->users[i];
        }
    }
    assert(!"too many users");
    return NULL;
}

static const char *shell_reserve(void *context, const char *name, struct turn_holding holding)
{
    struct shell *shell = context;
    struct shell_user_count *user = shell_user(shell, name);

    if (shell->quota > 0 && user->count + holding.allocations > shell->quota) {
        return "allocations";
    }
    if (shell->port_quota > 0 && user->ports + holding.ports > shell->port_quota) {
        return "ports";
    }
    user->count += holding.allocations;
    user->ports += holding.ports;
    return NULL;
}

static void shell_release(void *context, const char *name, struct turn_holding holding)
{
    struct shell_user_count *user = shell_user(context, name);

    assert(user->count >= holding.allocations && user->ports >= holding.ports);
    user->count -= holding.allocations;
    user->ports -= holding.ports;
}

/* ---- what the machine sends ------------------------------------------------------------------ */

static void shell_keep(struct shell *shell, const struct outbox_entry *entry)
{
    struct shell_sent *sent;

    if (entry->flow.via >= SHELL_VIA_RELAY) {
        assert(entry->flow.via < SHELL_VIAS_MAX);
        assert(address_equal(&shell->relayed[entry->flow.via], &entry->flow.local));
    }
    if (shell->sent_count == shell->sent_capacity) {
        shell->sent_capacity = shell->sent_capacity * 2 + 16;
        shell->sent = realloc(shell->sent, shell->sent_capacity * sizeof *shell->sent);
        assert(shell->sent != NULL);
    }
    sent = &shell->sent[shell->sent_count++];
    *sent = (struct shell_sent){entry->flow,         entry->size,      malloc(entry->size + 1),
                                entry->unfragmented, entry->hop_limit, entry->traffic_class};
    assert(sent->bytes != NULL);
    memcpy(sent->bytes, entry->bytes, entry->size);
}

static void shell_flush(struct outbox *outbox, void *context)
{
    for (size_t i = 0; i < outbox->count; i++) {
        shell_keep(context, &outbox->entries[i]);
    }
    outbox_clear(outbox);
}

const struct shell_sent *shell_take(struct shell *shell)
{
    return shell->sent_read < shell->sent_count ? &shell->sent[shell->sent_read++] : NULL;
}

size_t shell_pending(const struct shell *shell)
{
    return shell->sent_count - shell->sent_read;
}

void shell_clear(struct shell *shell)
{
    for (size_t i = 0; i < shell->sent_count; i++) {
        free(shell->sent[i].bytes);
    }
    shell->sent_count = 0;
    shell->sent_read = 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct stun_address address_of(const char *text)
{
    struct stun_address address;
    bool ok = address_parse(&address, text) || address_parse_ip(&address, text);

    assert(ok);
    return address;
}

static void shell_make_rules(struct shell *shell)
{
    struct stun_address own[2] = {address_of("192.0.2.1"), address_of("2001:db8::1")};
    struct stun_address listener = address_of("0.0.0.0:3478");
    static const char *const allowed[] = {"198.51.100.0/24", "203.0.113.0/24",
                                          "2001:db8:1::-2001:db8:ffff::"};

    shell->rules = peer_rules_new();
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        int status = peer_rules_add_allow(shell->rules, allowed[i]);
        assert(status == 0);
    }
    peer_rules_add_relay(shell->rules, &own[0]);
    peer_rules_add_relay(shell->rules, &own[1]);
    peer_rules_add_protected(shell->rules, &listener);
    shell->pool = port_pool_new(own, 2, 50000, 50999);
}

struct shell *shell_new(uint64_t seed)
{
    struct shell *shell = calloc(1, sizeof *shell);

    assert(shell != NULL);
    shell->seed = seed;
    shell->next_via = SHELL_VIA_RELAY;
    shell->now = SHELL_START;
    shell->outbox = malloc(sizeof *shell->outbox);
    assert(shell->outbox != NULL);
    outbox_init(shell->outbox, shell_flush, shell);
    shell_make_rules(shell);
    shell->auth_policy = auth_policy_new(SHELL_REALM, 3600);
    auth_policy_add_user(shell->auth_policy, "alice", "secret");
    auth_policy_add_user(shell->auth_policy, "bob", "secret");
    shell->policy = (struct turn_policy){
        .peers = shell->rules,
        .lifetime_default_s = 600,
        .lifetime_max_s = 3600,
        .permission_lifetime_s = 300,
        .channel_lifetime_s = 600,
        .permissions_per_allocation = 64,
        .channels_per_allocation = 32,
        .relay_enabled = true,
        .mobility = true,
        .software = "Postern",
    };
    return shell;
}

void shell_start(struct shell *shell, const struct turn_nat_behavior *behavior)
{
    uint8_t nonce_key[AUTH_NONCE_KEY_SIZE];
    struct turn_setup setup = {0};

    for (size_t i = 0; i < sizeof nonce_key; i++) {
        nonce_key[i] = (uint8_t)seeded_next(&shell->seed);
    }
    shell->crypto = stun_crypto_new();
    shell->auth = auth_new(shell->auth_policy, nonce_key, shell->crypto);
    assert(shell->auth != NULL);
    auth_set_wall_clock(shell->auth, shell->now, SHELL_WALL_S);
    setup.policy = &shell->policy;
    setup.auth = shell->auth;
    setup.crypto = shell->crypto;
    setup.pool = shell->pool;
    setup.ports = (struct turn_ports){shell, shell_open, shell_close};
    setup.passing = (struct turn_passing){shell_give, shell_take_port, shell_discard};
    setup.bandwidth = shell->bandwidth;
    setup.shared_ports = shell->shared_ports;
    setup.worker_count = shell->worker_count;
    setup.tcp = shell->tcp;
    setup.worker = shell->worker;
    setup.quota = (struct turn_quota){shell, shell_reserve, shell_release};
    if (behavior != NULL) {
        setup.nat_behavior[0] = *behavior;
        setup.nat_behavior[1] = shell->second_behavior;
    }
    setup.random = shell_random;
    setup.random_context = shell;
    shell->server = turn_server_new(&setup);
    assert(shell->server != NULL);
}

void shell_free(struct shell *shell)
{
    turn_server_free(shell->server);
    assert(shell->open_count == 0);
    for (size_t i = 0; i < SHELL_USERS_MAX; i++) {
        assert(shell->users[i].count == 0 && shell->users[i].ports == 0);
    }
    auth_free(shell->auth);
    stun_crypto_free(shell->crypto);
    auth_policy_free(shell->auth_policy);
    peer_rules_free(shell->rules);
    port_pool_free(shell->pool);
    shell_clear(shell);
    free(shell->sent);
    free(shell->outbox);
    free(shell);
}

void shell_advance_ms(struct shell *shell, int64_t ms)
{
    shell_advance_us(shell, ms * MONOTIME_MILLISECOND);
}

void shell_advance_us(struct shell *shell, int64_t us)
{
    struct monotime until = monotime_add_us(shell->now, us);
    struct monotime due = turn_server_due(shell->server);

    while (monotime_reached(until, due)) {
        shell->now = monotime_reached(shell->now, due) ? shell->now : due;
        turn_server_tick(shell->server, shell->now, shell->outbox);
        shell_flush(shell->outbox, shell);
        due = turn_server_due(shell->server);
    }
    shell->now = until;
}

/* ---- what arrives ---------------------------------------------------------------------------- */

struct flow shell_flow_udp(const char *client)
{
    struct flow flow = {.via = SHELL_VIA_LISTENER, .transport = TRANSPORT_UDP};

    flow.remote = address_of(client);
    flow.local = address_of(flow.remote.family == STUN_FAMILY_IPV4 ? "192.0.2.1:3478"
                                                                   : "[2001:db8::1]:3478");
    return flow;
}

struct flow shell_flow_tcp(const char *client, uint32_t via)
{
    struct flow flow = shell_flow_udp(client);

    flow.via = via;
    flow.transport = TRANSPORT_TCP;
    return flow;
}

static struct packet shell_packet(struct shell *shell, const void *bytes, size_t size)
{
    uint8_t *room = shell->packet + shell->offset;

    assert(size <= SHELL_PACKET_MAX && shell->offset < 8);
    memset(room, 0xEE, PACKET_HEADROOM + size + PACKET_TAILROOM);
    if (size > 0) {
        memcpy(room + PACKET_HEADROOM, bytes, size);
    }
    return (struct packet){.bytes = room + PACKET_HEADROOM,
                           .size = (uint32_t)size,
                           .headroom = PACKET_HEADROOM,
                           .tailroom = PACKET_TAILROOM,
                           .hop_limit = shell->hop_limit,
                           .traffic_class = shell->traffic_class};
}

void shell_input(struct shell *shell, const struct flow *flow, const void *bytes, size_t size)
{
    struct packet packet = shell_packet(shell, bytes, size);

    turn_server_input(shell->server, shell->now, flow, &packet, shell->outbox);
    shell_flush(shell->outbox, shell);
}

/* The handle of an open relayed port; 0 when it is closed. */
static uint32_t shell_via(const struct shell *shell, const struct stun_address *relayed)
{
    for (uint32_t via = SHELL_VIA_RELAY; via < SHELL_VIAS_MAX; via++) {
        if (address_equal(&shell->relayed[via], relayed)) {
            return via;
        }
    }
    return 0;
}

void shell_relayed(struct shell *shell, const struct stun_address *relayed,
                   const struct stun_address *peer, const void *bytes, size_t size)
{
    struct packet packet = shell_packet(shell, bytes, size);
    uint32_t via = shell_via(shell, relayed);

    if (via != 0) {
        turn_server_relayed(shell->server, shell->now, via, peer, &packet, shell->outbox);
        shell_flush(shell->outbox, shell);
    }
}

void shell_icmp(struct shell *shell, const struct stun_address *relayed,
                const struct stun_address *peer, const struct stun_icmp *icmp)
{
    turn_server_icmp(shell->server, shell->now, shell_via(shell, relayed), peer, icmp,
                     shell->outbox);
    shell_flush(shell->outbox, shell);
}

/* ---- a client -------------------------------------------------------------------------------- */

void client_init(struct shell_client *client, struct shell *shell, const struct flow *flow,
                 const char *user, const char *password)
{
    int status;

    *client =
        (struct shell_client){.shell = shell, .flow = *flow, .user = user, .password = password};
    status = stun_key_long_term(shell->crypto, &client->key, STUN_PASSWORD_MD5, user, SHELL_REALM,
                                password);
    assert(status == STUN_OK);
}

void client_begin(struct shell_client *client, uint16_t method)
{
    for (size_t i = 0; i < STUN_TRANSACTION_ID_SIZE; i++) {
        client->transaction_id[i] = (uint8_t)seeded_next(&client->shell->seed);
    }
    stun_builder_begin(&client->builder, client->bytes, sizeof client->bytes, STUN_REQUEST, method,
                       client->transaction_id);
}

void client_repeat(struct shell_client *client)
{
    shell_input(client->shell, &client->flow, client->bytes, client->builder.size);
}

void client_send(struct shell_client *client)
{
    if (client->nonce_size > 0) {
        stun_builder_put_string(&client->builder, STUN_USERNAME, client->user);
        stun_builder_put_string(&client->builder, STUN_REALM, SHELL_REALM);
        stun_builder_put_bytes(&client->builder, STUN_NONCE, client->nonce, client->nonce_size);
        stun_builder_put_integrity(&client->builder, client->shell->crypto, &client->key);
    }
    assert(stun_builder_finish(&client->builder) > 0);
    client_repeat(client);
}

/* The answer to the request begun last, as client_ask returns it. */
static int client_read(struct shell_client *client, struct stun_view *answer)
{
    const struct shell_sent *sent = shell_take(client->shell);
    uint16_t code = 0;

    if (sent == NULL) {
        return -1;
    }
    assert(address_equal(&sent->flow.remote, &client->flow.remote));
    assert(sent->flow.via == client->flow.via);
    assert(stun_view_parse(answer, sent->bytes, sent->size) == STUN_OK);
    assert(memcmp(answer->transaction_id, client->transaction_id, STUN_TRANSACTION_ID_SIZE) == 0);
    if (answer->message_class == STUN_ERROR) {
        assert(stun_view_error(answer, &code, NULL, NULL) == STUN_OK);
    }
    if (code != 401 && code != 438 && client->nonce_size > 0) {
        assert(stun_view_check_integrity(answer, client->shell->crypto, &client->key) == STUN_OK);
    }
    return code;
}

static bool client_learn_nonce(struct shell_client *client, const struct stun_view *answer)
{
    const struct stun_attribute_view *nonce = stun_view_find(answer, STUN_NONCE);

    assert(nonce != NULL && nonce->size <= sizeof client->nonce);
    memcpy(client->nonce, nonce->value, nonce->size);
    client->nonce_size = nonce->size;
    return true;
}

int client_ask(struct shell_client *client, struct stun_view *answer)
{
    size_t plain_size = client->builder.size;
    bool had_nonce = client->nonce_size > 0;
    int code;

    client_send(client);
    code = client_read(client, answer);
    if ((code == 401 && !had_nonce) || code == 438) {
        client_learn_nonce(client, answer);
        client->builder.size = plain_size;
        client->builder.sealed = 0;
        client_send(client);
        code = client_read(client, answer);
    }
    return code;
}

int client_allocate(struct shell_client *client, struct stun_address *relayed)
{
    struct stun_view answer;
    int code;

    client_begin(client, STUN_ALLOCATE);
    stun_builder_put_u8_reserved(&client->builder, STUN_REQUESTED_TRANSPORT, STUN_TRANSPORT_UDP);
    code = client_ask(client, &answer);
    if (code == 0 && relayed != NULL) {
        assert(stun_view_xor_address(&answer, STUN_XOR_RELAYED_ADDRESS, relayed) == STUN_OK);
    }
    return code;
}

int client_refresh(struct shell_client *client, uint32_t lifetime_s)
{
    struct stun_view answer;

    client_begin(client, STUN_REFRESH);
    stun_builder_put_u32(&client->builder, STUN_LIFETIME, lifetime_s);
    return client_ask(client, &answer);
}

int client_permit(struct shell_client *client, const struct stun_address *peer)
{
    struct stun_view answer;

    client_begin(client, STUN_CREATE_PERMISSION);
    stun_builder_put_xor_address(&client->builder, STUN_XOR_PEER_ADDRESS, peer);
    return client_ask(client, &answer);
}

int client_bind(struct shell_client *client, uint16_t channel, const struct stun_address *peer)
{
    struct stun_view answer;

    client_begin(client, STUN_CHANNEL_BIND);
    stun_builder_put_u16_reserved(&client->builder, STUN_CHANNEL_NUMBER, channel);
    stun_builder_put_xor_address(&client->builder, STUN_XOR_PEER_ADDRESS, peer);
    return client_ask(client, &answer);
}

void client_send_indication(struct shell_client *client, const struct stun_address *peer,
                            const void *data, size_t size)
{
    uint8_t bytes[2048];
    struct stun_builder builder;
    uint8_t id[STUN_TRANSACTION_ID_SIZE] = {7};

    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_INDICATION, STUN_SEND, id);
    stun_builder_put_xor_address(&builder, STUN_XOR_PEER_ADDRESS, peer);
    stun_builder_put_bytes(&builder, STUN_DATA_VALUE, data, size);
    assert(stun_builder_finish(&builder) > 0);
    shell_input(client->shell, &client->flow, bytes, builder.size);
}

void client_send_channel(struct shell_client *client, uint16_t channel, const void *data,
                         size_t size)
{
    uint8_t bytes[2048 + 8] = {0};
    size_t padding = client->flow.transport == TRANSPORT_UDP ? 0 : -size & 3;

    assert(size <= 2048);
    stun_channel_write(bytes, channel, (uint16_t)size);
    memcpy(bytes + STUN_CHANNEL_HEADER_SIZE, data, size);
    shell_input(client->shell, &client->flow, bytes, STUN_CHANNEL_HEADER_SIZE + size + padding);
}

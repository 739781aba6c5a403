/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rendezvous client against a service that says anything. Lines of the input are its messages;
 * a line that begins with '@' is what happens beside: c connected, d disconnected, t time passes,
 * n a call, b a bye, k a candidate, a an accept, with a digit behind it.
 */
#include "proto/rendezvous_client.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static struct stun_crypto *crypto;
static uint64_t seed;

static uint64_t next(void *context)
{
    (void)context;
    return seed = seed * 6364136223846793005u + 1442695040888963407u;
}

static void settle(struct rendezvous_client *client)
{
    struct rendezvous_client_event event;
    const char *text;
    size_t size;
    while ((text = rendezvous_client_output(client, &size)) != NULL) {
        REQUIRE(size == strlen(text) && size <= SIGNAL_MESSAGE_MAX);
        REQUIRE(memchr(text, '\n', size) == NULL);
    }
    while (rendezvous_client_event(client, &event)) {
        REQUIRE(strnlen(event.text, sizeof event.text) < sizeof event.text);
        REQUIRE(event.type != RENDEZVOUS_INCOMING || event.call != 0);
        REQUIRE(event.type != RENDEZVOUS_REGISTERED || event.message != NULL);
    }
}

static void happen(struct rendezvous_client *client, struct monotime *now, char what,
                   uint32_t which)
{
    const struct signal_candidate candidate = {.candidate = "candidate:x", .sdp_mline_index = -1};
    switch (what) {
    case 'c':
        rendezvous_client_connected(client, *now);
        break;
    case 'd':
        rendezvous_client_disconnected(client, *now, "gone");
        break;
    case 't':
        *now = monotime_add_seconds(*now, (int64_t)which * which * which);
        rendezvous_client_tick(client, *now);
        break;
    case 'n':
        rendezvous_client_call(client, *now, "bob", "v=0");
        break;
    case 'b':
        rendezvous_client_bye(client, *now, which, "done");
        break;
    case 'k':
        rendezvous_client_candidate(client, *now, which, &candidate);
        break;
    case 'a':
        rendezvous_client_accept(client, *now, which, "v=0");
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct monotime now = {1000000};
    const char *at = (const char *)data;
    const char *end = at + size;
    if (crypto == NULL) {
        crypto = stun_crypto_new();
    }
    seed = 1;
    const struct rendezvous_client_setup setup = {
        .crypto = crypto, .random = next, .user = "alice", .password = "secret"};
    struct rendezvous_client *client = rendezvous_client_new(&setup);
    REQUIRE(client != NULL);
    rendezvous_client_start(client, now);
    while (at < end) {
        const char *line = at;
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop == NULL ? end : stop) - line);
        at = stop == NULL ? end : stop + 1;
        if (length >= 3 && line[0] == '@') {
            happen(client, &now, line[1], (uint32_t)(line[2] - '0') & 15);
        } else {
            rendezvous_client_input(client, now, line, length);
        }
        settle(client);
        REQUIRE(rendezvous_client_due(client).us >= 0);
    }
    rendezvous_client_free(client);
    return 0;
}

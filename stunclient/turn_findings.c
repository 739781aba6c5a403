/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/turn_findings.h"

#include "base/address.h"

#include <stdio.h>
#include <string.h>

/* For scripts, for tables, and for sentences. */
static const struct {
    const char *key, *label, *doing;
} names[] = {
    [STEP_ALLOCATE] = {"allocate", "allocate", "allocating a relayed address"},
    [STEP_PERMISSION] = {"permission", "permission", "asking for a permission"},
    [STEP_INDICATION] = {"indication", "send indication", "sending through the relay"},
    [STEP_CHANNEL] = {"channel", "channel", "binding a channel"},
    [STEP_CONNECT] = {"connect", "connect", "connecting the two relays over TCP"},
    [STEP_ECHO] = {"echo", "echo", "sending packets through the channel"},
    [STEP_SECOND] = {"second_family", "second family", "using the relays of the second family"},
    [STEP_MOVE] = {"move", "move", "moving to another address"},
    [STEP_PRIVATE] = {"private_peers", "private peers", "asking for private addresses"},
    [STEP_DELETE] = {"delete", "delete", "deleting the allocations"},
};

/* ---- judging --------------------------------------------------------------------------------- */

/* What a failed request means for the exit status, and what its owner can do. */
static const struct verdict {
    enum exit_status status;
    const char *advice;
} verdicts[] = {
    [TURN_CLIENT_NONE] = {EXIT_NO_REPLY, ""},
    [TURN_CLIENT_TIMEOUT] = {EXIT_NO_REPLY,
                             "The server is down, no TURN server, or a firewall drops packets on "
                             "the way; --protocol tcp may tell which."},
    [TURN_CLIENT_UNAUTHENTICATED] = {EXIT_AUTHENTICATION,
                                     "Check name and password (or the secret), and the clock of "
                                     "the server if the name is a time-limited one."},
    [TURN_CLIENT_WEAKENED] = {EXIT_AUTHENTICATION,
                              "Somebody on the way may want to read the password: do not use this "
                              "network with it."},
    [TURN_CLIENT_UNPROVEN] = {EXIT_AUTHENTICATION,
                              "The server does not sign its answers, or somebody else answers."},
    [TURN_CLIENT_MISMATCH] = {EXIT_REFUSED, "Try again from another port."},
    [TURN_CLIENT_FORBIDDEN] = {EXIT_REFUSED,
                               "The server's peer rules forbid this address. Peers that hold "
                               "relays on the same server need its own relay address to be "
                               "allowed (coturn on loopback: --allow-loopback-peers)."},
    [TURN_CLIENT_FAMILY] = {EXIT_REFUSED, "Try the other --relay-family."},
    [TURN_CLIENT_QUOTA] = {EXIT_REFUSED,
                           "This user has too many allocations: wait until old ones expire, or "
                           "have the quota raised."},
    [TURN_CLIENT_CAPACITY] = {EXIT_REFUSED,
                              "The server has no free port: give it a larger range of ports."},
    [TURN_CLIENT_REFUSED] = {EXIT_REFUSED, "The server's log may say why."},
    [TURN_CLIENT_BROKEN] = {EXIT_REFUSED, "The server does not follow RFC 8656."},
    [TURN_CLIENT_EXPIRED] = {EXIT_NO_REPLY, "The server stopped answering."},
    [TURN_CLIENT_DISCONNECTED] = {EXIT_NO_REPLY,
                                  "Check host and port, and whether the server runs."},
};

static const struct turn_step *find_failed(const struct turn_findings *findings,
                                           enum turn_step_name *name)
{
    for (unsigned i = 0; i < TURN_STEPS; i++) {
        if (findings->steps[i].state == STEP_FAILED) {
            *name = (enum turn_step_name)i;
            return &findings->steps[i];
        }
    }
    return NULL;
}

bool turn_findings_redirect(const struct turn_findings *findings, struct stun_address *address,
                            const char **domain)
{
    const struct turn_step *step = &findings->steps[STEP_ALLOCATE];
    if (step->state != STEP_FAILED || step->event.type != TURN_CLIENT_REDIRECTED) {
        return false;
    }
    *address = step->event.address;
    *domain = step->event.domain;
    return true;
}

/* One redirection is followed; this is what comes of the next, or of one to the server itself. */
static void explain_redirect(struct failure *failure, const struct turn_step *step)
{
    char address[ADDRESS_TEXT_SIZE];
    address_format(&step->event.address, address);
    failure_set(failure, EXIT_REFUSED, "the server sends us to yet another one: %s", address);
    failure_advise(failure,
                   "Servers that send clients in circles serve nobody: check alternate_servers. To "
                   "test that one: stunclient turn %s",
                   address);
}

/* Nothing was refused: packets were lost on the way through the relay, or time ran out. */
static void explain_silence(struct failure *failure, enum turn_step_name name, const char *trouble)
{
    if (trouble[0] != '\0') {
        failure_set(failure, EXIT_NO_REPLY, "%s: %s", names[name].doing, trouble);
    } else if (name == STEP_INDICATION) {
        failure_set(failure, EXIT_NO_REPLY,
                    "sending through the relay: nothing came back, though the server gave the "
                    "permission");
        failure_advise(failure, "The server cannot send to its own relayed address: check its "
                                "firewall, its external address, and its peer rules.");
    } else if (name == STEP_MOVE || name == STEP_SECOND) {
        failure_set(failure, EXIT_NO_REPLY, "%s: nothing came back through the relay",
                    names[name].doing);
        failure_advise(failure, "The server's log may say what it dropped.");
    } else {
        failure_set(failure, EXIT_NO_REPLY, "%s: not done in time", names[name].doing);
        failure_advise(failure, "Try again with a longer --timeout.");
    }
}

static void explain_step(struct turn_findings *findings, enum turn_step_name name,
                         const char *trouble)
{
    const struct turn_step *step = &findings->steps[name];
    const struct turn_client_event *event = &step->event;
    const struct verdict *verdict = &verdicts[event->failure];
    struct failure *failure = &findings->failure;
    char code[16 + TURN_CLIENT_REASON_SIZE] = "";
    if (event->type == TURN_CLIENT_REDIRECTED && event->failure != TURN_CLIENT_NONE) {
        explain_redirect(failure, step);
        return;
    }
    if (name == STEP_MOVE && event->failure == TURN_CLIENT_REFUSED && event->code == 0) {
        failure_set(failure, EXIT_REFUSED, "the server gave no ticket to move with");
        failure_advise(failure, "It does not know mobility (RFC 8016), or has it switched off.");
        return;
    }
    if (name == STEP_SECOND && event->failure == TURN_CLIENT_FAMILY) {
        failure_set(failure, EXIT_REFUSED, "the server gave relays of one family only (%u)",
                    event->code);
        failure_advise(failure, "It needs a relay address of the other family: relay.addresses in "
                                "turnserver.conf.");
        return;
    }
    if (event->failure == TURN_CLIENT_NONE) {
        explain_silence(failure, name, trouble);
        return;
    }
    if (event->failure == TURN_CLIENT_UNAUTHENTICATED && !findings->has_credentials) {
        failure_set(failure, EXIT_AUTHENTICATION, "the server asks for a name and a password");
        failure_advise(failure, "Give them by --user and --password-file, or --secret-file.");
        return;
    }
    if (event->code != 0) {
        snprintf(code, sizeof code, " (%u %s)", event->code, event->reason);
    }
    bool is_network = event->failure == TURN_CLIENT_DISCONNECTED && trouble[0] != '\0';
    failure_set(failure, verdict->status, "%s: %s%s", names[name].doing,
                is_network ? trouble : turn_client_failure_text(event->failure), code);
    failure_advise(failure, "%s", verdict->advice);
}

static void judge_echo(struct turn_findings *findings, const struct options *options)
{
    const struct turn_echo *echo = &findings->echo;
    struct failure *failure = &findings->failure;
    if (echo->corrupted > 0) {
        failure_set(failure, EXIT_DEGRADED, "%u of %u packets came back with other contents",
                    echo->corrupted, options->count);
        failure_advise(failure, "Something on the way changes data: the server, or a box that "
                                "rewrites addresses.");
    } else if (echo->returned == 0) {
        failure_set(failure, EXIT_NO_REPLY, "none of %u packets came back through the channel",
                    options->count);
        failure_advise(failure,
                       "Indications work, channels do not: a fault of the server, or packets of "
                       "%u bytes are dropped (--size).",
                       options->size);
    } else if (echo->returned < options->count) {
        failure_set(failure, EXIT_DEGRADED, "%u of %u packets were lost",
                    options->count - echo->returned, options->count);
        failure_advise(
            failure, "%u of them on the way to the far relay, the others on the way back.",
            options->count - (echo->arrived < options->count ? echo->arrived : options->count));
    }
}

static void judge(struct turn_findings *findings, const struct options *options,
                  const char *trouble)
{
    enum turn_step_name name;
    const struct turn_step *failed = find_failed(findings, &name);
    if (failed != NULL && name != STEP_DELETE) {
        explain_step(findings, name, trouble);
        return;
    }
    judge_echo(findings, options);
    if (findings->failure.status == EXIT_OK && failed != NULL) {
        failure_set(&findings->failure, EXIT_DEGRADED, "deleting the allocations: %s",
                    turn_client_failure_text(failed->event.failure));
        failure_advise(&findings->failure, "They end by themselves after their lifetime.");
    }
}

void turn_findings_take(struct turn_findings *findings, const struct turn_test *test,
                        const struct options *options, const char *trouble)
{
    findings->tested = true;
    for (unsigned i = 0; i < TURN_STEPS; i++) {
        findings->steps[i] = *turn_test_step(test, (enum turn_step_name)i);
    }
    findings->sides[0] = *turn_test_side(test, 0);
    findings->sides[1] = *turn_test_side(test, 1);
    findings->echo = *turn_test_echo(test);
    findings->signing = turn_test_signing(test);
    findings->private_count = turn_test_private(test, findings->private_peers);
    snprintf(findings->software, sizeof findings->software, "%s", turn_test_software(test));
    judge(findings, options, trouble);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int64_t mean_us(const struct turn_echo *echo)
{
    return echo->returned == 0 ? -1 : echo->rtt_sum_us / echo->returned;
}

static int64_t jitter_us(const struct turn_echo *echo)
{
    return echo->returned < 2 ? -1 : echo->jitter_sum_us / (echo->returned - 1);
}

static double loss_percent(const struct turn_findings *findings)
{
    const struct turn_echo *echo = &findings->echo;
    return echo->sent == 0 ? 0 : 100.0 * (echo->sent - echo->returned) / echo->sent;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void print_step(const struct output *output, const struct turn_step *step,
                       enum turn_step_name name, bool goes_there_and_back)
{
    if (step->state == STEP_OK) {
        output_row(output, names[name].label, STYLE_GOOD, "ok, %.3f ms%s",
                   (double)step->took_us / 1000, goes_there_and_back ? " there and back" : "");
    } else if (step->state == STEP_FAILED) {
        output_row(output, names[name].label, STYLE_BAD, "failed");
    }
}

static void print_allocations(const struct turn_findings *findings, const struct output *output)
{
    char relayed[ADDRESS_TEXT_SIZE];
    char mapped[ADDRESS_TEXT_SIZE];
    for (unsigned side = 0; side < 2; side++) {
        const struct turn_test_side *at = &findings->sides[side];
        if (at->relayed.family != STUN_FAMILY_NONE) {
            output_row(output, "", STYLE_PLAIN, "%s, for us at %s, %u s",
                       address_format(&at->relayed, relayed), address_format(&at->mapped, mapped),
                       at->lifetime_s);
        }
    }
}

static void print_second(const struct turn_findings *findings, const struct output *output)
{
    char text[ADDRESS_TEXT_SIZE];
    for (unsigned side = 0; side < 2; side++) {
        if (findings->sides[side].second.family != STUN_FAMILY_NONE) {
            output_row(output, "", STYLE_PLAIN, "and %s",
                       address_format(&findings->sides[side].second, text));
        }
    }
}

static void print_signing(const struct turn_findings *findings, const struct output *output)
{
    const struct turn_client_signing *signing = &findings->signing;
    if (signing->is_signed) {
        output_row(output, "signed", STYLE_PLAIN, "with %s, %s",
                   signing->sha256 ? "SHA-256" : "SHA-1",
                   signing->token         ? "by an access token"
                   : signing->hidden_name ? "the user name hidden"
                                          : "the user name in clear");
    }
}

static void print_private(const struct turn_findings *findings, const struct output *output)
{
    char list[TURN_TEST_PRIVATE_MAX * ADDRESS_TEXT_SIZE] = "";
    size_t size = 0;
    if (findings->steps[STEP_PRIVATE].state != STEP_OK) {
        return;
    }
    if (findings->private_count == 0) {
        output_row(output, "private peers", STYLE_GOOD, "refused");
        return;
    }
    for (size_t i = 0; i < findings->private_count; i++) {
        char text[ADDRESS_TEXT_SIZE];
        size += (size_t)snprintf(list + size, sizeof list - size, "%s%s", i > 0 ? ", " : "",
                                 address_format_ip(&findings->private_peers[i], text));
    }
    output_row(output, "private peers", STYLE_WARN, "this server relays to private addresses");
    output_row(output, "", STYLE_WARN, "%s", list);
}

static void print_echo(const struct turn_findings *findings, const struct options *options,
                       const struct output *output)
{
    const struct turn_echo *echo = &findings->echo;
    if (echo->sent == 0) {
        return;
    }
    output_row(output, "echo", echo->returned == echo->sent ? STYLE_GOOD : STYLE_WARN,
               "%u of %u packets of %u bytes came back", echo->returned, echo->sent, options->size);
    if (echo->duplicates + echo->corrupted + echo->reordered > 0) {
        output_row(output, "", STYLE_WARN, "%u twice, %u changed, %u out of order",
                   echo->duplicates, echo->corrupted, echo->reordered);
    }
    if (echo->returned > 0) {
        output_row(output, "round trip", STYLE_PLAIN, "min %.3f, mean %.3f, max %.3f ms",
                   (double)echo->rtt_min_us / 1000, (double)mean_us(echo) / 1000,
                   (double)echo->rtt_max_us / 1000);
    }
    if (echo->returned > 1) {
        output_row(output, "jitter", STYLE_PLAIN, "%.3f ms", (double)jitter_us(echo) / 1000);
    }
}

static void print_words(const struct turn_findings *findings, const struct options *options,
                        const struct output *output)
{
    char address[ADDRESS_TEXT_SIZE];
    output_row(output, "server", STYLE_PLAIN, "%s over %s%s%s",
               address_format(&findings->server, address), options_protocol_text(options),
               findings->software[0] == '\0' ? "" : ", ", findings->software);
    if (findings->by_naptr) {
        output_row(output, "", STYLE_PLAIN, "as DNS says (NAPTR)");
    }
    if (findings->redirected_from.family != STUN_FAMILY_NONE) {
        output_row(output, "", STYLE_PLAIN, "sent there by %s (300)",
                   address_format(&findings->redirected_from, address));
    }
    secure_print(findings->secure, output);
    print_signing(findings, output);
    print_step(output, &findings->steps[STEP_ALLOCATE], STEP_ALLOCATE, false);
    print_allocations(findings, output);
    print_second(findings, output);
    print_step(output, &findings->steps[STEP_PERMISSION], STEP_PERMISSION, false);
    print_step(output, &findings->steps[STEP_INDICATION], STEP_INDICATION, true);
    print_step(output, &findings->steps[STEP_CHANNEL], STEP_CHANNEL, false);
    print_step(output, &findings->steps[STEP_CONNECT], STEP_CONNECT, false);
    print_echo(findings, options, output);
    print_step(output, &findings->steps[STEP_SECOND], STEP_SECOND, true);
    print_step(output, &findings->steps[STEP_MOVE], STEP_MOVE, true);
    print_private(findings, output);
    print_step(output, &findings->steps[STEP_DELETE], STEP_DELETE, false);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Indication and channel, or connect: not both. */
static bool is_asked_for(enum turn_step_name name, const struct options *options)
{
    switch (name) {
    case STEP_INDICATION:
    case STEP_CHANNEL:
        return !options->tcp_relay;
    case STEP_CONNECT:
        return options->tcp_relay;
    case STEP_SECOND:
        return options->dual_stack;
    case STEP_MOVE:
        return options->mobility;
    default:
        return true;
    }
}

static void put_steps(struct json_writer *json, const struct turn_findings *findings,
                      const struct options *options)
{
    static const char *const states[] = {
        [STEP_UNTRIED] = "untried",
        [STEP_RUNNING] = "failed",
        [STEP_OK] = "ok",
        [STEP_FAILED] = "failed",
    };
    json_put_key(json, "steps");
    json_begin_array(json);
    for (unsigned i = 0; i < TURN_STEPS; i++) {
        const struct turn_step *step = &findings->steps[i];
        if (!is_asked_for((enum turn_step_name)i, options)) {
            continue;
        }
        json_begin_object(json);
        json_member_string(json, "step", names[i].key);
        json_member_string(json, "state", states[step->state]);
        output_member_ms(json, "took_ms", step->state == STEP_UNTRIED ? -1 : step->took_us);
        if (step->event.code != 0) {
            json_member_u64(json, "stun_error", step->event.code);
        } else {
            json_member_null(json, "stun_error");
        }
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_allocations(struct json_writer *json, const struct turn_findings *findings)
{
    json_put_key(json, "allocations");
    json_begin_array(json);
    for (unsigned side = 0; side < 2; side++) {
        const struct turn_test_side *at = &findings->sides[side];
        if (at->relayed.family == STUN_FAMILY_NONE) {
            continue;
        }
        json_begin_object(json);
        json_member_address(json, "relayed_address", &at->relayed);
        json_member_address(json, "second_relayed_address", &at->second);
        json_member_address(json, "mapped_address", &at->mapped);
        json_member_u64(json, "lifetime_s", at->lifetime_s);
        output_member_ms(json, "took_ms", at->allocate_us);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_signing(struct json_writer *json, const struct turn_client_signing *signing)
{
    json_put_key(json, "signing");
    if (!signing->is_signed) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    json_member_string(json, "integrity", signing->sha256 ? "sha256" : "sha1");
    json_member_string(json, "user",
                       signing->token         ? "token"
                       : signing->hidden_name ? "hidden"
                                              : "clear");
    json_end_object(json);
}

static void put_private(struct json_writer *json, const struct turn_findings *findings)
{
    char text[ADDRESS_TEXT_SIZE];
    json_put_key(json, "private_peers");
    if (findings->steps[STEP_PRIVATE].state != STEP_OK) {
        json_put_null(json);
        return;
    }
    json_begin_array(json);
    for (size_t i = 0; i < findings->private_count; i++) {
        json_put_string(json, address_format_ip(&findings->private_peers[i], text));
    }
    json_end_array(json);
}

static void put_echo(struct json_writer *json, const struct turn_findings *findings,
                     const struct options *options)
{
    const struct turn_echo *echo = &findings->echo;
    bool any = echo->returned > 0;
    json_put_key(json, "echo");
    if (echo->sent == 0) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    json_member_u64(json, "size", options->size);
    json_member_u64(json, "interval_ms", options->interval_ms);
    json_member_u64(json, "sent", echo->sent);
    json_member_u64(json, "arrived", echo->arrived);
    json_member_u64(json, "returned", echo->returned);
    json_member_u64(json, "duplicates", echo->duplicates);
    json_member_u64(json, "corrupted", echo->corrupted);
    json_member_u64(json, "reordered", echo->reordered);
    json_member_real(json, "loss_percent", loss_percent(findings), 2);
    output_member_ms(json, "rtt_min_ms", any ? echo->rtt_min_us : -1);
    output_member_ms(json, "rtt_mean_ms", mean_us(echo));
    output_member_ms(json, "rtt_max_ms", any ? echo->rtt_max_us : -1);
    output_member_ms(json, "jitter_ms", jitter_us(echo));
    json_end_object(json);
}

static void print_json(const struct turn_findings *findings, const struct options *options)
{
    struct output_object object;
    struct json_writer *json = &object.json;
    output_object_begin(&object, "turn", options->target, findings->failure.status,
                        &findings->failure);
    json_member_string(json, "protocol", options_protocol_name(options));
    json_member_address(json, "server_address", &findings->server);
    json_member_address(json, "redirected_from", &findings->redirected_from);
    json_member_string(json, "software", findings->software[0] == '\0' ? NULL : findings->software);
    put_signing(json, &findings->signing);
    put_steps(json, findings, options);
    put_allocations(json, findings);
    put_echo(json, findings, options);
    put_private(json, findings);
    secure_put_json(findings->secure, json);
    output_object_end(&object);
}

void turn_findings_print(const struct turn_findings *findings, const struct options *options,
                         const struct output *output)
{
    if (options->json) {
        print_json(findings, options);
        return;
    }
    if (findings->tested) {
        print_words(findings, options, output);
    }
    if (findings->failure.status != EXIT_OK) {
        output_failure(output, &findings->failure);
    }
}

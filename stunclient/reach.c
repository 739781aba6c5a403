/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/reach.h"

#include "base/address.h"
#include "base/text.h"
#include "net/clock.h"
#include "proto/stun_transaction.h"
#include "stunclient/random.h"
#include "stunclient/secure.h"

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NEXT_AFTER_MS 250 /* RFC 8305 §5: the connection attempt delay */

struct candidate {
    bool open;
    uint32_t via;
    struct stun_transaction transaction;
};

/* All of the race; the shell's user. */
struct race {
    struct shell *shell;
    const struct options *options;
    const struct output *output;
    struct monotime deadline, started;
    struct monotime next_due; /* when the next candidate begins */
    size_t next;
    bool won;
    struct reach_result *result;
    struct candidate candidates[RESOLVER_ADDRESSES_MAX];
};

const char *reach_outcome_name(enum reach_outcome outcome)
{
    static const char *const names[] = {
        [REACH_UNTRIED] = "untried",   [REACH_WAITING] = "silent",
        [REACH_ANSWERED] = "answered", [REACH_SILENT] = "silent",
        [REACH_REFUSED] = "refused",   [REACH_UNREACHABLE] = "unreachable",
        [REACH_INSECURE] = "tls",
    };
    return names[outcome];
}

/* ---- one candidate --------------------------------------------------------------------------- */

static void fail(struct race *race, size_t i, int error, const char *text, struct monotime now)
{
    struct reach_attempt *attempt = &race->result->attempts[i];
    char address[ADDRESS_TEXT_SIZE];
    attempt->outcome = error == ECONNREFUSED ? REACH_REFUSED
                       : error == EPROTO     ? REACH_INSECURE
                                             : REACH_UNREACHABLE;
    snprintf(attempt->error, sizeof attempt->error, "%s", text);
    output_tell(race->output, 1, "%s: %s", address_format(&attempt->remote, address), text);
    stun_transaction_cancel(&race->candidates[i].transaction);
    if (race->candidates[i].open) {
        shell_close(race->shell, race->candidates[i].via);
        race->candidates[i].open = false;
    }
    race->next_due = now; /* no reason to let the others wait */
}

static void send_request(struct race *race, size_t i, struct monotime now, struct outbox *outbox)
{
    struct stun_transaction *transaction = &race->candidates[i].transaction;
    struct stun_timing timing = stun_timing_default;
    struct flow flow = {.via = race->candidates[i].via,
                        .transport = options_transport(race->options),
                        .remote = race->result->attempts[i].remote};
    struct stun_builder builder;
    timing.rto_ms = race->options->rto_ms;
    stun_new_id(transaction->id, random_bits, NULL);
    stun_builder_begin(&builder, transaction->request, sizeof transaction->request, STUN_REQUEST,
                       STUN_BINDING, transaction->id);
    stun_builder_put_string(&builder, STUN_SOFTWARE, PACKAGE_STRING);
    stun_builder_put_fingerprint(&builder);
    int size = stun_builder_finish(&builder);
    if (size > 0) {
        stun_transaction_start(transaction, now, &timing, &flow, (uint16_t)size, race->deadline,
                               outbox);
    }
}

static struct stun_address local_for(const struct race *race, const struct stun_address *remote)
{
    struct stun_address local = race->options->local;
    if (local.family == STUN_FAMILY_NONE) {
        local = (struct stun_address){.family = remote->family, .port = local.port};
    }
    return local;
}

static void begin(struct race *race, struct monotime now, struct outbox *outbox)
{
    size_t i = race->next++;
    struct candidate *candidate = &race->candidates[i];
    struct reach_attempt *attempt = &race->result->attempts[i];
    struct stun_address local = local_for(race, &attempt->remote);
    enum outbox_transport transport = options_transport(race->options);
    int status = shell_open(race->shell, transport, &attempt->remote, &local, &candidate->via);
    race->next_due = race->next < race->result->attempt_count ? monotime_add_ms(now, NEXT_AFTER_MS)
                                                              : MONOTIME_NEVER;
    attempt->outcome = REACH_WAITING;
    if (status != 0) {
        fail(race, i, -status, strerror(-status), now);
        return;
    }
    candidate->open = true;
    if (transport == TRANSPORT_UDP) {
        send_request(race, i, now, outbox);
    }
}

static size_t find_via(const struct race *race, uint32_t via)
{
    size_t i = 0;
    while (i < race->next && !(race->candidates[i].open && race->candidates[i].via == via)) {
        i++;
    }
    return i;
}

/* ---- the shell's user ------------------------------------------------------------------------ */

static void take_error(struct reach_result *result, const struct stun_view *view)
{
    const char *reason;
    size_t size;
    result->code = 500;
    if (stun_view_error(view, &result->code, &reason, &size) == STUN_OK) {
        text_copy_printable(result->reason, sizeof result->reason, reason, size);
    }
}

static void take_answer(struct race *race, size_t i, struct monotime now,
                        const struct stun_view *view)
{
    struct reach_result *result = race->result;
    const struct stun_attribute_view *software = stun_view_find(view, STUN_SOFTWARE);
    result->attempts[i].outcome = REACH_ANSWERED;
    result->server = result->attempts[i].remote;
    result->rtt_us = stun_transaction_rtt_us(&race->candidates[i].transaction, now);
    result->took_us = monotime_difference_us(now, race->started);
    result->requests_sent = race->candidates[i].transaction.requests_sent;
    if (software != NULL) {
        text_copy_printable(result->software, sizeof result->software, software->value,
                            software->size);
    }
    if (view->message_class == STUN_ERROR) {
        take_error(result, view);
    }
    if (stun_view_xor_address(view, STUN_XOR_MAPPED_ADDRESS, &result->mapped) != STUN_OK) {
        stun_view_address(view, STUN_MAPPED_ADDRESS, &result->mapped);
    }
    stun_view_address(view, STUN_OTHER_ADDRESS, &result->other);
    shell_local(race->shell, race->candidates[i].via, &result->server, &result->local);
    stun_transaction_answered(&race->candidates[i].transaction);
    race->won = true;
}

static void input(void *context, struct monotime now, const struct flow *flow,
                  struct packet *packet, struct outbox *outbox)
{
    struct race *race = context;
    struct stun_view view;
    size_t i = find_via(race, flow->via);
    (void)outbox;
    if (race->won || i == race->next ||
        stun_view_parse(&view, packet->bytes, packet->size) != STUN_OK ||
        stun_view_check_fingerprint(&view) == STUN_ERROR_MISMATCH ||
        !stun_transaction_matches(&race->candidates[i].transaction, &view) ||
        !address_equal(&flow->remote, &race->result->attempts[i].remote)) {
        output_tell(race->output, 2, "a packet that is no answer to us was ignored");
        return;
    }
    take_answer(race, i, now, &view);
}

static void connected(void *context, struct monotime now, uint32_t via, struct outbox *outbox)
{
    struct race *race = context;
    size_t i = find_via(race, via);
    if (i < race->next) {
        send_request(race, i, now, outbox);
    }
}

static void failed(void *context, struct monotime now, uint32_t via,
                   const struct stun_address *remote, int error, const char *text,
                   struct outbox *outbox)
{
    struct race *race = context;
    size_t i = find_via(race, via);
    (void)remote;
    (void)outbox;
    if (i < race->next && !race->won) {
        bool refused = error == ECONNREFUSED || strstr(text, "refused") != NULL;
        fail(race, i, refused ? ECONNREFUSED : error, text, now);
    }
}

static void tick(void *context, struct monotime now, struct outbox *outbox)
{
    struct race *race = context;
    for (size_t i = 0; i < race->next; i++) {
        struct stun_transaction *transaction = &race->candidates[i].transaction;
        stun_transaction_tick(transaction, now, outbox);
        if (transaction->state == STUN_TRANSACTION_TIMED_OUT) {
            race->result->attempts[i].outcome = REACH_SILENT;
        }
    }
    while (race->next < race->result->attempt_count && monotime_reached(now, race->next_due)) {
        begin(race, now, outbox);
    }
}

static struct monotime due(void *context)
{
    const struct race *race = context;
    struct monotime earliest =
        race->next < race->result->attempt_count ? race->next_due : MONOTIME_NEVER;
    for (size_t i = 0; i < race->next; i++) {
        earliest =
            monotime_earlier(earliest, stun_transaction_due(&race->candidates[i].transaction));
    }
    return earliest;
}

static bool finished(void *context)
{
    const struct race *race = context;
    if (race->won) {
        return true;
    }
    for (size_t i = 0; i < race->result->attempt_count; i++) {
        enum reach_outcome outcome = race->result->attempts[i].outcome;
        if (outcome == REACH_UNTRIED || outcome == REACH_WAITING) {
            return false;
        }
    }
    return true;
}

/* ---- why nobody answered --------------------------------------------------------------------- */

static const struct reach_attempt *worst(const struct reach_result *result)
{
    const struct reach_attempt *found = &result->attempts[0];
    for (size_t i = 0; i < result->attempt_count; i++) {
        const struct reach_attempt *attempt = &result->attempts[i];
        /* A silent address says least, but means that there is something to wait for. */
        if (attempt->outcome == REACH_WAITING || attempt->outcome == REACH_SILENT) {
            return attempt;
        }
        if (attempt->outcome == REACH_INSECURE ||
            (attempt->outcome == REACH_REFUSED && found->outcome != REACH_INSECURE)) {
            found = attempt;
        }
    }
    return found;
}

static void explain(const struct race *race, bool interrupted, struct failure *failure)
{
    const struct reach_attempt *attempt = worst(race->result);
    const char *protocol = options_protocol_text(race->options);
    char address[ADDRESS_TEXT_SIZE];
    address_format(&attempt->remote, address);
    if (interrupted) {
        failure_set(failure, EXIT_NO_REPLY, "interrupted before %s answered", address);
    } else if (attempt->outcome == REACH_INSECURE) {
        secure_explain(failure, protocol, address, attempt->error);
    } else if (attempt->outcome == REACH_REFUSED) {
        failure_set(failure, EXIT_NO_REPLY, "%s refused (%s): nothing listens there", address,
                    protocol);
        failure_advise(failure, "Check host and port, and whether the server runs.");
    } else if (attempt->outcome == REACH_UNREACHABLE) {
        failure_set(failure, EXIT_NO_REPLY, "%s cannot be reached (%s): %s", address, protocol,
                    attempt->error);
        failure_advise(failure, "Check this host's network and the options --family, --localaddr "
                                "and --localport.");
    } else {
        failure_set(
            failure, EXIT_NO_REPLY, "no reply from %s (%s) within %.1f s", address, protocol,
            (double)monotime_difference_us(race->deadline, race->started) / MONOTIME_SECOND);
        failure_advise(failure, options_transport(race->options) == TRANSPORT_TCP
                                    ? "The server is down, or a firewall on the way drops packets."
                                    : "The server is down, or a firewall on the way drops UDP; "
                                      "--protocol tcp may tell which.");
    }
}

bool reach(struct shell *shell, const struct options *options, const struct output *output,
           const struct resolver_result *found, struct monotime deadline,
           struct reach_result *result, struct failure *failure)
{
    struct race race = {
        .shell = shell,
        .options = options,
        .output = output,
        .deadline = deadline,
        .started = clock_now(),
        .result = result,
    };
    const struct shell_user user = {&race, input, connected, failed, tick, due, finished};
    *result = (struct reach_result){.attempt_count = found->count, .rtt_us = -1};
    for (size_t i = 0; i < found->count; i++) {
        result->attempts[i].remote = found->addresses[i];
    }
    begin(&race, race.started, shell_outbox(shell));
    bool whole = shell_run(shell, &user, deadline);
    for (size_t i = 0; i < race.next; i++) {
        if (race.candidates[i].open) {
            shell_close(shell, race.candidates[i].via);
        }
    }
    if (!race.won) {
        explain(&race, !whole, failure);
    }
    return race.won;
}

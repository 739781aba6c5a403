/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker's mail: its mailbox, and what it puts into others'. */
#include "turnserver/worker_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

/* Answers to every question that can be under way, and some orders. */
#define MAILBOX_CAPACITY 512

enum message_type {
    MESSAGE_POLICY,  /* pointer: a reference to a struct config_policy */
    MESSAGE_FINDING, /* pointer: a struct auth_finding, ours */
    MESSAGE_MOVE, /* pointer: a struct letter, ours: another worker's client has a ticket of ours */
    MESSAGE_MOVED, /* the same letter with the answer */
    MESSAGE_TCP,   /* pointer: a struct tcp_relay_message, ours */
    MESSAGE_STOP,
};

/* Goes to the worker that has an allocation, and back. */
struct letter {
    struct turn_move move;
    struct worker *asker;
    enum turn_move_status status;
    struct turn_handover *handover;
};

/* ---- what goes out --------------------------------------------------------------------------- */

/* A full mailbox means that the worker is busy for a moment: it is waited for. */
static void post(struct worker *worker, const struct mailbox_message *message)
{
    const struct timespec moment = {0, 1000000};
    while (mailbox_send(worker->mailbox, message) == -EAGAIN) {
        (void)nanosleep(&moment, NULL);
    }
}

/* What cannot be asked stays unanswered: the client asks again. */
static void ask_workers(struct worker *worker)
{
    struct turn_move move;
    while (turn_server_next_move(worker->turn, &move)) {
        struct letter *letter = calloc(1, sizeof *letter);
        if (letter) {
            letter->move = move;
            letter->asker = worker;
        }
        if (!letter ||
            mailbox_send(worker->shared->workers[move.from]->mailbox,
                         &(struct mailbox_message){.type = MESSAGE_MOVE, .pointer = letter}) != 0) {
            free(letter);
        }
    }
}

static void on_answered(void *receiver, struct auth_finding *finding)
{
    struct worker *worker = receiver;
    post(worker, &(struct mailbox_message){.type = MESSAGE_FINDING, .pointer = finding});
}

/* Takes the machine's questions to where users are kept. What cannot be asked is answered so. */
static void ask_questions(struct worker *worker)
{
    const struct auth_source *users = &worker->shared->users;
    struct auth_question question;
    while (auth_next_question(worker->auth, &question)) {
        if (!users->ask || !users->ask(users->context, &question, on_answered, worker)) {
            const struct auth_finding failed = {.id = question.id, .status = AUTH_FAILED};
            turn_server_answer(worker->turn, worker->now, &failed, &worker->outbox);
        }
    }
}

void worker_mail_ask(struct worker *worker)
{
    ask_questions(worker);
    ask_workers(worker);
}

/* ---- what comes ------------------------------------------------------------------------------ */

static void take_policy(struct worker *worker, struct config_policy *policy)
{
    turn_server_set_policy(worker->turn, &policy->turn);
    auth_set_policy(worker->auth, policy->auth);
    streams_set_policy(worker->streams, policy);
    if (worker->associations) {
        associations_set_context(worker->associations, policy->dtls_context);
    }
    config_policy_release(worker->policy);
    worker->policy = policy;
}

static void take_finding(struct worker *worker, struct auth_finding *finding)
{
    if (worker->turn) {
        worker_begin_turn(worker);
        turn_server_answer(worker->turn, worker->now, finding, &worker->outbox);
    }
    auth_finding_free(finding);
}

static int give_port(void *context, uint32_t via)
{
    struct worker *worker = context;
    return worker->operations->release(worker->datapath, via);
}

static int take_port(void *context, const struct stun_address *relayed, int handle, uint32_t *via)
{
    struct worker *worker = context;
    return worker->operations->adopt(worker->datapath, relayed, handle, via);
}

static void discard_port(void *context, int handle)
{
    struct worker *worker = context;
    worker->operations->discard(handle);
}

const struct turn_passing worker_mail_passing = {give_port, take_port, discard_port};

/* The answer must not wait for a worker that may wait for us: if it cannot go, all stays here. */
static void answer_move(struct worker *worker, struct letter *letter)
{
    if (!worker->turn) {
        free(letter);
        return;
    }
    worker_begin_turn(worker);
    letter->status =
        turn_server_give_away(worker->turn, &letter->move, &letter->handover, &worker->outbox);
    if (mailbox_send(letter->asker->mailbox,
                     &(struct mailbox_message){.type = MESSAGE_MOVED, .pointer = letter}) != 0) {
        turn_server_take_over(worker->turn, worker->now, 0, letter->status, letter->handover,
                              &worker->outbox);
        free(letter);
    }
}

static void take_move(struct worker *worker, struct letter *letter)
{
    if (worker->turn) {
        worker_begin_turn(worker);
        turn_server_take_over(worker->turn, worker->now, letter->move.id, letter->status,
                              letter->handover, &worker->outbox);
    } else {
        turn_handover_free(letter->handover, &worker_mail_passing, worker);
    }
    free(letter);
}

static void take_tcp_message(struct worker *worker, struct tcp_relay_message *message)
{
    if (worker->turn) {
        tcp_relay_receive(worker->tcp_relay, message);
    } else {
        tcp_relay_message_free(message);
    }
}

/* Never waits, so that two workers cannot wait for one another. One that stops tells nobody: its
 * connections end by themselves. */
int worker_mail_send_tcp(void *context, unsigned number, struct tcp_relay_message *message)
{
    const struct worker *worker = context;
    const struct worker_shared *shared = worker->shared;
    if (worker->stopping || number >= shared->worker_count) {
        return -ESRCH;
    }
    return mailbox_send(shared->workers[number]->mailbox,
                        &(struct mailbox_message){.type = MESSAGE_TCP, .pointer = message});
}

static void on_message(const struct mailbox_message *message, void *context)
{
    struct worker *worker = context;
    switch ((enum message_type)message->type) {
    case MESSAGE_POLICY:
        if (worker->turn) {
            worker_begin_turn(worker);
            take_policy(worker, message->pointer);
        } else {
            config_policy_release(message->pointer);
        }
        break;
    case MESSAGE_FINDING:
        take_finding(worker, message->pointer);
        break;
    case MESSAGE_MOVE:
        answer_move(worker, message->pointer);
        break;
    case MESSAGE_MOVED:
        take_move(worker, message->pointer);
        break;
    case MESSAGE_TCP:
        take_tcp_message(worker, message->pointer);
        break;
    case MESSAGE_STOP:
        worker->stopping = true;
        (void)event_base_loopbreak(worker->base);
        break;
    }
}

void worker_send_policy(struct worker *worker, struct config_policy *policy)
{
    const struct mailbox_message message = {
        .type = MESSAGE_POLICY,
        .pointer = config_policy_acquire(policy),
    };
    post(worker, &message);
}

void worker_send_stop(struct worker *worker)
{
    post(worker, &(struct mailbox_message){.type = MESSAGE_STOP});
}

bool worker_mail_open(struct worker *worker)
{
    return mailbox_new(&worker->mailbox, worker->base, MAILBOX_CAPACITY, on_message, worker) == 0;
}

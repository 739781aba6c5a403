/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/joint.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_SIZE (1024 * 1024)
#define ROUNDS_AT_ONCE 16 /* of descriptors that are always ready */

struct joint {
    struct joint_setup setup;
    struct event *readable, *writable;
    int out;         /* the one that is written to: setup.out, or the same opened anew */
    bool in_polls;   /* false: a file, which is always ready */
    bool out_polls;  /* the same */
    bool out_blocks; /* it could not be opened anew: small writes only */

    uint8_t *buffer; /* what was read and not sent yet */
    size_t size;
    bool input_over;   /* the end has been read */
    bool input_sent;   /* and sent */
    bool input_broken; /* it cannot be read: no end is sent */

    struct evbuffer *queue; /* what came and is not written yet */
    bool held;
    bool peer_over;   /* its end has come */
    bool output_over; /* and is written */
    bool ended, channel_closed;
    bool cut; /* the channel was closed before the peer's end had come */
    uint64_t sent, received;
    char problem[128];
};

/* ---- descriptors ----------------------------------------------------------------------------- */

/* epoll takes no ordinary files, and libevent would say so on standard error. */
static bool polls(int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
    if (epoll >= 0) {
        close(epoll);
    }
    return ok;
}

/*
 * Standard output may be shared with other processes, which would be surprised to find it
 * non-blocking; so a pipe or terminal is opened anew. Returns -1 where that is not possible.
 */
static int open_anew(int descriptor)
{
    char path[64];
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))) {
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool is_a_socket(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
}

static void prepare_output(struct joint *joint)
{
    int anew = joint->setup.is_socket ? -1 : open_anew(joint->setup.out);
    joint->out = anew >= 0 ? anew : joint->setup.out;
    joint->out_polls = polls(joint->out);
    joint->out_blocks = anew < 0 && joint->out_polls && !is_a_socket(joint->out);
    (void)fcntl(joint->out, F_SETPIPE_SZ, PIPE_SIZE);
    (void)fcntl(joint->setup.in, F_SETPIPE_SZ, PIPE_SIZE);
}

/* ---- out of the channel ---------------------------------------------------------------------- */

static void end_if_over(struct joint *joint)
{
    bool no_input = joint->input_sent || joint->channel_closed;
    if (no_input && joint->output_over && !joint->ended) {
        joint->ended = true;
        joint->setup.ended(joint->setup.context, JOINT_END_BOTH);
    }
}

/* Who reads from us shall see the end, but the number of standard output must stay taken. */
static void close_output(struct joint *joint)
{
    if (joint->setup.is_socket) {
        shutdown(joint->setup.out, SHUT_WR);
        return;
    }
    if (joint->setup.keeps_output) {
        return;
    }
    if (joint->out != joint->setup.out) {
        event_del(joint->writable);
        close(joint->out);
        joint->out = -1;
    }
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) {
        dup2(nowhere, joint->setup.out);
        close(nowhere);
    }
}

static void hold(struct joint *joint, bool held)
{
    if (joint->held != held) {
        joint->held = held;
        joint->setup.hold(joint->setup.context, held);
    }
}

static void end_broken(struct joint *joint)
{
    if (!joint->ended) {
        joint->ended = true;
        joint->setup.ended(joint->setup.context, JOINT_END_BROKEN);
    }
}

static void break_output(struct joint *joint, int error)
{
    if (error == EPIPE) {
        snprintf(joint->problem, sizeof joint->problem, "nobody reads standard output any more");
    } else {
        snprintf(joint->problem, sizeof joint->problem, "standard output cannot be written: %s",
                 strerror(error));
    }
    evbuffer_drain(joint->queue, evbuffer_get_length(joint->queue));
    joint->output_over = true;
    event_del(joint->writable);
    hold(joint, false);
    end_broken(joint);
}

/* Returns the bytes written, 0: it would block, or -errno. */
static ssize_t write_some(struct joint *joint, const void *bytes, size_t size)
{
    ssize_t written;
    if (joint->out_blocks && size > PIPE_BUF) {
        size = PIPE_BUF; /* so much goes in where poll says that there is room */
    }
    do {
        written = joint->setup.is_socket || is_a_socket(joint->out)
                      ? send(joint->out, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : write(joint->out, bytes, size);
    } while (written < 0 && errno == EINTR);
    if (written < 0) {
        return errno == EAGAIN ? 0 : -errno;
    }
    return written;
}

static void finish_output(struct joint *joint)
{
    if (joint->peer_over && !joint->output_over && evbuffer_get_length(joint->queue) == 0) {
        joint->output_over = true;
        close_output(joint);
        end_if_over(joint);
    }
}

static void write_queue(struct joint *joint)
{
    size_t length;
    while ((length = evbuffer_get_length(joint->queue)) > 0) {
        size_t piece = evbuffer_get_contiguous_space(joint->queue);
        ssize_t written = write_some(joint, evbuffer_pullup(joint->queue, (ssize_t)piece), piece);
        if (written < 0) {
            break_output(joint, (int)-written);
            return;
        }
        if (written == 0) {
            break;
        }
        evbuffer_drain(joint->queue, (size_t)written);
        if (joint->out_blocks) {
            break;
        }
    }
    if (length > 0 && evbuffer_get_length(joint->queue) > 0) {
        event_add(joint->writable, NULL);
        hold(joint, true);
    } else {
        event_del(joint->writable);
        hold(joint, false);
    }
    finish_output(joint);
}

static void on_writable(evutil_socket_t descriptor, short what, void *context)
{
    struct joint *joint = context;
    (void)descriptor;
    (void)what;
    write_queue(joint);
    joint->setup.settle(joint->setup.context);
}

void joint_message(struct joint *joint, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    if (joint->output_over || joint->peer_over) {
        return;
    }
    if (size == 0) {
        joint->peer_over = true;
        finish_output(joint);
        return;
    }
    joint->received += size;
    while (size > 0 && evbuffer_get_length(joint->queue) == 0 && !joint->out_blocks) {
        ssize_t written = write_some(joint, at, size);
        if (written < 0) {
            break_output(joint, (int)-written);
            return;
        }
        if (written == 0) {
            break;
        }
        at += written;
        size -= (size_t)written;
    }
    if (size > 0) {
        evbuffer_add(joint->queue, at, size);
        event_add(joint->writable, NULL);
        hold(joint, true);
    }
}

/* ---- into the channel ------------------------------------------------------------------------ */

static void want_input(struct joint *joint)
{
    if (joint->input_over || joint->size > 0 || joint->channel_closed) {
        event_del(joint->readable);
    } else if (joint->in_polls) {
        event_add(joint->readable, NULL);
    } else {
        event_active(joint->readable, EV_READ, 0);
    }
}

/* Whether nothing waits any more. */
static bool send_waiting(struct joint *joint)
{
    if (joint->channel_closed) {
        return false;
    }
    if (joint->size > 0) {
        int status = joint->setup.send(joint->setup.context, joint->buffer, joint->size);
        if (status == -EAGAIN) {
            return false;
        }
        if (status != 0) {
            joint_channel_closed(joint);
            return false;
        }
        joint->sent += joint->size;
        joint->size = 0;
    }
    if (joint->input_over && !joint->input_sent && !joint->input_broken &&
        joint->setup.send(joint->setup.context, "", 0) == 0) {
        joint->input_sent = true;
        end_if_over(joint);
    }
    return true;
}

/* A terminal whose line is gone ends as one where the end has been typed. */
static bool is_hung_up_terminal(const struct joint *joint, int error)
{
    struct stat status;
    return error == EIO && fstat(joint->setup.in, &status) == 0 && S_ISCHR(status.st_mode);
}

/* Its end must not look like one in order: what was read is not all that there is. */
static void break_input(struct joint *joint, int error)
{
    snprintf(joint->problem, sizeof joint->problem, "standard input cannot be read: %s",
             strerror(error));
    joint->input_over = joint->input_broken = true;
    end_broken(joint);
}

/* Whether there may be more. */
static bool read_some(struct joint *joint)
{
    ssize_t size;
    do {
        size = read(joint->setup.in, joint->buffer, joint->setup.message_max);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && errno == EAGAIN) {
        return false;
    }
    if (size < 0 && !is_hung_up_terminal(joint, errno)) {
        break_input(joint, errno);
        return false;
    }
    if (size <= 0) {
        joint->input_over = true;
    } else {
        joint->size = (size_t)size;
    }
    return send_waiting(joint) && !joint->input_over;
}

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct joint *joint = context;
    (void)descriptor;
    (void)what;
    if (joint->input_over || joint->size > 0 || joint->channel_closed) {
        return;
    }
    int rounds = joint->in_polls ? 1 : ROUNDS_AT_ONCE;
    while (rounds-- > 0 && read_some(joint)) {
    }
    want_input(joint);
    joint->setup.settle(joint->setup.context);
}

void joint_writable(struct joint *joint)
{
    if (send_waiting(joint)) {
        want_input(joint);
    }
}

void joint_channel_closed(struct joint *joint)
{
    if (joint->channel_closed) {
        return;
    }
    joint->channel_closed = true;
    joint->cut = !joint->peer_over;
    event_del(joint->readable);
    joint->peer_over = true;
    finish_output(joint);
    end_if_over(joint);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct joint *joint_new(const struct joint_setup *setup)
{
    struct joint *joint = calloc(1, sizeof *joint);
    if (joint == NULL) {
        return NULL;
    }
    joint->setup = *setup;
    if (joint->setup.message_max > JOINT_READ_SIZE || joint->setup.message_max == 0) {
        joint->setup.message_max = JOINT_READ_SIZE;
    }
    prepare_output(joint);
    joint->in_polls = polls(setup->in);
    joint->readable = event_new(setup->base, setup->in, EV_READ, on_readable, joint);
    joint->writable = event_new(setup->base, joint->out, EV_WRITE, on_writable, joint);
    joint->buffer = malloc(JOINT_READ_SIZE);
    joint->queue = evbuffer_new();
    if (joint->readable == NULL || joint->writable == NULL || joint->buffer == NULL ||
        joint->queue == NULL) {
        joint_free(joint);
        return NULL;
    }
    want_input(joint);
    return joint;
}

void joint_free(struct joint *joint)
{
    if (joint == NULL) {
        return;
    }
    if (joint->readable != NULL) {
        event_free(joint->readable);
    }
    if (joint->writable != NULL) {
        event_free(joint->writable);
    }
    if (joint->setup.is_socket) {
        close(joint->setup.in);
    } else if (joint->out >= 0 && joint->out != joint->setup.out) {
        close(joint->out);
    }
    if (joint->queue != NULL) {
        evbuffer_free(joint->queue);
    }
    free(joint->buffer);
    free(joint);
}

bool joint_has_ended(const struct joint *joint)
{
    return joint->ended;
}

bool joint_input_ended(const struct joint *joint)
{
    return joint->input_sent;
}

bool joint_is_cut(const struct joint *joint)
{
    return joint->cut;
}

bool joint_holds(const struct joint *joint)
{
    return joint->held;
}

const char *joint_problem(const struct joint *joint)
{
    return joint->problem;
}

uint64_t joint_bytes_sent(const struct joint *joint)
{
    return joint->sent;
}

uint64_t joint_bytes_received(const struct joint *joint)
{
    return joint->received;
}

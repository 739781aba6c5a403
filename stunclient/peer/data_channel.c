/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/peer/data_session.h"
#include "stunclient/peer/dcep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ------------------------------------------------------------------------------- */

static struct data_channel *find(const struct data_session *session, uint16_t id)
{
    return id < DATA_STREAMS ? session->channels[id] : NULL;
}

static void copy_name(char *out, const char *name, size_t size)
{
    size = size < DATA_NAME_MAX ? size : DATA_NAME_MAX;
    memcpy(out, name, size);
    out[size] = '\0';
}

static struct data_channel *add(struct data_session *session, uint16_t id)
{
    struct data_channel *channel = calloc(1, sizeof *channel);

    session->channels[id] = channel;
    return channel;
}

static void drop(struct data_session *session, uint16_t id)
{
    free(session->channels[id]);
    session->channels[id] = NULL;
}

void data_channels_free(struct data_session *session)
{
    for (uint16_t id = 0; id < DATA_STREAMS; id++) {
        drop(session, id);
    }
}

bool data_channels_any(const struct data_session *session)
{
    for (uint16_t id = 0; id < DATA_STREAMS; id++) {
        if (session->channels[id] != NULL && !session->channels[id]->incoming_done) {
            return true;
        }
    }
    return false;
}

bool data_channels_closing(const struct data_session *session)
{
    for (uint16_t id = 0; id < DATA_STREAMS; id++) {
        const struct data_channel *channel = session->channels[id];
        if (channel != NULL && channel->closing && !channel->outgoing_done) {
            return true;
        }
    }
    return false;
}

/* RFC 8832 §6: the DTLS client has the even ids. */
static bool find_free(const struct data_session *session, uint16_t *id)
{
    uint16_t first = session->setup.role == DATA_ROLE_CLIENT ? 0 : 1;

    for (uint16_t i = first; i < DATA_STREAMS; i += 2) {
        if (session->channels[i] == NULL) {
            *id = i;
            return true;
        }
    }
    return false;
}

/* ---- what is said in a stream ---------------------------------------------------------------- */

static int send_open(struct data_session *session, uint16_t id, const struct data_channel *channel)
{
    uint8_t bytes[DCEP_OPEN_SIZE + 2 * DATA_NAME_MAX];
    const struct dcep_open open = {
        .channel_type = DCEP_RELIABLE,
        .priority = DCEP_PRIORITY_NORMAL,
        .label = channel->label,
        .protocol = channel->protocol,
        .label_size = (uint16_t)strlen(channel->label),
        .protocol_size = (uint16_t)strlen(channel->protocol),
    };
    size_t size = dcep_build_open(bytes, sizeof bytes, &open);

    return sctp_peer_send(session->sctp, session->now, id, DCEP_PPID_CONTROL, bytes, size);
}

static int send_ack(struct data_session *session, uint16_t id)
{
    uint8_t bytes[DCEP_ACK_SIZE];
    size_t size = dcep_build_ack(bytes, sizeof bytes);

    return sctp_peer_send(session->sctp, session->now, id, DCEP_PPID_CONTROL, bytes, size);
}

/* Where the peer cannot reset streams, the channel ends at once. */
static void ask_reset(struct data_session *session, uint16_t id, struct data_channel *channel)
{
    int result = sctp_peer_reset(session->sctp, session->now, id);

    if (result == -ENOTCONN) {
        return;
    }
    channel->resetting = false;
    if (result != 0) {
        channel->outgoing_done = true;
        channel->incoming_done = true;
        session->finished = true;
    }
}

static void pump_channel(struct data_session *session, uint16_t id, struct data_channel *channel)
{
    if (channel->opening) {
        channel->opening = send_open(session, id, channel) == -EAGAIN;
    }
    if (channel->acking) {
        channel->acking = send_ack(session, id) == -EAGAIN;
    }
    if (channel->resetting && !channel->opening && !channel->acking) {
        ask_reset(session, id, channel);
    }
}

void data_channels_pump(struct data_session *session, struct monotime now)
{
    session->now = now;
    session->pending = false;
    for (uint16_t id = 0; id < DATA_STREAMS; id++) {
        struct data_channel *channel = session->channels[id];
        if (channel != NULL && (channel->opening || channel->acking || channel->resetting)) {
            pump_channel(session, id, channel);
            session->pending |= channel->opening || channel->acking || channel->resetting;
        }
    }
}

static void pump_soon(struct data_session *session)
{
    session->pending = true;
    if (session->sctp != NULL) {
        data_channels_pump(session, session->now);
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int choose_id(const struct data_session *session, const struct data_channel_open *open,
                     uint16_t *id)
{
    if (!open->negotiated) {
        return find_free(session, id) ? 0 : -ENOSPC;
    }
    if (open->negotiated_id >= DATA_STREAMS) {
        return -EINVAL;
    }
    *id = open->negotiated_id;
    return session->channels[*id] == NULL ? 0 : -EEXIST;
}

int data_channel_open(struct data_session *session, struct monotime now,
                      const struct data_channel_open *open, uint16_t *id)
{
    struct data_channel *channel;
    int result = choose_id(session, open, id);

    session->now = now;
    if (session->closing || session->over) {
        return -ESHUTDOWN;
    }
    if (result != 0) {
        return result;
    }
    if ((channel = add(session, *id)) == NULL) {
        return -ENOMEM;
    }
    if (open->label != NULL) {
        copy_name(channel->label, open->label, strlen(open->label));
    }
    if (open->protocol != NULL) {
        copy_name(channel->protocol, open->protocol, strlen(open->protocol));
    }
    channel->opened = open->negotiated;
    channel->opening = !open->negotiated;
    pump_soon(session);
    return 0;
}

static int send_message(struct data_session *session, uint16_t id, enum data_kind kind,
                        const void *bytes, size_t size)
{
    static const uint8_t nothing[1];
    uint32_t ppid = kind == DATA_TEXT ? DCEP_PPID_STRING : DCEP_PPID_BINARY;

    if (size == 0) {
        ppid = kind == DATA_TEXT ? DCEP_PPID_STRING_EMPTY : DCEP_PPID_BINARY_EMPTY;
        bytes = nothing;
        size = sizeof nothing;
    }
    return sctp_peer_send(session->sctp, session->now, id, ppid, bytes, size);
}

int data_channel_send(struct data_session *session, struct monotime now, uint16_t id,
                      enum data_kind kind, const void *bytes, size_t size)
{
    const struct data_channel *channel = find(session, id);

    session->now = now;
    if (session->closing || session->over || session->failed) {
        return -ESHUTDOWN;
    }
    if (channel == NULL || channel->closing) {
        return -ENOENT;
    }
    if (size > DATA_MESSAGE_MAX || (session->message_max != 0 && size > session->message_max)) {
        return -EMSGSIZE;
    }
    if (session->sctp == NULL || channel->opening) {
        session->blocked = true;
        return -EAGAIN;
    }
    return send_message(session, id, kind, bytes, size);
}

int data_channel_close(struct data_session *session, struct monotime now, uint16_t id)
{
    struct data_channel *channel = find(session, id);

    session->now = now;
    if (channel == NULL || channel->closing || session->over) {
        return -ENOENT;
    }
    channel->closing = true;
    channel->resetting = true;
    pump_soon(session);
    return 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void tell_opened(struct data_channel *channel, uint16_t id, struct data_event *out)
{
    channel->opened = true;
    *out = (struct data_event){
        .type = DATA_EVENT_OPENED,
        .id = id,
        .by_peer = channel->by_peer,
        .label = channel->label,
        .protocol = channel->protocol,
    };
}

static bool take_open(struct data_session *session, uint16_t id, const struct dcep_open *open,
                      struct data_event *out)
{
    struct data_channel *channel = find(session, id);

    if (id >= DATA_STREAMS || channel != NULL || (channel = add(session, id)) == NULL) {
        session->dropped++;
        return false;
    }
    copy_name(channel->label, open->label, open->label_size);
    copy_name(channel->protocol, open->protocol, open->protocol_size);
    channel->by_peer = true;
    channel->acking = true;
    pump_soon(session);
    tell_opened(channel, id, out);
    return true;
}

static bool take_control(struct data_session *session, const struct sctp_peer_event *in,
                         struct data_event *out)
{
    struct data_channel *channel = find(session, in->stream);
    struct dcep_open open;
    enum dcep_type type;

    if (!dcep_parse(in->bytes, in->size, &type, &open)) {
        session->dropped++;
        return false;
    }
    if (type == DCEP_OPEN) {
        return take_open(session, in->stream, &open, out);
    }
    if (channel == NULL || channel->opened) {
        session->dropped += channel == NULL ? 1 : 0;
        return false;
    }
    tell_opened(channel, in->stream, out);
    return true;
}

static bool read_kind(uint32_t ppid, struct data_event *message)
{
    switch (ppid) {
    case DCEP_PPID_STRING_EMPTY:
    case DCEP_PPID_BINARY_EMPTY:
        message->size = 0;
        break;
    case DCEP_PPID_STRING:
    case DCEP_PPID_BINARY:
        break;
    default:
        return false;
    }
    message->kind =
        ppid == DCEP_PPID_STRING || ppid == DCEP_PPID_STRING_EMPTY ? DATA_TEXT : DATA_BINARY;
    return true;
}

static bool take_message(struct data_session *session, const struct sctp_peer_event *in,
                         struct data_event *out)
{
    struct data_channel *channel = find(session, in->stream);
    struct data_event message = {
        .type = DATA_EVENT_MESSAGE, .id = in->stream, .bytes = in->bytes, .size = in->size};

    if (in->ppid == DCEP_PPID_CONTROL) {
        return take_control(session, in, out);
    }
    if (channel == NULL || channel->incoming_done || !read_kind(in->ppid, &message)) {
        session->dropped++;
        return false;
    }
    if (!channel->opened) { /* its ACK has been overtaken, or saved (RFC 8832 §6) */
        tell_opened(channel, in->stream, out);
        session->next_event = message;
        session->deferred = true;
    } else {
        *out = message;
    }
    return true;
}

/* Tells that a channel is closed, once; drops it when both directions are. */
static bool tell_closed(struct data_session *session, uint16_t id, struct data_event *out)
{
    struct data_channel *channel = session->channels[id];
    bool tell = channel->incoming_done && !channel->told_closed;

    channel->told_closed |= tell;
    if (tell) {
        *out = (struct data_event){.type = DATA_EVENT_CHANNEL_CLOSED, .id = id};
    }
    if (channel->incoming_done && channel->outgoing_done) {
        drop(session, id);
    }
    return tell;
}

/* A stream has been reset in one direction. Ours answers the peer's (RFC 8831 §6.7). */
static bool take_reset(struct data_session *session, uint16_t id, bool incoming,
                       struct data_event *out)
{
    struct data_channel *channel = find(session, id);

    if (channel == NULL) {
        return false;
    }
    if (incoming) {
        channel->incoming_done = true;
        channel->resetting |= !channel->closing;
    } else {
        channel->outgoing_done = true;
    }
    channel->closing = true;
    if (channel->resetting) {
        pump_soon(session);
    }
    return tell_closed(session, id, out);
}

bool data_channels_finished(struct data_session *session, struct data_event *out)
{
    for (uint16_t id = 0; session->finished && id < DATA_STREAMS; id++) {
        const struct data_channel *channel = session->channels[id];
        if (channel != NULL && channel->incoming_done && channel->outgoing_done &&
            tell_closed(session, id, out)) {
            return true;
        }
    }
    session->finished = false;
    return false;
}

bool data_channels_event(struct data_session *session, const struct sctp_peer_event *in,
                         struct data_event *out)
{
    switch (in->type) {
    case SCTP_PEER_MESSAGE:
        return take_message(session, in, out);
    case SCTP_PEER_INCOMING_RESET:
        return take_reset(session, in->stream, true, out);
    case SCTP_PEER_OUTGOING_RESET:
        return take_reset(session, in->stream, false, out);
    default:
        return false;
    }
}

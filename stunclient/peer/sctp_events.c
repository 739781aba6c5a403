/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in: notifications (RFC 6458 §6) and pieces of messages, made into events. */
#include "stunclient/peer/sctp_peer_internal.h"

#include "base/text.h"
#include "stunclient/peer/sctp_packet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool lose(struct sctp_peer *peer, struct sctp_peer_event *event, const char *text)
{
    peer->over = true;
    if (text != peer->text) {
        snprintf(peer->text, sizeof peer->text, "%s", text);
    }
    *event = (struct sctp_peer_event){.type = SCTP_PEER_LOST, .text = peer->text};
    return true;
}

static bool is_abort(const struct sctp_assoc_change *change)
{
    return change->sac_length > sizeof *change;
}

/* An ABORT of the peer stands behind the notification (RFC 6458 §6.1.1). */
static const char *lost_text(const struct sctp_assoc_change *change)
{
    bool aborted = is_abort(change);

    if (change->sac_state == SCTP_RESTART) {
        return "the peer has begun its SCTP association anew";
    }
    if (change->sac_state == SCTP_CANT_STR_ASSOC) {
        return aborted ? "the peer refused the SCTP association"
                       : "the peer did not answer in SCTP";
    }
    return aborted ? "the peer ended the SCTP association without closing it"
                   : "the peer no longer acknowledges what is sent";
}

static union sctp_notification *notice_of(struct sctp_peer *peer)
{
    return (union sctp_notification *)(void *)peer->notice;
}

/* `size`: of the notification, which may have been cut. */
static void lose_by(struct sctp_peer *peer, const struct sctp_assoc_change *change, size_t size,
                    struct sctp_peer_event *event)
{
    size_t reason_size = 0;
    const char *reason =
        sctp_chunk_abort_reason(change->sac_info, size - sizeof *change, &reason_size);
    char words[SCTP_PEER_REASON_MAX + 1];

    if (reason == NULL) {
        lose(peer, event, lost_text(change));
        return;
    }
    text_copy_printable(words, sizeof words, reason, reason_size);
    snprintf(peer->text, sizeof peer->text, "the peer has ended the call and says: %s", words);
    lose(peer, event, peer->text);
}

static bool read_change(struct sctp_peer *peer, size_t size, struct sctp_peer_event *event)
{
    const struct sctp_assoc_change *change = &notice_of(peer)->sn_assoc_change;

    switch (change->sac_state) {
    case SCTP_COMM_UP:
        peer->up = true;
        event->type = SCTP_PEER_UP;
        return true;
    case SCTP_SHUTDOWN_COMP:
        peer->over = true;
        event->type = SCTP_PEER_SHUT_DOWN;
        return true;
    case SCTP_COMM_LOST:
    case SCTP_RESTART:
    case SCTP_CANT_STR_ASSOC:
        lose_by(peer, change, size, event);
        event->by_peer = change->sac_state == SCTP_COMM_LOST && is_abort(change);
        return true;
    default:
        return false;
    }
}

/* One stream of the list at a time; an empty list means all (RFC 6458 §6.1.11). */
static bool read_reset(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    const struct sctp_stream_reset_event *reset = &notice_of(peer)->sn_strreset_event;
    size_t listed = (reset->strreset_length - sizeof *reset) / sizeof(uint16_t);
    size_t count = listed > 0 ? listed : peer->setup.streams;
    size_t i = peer->reset_next++;

    if (i >= count) {
        peer->reset_next = 0;
        return false;
    }
    /* A denied one is ours, and there will be no other answer. */
    event->type = (reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0
                      ? SCTP_PEER_INCOMING_RESET
                      : SCTP_PEER_OUTGOING_RESET;
    event->stream = listed > 0 ? reset->strreset_stream_list[i] : (uint16_t)i;
    return true;
}

static bool read_notification(struct sctp_peer *peer, size_t size, struct sctp_peer_event *event)
{
    size = size < sizeof peer->notice ? size : sizeof peer->notice;
    memcpy(peer->notice, peer->read + peer->read_size, size);
    if (size < sizeof(struct sctp_tlv)) {
        return false;
    }
    switch (notice_of(peer)->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
        return size >= sizeof(struct sctp_assoc_change) && read_change(peer, size, event);
    case SCTP_STREAM_RESET_EVENT:
        if (size < sizeof(struct sctp_stream_reset_event)) {
            return false;
        }
        /* The list may have been cut. */
        notice_of(peer)->sn_strreset_event.strreset_length = (uint32_t)size;
        peer->reset_next = 0;
        return read_reset(peer, event);
    case SCTP_PARTIAL_DELIVERY_EVENT:
        peer->read_size = 0;
        return false;
    default:
        return false;
    }
}

/* A piece of a message, or its end. */
static bool read_piece(struct sctp_peer *peer, const struct sctp_rcvinfo *info, size_t size,
                       bool last, struct sctp_peer_event *event)
{
    peer->read_size += size;
    if (peer->read_size > peer->setup.message_max) {
        snprintf(peer->text, sizeof peer->text,
                 "the peer sent a message of more than the %u bytes that its description allows",
                 peer->setup.message_max);
        sctp_peer_abort(peer, NULL);
        return lose(peer, event, peer->text);
    }
    if (!last) {
        return false;
    }
    *event = (struct sctp_peer_event){.type = SCTP_PEER_MESSAGE,
                                      .stream = info->rcv_sid,
                                      .ppid = ntohl(info->rcv_ppid),
                                      .bytes = peer->read,
                                      .size = peer->read_size};
    peer->read_size = 0;
    return true;
}

/* Reads behind what there is of a message; 0: nothing. */
static size_t read_socket(struct sctp_peer *peer, struct sctp_rcvinfo *info, int *flags)
{
    ssize_t size = -1;

    sctp_peer_shut_window(peer, false);
    /* An error of the socket is told once, then what was queued before it. */
    for (int i = 0; peer->socket != NULL && size < 0 && i < 2; i++) {
        socklen_t info_size = sizeof *info;
        unsigned info_type = 0;
        *flags = 0;
        size = usrsctp_recvv(peer->socket, peer->read + peer->read_size,
                             peer->setup.message_max + NOTICE_MAX - peer->read_size, NULL, NULL,
                             info, &info_size, &info_type, flags);
    }
    if (size <= 0) {
        peer->unread_chunks = 0;
        return 0;
    }
    return (size_t)size;
}

static bool take_writable(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    if (!peer->blocked || peer->over || peer->waiting > peer->setup.send_buffer / 2) {
        return false;
    }
    peer->blocked = false;
    event->type = SCTP_PEER_WRITABLE;
    return true;
}

bool sctp_peer_event_unread(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    memset(event, 0, sizeof *event);
    return take_writable(peer, event);
}

bool sctp_peer_event(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    struct sctp_rcvinfo info = {0};
    size_t size;
    int flags;

    memset(event, 0, sizeof *event);
    if (peer->watch == WATCH_ACKNOWLEDGED) {
        peer->watch = WATCH_OVER;
        event->type = SCTP_PEER_ACKNOWLEDGED;
        return true;
    }
    if (peer->reset_next > 0 && read_reset(peer, event)) {
        return true;
    }
    if (peer->silent) {
        peer->silent = false;
        return lose(peer, event, "the peer no longer acknowledges what is sent");
    }
    while ((size = read_socket(peer, &info, &flags)) > 0) {
        if ((flags & MSG_NOTIFICATION) != 0
                ? read_notification(peer, size, event)
                : read_piece(peer, &info, size, (flags & MSG_EOR) != 0, event)) {
            return true;
        }
    }
    return take_writable(peer, event);
}

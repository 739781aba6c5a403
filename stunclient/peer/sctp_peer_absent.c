/* SPDX-License-Identifier: BSD-3-Clause */
/* In place of sctp_peer.c, where usrsctp is not there. */
#include "stunclient/peer/sctp_peer.h"

#include <errno.h>
#include <stddef.h>

const char *sctp_peer_absent(void)
{
    return "this build has no data channels: install libusrsctp (Debian: libusrsctp-dev), then "
           "configure and build again";
}

struct sctp_peer *sctp_peer_new(const struct sctp_peer_setup *setup)
{
    (void)setup;
    return NULL;
}

void sctp_peer_free(struct sctp_peer *peer)
{
    (void)peer;
}

int sctp_peer_connect(struct sctp_peer *peer, struct monotime now)
{
    (void)peer;
    (void)now;
    return -ENOSYS;
}

void sctp_peer_input(struct sctp_peer *peer, struct monotime now, const uint8_t *bytes, size_t size)
{
    (void)peer;
    (void)now;
    (void)bytes;
    (void)size;
}

void sctp_peer_tick(struct sctp_peer *peer, struct monotime now)
{
    (void)peer;
    (void)now;
}

struct monotime sctp_peer_due(const struct sctp_peer *peer)
{
    (void)peer;
    return MONOTIME_NEVER;
}

int sctp_peer_send(struct sctp_peer *peer, struct monotime now, uint16_t stream, uint32_t ppid,
                   const void *bytes, size_t size)
{
    (void)peer;
    (void)now;
    (void)stream;
    (void)ppid;
    (void)bytes;
    (void)size;
    return -ENOSYS;
}

int sctp_peer_reset(struct sctp_peer *peer, struct monotime now, uint16_t stream)
{
    (void)peer;
    (void)now;
    (void)stream;
    return -ENOSYS;
}

void sctp_peer_hurry(struct sctp_peer *peer)
{
    (void)peer;
}

void sctp_peer_shutdown(struct sctp_peer *peer, struct monotime now)
{
    (void)peer;
    (void)now;
}

void sctp_peer_abort(struct sctp_peer *peer, const char *reason)
{
    (void)peer;
    (void)reason;
}

bool sctp_peer_event(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    (void)peer;
    (void)event;
    return false;
}

bool sctp_peer_event_unread(struct sctp_peer *peer, struct sctp_peer_event *event)
{
    (void)peer;
    (void)event;
    return false;
}

bool sctp_peer_drained(const struct sctp_peer *peer)
{
    (void)peer;
    return true;
}

bool sctp_peer_hears_shutdown(const struct sctp_peer *peer)
{
    (void)peer;
    return false;
}

void sctp_peer_figures(const struct sctp_peer *peer, struct sctp_peer_figures *out)
{
    (void)peer;
    *out = (struct sctp_peer_figures){0};
}

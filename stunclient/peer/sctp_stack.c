/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of the process: usrsctp has one set of associations and timers, and gives packets to
 * one function. */
#include "stunclient/peer/crc32c.h"
#include "stunclient/peer/sctp_packet.h"
#include "stunclient/peer/sctp_peer_internal.h"

#include <string.h>

/* After the host was suspended, timers need not make up for more. */
#define CATCH_UP_MAX_MS 60000

/* The first window, and packets in one go (RFC 6928 allows ten; usrsctp sends no more than its
 * burst). 4, usrsctp's own, makes a call begin slowly; from 16 on, a short queue on the way loses
 * so much at once that the window is lost as well. */
#define BURST_MAX 8
/* The same for what is sent again after a loss. */
#define REPAIR_BURST_MAX 4
/* What is still to be sent after shutdown has been called may take its time: see ERRORS_MAX. */
#define SHUTDOWN_MAX_SECONDS 86400

static struct {
    bool started;
    bool summing;         /* we do the checksums, usrsctp does not */
    struct monotime time; /* up to which usrsctp's timers have run */
    uintptr_t tokens;     /* given so far; never twice, so that no packet goes to a wrong peer */
    struct sctp_peer *first;
} all;

static struct sctp_peer *find_peer(const void *token)
{
    struct sctp_peer *peer = all.first;

    while (peer != NULL && peer->token != token) {
        peer = peer->next;
    }
    return peer;
}

static int output(void *token, void *bytes, size_t size, uint8_t tos, uint8_t set_df)
{
    struct sctp_peer *peer = find_peer(token);

    (void)tos;
    (void)set_df;
    if (peer != NULL && size >= SCTP_PACKET_HEADER_SIZE) {
        if (all.summing) {
            sctp_packet_write_checksum(bytes, size);
        }
        sctp_peer_output(peer, bytes, size);
    }
    return 0;
}

/* Of usrsctp's type. */
static void ignore_debug(const char *format, ...)
{
    (void)format;
}

static void start_usrsctp(void)
{
    usrsctp_init_nothreads(0, output, ignore_debug);
    /* DTLS hides IP from SCTP: nobody marks congestion, no second address, nothing to measure
     * (RFC 8261 §5). */
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auto_asconf(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    usrsctp_sysctl_set_sctp_blackhole(2); /* no ABORT to what is of no association */
    usrsctp_sysctl_set_sctp_initial_cwnd(BURST_MAX);
    usrsctp_sysctl_set_sctp_max_burst_default(BURST_MAX);
    usrsctp_sysctl_set_sctp_use_cwnd_based_maxburst(0); /* would shrink the window for a burst */
    usrsctp_sysctl_set_sctp_fr_max_burst_default(REPAIR_BURST_MAX);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(CHUNKS_MAX);
    usrsctp_sysctl_set_sctp_enable_sack_immediately(1);
    usrsctp_sysctl_set_sctp_max_retran_chunk(ERRORS_MAX);
    usrsctp_sysctl_set_sctp_shutdown_guard_time_default(SHUTDOWN_MAX_SECONDS);
    all.summing = crc32c_present();
    if (all.summing) {
        usrsctp_enable_crc32c_offload();
    }
}

void sctp_stack_advance(struct monotime now)
{
    int64_t elapsed_ms;

    if (all.time.us == 0) {
        all.time = now;
    }
    elapsed_ms = monotime_difference_us(now, all.time) / MONOTIME_MILLISECOND;
    if (elapsed_ms <= 0) {
        return;
    }
    all.time = monotime_add_ms(all.time, elapsed_ms);
    usrsctp_handle_timers((uint32_t)(elapsed_ms < CATCH_UP_MAX_MS ? elapsed_ms : CATCH_UP_MAX_MS));
}

struct monotime sctp_stack_time(void)
{
    return all.time;
}

bool sctp_stack_accepts(const uint8_t *packet, size_t size)
{
    return !all.summing || sctp_packet_is_good(packet, size);
}

void sctp_stack_enter(struct sctp_peer *peer)
{
    if (!all.started) {
        start_usrsctp();
        all.started = true;
    }
    all.tokens++;
    memcpy(&peer->token, &all.tokens, sizeof peer->token);
    peer->touched = all.time;
    peer->next = all.first;
    all.first = peer;
    usrsctp_register_address(peer->token);
}

void sctp_stack_leave(struct sctp_peer *peer)
{
    struct sctp_peer **link = &all.first;

    while (*link != NULL && *link != peer) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = peer->next;
        usrsctp_deregister_address(peer->token);
    }
}

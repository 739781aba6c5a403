/* SPDX-License-Identifier: BSD-3-Clause */
/* What a socket of usrsctp is told before it connects. */
#include "stunclient/peer/sctp_packet.h"
#include "stunclient/peer/sctp_peer_internal.h"

#define SACK_EVERY 2
#define SACK_DELAY_MS 20
/* RFC 9260 has a minimum of 1 s. Peers acknowledge within 200 ms. */
#define RTO_MIN_MS 250
#define RTO_INITIAL_MS 500
#define RTO_MAX_MS 3000
#define RTO_SOON_MAX_MS 1000 /* see sctp_limit_backoff */
#define INIT_ATTEMPTS_MAX 24 /* about a minute */

bool sctp_set_option(struct sctp_peer *peer, int level, int name, const void *value, size_t size)
{
    return usrsctp_setsockopt(peer->socket, level, name, value, (socklen_t)size) == 0;
}

#define SET_OPTION(peer, name, ...) \
    sctp_set_option(peer, IPPROTO_SCTP, name, &(__VA_ARGS__), sizeof(__VA_ARGS__))

static bool want_events(struct sctp_peer *peer)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT,
                                     SCTP_PARTIAL_DELIVERY_EVENT};
    bool good = true;

    for (size_t i = 0; good && i < sizeof types / sizeof types[0]; i++) {
        struct sctp_event event = {SCTP_FUTURE_ASSOC, types[i], 1};
        good = SET_OPTION(peer, SCTP_EVENT, event);
    }
    return good;
}

static bool set_buffers(struct sctp_peer *peer)
{
    /* What is in flight is counted as well as what waits. */
    int send = (int)(2 * peer->setup.send_buffer);
    int receive = (int)peer->setup.receive_buffer;

    return sctp_set_option(peer, SOL_SOCKET, SO_SNDBUF, &send, sizeof send) &&
           sctp_set_option(peer, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
}

static bool set_timers(struct sctp_peer *peer)
{
    uint32_t rtt_ms = peer->setup.rtt_us / 1000;
    uint32_t initial = rtt_ms == 0 ? RTO_INITIAL_MS : RTO_MIN_MS + 2 * rtt_ms;
    struct sctp_rtoinfo rto = {
        .srto_initial = initial < RTO_MAX_MS ? initial : RTO_MAX_MS,
        .srto_max = RTO_MAX_MS,
        .srto_min = RTO_MIN_MS,
    };
    struct sctp_assocparams association = {.sasoc_asocmaxrxt = ERRORS_MAX};
    struct sctp_sack_info sack = {SCTP_FUTURE_ASSOC, SACK_DELAY_MS, SACK_EVERY};

    return SET_OPTION(peer, SCTP_RTOINFO, rto) && SET_OPTION(peer, SCTP_ASSOCINFO, association) &&
           SET_OPTION(peer, SCTP_DELAYED_SACK, sack);
}

void sctp_limit_backoff(struct sctp_peer *peer, bool soon)
{
    struct sctp_rtoinfo rto = {.srto_max = soon ? RTO_SOON_MAX_MS : RTO_MAX_MS,
                               .srto_min = RTO_MIN_MS};

    if (peer->says_soon != soon) {
        peer->says_soon = soon;
        (void)SET_OPTION(peer, SCTP_RTOINFO, rto);
    }
}

static bool set_path(struct sctp_peer *peer)
{
    struct sctp_paddrparams path = {
        .spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE,
        .spp_pathmtu =
            peer->setup.packet_max - SCTP_PACKET_HEADER_SIZE, /* usrsctp's view of AF_CONN */
        .spp_pathmaxrxt = ERRORS_MAX,
    };
    struct sctp_initmsg init = {
        .sinit_num_ostreams = peer->setup.streams,
        .sinit_max_instreams = peer->setup.streams,
        .sinit_max_attempts = INIT_ATTEMPTS_MAX,
        .sinit_max_init_timeo = RTO_MAX_MS,
    };
    int on = 1;

    return SET_OPTION(peer, SCTP_PEER_ADDR_PARAMS, path) && SET_OPTION(peer, SCTP_INITMSG, init) &&
           SET_OPTION(peer, SCTP_NODELAY, on) && SET_OPTION(peer, SCTP_RECVRCVINFO, on);
}

bool sctp_set_options(struct sctp_peer *peer)
{
    struct sctp_assoc_value resets = {SCTP_FUTURE_ASSOC, SCTP_ENABLE_RESET_STREAM_REQ};
    struct linger linger = {.l_onoff = 1}; /* closing the socket leaves nothing behind */
    int interleave = 0;

    return usrsctp_set_non_blocking(peer->socket, 1) == 0 &&
           sctp_set_option(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) &&
           set_buffers(peer) && set_timers(peer) && set_path(peer) &&
           SET_OPTION(peer, SCTP_ENABLE_STREAM_RESET, resets) &&
           SET_OPTION(peer, SCTP_FRAGMENT_INTERLEAVE, interleave) && want_events(peer);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ICE candidate and its line of text: "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host"
 * (RFC 8839 §5.1), as SDP and browsers' RTCIceCandidate carry it.
 */
#ifndef WIRE_CANDIDATE_H
#define WIRE_CANDIDATE_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ice_candidate_type {
    ICE_HOST = 0,
    ICE_SERVER_REFLEXIVE,
    ICE_PEER_REFLEXIVE,
    ICE_RELAYED,
};

/* RFC 6544 §4.5 names the kinds of TCP candidates; we understand them and pair only UDP. */
enum ice_candidate_transport {
    ICE_UDP = 0,
    ICE_TCP_ACTIVE,
    ICE_TCP_PASSIVE,
    ICE_TCP_SO,
};

#define ICE_FOUNDATION_SIZE 33 /* 1..32 characters and a zero, RFC 8839 §5.1 */
#define ICE_UFRAG_SIZE 257     /* 4..256 characters and a zero, RFC 8839 §5.4 */
#define ICE_PASSWORD_SIZE 257  /* 22..256 characters and a zero */

struct ice_candidate {
    enum ice_candidate_type type;
    enum ice_candidate_transport transport;
    uint16_t component; /* 1..256 */
    uint32_t priority;  /* 1..2^31-1 */
    char foundation[ICE_FOUNDATION_SIZE];
    struct stun_address address; /* family NONE: `name` says where */
    char name[254]; /* a name in place of an IP (mDNS "….local"), or ""; its port is address.port */
    struct stun_address related; /* raddr and rport; family NONE: not said */
    char ufrag[ICE_UFRAG_SIZE];  /* the extension "ufrag", or "" */
};

/* What `candidate_format` writes at most, its zero included. */
#define ICE_CANDIDATE_TEXT_SIZE 768

/*
 * Reads a line with or without "a=" before and a line end behind. Unknown extensions are skipped
 * (RFC 8839 §5.1). Returns NULL, or what is wrong: the end of a sentence, for people. `out` is
 * whole then, or untouched.
 */
const char *candidate_parse(struct ice_candidate *out, const char *text, size_t size);
/* Writes "candidate:…" without "a=" and line end. Returns the bytes without the zero. */
size_t candidate_format(const struct ice_candidate *candidate,
                        char text[static ICE_CANDIDATE_TEXT_SIZE]);
const char *candidate_type_text(
    enum ice_candidate_type type); /* "host", "srflx", "prflx", "relay" */

#endif

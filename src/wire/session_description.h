/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session descriptions of a data channel (SDP, RFC 8866, 8839, 8841, 8842): what a browser puts
 * into an offer or an answer with one m=application section. Media sections of a browser are
 * understood as far as an answer must reject them, each with port 0 and in its place.
 */
#ifndef WIRE_SESSION_DESCRIPTION_H
#define WIRE_SESSION_DESCRIPTION_H

#include "wire/candidate.h"

#define SESSION_DESCRIPTION_SIZE_MAX 16384
#define SESSION_CANDIDATES_MAX 64
#define SESSION_SECTIONS_MAX 16
#define SESSION_FINGERPRINTS_MAX 4
#define SESSION_MID_SIZE 64
/* An application-defined line "a=postern-identity:…" signs the fingerprint; stunclient/peer knows
 * it. */
#define SESSION_IDENTITY_SIZE 512

/* RFC 8842 §5.2, who begins the handshake of DTLS. */
enum session_setup {
    SESSION_SETUP_NONE = 0,
    SESSION_SETUP_ACTPASS,
    SESSION_SETUP_ACTIVE,
    SESSION_SETUP_PASSIVE,
};

struct session_fingerprint {
    char algorithm[16]; /* "sha-256" in small letters */
    uint8_t bytes[64];
    uint8_t size; /* 0: not there */
};

/* One section as it stood in an offer: an answer mirrors all of them. */
struct session_section {
    char media[96]; /* "audio 9 UDP/TLS/RTP/SAVPF 111": media, port, protocol, and of the formats
                       the first, which is all that rejecting needs */
    char mid[SESSION_MID_SIZE];
    bool is_data_channel;
};

struct session_description {
    uint64_t session_id;
    uint64_t session_version;
    char ufrag[ICE_UFRAG_SIZE], password[ICE_PASSWORD_SIZE];
    bool ice_lite, trickle, end_of_candidates;
    struct session_fingerprint fingerprints[SESSION_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    enum session_setup setup;
    char mid[SESSION_MID_SIZE]; /* of the data channel's section */
    uint16_t section_index;     /* its sdpMLineIndex */
    uint16_t sctp_port;         /* 5000 when not said */
    uint32_t max_message_size;  /* 65536 when not said, 0: any (RFC 8841 §6) */
    char identity[SESSION_IDENTITY_SIZE];
    struct ice_candidate candidates[SESSION_CANDIDATES_MAX];
    size_t candidate_count; /* further ones, and those that make no sense, are skipped */
    bool bundled;           /* of an offer: the data channel's section is in a group BUNDLE */
    struct session_section sections[SESSION_SECTIONS_MAX];
    size_t section_count;
};

/*
 * Reads a whole description. Session-level ufrag, password, fingerprint, setup hold where the
 * section says none. Returns NULL, or what is wrong: the end of a sentence, for people.
 */
const char *session_description_parse(struct session_description *out, const char *text,
                                      size_t size);
/*
 * Writes an offer (`offer` NULL) or an answer to `offer`, whose sections it mirrors: what is not
 * the data channel's is rejected, and the data channel's mid is the offer's. An offer without mid
 * gets "0". Returns the bytes without the zero, or 0 when `capacity` is too small.
 */
size_t session_description_format(const struct session_description *description,
                                  const struct session_description *offer, char *text,
                                  size_t capacity);
/* "sha-256 AB:CD:…" <-> struct, for a=fingerprint. */
bool session_fingerprint_parse(struct session_fingerprint *out, const char *text, size_t size);
size_t session_fingerprint_format(const struct session_fingerprint *fingerprint, char *text,
                                  size_t capacity);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's side of the long-term credential mechanism (RFC 8489 §9.2): the first request goes
 * without credentials, the challenge brings realm and nonce, every later request is signed. What
 * the server offers beyond RFC 5389 is used: PASSWORD-ALGORITHMS and USERHASH; and a challenge that
 * somebody has weakened on its way is refused (§9.2.1).
 *
 * Names and passwords are taken as they are given: the caller has applied OpaqueString (RFC 8265);
 * for ASCII there is nothing to do.
 */
#ifndef PROTO_LONG_TERM_H
#define PROTO_LONG_TERM_H

#include <postern/stun.h>
#include <stdbool.h>
#include <stdint.h>

#define LONG_TERM_TEXT_SIZE_MAX 763 /* bytes of realm and nonce: 127 characters, RFC 8489 §14.9 */
#define LONG_TERM_PASSWORD_SIZE_MAX 763
#define LONG_TERM_ALGORITHMS_SIZE_MAX 64
#define LONG_TERM_TOKEN_SIZE_MAX 512

struct long_term {
    struct stun_crypto *crypto; /* borrowed */
    char user[STUN_USERNAME_SIZE_MAX + 1];
    char password[LONG_TERM_PASSWORD_SIZE_MAX + 1];

    bool challenged; /* realm, nonce and key are there: requests are signed */
    bool foretold;   /* … by long_term_foretell, and the server has not confirmed it yet */
    char realm[LONG_TERM_TEXT_SIZE_MAX + 1];
    uint8_t nonce[LONG_TERM_TEXT_SIZE_MAX];
    uint16_t nonce_size;
    uint8_t algorithms[LONG_TERM_ALGORITHMS_SIZE_MAX]; /* PASSWORD-ALGORITHMS, to be sent back */
    uint16_t algorithms_size;                          /* 0: the server knows MD5 only */
    enum stun_password_algorithm algorithm;
    bool anonymous; /* USERHASH in place of USERNAME */
    uint8_t userhash[STUN_SHA256_SIZE];
    struct stun_key key;
    uint8_t token[LONG_TERM_TOKEN_SIZE_MAX]; /* ACCESS-TOKEN; `user` is then its key's id */
    uint16_t token_size;                     /* 0: the password counts */

    uint16_t discarded_code; /* the last error that came without proof; 0: none */
    uint32_t discarded;      /* answers that came without proof, or with a wrong one */
};

/*
 * `crypto` is borrowed; the strings are copied. Returns 0, or -EINVAL for a name or password that
 * is too long or empty.
 */
int long_term_init(struct long_term *credentials, struct stun_crypto *crypto, const char *user,
                   const char *password);
/*
 * Lets an OAuth token stand in for the password (RFC 7635): `user` of long_term_init was the key id
 * (kid), and requests are signed with the session key: SHA-256 when it is longer than 20 bytes.
 * Both are copied. Returns 0, or -EINVAL for a size that cannot be (token: 1..512, key: 1..256).
 */
int long_term_use_token(struct long_term *credentials, const uint8_t *token, size_t token_size,
                        const uint8_t *key, size_t key_size);

#define LONG_TERM_ALGORITHMS_MAX 4

/* What a challenge says. */
struct long_term_challenge {
    const char *realm, *nonce;
    uint16_t algorithms[LONG_TERM_ALGORITHMS_MAX]; /* enum stun_password_algorithm, in order */
    size_t algorithm_count;                        /* 0: no PASSWORD-ALGORITHMS */
};
/*
 * Lets the next request be signed as though the server had sent this challenge: who made the
 * credentials may know it, and a round trip is saved. When the server does not agree, its challenge
 * counts, or the request goes once more without credentials: that costs the round trip again, and
 * nothing else. Copies. Returns 0, or -EINVAL when it cannot be used; there is none then.
 */
int long_term_foretell(struct long_term *credentials, const struct long_term_challenge *challenge);
/* Overwrites the secrets. */
void long_term_wipe(struct long_term *credentials);

/*
 * Signs a request, as soon as there has been a challenge: adds user, realm, nonce, algorithms and
 * integrity. Returns whether it was signed; the caller keeps that for long_term_judge.
 */
bool long_term_sign(const struct long_term *credentials, struct stun_builder *builder);

/* Whether requests are signed with SHA-256, and answers must be. */
bool long_term_uses_sha256(const struct long_term *credentials);

enum long_term_verdict {
    LONG_TERM_ACCEPTED, /* use the answer: it is authentic, or the request was not signed */
    LONG_TERM_RETRY,    /* a challenge: build the request again with a new transaction id */
    LONG_TERM_DISCARD,  /* as though it had never arrived */
    LONG_TERM_REFUSED,  /* 401 again: name or password is wrong */
    LONG_TERM_WEAKENED, /* the challenge was changed on its way to make us use less (bid-down) */
    LONG_TERM_UNUSABLE, /* the challenge lacks realm or nonce, or offers no algorithm we know */
    LONG_TERM_VIOLATED, /* on a stream: an answer without a good proof */
};

/*
 * Judges a response (RFC 8489 §9.2.5).
 *
 *   was_signed   what long_term_sign returned for that request
 *   reliable     the request went over a stream
 */
enum long_term_verdict long_term_judge(struct long_term *credentials,
                                       const struct stun_view *response, bool was_signed,
                                       bool reliable);

#endif

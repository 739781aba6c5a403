/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Self-contained OAuth tokens (RFC 7635 §6.2): what an authorization server has encrypted for us,
 * and the client brings in ACCESS-TOKEN without being able to read it.
 *
 *   nonce length (2 bytes: 12)   nonce (12)   encrypted and authenticated with AES-GCM:
 *                                             key length (2), key, timestamp (8), lifetime (4)
 *                                             authentication tag (16)
 *
 * The name of the STUN server is authenticated with it, so that a token is good for one server.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_KEY_ID_SIZE_MAX 128
#define TOKEN_SESSION_KEY_MIN 20 /* HMAC-SHA1 */
#define TOKEN_SESSION_KEY_MAX 64
#define TOKEN_NONCE_SIZE 12
#define TOKEN_TAG_SIZE 16
#define TOKEN_OVERHEAD (2 + TOKEN_NONCE_SIZE + 2 + 8 + 4 + TOKEN_TAG_SIZE)
#define TOKEN_SIZE_MIN (TOKEN_OVERHEAD + TOKEN_SESSION_KEY_MIN)
#define TOKEN_SIZE_MAX (TOKEN_OVERHEAD + TOKEN_SESSION_KEY_MAX)

enum token_algorithm {
    TOKEN_A128GCM,
    TOKEN_A256GCM,
};

/* A key that we share with an authorization server. */
struct token_key {
    char id[TOKEN_KEY_ID_SIZE_MAX + 1]; /* "kid": clients bring it as USERNAME */
    enum token_algorithm algorithm;
    uint8_t bytes[32];             /* the first 16 of them for A128GCM */
    int64_t not_before, not_after; /* seconds since 1970: the first and the last that it is good */
};

size_t token_key_size(enum token_algorithm algorithm);

/* What is in a token. */
struct access_token {
    int64_t issued;      /* seconds since 1970 */
    uint32_t lifetime_s; /* from then on */
    uint8_t key_size;    /* TOKEN_SESSION_KEY_MIN..TOKEN_SESSION_KEY_MAX */
    uint8_t key[TOKEN_SESSION_KEY_MAX];
};

#define TOKEN_KEY_TEXT_MAX 256

/*
 * Reads the bytes of a key, whose algorithm is set, from base64 of at most TOKEN_KEY_TEXT_MAX
 * characters. What is more than enough is not used: coturn's tools make keys with a newline at
 * their end, and use the first bytes of them. Returns false for what is no base64 or too short.
 */
bool token_key_read(struct token_key *key, const char *text);

struct evp_cipher_ctx_st;

/*
 * Opens a token. Lengths are checked before anything is decrypted, and nothing of it is looked at
 * before its authentication tag has proved right. `context` is the caller's, to be used again.
 * False when it was not made with this key for this server, or is malformed; `out` is then all
 * zeros.
 */
bool token_open(struct access_token *out, struct evp_cipher_ctx_st *context,
                const struct token_key *key, const char *server_name, const uint8_t *bytes,
                size_t size);

/* Whether it holds: the clocks of both servers may differ by five seconds (RFC 7635 §7). */
bool token_is_timely(const struct access_token *token, int64_t now);
/* The first second in which it holds no more. */
int64_t token_end(const struct access_token *token);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is this? The long-term credential mechanism (RFC 8489 §9.2) for users that the operator wrote
 * down and for time-limited "REST" names (expiry:user, password = base64(HMAC(secret, name))).
 *
 *   policy     realm, users, secrets: immutable, shared by all workers   (policy.c)
 *   nonce      stateless: authenticated time, bound to the client's IP     (nonce.c)
 *   rest       time-limited names                                        (rest.c)
 *   auth       one request, one outcome                                  (auth.c)
 *
 * An unknown user and a wrong password are alike: same answer, same number of digest operations.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <postern/stun.h>

#define AUTH_NONCE_KEY_SIZE 32
#define AUTH_REALM_SIZE_MAX 128 /* characters are "fewer than 128", RFC 8489 §14.9; we take ASCII */

/* ---- policy ---------------------------------------------------------------------------------- */

struct auth_policy;

/* `realm` is copied. `nonce_lifetime_s` in seconds, 1..86400. Returns NULL when memory is out. */
struct auth_policy *auth_policy_new(const char *realm, unsigned nonce_lifetime_s);
void auth_policy_free(struct auth_policy *policy); /* NULL is allowed */

/* Both return 0, -EEXIST for a name that is there already, -EINVAL for a name or size that cannot
 * be, or -ENOMEM. Strings are copied. A user with only an MD5 key cannot use SHA-256 and the
 * other way round; one added by password can use both. */
int auth_policy_add_user(struct auth_policy *policy, const char *name, const char *password);
int auth_policy_add_user_key(struct auth_policy *policy, const char *name,
                             enum stun_password_algorithm algorithm, const uint8_t *key,
                             size_t key_size);
/* One of several REST secrets; any of them opens. Returns 0, -EINVAL when empty, or -ENOMEM. */
int auth_policy_add_secret(struct auth_policy *policy, const char *secret);
/* Whether there is neither a user nor a secret: the server then serves STUN only. */
bool auth_policy_is_empty(const struct auth_policy *policy);
const char *auth_policy_realm(const struct auth_policy *policy);

/* ---- one request ----------------------------------------------------------------------------- */

enum auth_outcome {
    AUTH_ACCEPTED,
    AUTH_REFUSED, /* answer with `code`; auth_put_challenge adds what 401 and 438 need */
    AUTH_PENDING, /* a look-up is under way; the packet must be given again when it has ended */
};

struct auth_identity {
    char user[STUN_USERNAME_SIZE_MAX + 1]; /* zero-terminated; NUL bytes inside are refused */
    struct stun_key key;                   /* for the answer's integrity */
    bool sha256;                           /* the request used MESSAGE-INTEGRITY-SHA256 */
};

struct auth_answer {
    enum auth_outcome outcome;
    uint16_t code; /* AUTH_REFUSED: 400, 401 or 438 */
    struct auth_identity identity;
};

struct auth;

/*
 * `policy` and `crypto` are borrowed and must outlive the machine; `nonce_key` is copied and is the
 * same in all workers of a server. Returns NULL when memory is out.
 */
struct auth *auth_new(const struct auth_policy *policy,
                      const uint8_t nonce_key[AUTH_NONCE_KEY_SIZE], struct stun_crypto *crypto);
void auth_free(struct auth *auth);
/* From now on `policy` holds (a reload). */
void auth_set_policy(struct auth *auth, const struct auth_policy *policy);
/* Tells what the time of day is at `now`: REST names end by it. Seconds since 1970. */
void auth_set_wall_clock(struct auth *auth, struct monotime now, int64_t unix_seconds);

/*
 * Judges a request. `owner` is the name that holds the allocation on this flow, or NULL: an expired
 * REST name may still refresh what it has, but not begin anything new. `answer` is filled whole.
 */
void auth_check(struct auth *auth, struct monotime now, const struct flow *flow,
                const struct stun_view *request, const char *owner, struct auth_answer *answer);

/* Writes REALM, NONCE and PASSWORD-ALGORITHMS of a challenge to this client. */
void auth_put_challenge(struct auth *auth, struct monotime now, const struct flow *flow,
                        struct stun_builder *builder);

/* Digest operations so far: a test counts that all refusals cost the same. */
uint64_t auth_digest_count(const struct auth *auth);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is this? The long-term credential mechanism (RFC 8489 §9.2) for users that the operator wrote
 * down and for time-limited "REST" names (expiry:user, password = base64(HMAC(secret, name))).
 *
 *   auth           one request, one outcome                                        (auth.c)
 *   policy         realm, users, secrets: immutable, shared by all workers         (policy.c)
 *   user_table     the users that the operator wrote down                          (user_table.c)
 *   rest           time-limited names                                              (rest.c)
 *   nonce          stateless: authenticated time, bound to the client's IP         (nonce.c)
 *   opaque_string  which names and passwords there can be (opaque_string.c) digests        the
 * HMACs of rest and nonce, counted                            (digests.c)
 *
 * An unknown user and a wrong password are alike: same answer, same number of digest operations.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/monotime.h"
#include "base/outbox.h"

#include <postern/stun.h>

#define AUTH_NONCE_KEY_SIZE 32
#define AUTH_REALM_SIZE_MAX 128 /* "fewer than 128 characters", RFC 8489 §14.9; with its zero */

/* ---- policy ---------------------------------------------------------------------------------- */

struct auth_policy;

/* Whether a realm is printable ASCII without quotes and backslashes, 1..127 bytes. */
bool auth_realm_is_valid(const char *realm);

/* `realm` is copied. `nonce_lifetime_s` in seconds, 1..86400. Returns NULL with errno ENOMEM, or
 * EINVAL for a realm that is not valid or a lifetime outside its range. */
struct auth_policy *auth_policy_new(const char *realm, unsigned nonce_lifetime_s);
void auth_policy_free(struct auth_policy *policy); /* NULL is allowed */

/*
 * Both return 0, -EEXIST for a name that is there already, -EINVAL for a name, password or size
 * that cannot be (see opaque_string.h), or -ENOMEM. Strings are copied. A user added by password
 * can use MD5 and SHA-256; one with a key only that one, but a second call may add the other key.
 * Challenges offer what every user can use.
 */
int auth_policy_add_user(struct auth_policy *policy, const char *name, const char *password);
int auth_policy_add_user_key(struct auth_policy *policy, const char *name,
                             enum stun_password_algorithm algorithm, const uint8_t *key,
                             size_t key_size);
/* One of several REST secrets; any of them opens. Returns 0, -EINVAL when empty, or -ENOMEM. */
int auth_policy_add_secret(struct auth_policy *policy, const char *secret);
/*
 * Whether challenges ask clients for USERHASH in place of USERNAME (RFC 8489 §9.2). When this is
 * not called, they do as soon as there are users but no secrets: a time-limited name cannot be
 * found by its hash. Old clients do not notice, and stored users are found by USERHASH in any case.
 */
void auth_policy_set_username_anonymity(struct auth_policy *policy, bool enabled);
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
    char user[STUN_USERNAME_SIZE_MAX + 1]; /* UTF-8 without control characters, ends with zero */
    /* user + account_offset is whom quotas count: a time-limited name without its expiry. */
    uint16_t account_offset;
    struct stun_key key; /* for the answer's integrity */
    /* The answer carries MESSAGE-INTEGRITY-SHA256, else MESSAGE-INTEGRITY: whether the request came
     * with PASSWORD-ALGORITHM, as the last paragraph of RFC 8489 §9.2.4 has it. */
    bool sha256;
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
/* Tells what the time of day is at `now`: REST names end by it, and until the first call none of
 * them holds. Seconds since 1970. */
void auth_set_wall_clock(struct auth *auth, struct monotime now, int64_t unix_seconds);

/*
 * Judges a request. `owner` is the name that holds the allocation on this flow, or NULL: an expired
 * REST name may still refresh what it has, but not begin anything new. `answer` is filled whole;
 * `identity` is all zeros unless the outcome is AUTH_ACCEPTED. RFC 8489 §9.2.4.
 */
void auth_check(struct auth *auth, struct monotime now, const struct flow *flow,
                const struct stun_view *request, const char *owner, struct auth_answer *answer);

/* Writes REALM, NONCE and PASSWORD-ALGORITHMS of a challenge to this client. */
void auth_put_challenge(struct auth *auth, struct monotime now, const struct flow *flow,
                        struct stun_builder *builder);

/* HMACs and digests computed so far: a test counts that all refusals cost the same. */
uint64_t auth_digest_count(const struct auth *auth);

#endif

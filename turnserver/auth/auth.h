/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is this? The long-term credential mechanism (RFC 8489 §9.2) for users that the operator wrote
 * down and for time-limited "REST" names (expiry:user, password = base64(HMAC(secret, name))).
 *
 *   auth           one request, one outcome                                        (auth.c)
 *   policy         realm, users, secrets: immutable, shared by all workers         (policy.c)
 *   user_table     the users that the operator wrote down                          (user_table.c)
 *   rest           time-limited names                                              (rest.c)
 *   token          self-contained OAuth tokens, RFC 7635                            (token.c)
 *   lookup         users who are kept elsewhere: questions, answers, a short memory (lookup.c)
 *   issue          credentials that we make, bearer tokens, signatures               (issue.c)
 *   nonce          stateless: authenticated time, bound to the client's IP         (nonce.c)
 *   opaque_string  which names and passwords there can be                  (opaque_string.c)
 *   digests        the HMACs of rest, nonce and proofs, counted                    (digests.c)
 *
 * An unknown user and a wrong password are alike: same answer, same number of digest operations.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/monotime.h"
#include "base/outbox.h"
#include "turnserver/auth/token.h"

#include <postern/stun.h>

#define AUTH_NONCE_KEY_SIZE 32
#define AUTH_NONCE_SIZE 49      /* characters */
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
 * OAuth (RFC 7635): from now on tokens open that were made for `server_name`, 1..255 bytes, which
 * challenges tell as THIRD-PARTY-AUTHORIZATION. Returns 0, -EINVAL, or -ENOMEM. Copied.
 */
int auth_policy_set_oauth(struct auth_policy *policy, const char *server_name);
/* One of several keys of authorization servers; copied. Returns 0, -EEXIST for an id that is there
 * already, or -ENOMEM. */
int auth_policy_add_token_key(struct auth_policy *policy, const struct token_key *key);
/*
 * Whether challenges ask clients for USERHASH in place of USERNAME (RFC 8489 §9.2). When this is
 * not called, they do as soon as there are users but no secrets: a time-limited name cannot be
 * found by its hash. Old clients do not notice, and stored users are found by USERHASH in any case.
 */
void auth_policy_set_username_anonymity(struct auth_policy *policy, bool enabled);
/* What can be asked of the place where users are kept that the operator did not write down. */
struct auth_source_traits {
    bool md5, sha256;    /* which keys its users have; at least one */
    bool userhash;       /* it finds users by USERHASH too */
    bool secrets;        /* it keeps REST secrets as well */
    bool token_keys;     /* and keys that open tokens */
    unsigned lifetime_s; /* for how long an answer holds, 1..86400 */
};

/*
 * From now on a name that is not in the policy is looked up; `traits` are copied. The policy's own
 * users come first, and while there are secrets a time-limited name is not looked up.
 */
void auth_policy_set_source(struct auth_policy *policy, const struct auth_source_traits *traits);
#define AUTH_REALMS_MAX 64

/*
 * Another realm beside that of `policy`: `realm`, which becomes part of it and is freed with it. It
 * has users, secrets and a source of its own, no tokens. Returns 0, -EEXIST for a name that is
 * there already, or -ENOSPC beyond AUTH_REALMS_MAX; `realm` then stays the caller's.
 *
 * A client is challenged for the realm of its ORIGIN, else of the host that it named in the
 * handshake of TLS, else of the address where it came in, else for the first; in requests its REALM
 * says which. Accounts of another realm than the first are called "name\realm".
 */
int auth_policy_add_realm(struct auth_policy *policy, struct auth_policy *realm);
/* Clients who say that they come from there belong to `realm`. Returns 0 or -ENOMEM. */
int auth_policy_add_origin(struct auth_policy *realm, const char *origin);
/* So do clients who named a host of that pattern (text_host_matches). Returns 0 or -ENOMEM. */
int auth_policy_add_server_name(struct auth_policy *realm, const char *name);
/* So do clients who came in at this address and port; the address may be unspecified. */
int auth_policy_add_listener(struct auth_policy *realm, const struct stun_address *address);
/* Whether there is neither a user, a secret, a source nor a key for tokens: the server then serves
 * STUN only. */
bool auth_policy_is_empty(const struct auth_policy *policy);
/*
 * From now on auth_issue makes time-limited names for the users of all realms that `policy` has,
 * with a secret of the server's own where none is written down: it comes from the nonce key, so all
 * workers know it, and changes when the server starts anew. Such names cannot be found by USERHASH,
 * so clients are no longer asked for it.
 */
void auth_policy_issue_credentials(struct auth_policy *policy);
const char *auth_policy_realm(const struct auth_policy *policy);

/* ---- one request ----------------------------------------------------------------------------- */

enum auth_outcome {
    AUTH_ACCEPTED,
    AUTH_REFUSED, /* answer with `code`; auth_put_challenge adds what 401 and 438 need */
    AUTH_PENDING, /* `lookup` is under way; the packet must be given again when it has ended */
};

/*
 * What a token gave its holder: requests that follow on an allocation are signed with its key and
 * need not bring the token again. Kept with the allocation by the machine.
 */
struct auth_session {
    int64_t ends;     /* seconds since 1970: the first in which the key is good no more */
    uint8_t key_size; /* 0: there is none */
    uint8_t key[TOKEN_SESSION_KEY_MAX];
};

/* A name, a backslash, a realm, and a zero. */
#define AUTH_USER_SIZE (STUN_USERNAME_SIZE_MAX + 1 + AUTH_REALM_SIZE_MAX)

struct auth_identity {
    char user[AUTH_USER_SIZE]; /* UTF-8 without control characters, ends with zero */
    /* user + account_offset is whom quotas count: a time-limited name without its expiry. */
    uint16_t account_offset;
    struct stun_key key; /* for the answer's integrity */
    /* The answer carries MESSAGE-INTEGRITY-SHA256, else MESSAGE-INTEGRITY: whether the request came
     * with PASSWORD-ALGORITHM, as the last paragraph of RFC 8489 §9.2.4 has it. */
    bool sha256;
    bool brought_token;          /* ACCESS-TOKEN was there, and understood */
    struct auth_session session; /* of a token that came now; else key_size is 0 */
    uint32_t lifetime_max_s; /* no allocation may be given longer (RFC 7635 §9); UINT32_MAX: any */
};

/* Leaves nothing of it in memory. */
void auth_identity_wipe(struct auth_identity *identity);

struct auth_answer {
    enum auth_outcome outcome;
    uint16_t code;   /* AUTH_REFUSED: 400, 401, 438, or 500: users cannot be looked up now */
    uint64_t lookup; /* AUTH_PENDING: the id of the question, or 0 when none could be asked */
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

/* Asked about a flow over TLS or DTLS whose client is to be challenged: the host that it named in
 * its handshake, or NULL. The name is read at once. */
typedef const char *auth_server_name(void *context, const struct flow *flow);
void auth_set_server_names(struct auth *auth, auth_server_name *server_name, void *context);

/* Who holds the allocation on this flow. */
struct auth_owner {
    const char *name;
    const struct auth_session *session; /* NULL: it was not a token that let them in */
};

/*
 * Judges a request. `owner` may be NULL: there is no allocation. An expired REST name may still
 * refresh what it has, but not begin anything new; who came with a token may bring another, or none
 * as long as the last one's key holds. `answer` is filled whole;
 * `identity` is all zeros unless the outcome is AUTH_ACCEPTED. RFC 8489 §9.2.4.
 */
void auth_check(struct auth *auth, struct monotime now, const struct flow *flow,
                const struct stun_view *request, const struct auth_owner *owner,
                struct auth_answer *answer);

/* ---- who is there that does not speak STUN: the rendezvous service -----------------------------
 */

/* The realm that somebody belongs to who comes from a page of `origin` (NULL: from none) and came
 * in at `local`. Lives as long as the policy. */
const char *auth_choose_realm(const struct auth *auth, const char *origin,
                              const struct stun_address *local);
const char *auth_first_realm(const struct auth *auth);
/* Which keys users of a realm may prove (both, when there is no such realm), and whether there are
 * secrets by which bearer tokens are made. */
struct auth_methods {
    bool md5, sha256, tokens;
};
struct auth_methods auth_methods(const struct auth *auth, const char *realm);

enum auth_realm_kind {
    AUTH_REALM_UNKNOWN,
    AUTH_REALM_FIRST, /* its accounts are called by their names alone */
    AUTH_REALM_OTHER, /* "name\\realm" */
};
enum auth_realm_kind auth_realm_kind(const struct auth *auth, const char *realm);

/* HMAC-SHA256 with the user's key over a text that has a nonce of the caller's in it. */
struct auth_proof {
    const char *realm, *user;
    enum stun_password_algorithm algorithm; /* of the key */
    const uint8_t *text;
    size_t size;
    uint8_t hmac[STUN_SHA256_SIZE];
};

/* Judges a proof as auth_check does a request, with the same outcomes; of codes there are 401 and
 * 500. */
void auth_check_proof(struct auth *auth, struct monotime now, const struct auth_proof *proof,
                      struct auth_answer *answer);
/*
 * Judges a bearer token, "expiry:account:MAC" with
 * MAC = base64url(HMAC-SHA256(secret, "postern-token-1:expiry:account")), where `secret` is one of
 * those for time-limited names: a web back end makes it.
 */
void auth_check_bearer(struct auth *auth, struct monotime now, const char *realm, const char *token,
                       struct auth_answer *answer);

#define AUTH_ISSUED_PASSWORD_SIZE 45
struct auth_issued {
    char name[21 + STUN_USERNAME_SIZE_MAX + 1]; /* "expiry:account" */
    char password[AUTH_ISSUED_PASSWORD_SIZE];
};
/* Makes a time-limited name, good for `lifetime_s` from now, for an account of `realm`. Returns
 * false when the policy does not issue credentials, the time of day is not known, the account is
 * not a name that can be, or the cryptographic library fails. */
bool auth_issue(struct auth *auth, struct monotime now, const char *realm, const char *account,
                uint32_t lifetime_s, struct auth_issued *issued);

/*
 * What the challenge of auth_put_challenge would say now to a client of that IP address in `realm`.
 * Who has shown that the address is its own, by a connection, may have it beforehand, and need not
 * ask. Returns false when there is no such realm, or the cryptographic library fails.
 */
struct auth_challenge {
    const char *realm; /* the policy's */
    char nonce[AUTH_NONCE_SIZE + 1];
    uint16_t algorithms[2]; /* enum stun_password_algorithm, in the order of the attribute */
    size_t algorithm_count;
};
bool auth_make_challenge(struct auth *auth, struct monotime now, const char *realm,
                         const struct stun_address *client, struct auth_challenge *challenge);

/* ---- users who are kept elsewhere ------------------------------------------------------------ */

#define AUTH_SECRETS_MAX 16
#define AUTH_SECRET_SIZE_MAX 255

enum auth_question_kind {
    AUTH_QUESTION_NAME,      /* the keys of a user, by name */
    AUTH_QUESTION_USERHASH,  /* the same by USERHASH, and the name */
    AUTH_QUESTION_SECRETS,   /* the REST secrets of a realm */
    AUTH_QUESTION_TOKEN_KEY, /* the key of tokens, by the id that clients bring as their name */
};

struct auth_question {
    uint64_t id; /* what its answer repeats; never 0 */
    enum auth_question_kind kind;
    char realm[AUTH_REALM_SIZE_MAX];
    char name[STUN_USERNAME_SIZE_MAX + 1]; /* AUTH_QUESTION_NAME; valid as opaque_string.h says */
    uint8_t userhash[STUN_SHA256_SIZE];    /* AUTH_QUESTION_USERHASH */
};

enum auth_finding_status {
    AUTH_FOUND,
    AUTH_ABSENT,
    AUTH_FAILED, /* the source could not be asked */
};

struct auth_finding {
    uint64_t id;
    enum auth_finding_status status;
    /* The rest is read when it was found: of a user … */
    char name[STUN_USERNAME_SIZE_MAX + 1]; /* AUTH_QUESTION_USERHASH only */
    bool has_md5, has_sha256;
    uint8_t md5_key[16];
    uint8_t sha256_key[STUN_SHA256_SIZE];
    struct token_key token_key; /* AUTH_QUESTION_TOKEN_KEY; its id is the question's name */
    /* … or of a realm. */
    size_t secret_count;
    char secrets[AUTH_SECRETS_MAX][AUTH_SECRET_SIZE_MAX + 1];
};

/*
 * Where users are looked up: outside the machine, by whoever runs it. `ask` takes a question
 * (copied) and calls `answered` once, from any thread, with a finding that the receiver frees
 * (auth_finding_free). Returns false when it cannot take one more: `answered` is then not called.
 */
typedef void auth_answered(void *receiver, struct auth_finding *finding);

struct auth_source {
    void *context;
    bool (*ask)(void *context, const struct auth_question *question, auth_answered *answered,
                void *receiver);
    /* The realm of a client that says it comes from `origin`, as far as is known now: never waits,
     * from any thread. Returns false when it is nobody's. May be NULL. */
    bool (*realm_of_origin)(void *context, const uint8_t *origin, size_t size,
                            char realm[AUTH_REALM_SIZE_MAX]);
};

/* Whom to ask for the realm of an ORIGIN that the policy does not have; borrowed. */
void auth_set_origins(struct auth *auth, const struct auth_source *source);

/* Zeroed but for the id; NULL when memory is out. free leaves no key behind in memory. */
struct auth_finding *auth_finding_new(uint64_t id);
void auth_finding_free(struct auth_finding *finding); /* NULL is allowed */

/* Takes the next question that has to go out; false when there is none. */
bool auth_next_question(struct auth *auth, struct auth_question *question);
/* Takes an answer; packets that wait for finding->id can then be given again. */
void auth_answer_lookup(struct auth *auth, struct monotime now, const struct auth_finding *finding);

/* ---- answers --------------------------------------------------------------------------------- */

/* Writes REALM, NONCE and PASSWORD-ALGORITHMS of a challenge to who sent `request`. */
void auth_put_challenge(struct auth *auth, struct monotime now, const struct flow *flow,
                        const struct stun_view *request, struct stun_builder *builder);

/* HMACs and digests computed so far: a test counts that all refusals cost the same. */
uint64_t auth_digest_count(const struct auth *auth);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a request, or a proof, says about who sent it: for the files of this room only. */
#ifndef AUTH_CLAIM_H
#define AUTH_CLAIM_H

#include "turnserver/auth/auth_internal.h"

struct claim {
    const struct stun_view *request;  /* NULL: it is a proof */
    const struct auth_proof *proof;   /* or NULL */
    const struct auth_policy *policy; /* of the realm that it names, else of the first */
    bool has_sha256;                  /* MESSAGE-INTEGRITY-SHA256 */
    bool chose_algorithm;             /* there was a PASSWORD-ALGORITHM */
    enum stun_password_algorithm algorithm;
    enum nonce_state nonce;
    bool realm_matches;
    char name[STUN_USERNAME_SIZE_MAX + 1];      /* from USERNAME, or "" */
    const struct stun_attribute_view *userhash; /* in place of a name, or NULL */
    const struct stun_attribute_view *token;    /* when we take tokens, or NULL */
};

/* Reads claim->request. Returns 0, or the code of the refusal. */
uint16_t claim_read(struct auth *auth, struct monotime now, const struct flow *flow,
                    struct claim *claim);
/* Whether it was made with this key. Always one digest operation. */
bool claim_is_made_with(struct auth *auth, const struct claim *claim, const struct stun_key *key);
/* Whether a name of the first realm is how an account of another realm is called: nobody may have
 * it. */
bool claim_looks_like_another(const struct auth_policy *policy, const char *name);
/* The algorithms of a set in the order of our preference. Returns how many. */
size_t claim_list_algorithms(uint8_t set, uint16_t out[2]);

#endif

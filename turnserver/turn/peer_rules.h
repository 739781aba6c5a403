/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a relay may send to. Every address that the server will send to passes peer_rules_check,
 * which brings it to canonical form and asks one table, in this order:
 *
 *   1. always refused: unspecified, multicast, broadcast, 6to4, Teredo (RFC 8656 §21.4)
 *   2. the operator's deny
 *   3. the operator's allow
 *   4. our own addresses: a permission is given, because both peers may hold relays here; a
 * datagram passes only to a live relayed port (the caller asks its port pool)
 *   5. the default list: special-purpose ranges of both families (RFC 6890, IANA registries)
 *
 * Whatever 3 says, our own listening endpoints ("protected") never receive a relayed datagram.
 */
#ifndef TURN_PEER_RULES_H
#define TURN_PEER_RULES_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

enum peer_verdict {
    PEER_ALLOWED,
    PEER_OWN,       /* ours: permission yes, datagrams only to live relayed ports */
    PEER_PROTECTED, /* ours, and we listen there: permission yes, datagrams never */
    PEER_REFUSED_ALWAYS,
    PEER_REFUSED_DENIED,  /* by the operator */
    PEER_REFUSED_SPECIAL, /* by the default list */
};

struct peer_rules;

struct peer_rules *peer_rules_new(void); /* NULL when memory is out */
void peer_rules_free(struct peer_rules *rules);

/*
 * Adds an entry written as address ("192.0.2.1"), prefix ("192.0.2.0/24") or range
 * ("192.0.2.5-192.0.2.9"), of either family. Return 0, -EINVAL for text that is none of these (a
 * prefix with host bits set, a range that ends before it begins), or -ENOMEM.
 */
int peer_rules_add_deny(struct peer_rules *rules, const char *text);
int peer_rules_add_allow(struct peer_rules *rules, const char *text);
/* An address of this host (the port is not looked at), and an endpoint that this server listens on
 * (unspecified IP: on each of our own). Return 0 or -ENOMEM. */
int peer_rules_add_own(struct peer_rules *rules, const struct stun_address *address);
int peer_rules_add_protected(struct peer_rules *rules, const struct stun_address *endpoint);

enum peer_verdict peer_rules_check(const struct peer_rules *rules, const struct stun_address *peer);
/* One sentence for the log: "a private address (10.0.0.0/8): normal for a browser". Static. */
const char *peer_verdict_text(enum peer_verdict verdict);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a relay may send to. Every address that the server will send to passes peer_rules_check,
 * which brings it to canonical form (address_canonical) and asks, in this order:
 *
 *   1. what is always refused: unspecified, multicast, broadcast, 6to4, Teredo (RFC 8656 §21.4)
 *   2. the operator's deny
 *   3. the operator's allow
 *   4. addresses at which relays of ours stand: a permission is given, because both peers may hold
 *      relays here; a datagram passes only to a live relayed port (the caller asks its port pool).
 *      The same holds for our other addresses, as far as rule 5 does not refuse them: nothing that
 *      a peer could be stands on our loopback or private addresses
 *   5. the default list: special-purpose ranges of both families (special_ranges.c)
 *
 * and of what is then permitted, our own listening endpoints never receive a relayed datagram.
 *
 * So an operator who allows an address of this host opens all of its ports but those where this
 * server listens; tests and LAN installations need that.
 *
 * Adding comes first, then checks only: these may come from any thread.
 */
#ifndef TURN_PEER_RULES_H
#define TURN_PEER_RULES_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

enum peer_verdict {
    PEER_ALLOWED,
    PEER_OWN,             /* ours: permission yes, datagrams only to live relayed ports */
    PEER_PROTECTED,       /* we listen there: permission yes, datagrams never */
    PEER_REFUSED_ALWAYS,  /* no permission, whatever the operator wrote */
    PEER_REFUSED_DENIED,  /* by the operator */
    PEER_REFUSED_SPECIAL, /* by the default list */
};

struct peer_rules;

struct peer_rules *peer_rules_new(void);        /* NULL when memory is out */
void peer_rules_free(struct peer_rules *rules); /* NULL is allowed */

/*
 * Adds an entry written as address ("192.0.2.1"), prefix ("192.0.2.0/24") or range
 * ("192.0.2.5-192.0.2.9"), of either family. An address that carries an IPv4 address is judged by
 * the rules for IPv4, so allow takes no entry that begins or ends among the IPv4-mapped,
 * IPv4-compatible or NAT64 addresses; deny takes them, and they refuse what is written that way
 * ("::ffff:0:0/96", "64:ff9b::/96"), but not a part of the IPv4-mapped ones: write it as IPv4.
 * Return 0, -EINVAL for text that is none of these (also a prefix with host bits set, a range that
 * ends before it begins), or -ENOMEM.
 */
int peer_rules_add_deny(struct peer_rules *rules, const char *text);
int peer_rules_add_allow(struct peer_rules *rules, const char *text);
/*
 * An address of this host, one at which relays stand (the port is not looked at; it is an address
 * of this host as well), and an endpoint that this server listens on.
 * An endpoint with an unspecified IP of either family stands for that port on each of our own
 * addresses, 127.0.0.0/8 and ::1. Return 0, -EINVAL for no address, or -ENOMEM.
 */
int peer_rules_add_own(struct peer_rules *rules, const struct stun_address *address);
int peer_rules_add_relay(struct peer_rules *rules, const struct stun_address *address);
int peer_rules_add_protected(struct peer_rules *rules, const struct stun_address *endpoint);

/* The verdict on a datagram to `peer`. For a permission, which has no port, any port will do. */
enum peer_verdict peer_rules_check(const struct peer_rules *rules, const struct stun_address *peer);
/* Whether there can be a permission for such a peer; if not, the answer is 403. */
static inline bool peer_verdict_permits(enum peer_verdict verdict)
{
    return verdict == PEER_ALLOWED || verdict == PEER_OWN || verdict == PEER_PROTECTED;
}

/* One sentence for the log, without a final stop. Lives for ever. */
const char *peer_verdict_text(enum peer_verdict verdict);
/* What a peer's address is by itself: "a private address". "an ordinary address" when nothing
 * is special about it. Slow: for the log only. Lives for ever. */
const char *peer_address_text(const struct stun_address *peer);

#endif

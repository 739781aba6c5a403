/* SPDX-License-Identifier: BSD-3-Clause */
/* A set of IP addresses of both families, made of ranges; a look-up is a binary search. */
#ifndef BASE_ADDRESS_SET_H
#define BASE_ADDRESS_SET_H

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>

/* From first to last, both included; one family, ports zero, first not after last. */
struct address_range {
    struct stun_address first, last;
};

/*
 * Reads an address ("192.0.2.1"), a prefix ("192.0.2.0/24") or a range ("192.0.2.5-192.0.2.9") of
 * either family. Returns false and leaves `range` alone when the text is none of these, when a
 * prefix has host bits set, or when a range ends before it begins.
 */
bool address_range_parse(struct address_range *range, const char *text);

/* Empty when all its bytes are zero. Read-only look-ups may come from any thread. */
struct address_set {
    struct address_range *ranges; /* sorted, none overlaps another */
    size_t count, capacity;
};

/* Returns 0 or -ENOMEM; the set is then as it was. */
int address_set_add(struct address_set *set, const struct address_range *range);
/* Whether the address is in the set, whatever its port. */
bool address_set_contains(const struct address_set *set, const struct stun_address *address);
/* Empties the set and frees what it holds. */
void address_set_clear(struct address_set *set);

#endif

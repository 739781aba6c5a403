/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/reservation.h"

#include <stdatomic.h>
#include <stdlib.h>

#define RESERVATIONS_MAX 1024 /* a power of two: the low bits of a token are its place */
#define RESERVATION_PROBES 16

/* What `token` says when it is not a token. */
#define SLOT_FREE UINT64_C(0)
#define SLOT_BUSY UINT64_C(1)
#define TOKEN_MARK (UINT64_C(1) << 63) /* set in every token, so that none looks like those */

struct reservation {
    _Atomic uint64_t token;
    struct stun_address relayed;
};

struct reservation_table {
    struct reservation slots[RESERVATIONS_MAX];
};

struct reservation_table *reservation_table_new(void)
{
    return calloc(1, sizeof(struct reservation_table));
}

void reservation_table_free(struct reservation_table *table)
{
    free(table);
}

uint64_t reservation_put(struct reservation_table *table, uint64_t random,
                         const struct stun_address *relayed)
{
    for (unsigned probe = 0; probe < RESERVATION_PROBES; probe++) {
        uint64_t token = (random + probe) | TOKEN_MARK;
        struct reservation *slot = &table->slots[token % RESERVATIONS_MAX];
        uint64_t expected = SLOT_FREE;

        if (atomic_compare_exchange_strong(&slot->token, &expected, SLOT_BUSY)) {
            slot->relayed = *relayed;
            atomic_store(&slot->token, token);
            return token;
        }
    }
    return RESERVATION_TOKEN_NONE;
}

bool reservation_take(struct reservation_table *table, uint64_t token, struct stun_address *relayed)
{
    struct reservation *slot = &table->slots[token % RESERVATIONS_MAX];
    uint64_t expected = token;

    if ((token & TOKEN_MARK) == 0 ||
        !atomic_compare_exchange_strong(&slot->token, &expected, SLOT_BUSY)) {
        return false;
    }
    *relayed = slot->relayed;
    atomic_store(&slot->token, SLOT_FREE);
    return true;
}

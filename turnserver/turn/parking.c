/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/turn/parking.h"

#include "base/address.h"

#include <stdlib.h>
#include <string.h>

static bool is_same_flow(const struct flow *a, const struct flow *b)
{
    return a->via == b->via && a->transport == b->transport &&
           address_equal(&a->remote, &b->remote) && address_equal(&a->local, &b->local);
}

static bool is_same_request(const struct parked *parked, const struct flow *flow,
                            const uint8_t *bytes, size_t size)
{
    return parked->size == size && is_same_flow(&parked->flow, flow) &&
           memcmp(parked->bytes, bytes, size) == 0;
}

/* Whether there is room for one more of that address. */
static bool has_room(const struct parking *parking, const struct flow *flow)
{
    size_t of_source = 0;

    for (const struct parked *parked = parking->first; parked != NULL; parked = parked->next) {
        of_source += address_equal_ip(&parked->flow.remote, &flow->remote);
    }
    return parking->count < PARKING_PLACES && of_source < PARKING_PLACES_PER_SOURCE;
}

enum parking_result parking_put(struct parking *parking, struct monotime now,
                                const struct flow *flow, uint64_t lookup, const uint8_t *bytes,
                                size_t size)
{
    struct parked *parked = parking->first;

    while (parked != NULL && !is_same_request(parked, flow, bytes, size)) {
        parked = parked->next;
    }
    if (parked != NULL) {
        return PARKING_REPEATED;
    }
    if (size > PARKING_SIZE_MAX || !has_room(parking, flow)) {
        return PARKING_REFUSED;
    }
    parked = malloc(sizeof *parked + size);
    if (parked == NULL) {
        return PARKING_REFUSED;
    }
    *parked = (struct parked){.lookup = lookup,
                              .ends = monotime_add_seconds(now, PARKING_SECONDS),
                              .flow = *flow,
                              .size = (uint32_t)size};
    memcpy(parked->bytes, bytes, size);
    if (parking->first == NULL) {
        parking->last = &parking->first;
    }
    *parking->last = parked;
    parking->last = &parked->next;
    parking->count++;
    return PARKING_TAKEN;
}

/* Takes `*place` out of the list. */
static struct parked *take_out(struct parking *parking, struct parked **place)
{
    struct parked *parked = *place;

    *place = parked->next;
    if (parking->last == &parked->next) {
        parking->last = place;
    }
    parking->count--;
    return parked;
}

struct parked *parking_take(struct parking *parking, uint64_t lookup)
{
    struct parked **place = &parking->first;

    while (*place != NULL && (*place)->lookup != lookup) {
        place = &(*place)->next;
    }
    return *place != NULL ? take_out(parking, place) : NULL;
}

void parking_forget_flow(struct parking *parking, const struct flow *flow)
{
    struct parked **place = &parking->first;

    while (*place != NULL) {
        if (is_same_flow(&(*place)->flow, flow)) {
            free(take_out(parking, place));
        } else {
            place = &(*place)->next;
        }
    }
}

size_t parking_expire(struct parking *parking, struct monotime now)
{
    size_t expired = 0;

    while (parking->first != NULL && monotime_reached(now, parking->first->ends)) {
        free(take_out(parking, &parking->first));
        expired++;
    }
    return expired;
}

struct monotime parking_due(const struct parking *parking)
{
    return parking->first != NULL ? parking->first->ends : MONOTIME_NEVER;
}

void parking_clear(struct parking *parking)
{
    while (parking->first != NULL) {
        free(take_out(parking, &parking->first));
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/address_race.h"

#include <string.h>

/* The first address is the resolver's choice; after it the families take turns (RFC 8305 §4). */
static void interleave(struct address_race *race, const struct stun_address *addresses,
                       size_t count)
{
    bool taken[ADDRESS_RACE_MAX] = {false};
    uint8_t last = STUN_FAMILY_NONE;
    for (race->count = 0; race->count < count; race->count++) {
        size_t choice = count;
        for (size_t i = 0; i < count; i++) {
            bool better = choice == count ||
                          (addresses[choice].family == last && addresses[i].family != last);
            choice = !taken[i] && better ? i : choice;
        }
        taken[choice] = true;
        last = addresses[choice].family;
        race->addresses[race->count] = addresses[choice];
    }
}

void address_race_begin(struct address_race *race, struct monotime now,
                        const struct stun_address *addresses, size_t count, int64_t patience_ms)
{
    *race = (struct address_race){.next = now, .patience_ms = patience_ms};
    interleave(race, addresses, count < ADDRESS_RACE_MAX ? count : ADDRESS_RACE_MAX);
}

static void skip_failed(struct address_race *race)
{
    while (race->begun < race->count && race->failed[race->begun]) {
        race->begun++;
    }
}

bool address_race_next(struct address_race *race, struct monotime now, size_t *place)
{
    skip_failed(race);
    if (race->begun == race->count || !monotime_reached(now, race->next)) {
        return false;
    }
    *place = race->begun++;
    race->ends[*place] = monotime_add_ms(now, race->patience_ms);
    race->next = monotime_add_ms(now, ADDRESS_RACE_DELAY_MS);
    return true;
}

bool address_race_expired(struct address_race *race, struct monotime now, size_t *place)
{
    for (size_t i = 0; i < race->count; i++) {
        if (race->ends[i].us != 0 && monotime_reached(now, race->ends[i])) {
            address_race_failed(race, now, i);
            *place = i;
            return true;
        }
    }
    return false;
}

void address_race_failed(struct address_race *race, struct monotime now, size_t place)
{
    race->ends[place].us = 0;
    race->failed[place] = true;
    race->next = monotime_earlier(race->next, now);
}

void address_race_won(struct address_race *race, size_t place)
{
    (void)place;
    memset(race->ends, 0, sizeof race->ends);
    race->begun = race->count;
}

void address_race_resume(struct address_race *race, struct monotime now, size_t place)
{
    race->failed[place] = true;
    race->begun = 0;
    race->next = now;
}

static bool is_under_way(const struct address_race *race)
{
    bool some = false;
    for (size_t i = 0; i < race->count; i++) {
        some = some || race->ends[i].us != 0;
    }
    return some;
}

bool address_race_is_lost(const struct address_race *race)
{
    bool all_failed = true;
    for (size_t i = 0; i < race->count; i++) {
        all_failed = all_failed && race->failed[i];
    }
    return all_failed && !is_under_way(race);
}

struct monotime address_race_due(const struct address_race *race)
{
    struct monotime due = MONOTIME_NEVER;
    for (size_t i = 0; i < race->count; i++) {
        due = race->ends[i].us != 0 ? monotime_earlier(due, race->ends[i]) : due;
    }
    for (size_t i = race->begun; i < race->count; i++) {
        due = !race->failed[i] ? monotime_earlier(due, race->next) : due;
    }
    return due;
}

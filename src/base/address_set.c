/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/address_set.h"

#include "base/address.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------------ */

/* Reads the address in the `size` bytes of `text`. */
static bool parse_part(struct stun_address *address, const char *text, size_t size)
{
    char copy[ADDRESS_TEXT_SIZE];

    if (size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    return address_parse_ip(address, copy);
}

/* Sets every bit after the first `prefix` ones; false when one of them is set already. */
static bool fill_host_bits(struct stun_address *address, unsigned prefix)
{
    for (size_t i = 0; i < address_ip_size(address); i++) {
        unsigned first_bit = (unsigned)i * 8;
        unsigned network_bits = prefix <= first_bit ? 0 : prefix - first_bit;
        uint8_t host = network_bits >= 8 ? 0 : (uint8_t)(0xFF >> network_bits);
        if ((address->ip[i] & host) != 0) {
            return false;
        }
        address->ip[i] |= host;
    }
    return true;
}

static bool parse_prefix(struct address_range *range, const char *text, const char *slash)
{
    uint64_t prefix = 0;

    if (!parse_part(&range->first, text, (size_t)(slash - text)) ||
        !text_parse_u64(slash + 1, strlen(slash + 1), 8 * address_ip_size(&range->first),
                        &prefix)) {
        return false;
    }
    range->last = range->first;
    return fill_host_bits(&range->last, (unsigned)prefix);
}

static bool parse_ends(struct address_range *range, const char *text, const char *dash)
{
    return parse_part(&range->first, text, (size_t)(dash - text)) &&
           parse_part(&range->last, dash + 1, strlen(dash + 1)) &&
           range->first.family == range->last.family &&
           address_compare(&range->first, &range->last) <= 0;
}

bool address_range_parse(struct address_range *range, const char *text)
{
    struct address_range parsed = {0};
    const char *mark = strpbrk(text, "/-");
    bool good = false;

    if (mark == NULL) {
        good = parse_part(&parsed.first, text, strlen(text));
        parsed.last = parsed.first;
    } else {
        good = *mark == '/' ? parse_prefix(&parsed, text, mark) : parse_ends(&parsed, text, mark);
    }
    if (good) {
        *range = parsed;
    }
    return good;
}

/* ---- set ------------------------------------------------------------------------------------- */

/* The index of the first range that does not end before `address`. */
static size_t lower_bound(const struct address_set *set, const struct stun_address *address)
{
    size_t low = 0;
    size_t high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (address_compare(&set->ranges[middle].last, address) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool address_set_contains(const struct address_set *set, const struct stun_address *address)
{
    struct stun_address ip = *address;

    ip.port = 0;
    size_t at = lower_bound(set, &ip);
    return at < set->count && address_compare(&set->ranges[at].first, &ip) <= 0;
}

static int make_room(struct address_set *set)
{
    if (set->count < set->capacity) {
        return 0;
    }
    size_t capacity = set->capacity == 0 ? 8 : 2 * set->capacity;
    struct address_range *ranges = reallocarray(set->ranges, capacity, sizeof *ranges);
    if (ranges == NULL) {
        return -ENOMEM;
    }
    set->ranges = ranges;
    set->capacity = capacity;
    return 0;
}

int address_set_add(struct address_set *set, const struct address_range *range)
{
    struct address_range merged = *range;

    if (make_room(set) != 0) {
        return -ENOMEM;
    }
    /* The ranges from `at` up to `end` overlap the new one, which takes their place. */
    size_t at = lower_bound(set, &merged.first);
    size_t end = at;
    while (end < set->count && address_compare(&set->ranges[end].first, &merged.last) <= 0) {
        end++;
    }
    if (end > at) {
        if (address_compare(&set->ranges[at].first, &merged.first) < 0) {
            merged.first = set->ranges[at].first;
        }
        if (address_compare(&set->ranges[end - 1].last, &merged.last) > 0) {
            merged.last = set->ranges[end - 1].last;
        }
    }
    memmove(&set->ranges[at + 1], &set->ranges[end], (set->count - end) * sizeof *set->ranges);
    set->ranges[at] = merged;
    set->count = set->count - (end - at) + 1;
    return 0;
}

void address_set_clear(struct address_set *set)
{
    free(set->ranges);
    *set = (struct address_set){0};
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The ranges that peer_rules refuses without being told, and what each of them is. */
#ifndef TURN_SPECIAL_RANGES_H
#define TURN_SPECIAL_RANGES_H

#include <stddef.h>

struct special_range {
    const char *range; /* as address_range_parse reads it */
    const char *what;  /* "a private address" */
};

/* What no permission can ever be for. */
extern const struct special_range special_ranges_always[];
extern const size_t special_ranges_always_count;
/* What is refused unless the operator allows it. */
extern const struct special_range special_ranges_default[];
extern const size_t special_ranges_default_count;

#endif

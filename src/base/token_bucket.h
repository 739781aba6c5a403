/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token bucket: `burst` tokens at once, then `per_second`. Tokens are what the owner counts by
 * it: answers, bytes, lines. The rate stands apart, so that a table of many buckets shares one, and
 * a new rate holds from the next call. A zeroed bucket is a full one.
 */
#ifndef BASE_TOKEN_BUCKET_H
#define BASE_TOKEN_BUCKET_H

#include "base/monotime.h"

/* Both at most TOKEN_RATE_MAX. per_second 0: no limit. */
struct token_rate {
    uint64_t per_second;
    uint64_t burst;
};

#define TOKEN_RATE_MAX UINT64_C(1000000000000)

struct token_bucket {
    uint64_t millionths; /* of a token, as of `updated` */
    struct monotime updated;
};

/* Fills up for the time that has passed; time that goes back changes nothing. */
static inline void token_bucket_fill(struct token_bucket *bucket, const struct token_rate *rate,
                                     struct monotime now)
{
    uint64_t full = rate->burst * 1000000;
    int64_t passed = monotime_difference_us(now, bucket->updated);

    if (passed > 0) {
        bucket->updated = now;
        /* Divided first: passed * per_second may not fit. */
        if ((uint64_t)passed > full / rate->per_second) {
            bucket->millionths = full;
        } else {
            bucket->millionths += (uint64_t)passed * rate->per_second;
        }
    }
    if (bucket->millionths > full) {
        bucket->millionths = full;
    }
}

/* Takes `amount` tokens. Returns false, and takes none, when there are fewer. */
static inline bool token_bucket_take(struct token_bucket *bucket, const struct token_rate *rate,
                                     struct monotime now, uint64_t amount)
{
    if (rate->per_second == 0) {
        return true;
    }
    token_bucket_fill(bucket, rate, now);
    if (amount > bucket->millionths / 1000000) {
        return false;
    }
    bucket->millionths -= amount * 1000000;
    return true;
}

/* When `amount` tokens will be there: `now` if they are, MONOTIME_NEVER if amount exceeds burst. */
static inline struct monotime token_bucket_ready(struct token_bucket *bucket,
                                                 const struct token_rate *rate, struct monotime now,
                                                 uint64_t amount)
{
    if (rate->per_second == 0) {
        return now;
    }
    if (amount > rate->burst) {
        return MONOTIME_NEVER;
    }
    token_bucket_fill(bucket, rate, now);
    uint64_t wanted = amount * 1000000;
    if (wanted <= bucket->millionths) {
        return now;
    }
    uint64_t missing = wanted - bucket->millionths;
    return monotime_add_us(now, (int64_t)((missing + rate->per_second - 1) / rate->per_second));
}

#endif

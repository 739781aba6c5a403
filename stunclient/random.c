/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/random.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t random_bits(void *context)
{
    uint64_t bits;
    (void)context;
    if (RAND_bytes((unsigned char *)&bits, sizeof bits) != 1) {
        fputs("stunclient: the system gives no random numbers\n", stderr);
        abort();
    }
    return bits;
}

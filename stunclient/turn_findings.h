/* SPDX-License-Identifier: BSD-3-Clause */
/* What a test of a TURN server found: judged, and told in words or JSON. */
#ifndef STUNCLIENT_TURN_FINDINGS_H
#define STUNCLIENT_TURN_FINDINGS_H

#include "stunclient/credentials.h"
#include "stunclient/output.h"
#include "stunclient/secure.h"
#include "stunclient/turn_test.h"

struct turn_findings {
    struct failure failure;
    bool has_credentials;
    bool tested; /* what follows is filled */
    struct stun_address server;
    const struct secure_findings *secure; /* borrowed; NULL: no TLS */
    char software[TURN_CLIENT_REASON_SIZE];
    struct turn_step steps[TURN_STEPS];
    struct turn_test_side sides[2];
    struct turn_echo echo;
};

/* Takes what a finished test found and judges it; `trouble` is what the network said, or empty. */
void turn_findings_take(struct turn_findings *findings, const struct turn_test *test,
                        const struct options *options, const char *trouble);
void turn_findings_print(const struct turn_findings *findings, const struct options *options,
                         const struct output *output);

#endif

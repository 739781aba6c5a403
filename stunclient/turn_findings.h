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
    bool by_naptr; /* DNS said the transport */
    bool tested;   /* what follows is filled */
    struct stun_address server;
    struct stun_address redirected_from; /* the server that sent us to this one; or family NONE */
    struct turn_client_signing signing;
    struct stun_address private_peers[TURN_TEST_PRIVATE_MAX]; /* those that it would relay to */
    size_t private_count;
    const struct secure_findings *secure; /* borrowed; NULL: no TLS */
    char software[TURN_CLIENT_REASON_SIZE];
    struct turn_step steps[TURN_STEPS];
    struct turn_test_side sides[2];
    struct turn_echo echo;
};

/* Takes what a finished test found and judges it; `trouble` is what the network said, or empty. */
void turn_findings_take(struct turn_findings *findings, const struct turn_test *test,
                        const struct options *options, const char *trouble);
/* Whether the server has sent us to another one; sets where to, and whom to expect there (or "").
 */
bool turn_findings_redirect(const struct turn_findings *findings, struct stun_address *address,
                            const char **domain);
void turn_findings_print(const struct turn_findings *findings, const struct options *options,
                         const struct output *output);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rendezvous service, and who we are there: from the command line, the environment
 * (POSTERN_SERVER, POSTERN_USER, POSTERN_PASSWORD), or ~/.config/postern/account, a file of lines
 * "server URI", "user NAME" and "password PASSWORD" that nobody else may read.
 */
#ifndef STUNCLIENT_PEER_ACCOUNT_H
#define STUNCLIENT_PEER_ACCOUNT_H

#include "stunclient/credentials.h"

#define ACCOUNT_SERVER_SIZE 512

struct account {
    char server[ACCOUNT_SERVER_SIZE]; /* a URI */
    struct credentials credentials;
};

/* Returns true, or false with the failure filled: above all when nobody names a service. */
bool account_find_server(char out[ACCOUNT_SERVER_SIZE], const struct options *options,
                         struct failure *failure);
bool account_load(struct account *account, const struct options *options, struct failure *failure);
void account_wipe(struct account *account);

#endif

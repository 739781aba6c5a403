/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of peers as they were first seen, a line each in ~/.config/postern/known_peers:
 *
 *     SERVICE NAME ed25519 PUB
 *
 * SERVICE is the rendezvous service by which NAME is known. What is not a letter, a digit or one
 * of "-._@:[]+" stands as %XX.
 */
#ifndef STUNCLIENT_PEER_KNOWN_PEERS_H
#define STUNCLIENT_PEER_KNOWN_PEERS_H

#include "stunclient/failure.h"

#include <stdbool.h>

enum known_peer {
    KNOWN_PEER_SAME,     /* the key that it had before */
    KNOWN_PEER_NEW,      /* never seen: written down now */
    KNOWN_PEER_UNKNOWN,  /* it shows no key, and never did */
    KNOWN_PEER_UNSAVED,  /* never seen, and the file cannot be written */
    KNOWN_PEER_CHANGED,  /* another key than before: see failure */
    KNOWN_PEER_WITHDRAWN /* it shows no key any more: see failure */
};

/*
 * Judges `name`, who shows the key `public_text` (NULL: none). `path`: NULL is the usual file. Of
 * CHANGED and WITHDRAWN the failure tells in words what that means and what to do.
 */
enum known_peer known_peers_check(const char *path, const char *service, const char *name,
                                  const char *public_text, struct failure *failure);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of peers as they were first seen, a line each in ~/.config/postern/known_peers:
 *
 *     SERVICE NAME ed25519 PUB
 *
 * SERVICE is the rendezvous service by which NAME is known. What is not a letter, a digit or one
 * of "-._@:[]+" stands as %XX. A name may have several keys, each on a line of its own: an account
 * may be used on several hosts.
 */
#ifndef STUNCLIENT_PEER_KNOWN_PEERS_H
#define STUNCLIENT_PEER_KNOWN_PEERS_H

#include "stunclient/failure.h"

#include <stdbool.h>
#include <stddef.h>

enum known_peer {
    KNOWN_PEER_SAME,     /* a key that is noted for it */
    KNOWN_PEER_NEW,      /* never seen: written down now */
    KNOWN_PEER_UNKNOWN,  /* it shows no key, and never did */
    KNOWN_PEER_UNSAVED,  /* never seen, and the file cannot be written */
    KNOWN_PEER_CHANGED,  /* another key than those noted: see failure */
    KNOWN_PEER_WITHDRAWN /* it shows no key any more: see failure */
};

/*
 * Judges `name`, who shows the key `public_text` (NULL: none). `path`: NULL is the usual file. Of
 * CHANGED and WITHDRAWN the failure tells in words what that means and what to do.
 */
enum known_peer known_peers_check(const char *path, const char *service, const char *name,
                                  const char *public_text, struct failure *failure);

/* A name as the file and messages have it, where %XX is a byte. */
#define KNOWN_PEER_NAME_SIZE 256
void known_peers_read_name(char out[KNOWN_PEER_NAME_SIZE], const char *typed);

/* Notes one more key of `name`; once. Returns 0 or -errno. */
int known_peers_add(const char *path, const char *service, const char *name,
                    const char *public_text);
/* Removes the keys of `name`, at `service` or (NULL) at all. Returns how many, or -errno. */
int known_peers_forget(const char *path, const char *service, const char *name);

struct known_peer_line {
    const char *service, *name, *public_text; /* lent */
};
/* Calls `visit` for each line. Returns 0 (there may be no file) or -errno. */
int known_peers_list(const char *path,
                     void (*visit)(void *context, const struct known_peer_line *line),
                     void *context);

#endif

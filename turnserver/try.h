/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * turnserver --try: a server that is safe without a configuration file.
 *
 *   try         the configuration as text, and running it   (try.c)
 *   try_state   what is kept between starts                 (try_state.c)
 *   try_text    what is told on standard output             (try_text.c)
 */
#ifndef TURNSERVER_TRY_H
#define TURNSERVER_TRY_H

#include "turnserver/config.h"
#include "turnserver/options.h"

#define TRY_REALM "postern.local"
#define TRY_PORT 3478      /* RFC 8489 §18.6 */
#define TRY_SECRET_SIZE 65 /* 64 hexadecimal digits and a zero */

enum exit_status try_run(const struct options *options);

/* ---- state -------------------------------------------------------------------------------------
 */

struct try_state {
    char *folder;
    char secret[TRY_SECRET_SIZE];
    char *certificate_path, *key_path;
    int certificate, key; /* open, to be read again when the privileges are gone; or -1 */
    char *client;         /* the stunclient that commands name; NULL: what the shell finds */
};

/* A config_files.open for a struct try_state: of certificate and key only. */
int try_state_open_file(void *context, const char *path);

/*
 * Opens the folder, $XDG_STATE_HOME/postern or ~/.local/state/postern when `folder` is NULL, and
 * makes what is missing in it: a REST secret and a key (mode 0600), a certificate of its own for
 * `addresses`. Returns false after having told why on `diagnostics`. Free with try_state_free in
 * either case.
 */
bool try_state_open(struct try_state *state, const char *folder,
                    const struct stun_address *addresses, size_t count, FILE *diagnostics);
void try_state_free(struct try_state *state);

/* ---- text --------------------------------------------------------------------------------------
 */

/*
 * Finds stunclient of the same build tree or installation for state->client. To be asked before
 * privileges are given up: the tree may be in a home that is closed to others.
 */
void try_text_find_client(struct try_state *state);

/* Tells what runs, and how to use it: commands to paste, and the iceServers of a web page. */
void try_text_print(FILE *stream, const struct try_state *state, const struct config_boot *boot);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* turnserver --make-key: entries of `users` that hold keys instead of a password. */
#ifndef TURNSERVER_MAKE_KEY_H
#define TURNSERVER_MAKE_KEY_H

#include "turnserver/options.h"

/* Reads the password, one line, from `input`; writes the entries to `output`. */
enum exit_status make_key(const char *user, const char *realm, FILE *input, FILE *output);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* `turnserver user`: changes the SQLite file in which users are kept. */
#ifndef TURNSERVER_USER_COMMAND_H
#define TURNSERVER_USER_COMMAND_H

#include "turnserver/options.h"

/* `arguments` are those of main, from "user" on. */
enum exit_status user_command(int count, char **arguments, const char *default_config);

#endif

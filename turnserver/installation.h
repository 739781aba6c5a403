/* SPDX-License-Identifier: BSD-3-Clause */
/* What only make knows: installation.c is written by it, from installation.c.in. */
#ifndef TURNSERVER_INSTALLATION_H
#define TURNSERVER_INSTALLATION_H

extern const char installation_config_file[]; /* read when no -c is given */
extern const char installation_version[];

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of listen, call and key, for the table: each returns NULL, or what was expected. */
#ifndef STUNCLIENT_OPTION_CALL_H
#define STUNCLIENT_OPTION_CALL_H

#include "stunclient/options.h"

const char *option_set_server(struct options *options, char *value);
const char *option_set_key(struct options *options, char *value);
const char *option_set_interface(struct options *options, char *value);
const char *option_set_relay_only(struct options *options, char *value);
const char *option_set_no_relay(struct options *options, char *value);
const char *option_set_lite(struct options *options, char *value);
const char *option_set_keep(struct options *options, char *value);
const char *option_set_allow(struct options *options, char *value);
const char *option_set_from(struct options *options, char *value);
const char *option_set_forward(struct options *options, char *value);
const char *option_set_connect(struct options *options, char *value);
const char *option_set_report(struct options *options, char *value);
const char *option_set_trace(struct options *options, char *value);
const char *option_set_any_key(struct options *options, char *value);
const char *option_set_list(struct options *options, char *value);
const char *option_set_trust(struct options *options, char *value);
const char *option_set_forget(struct options *options, char *value);

#endif

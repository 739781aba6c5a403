/* SPDX-License-Identifier: BSD-3-Clause */
/* What the verbs listen and call do: register, call or be called, and see to the calls. */
#ifndef STUNCLIENT_PEER_PHONE_H
#define STUNCLIENT_PEER_PHONE_H

#include "stunclient/options.h"

/* Runs until the call is over, or with listen --keep until a signal comes. */
enum exit_status phone_run(const struct options *options, bool caller);

#endif

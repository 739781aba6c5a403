/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opens what the configuration says a worker listens on: UDP at its datapath, DTLS there too with
 * its associations behind, TCP and TLS at its streams, and the four endpoints of RFC 5780. Every
 * worker opens all of them (SO_REUSEPORT), so that the kernel spreads clients over workers.
 */
#ifndef TURNSERVER_LISTENER_H
#define TURNSERVER_LISTENER_H

#include "net/associations.h"
#include "turnserver/config.h"
#include "turnserver/datapath/datapath.h"
#include "turnserver/streams.h"

/* Where listeners are opened. */
struct listener_places {
    const struct datapath_operations *operations;
    struct datapath *datapath;
    struct streams *streams;
    struct associations *associations; /* NULL: no listener has "dtls" */
};

/*
 * Whether every address is free. Since workers share their ports, so would a second server by
 * mistake: call this once, before the first worker opens its own. Problems are told on
 * `diagnostics`, a line each. Returns 0 or the first -errno.
 */
int listener_check_free(const struct config_boot *boot, FILE *diagnostics);

/*
 * Opens all listeners of one worker and fills `nat_behavior`. Problems are told on `diagnostics`.
 * Returns 0 or the first -errno.
 */
int listener_open_all(const struct config_boot *boot, const struct listener_places *places,
                      struct turn_nat_behavior nat_behavior[TURN_NAT_GROUPS], FILE *diagnostics);

#endif

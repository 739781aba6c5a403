/* SPDX-License-Identifier: BSD-3-Clause */
/* From a draft to a configuration: the rules that concern several keys at once. */
#ifndef TURNSERVER_CONFIG_BUILD_H
#define TURNSERVER_CONFIG_BUILD_H

#include "turnserver/config_keys.h"

/* The listeners of `boot`, with all that hangs on them. */
void config_listeners_build(struct config_boot *boot, const struct config_draft *draft);
void config_listener_free(struct config_listener *listener);
bool config_listener_equal(const struct config_listener *a, const struct config_listener *b);

/* RFC 5780; after the listeners. Problems go to draft->report. */
void config_nat_behavior_build(struct config_boot *boot, const struct config_draft *draft);

/* A copy of a host's name, or of a pattern such as "*.example.org" (text_host_matches), in small
 * letters without a last dot; NULL: it is none, or memory is out. */
char *config_host_copy(const char *text);

/* Fills `boot`; problems go to draft->report. What it owns is freed by config_boot_free. */
void config_boot_build(struct config_boot *boot, const struct config_draft *draft);
void config_boot_free(struct config_boot *boot);

/*
 * Makes a policy for a server that listens and relays as `boot` says. Returns it with one
 * reference, or NULL when memory is out; problems go to draft->report.
 */
struct config_policy *config_policy_build(const struct config_draft *draft,
                                          const struct config_boot *boot,
                                          const struct config_files *files);

/* Adds what the draft says of OAuth; problems go to draft->report. False when memory is out. */
bool config_oauth_build(struct auth_policy *policy, const struct config_draft *draft);

/* A path that stands at the key of a row: absolute, by the folder of its file. NULL for NULL. */
char *config_draft_path(const struct config_draft *draft, const char *key, const char *path);

#endif

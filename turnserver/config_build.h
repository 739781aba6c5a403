/* SPDX-License-Identifier: BSD-3-Clause */
/* From a draft to a configuration: the rules that concern several keys at once. */
#ifndef TURNSERVER_CONFIG_BUILD_H
#define TURNSERVER_CONFIG_BUILD_H

#include "turnserver/config_keys.h"

/* Reads who begins with a PROXY header; problems are told at `place`. */
void config_listener_read_proxies(struct config_listener *listener, config_setting_t *list,
                                  struct config_report *report, struct config_place place);

/* The listeners of `boot`, with all that hangs on them. */
void config_listeners_build(struct config_boot *boot, const struct config_draft *draft);
void config_listener_free(struct config_listener *listener);
bool config_listener_equal(const struct config_listener *a, const struct config_listener *b);

/* RFC 5780; after the listeners. Problems go to draft->report. */
void config_nat_behavior_build(struct config_boot *boot, const struct config_draft *draft);

/* A copy of a host's name, or of a pattern such as "*.example.org" (text_host_matches), in small
 * letters without a last dot; NULL: it is none, or memory is out. */
char *config_host_copy(const char *text);

/* The listeners of the rendezvous service. */
void config_rendezvous_boot_build(struct config_boot *boot, const struct config_draft *draft);
/*
 * What the service is told, for a server that listens as `boot` says; NULL without listeners of
 * rendezvous, or when memory is out and that was reported.
 */
struct config_rendezvous *config_rendezvous_build(const struct config_draft *draft,
                                                  const struct config_boot *boot,
                                                  bool relay_enabled);
void config_rendezvous_free(struct config_rendezvous *rendezvous); /* NULL is allowed */

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

/* A policy while it is made. */
struct config_building {
    const struct config_draft *draft;
    struct config_policy *policy;
    const struct config_files *files;
    struct auth_policy *realms[CONFIG_REALMS_MAX + 1]; /* the first, and those of `realms` */
};

void config_report_memory(const struct config_building *building);

/* Fills policy->auth and what belongs to it; problems go to draft->report. False when memory is
 * out. */
bool config_auth_build(struct config_building *building, const struct config_boot *boot);

/* Adds what the draft says of OAuth; problems go to draft->report. False when memory is out. */
bool config_oauth_build(struct auth_policy *policy, const struct config_draft *draft);

/* Reads the certificates, and makes the contexts of TLS and DTLS with them; after the rendezvous
 * service's part of the policy. Problems go to draft->report. */
void config_tls_build(const struct config_building *building, const struct config_boot *boot);

/* The folder of the file in which the key of a row stands. */
const char *config_draft_folder(const struct config_draft *draft, const char *key);
/* A path that stands at the key of a row: absolute, by the folder of its file. NULL for NULL. */
char *config_draft_path(const struct config_draft *draft, const char *key, const char *path);

#endif

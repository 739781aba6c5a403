/* SPDX-License-Identifier: BSD-3-Clause */
/* What a NAT report says, in words: for tables, for JSON, and as advice. */
#ifndef STUNCLIENT_NAT_WORDS_H
#define STUNCLIENT_NAT_WORDS_H

#include "proto/nat_hairpin.h"
#include "proto/nat_report.h"

/* Words of RFC 4787 with hyphens: "endpoint-independent". */
const char *nat_mapping_word(enum nat_mapping mapping);
const char *nat_filtering_word(enum nat_filtering filtering);
const char *nat_ports_word(enum nat_ports ports);
const char *nat_hairpin_word(enum nat_hairpin_verdict verdict);
/* Why something is unknown: a word for scripts (NULL: it is certain) and a clause for people. */
const char *nat_doubt_word(enum nat_doubt doubt);
const char *nat_doubt_text(enum nat_doubt doubt);
/* The name that RFC 3489 and the world have for it: "port-restricted cone"; NULL: none. */
const char *nat_type_word(const struct nat_report *report);
/* With whom a direct connection will work, in whole sentences; NULL: nothing is known. */
const char *nat_verdict_text(const struct nat_report *report);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The grammar of libconfig, checked before libconfig reads the text, since libconfig stops at the
 * first problem, names no key, and silently wraps integers past 31 bits. What can be mended in the
 * text (a number that lacks its L, a duplicate key, a trailing comma) is mended in a copy, so that
 * the rest is still examined; libconfig reads the copy.
 */
#ifndef TURNSERVER_CONFIG_SYNTAX_H
#define TURNSERVER_CONFIG_SYNTAX_H

#include "base/text.h"
#include "turnserver/config_text.h"

#define CONFIG_DEPTH_MAX 12     /* brackets within brackets */
#define CONFIG_NAME_SIZE_MAX 64 /* bytes of one name */
#define CONFIG_MEMBERS_MAX 256  /* settings of one group */

/* A setting or an element, in the order in which they stand in the text. */
struct config_position {
    unsigned line;  /* of the whole text */
    bool duplicate; /* reported already, and renamed in the copy */
};

struct config_syntax {
    struct text_buffer text; /* zero-terminated, as many lines as the original */
    struct config_position *positions;
    size_t position_count, position_capacity;
};

/*
 * Returns whether libconfig can be expected to parse the copy. `report` has every problem, mended
 * or not. Free with config_syntax_free in either case.
 */
bool config_syntax_check(struct config_syntax *syntax, const struct config_text *text,
                         struct config_report *report);
void config_syntax_free(struct config_syntax *syntax);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_syntax.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum token_type {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_BOOLEAN,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_STRING,
    TOKEN_MARK, /* one of = : ; , ( ) [ ] { } */
    TOKEN_BROKEN,
};

struct token {
    enum token_type type;
    char mark; /* TOKEN_MARK: which */
    const char *text;
    size_t size;
    unsigned line;
    const char *problem; /* TOKEN_BROKEN: why */
};

struct member {
    const char *text;
    size_t size;
    unsigned line;
};

struct checker {
    const struct config_text *source;
    struct config_report *report;
    struct config_syntax *out;
    const char *at, *end;
    const char *copied; /* the copy has everything before this */
    unsigned line;
    unsigned depth;
    struct token token; /* the one that is looked at */
    struct text_buffer key;
    char key_bytes[CONFIG_DEPTH_MAX * CONFIG_NAME_SIZE_MAX];
    struct member *members; /* of all groups that are open */
    size_t member_count, member_capacity;
    bool failed;
};

static void __attribute__((format(printf, 3, 4)))
complain(struct checker *checker, unsigned line, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct config_place place =
        config_text_place(checker->source, line, text_buffer_finish(&checker->key));
    config_report_error(checker->report, place, "%s", text);
}

static bool give_up(struct checker *checker)
{
    if (!checker->failed)
        complain(checker, checker->token.line, "memory is out");
    checker->failed = true;
    return false;
}

/* Puts `text` into the copy in place of `skip` bytes at `where`, which only moves forward. */
static void edit(struct checker *checker, const char *where, size_t skip, const char *text)
{
    struct text_buffer *copy = &checker->out->text;
    text_buffer_put(copy, checker->copied, (size_t)(where - checker->copied));
    text_buffer_put_string(copy, text);
    checker->copied = where + skip;
}

/* ---- tokens -----------------------------------------------------------------------------------
 */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct checker *checker, size_t distance)
{
    return (size_t)(checker->end - checker->at) > distance ? checker->at[distance] : '\0';
}

/* Returns false when a comment is not closed. */
static bool skip_comment(struct checker *checker)
{
    const char *close = NULL;
    if (checker->at[0] != '/' || checker->at[1] != '*') {
        close = memchr(checker->at, '\n', (size_t)(checker->end - checker->at));
        checker->at = close ? close : checker->end;
        return true;
    }
    close = memmem(checker->at + 2, (size_t)(checker->end - checker->at - 2), "*/", 2);
    const char *stop = close ? close + 2 : checker->end;
    for (; checker->at < stop; checker->at++)
        checker->line += *checker->at == '\n';
    return close != NULL;
}

static bool skip_space(struct checker *checker)
{
    for (;;) {
        char c = peek(checker, 0);
        char next = peek(checker, 1);
        if (c == '#' || (c == '/' && (next == '/' || next == '*'))) {
            if (!skip_comment(checker))
                return false;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
            checker->line += c == '\n';
            checker->at++;
        } else {
            return true;
        }
    }
}

static void read_string(struct checker *checker, struct token *token)
{
    const char *at = checker->at + 1;
    while (at < checker->end && *at != '"' && *at != '\n')
        at += *at == '\\' && at + 1 < checker->end && at[1] != '\n' ? 2 : 1;
    token->type = TOKEN_STRING;
    if (at >= checker->end || *at != '"') {
        token->type = TOKEN_BROKEN;
        token->problem = "a string that is not closed: it must end with \" on the line on which it "
                         "began";
    }
    token->size = (size_t)(at - token->text) + 1;
    /* libconfig hands out zero-terminated text: what follows a zero would be lost unseen. */
    if (token->type == TOKEN_STRING && (memmem(token->text, token->size, "\\x00", 4) ||
                                        memmem(token->text, token->size, "\\X00", 4))) {
        token->type = TOKEN_BROKEN;
        token->problem = "a string with a zero byte (\\x00)";
    }
}

static void read_name(struct checker *checker, struct token *token)
{
    size_t size = 1;
    for (char c = peek(checker, 1); is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '*';
         c = peek(checker, size))
        size++;
    token->size = size;
    token->type = TOKEN_NAME;
    if ((size == 4 && strncasecmp(token->text, "true", 4) == 0) ||
        (size == 5 && strncasecmp(token->text, "false", 5) == 0))
        token->type = TOKEN_BOOLEAN;
    if (size > CONFIG_NAME_SIZE_MAX) {
        token->type = TOKEN_BROKEN;
        token->problem = "a name of more than 64 characters";
    }
}

static enum token_type classify_number(const char *text, size_t size)
{
    size_t at = text[0] == '-' || text[0] == '+';
    if (size > at + 2 && at == 0 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        size_t digits = strspn(text + 2, "0123456789abcdefABCDEF");
        size_t suffix = strspn(text + 2 + digits, "L");
        return digits > 0 && suffix <= 2 && 2 + digits + suffix == size ? TOKEN_INTEGER
                                                                        : TOKEN_BROKEN;
    }
    size_t digits = strspn(text + at, "0123456789");
    size_t suffix = strspn(text + at + digits, "L");
    if (digits > 0 && suffix <= 2 && at + digits + suffix == size)
        return TOKEN_INTEGER;
    bool dot = text[at + digits] == '.';
    size_t fraction = dot ? strspn(text + at + digits + 1, "0123456789") : 0;
    size_t used = at + digits + dot + fraction;
    if (digits + fraction == 0)
        return TOKEN_BROKEN;
    if (used < size && (text[used] | 0x20) == 'e') {
        used++;
        used += text[used] == '-' || text[used] == '+';
        size_t exponent = strspn(text + used, "0123456789");
        return exponent > 0 && used + exponent == size ? TOKEN_FLOAT : TOKEN_BROKEN;
    }
    return dot && used == size ? TOKEN_FLOAT : TOKEN_BROKEN;
}

static void read_number(struct checker *checker, struct token *token)
{
    size_t size = 1;
    for (char c = peek(checker, 1);; c = peek(checker, size)) {
        bool exponent = (token->text[size - 1] | 0x20) == 'e' && (token->text[1] | 0x20) != 'x';
        if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' &&
            !(exponent && (c == '-' || c == '+')))
            break;
        size++;
    }
    token->size = size;
    token->type = classify_number(token->text, size);
    token->problem = "something that is neither a number nor a string: text stands in double "
                     "quotes";
}

static void advance(struct checker *checker)
{
    bool comments_closed = skip_space(checker);
    struct token token = {.text = checker->at, .size = 1, .line = checker->line};
    char c = peek(checker, 0);
    if (!comments_closed) {
        token.type = TOKEN_BROKEN;
        token.problem = "a comment that is not closed by */";
        token.size = 0;
    } else if (checker->at == checker->end) {
        token.type = TOKEN_END;
        token.size = 0;
    } else if (c == '"') {
        read_string(checker, &token);
    } else if (is_letter(c) || c == '*') {
        read_name(checker, &token);
    } else if (is_digit(c) || c == '-' || c == '+' || c == '.') {
        read_number(checker, &token);
    } else if (strchr("=:;,()[]{}", c)) {
        token.type = TOKEN_MARK;
        token.mark = c;
    } else {
        token.type = TOKEN_BROKEN;
        token.problem = c == '\''  ? "a ': strings stand in double quotes"
                        : c == '@' ? "an @: @include must be the first thing on its line"
                                   : "a character that has no meaning here";
    }
    checker->at = token.text + token.size;
    checker->token = token;
}

static bool at_mark(const struct checker *checker, char mark)
{
    return checker->token.type == TOKEN_MARK && checker->token.mark == mark;
}

/* What stands there instead of what was expected. A string's content may be a secret. */
static void complain_token(struct checker *checker, const char *expected)
{
    const struct token *token = &checker->token;
    checker->failed = true;
    if (token->type == TOKEN_BROKEN)
        complain(checker, token->line, "expected %s, got %s", expected, token->problem);
    else if (token->type == TOKEN_END)
        complain(checker, token->line > 1 ? token->line - 1 : 1,
                 "expected %s, got the end of the file", expected);
    else if (token->type == TOKEN_STRING)
        complain(checker, token->line, "expected %s, got a string", expected);
    else
        complain(checker, token->line, "expected %s, got %.*s", expected,
                 (int)(token->size < 64 ? token->size : 64), token->text);
}

/* ---- grammar ----------------------------------------------------------------------------------
 */

static bool add_position(struct checker *checker, unsigned line, bool duplicate)
{
    struct config_syntax *out = checker->out;
    if (out->position_count == out->position_capacity) {
        size_t capacity = out->position_capacity ? out->position_capacity * 2 : 128;
        struct config_position *positions = realloc(out->positions, capacity * sizeof(*positions));
        if (!positions)
            return give_up(checker);
        out->positions = positions;
        out->position_capacity = capacity;
    }
    out->positions[out->position_count++] = (struct config_position){line, duplicate};
    return true;
}

/* libconfig takes an integer without L modulo 2^32: give it the L. */
static void check_integer(struct checker *checker)
{
    const struct token *token = &checker->token;
    if (token->text[token->size - 1] == 'L' && token->size < 18)
        return;
    bool hexadecimal = token->size > 2 && (token->text[1] | 0x20) == 'x';
    errno = 0;
    long long value = strtoll(token->text, NULL, hexadecimal ? 16 : 10);
    if (errno == ERANGE)
        edit(checker, token->text, token->size,
             value < 0 ? "-9223372036854775807L" : "9223372036854775807L");
    else if ((value > INT32_MAX || value < INT32_MIN) && token->text[token->size - 1] != 'L')
        edit(checker, token->text + token->size, 0, "L");
}

static bool check_value(struct checker *checker, const char *expected);

/* A scalar, which is the token now. Strings that follow each other are one. */
static void check_scalar(struct checker *checker)
{
    if (checker->token.type == TOKEN_INTEGER)
        check_integer(checker);
    bool string = checker->token.type == TOKEN_STRING;
    advance(checker);
    while (string && checker->token.type == TOKEN_STRING)
        advance(checker);
}

static bool is_scalar(const struct token *token)
{
    return token->type == TOKEN_STRING || token->type == TOKEN_INTEGER ||
           token->type == TOKEN_FLOAT || token->type == TOKEN_BOOLEAN;
}

/* One element of an array, whose kind must be `kind` (TOKEN_END: the first decides). */
static bool check_element(struct checker *checker, bool array, enum token_type *kind)
{
    if (!array)
        return check_value(checker, "a value");
    if (!is_scalar(&checker->token)) {
        complain_token(checker, "a string, a number or a boolean (between [ and ]; other values "
                                "stand between ( and ))");
        return false;
    }
    if (*kind != TOKEN_END && *kind != checker->token.type) {
        complain_token(checker, "elements of one kind between [ and ]");
        return false;
    }
    *kind = checker->token.type;
    check_scalar(checker);
    return true;
}

static bool check_elements(struct checker *checker, char close)
{
    unsigned opened = checker->token.line;
    enum token_type kind = TOKEN_END;
    size_t key_size = checker->key.size;
    advance(checker);
    for (size_t index = 0; !at_mark(checker, close); index++) {
        text_buffer_put_format(&checker->key, "[%zu]", index);
        if (!add_position(checker, checker->token.line, false) ||
            !check_element(checker, close == ']', &kind))
            return false;
        text_buffer_rewind(&checker->key, key_size);
        if (at_mark(checker, ',')) {
            struct token comma = checker->token;
            advance(checker);
            if (at_mark(checker, close)) {
                complain(checker, comma.line,
                         "expected another element after the comma, got %c: take the comma away",
                         close);
                edit(checker, comma.text, 1, " ");
            }
        } else if (!at_mark(checker, close)) {
            char expected[80];
            snprintf(expected, sizeof(expected), "',' or '%c' (what line %u opened)", close,
                     config_text_place(checker->source, opened, NULL).line);
            complain_token(checker, expected);
            return false;
        }
    }
    advance(checker);
    return true;
}

/* Remembers a name of the group that began at `first`, or reports that it is there already. */
static bool add_member(struct checker *checker, size_t first, bool *duplicate)
{
    const struct token *name = &checker->token;
    *duplicate = false;
    for (size_t i = first; i < checker->member_count; i++) {
        const struct member *other = &checker->members[i];
        if (other->size != name->size || memcmp(other->text, name->text, name->size) != 0)
            continue;
        struct config_place place = config_text_place(checker->source, other->line, NULL);
        complain(checker, name->line, "expected once, got it again: it stands in %s:%u already",
                 place.file, place.line);
        char suffix[32];
        snprintf(suffix, sizeof(suffix), "*%zu", checker->member_count);
        edit(checker, name->text + name->size, 0, suffix);
        *duplicate = true;
        break;
    }
    if (checker->member_count - first >= CONFIG_MEMBERS_MAX) {
        complain_token(checker, "at most 256 settings in a group");
        return false;
    }
    if (checker->member_count == checker->member_capacity) {
        size_t capacity = checker->member_capacity ? checker->member_capacity * 2 : 64;
        struct member *members = realloc(checker->members, capacity * sizeof(*members));
        if (!members)
            return give_up(checker);
        checker->members = members;
        checker->member_capacity = capacity;
    }
    checker->members[checker->member_count++] = (struct member){name->text, name->size, name->line};
    return true;
}

static bool check_setting(struct checker *checker, size_t first)
{
    bool duplicate = false;
    struct token name = checker->token;
    size_t key_size = checker->key.size;
    text_buffer_put_format(&checker->key, "%s%.*s", key_size > 0 ? "." : "", (int)name.size,
                           name.text);
    if (!add_member(checker, first, &duplicate) || !add_position(checker, name.line, duplicate))
        return false;
    advance(checker);
    if (!at_mark(checker, '=') && !at_mark(checker, ':')) {
        bool dot = checker->token.text[0] == '.';
        complain_token(checker, dot ? "'=' after the key (members stand in a group: a = { b = 1; })"
                                    : "'=' after the key");
        return false;
    }
    advance(checker);
    if (!check_value(checker, "a value (text in double quotes)"))
        return false;
    text_buffer_rewind(&checker->key, key_size);
    if (at_mark(checker, ';') || at_mark(checker, ','))
        advance(checker);
    return true;
}

static bool check_settings(struct checker *checker)
{
    size_t first = checker->member_count;
    while (checker->token.type == TOKEN_NAME)
        if (!check_setting(checker, first))
            return false;
    checker->member_count = first;
    return true;
}

static bool check_group(struct checker *checker)
{
    unsigned opened = config_text_place(checker->source, checker->token.line, NULL).line;
    advance(checker);
    if (!check_settings(checker))
        return false;
    if (!at_mark(checker, '}')) {
        char expected[80];
        snprintf(expected, sizeof(expected), "a key, or '}' to close what line %u opened", opened);
        complain_token(checker, expected);
        return false;
    }
    advance(checker);
    return true;
}

static bool check_value(struct checker *checker, const char *expected)
{
    if (is_scalar(&checker->token)) {
        check_scalar(checker);
        return true;
    }
    bool opens = at_mark(checker, '(') || at_mark(checker, '[') || at_mark(checker, '{');
    if (!opens || checker->depth == CONFIG_DEPTH_MAX) {
        complain_token(checker, opens ? "at most 12 brackets within each other" : expected);
        return false;
    }
    checker->depth++;
    char mark = checker->token.mark;
    bool good =
        mark == '{' ? check_group(checker) : check_elements(checker, mark == '(' ? ')' : ']');
    checker->depth--;
    return good;
}

bool config_syntax_check(struct config_syntax *syntax, const struct config_text *text,
                         struct config_report *report)
{
    *syntax = (struct config_syntax){0};
    text_buffer_init_growing(&syntax->text);
    struct checker checker = {
        .source = text,
        .report = report,
        .out = syntax,
        .at = text->buffer.bytes,
        .copied = text->buffer.bytes,
        .end = text->buffer.bytes + text->buffer.size,
        .line = 1,
    };
    text_buffer_init_fixed(&checker.key, checker.key_bytes, sizeof(checker.key_bytes));
    advance(&checker);
    if (check_settings(&checker) && checker.token.type != TOKEN_END)
        complain_token(&checker, "a key");
    edit(&checker, checker.end, 0, "");
    if (!checker.failed && !text_buffer_finish(&syntax->text))
        give_up(&checker);
    free(checker.members);
    return !checker.failed;
}

void config_syntax_free(struct config_syntax *syntax)
{
    text_buffer_free(&syntax->text);
    free(syntax->positions);
    *syntax = (struct config_syntax){0};
}

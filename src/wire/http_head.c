/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/http_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* The longest line before the first field: our own paths are short. */
#define VERSION_SIZE 8 /* "HTTP/1.1" */

int http_head_size(const char *bytes, size_t size)
{
    size_t most = size < HTTP_HEAD_SIZE_MAX ? size : HTTP_HEAD_SIZE_MAX;

    for (size_t i = 0; i < most; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if ((byte < 0x20 && byte != '\r' && byte != '\n' && byte != '\t') || byte == 0x7f) {
            return -EPROTO;
        }
        if (byte == '\n' && i >= 3 && memcmp(bytes + i - 3, "\r\n\r\n", 4) == 0) {
            return (int)(i + 1);
        }
    }
    return size >= HTTP_HEAD_SIZE_MAX ? -EMSGSIZE : 0;
}

/* ---- lines and fields --------------------------------------------------------------------------
 */

/* RFC 9110 §5.6.2 */
static bool is_token_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *text)
{
    const char *c = text;

    while (is_token_character(*c)) {
        c++;
    }
    return c != text && *c == '\0';
}

/* Ends the line that `*rest` begins with and goes behind it. NULL: a bare CR or LF, or a zero. */
static char *take_line(char **rest, const char *end)
{
    char *line = *rest;
    char *c = line;

    while (c < end && *c != '\r' && *c != '\n' && *c != '\0') {
        c++;
    }
    if (end - c < 2 || c[0] != '\r' || c[1] != '\n') {
        return NULL;
    }
    *c = '\0';
    *rest = c + 2;
    return line;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the white space around it away (RFC 9112 §5.1). */
static char *trim(char *value)
{
    while (is_space(*value)) {
        value++;
    }
    size_t size = strlen(value);
    while (size > 0 && is_space(value[size - 1])) {
        value[--size] = '\0';
    }
    return value;
}

static int parse_fields(struct http_head *head, char *rest, const char *end)
{
    for (;;) {
        char *line = take_line(&rest, end);
        if (line == NULL) {
            return -EPROTO;
        }
        if (*line == '\0') {
            return rest == end ? 0 : -EPROTO;
        }
        if (head->field_count == HTTP_HEAD_FIELDS_MAX) {
            return -EMSGSIZE;
        }
        char *colon = strchr(line, ':');
        if (colon == NULL) {
            return -EPROTO;
        }
        *colon = '\0';
        if (!is_token(line)) {
            return -EPROTO;
        }
        head->fields[head->field_count++] = (struct http_field){line, trim(colon + 1)};
    }
}

static int parse_version(struct http_head *head, const char *text, char after)
{
    if (strncmp(text, "HTTP/", 5) != 0 || strlen(text) < VERSION_SIZE ||
        text[VERSION_SIZE] != after) {
        return -EPROTO;
    }
    if (text[5] != '1' || text[6] != '.' || (text[7] != '0' && text[7] != '1')) {
        return -EPROTONOSUPPORT;
    }
    head->minor = (unsigned)(text[7] - '0');
    return 0;
}

/* ---- requests and responses --------------------------------------------------------------------
 */

/* The origin form (RFC 9112 §3.2.1), in printable characters. */
static int parse_target(struct http_head *head, char *target)
{
    if (target[0] != '/') {
        return -EPROTO;
    }
    for (const char *c = target; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return -EPROTO;
        }
    }
    head->path = target;
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query = '\0';
        head->query = query + 1;
    }
    return 0;
}

int http_head_parse_request(struct http_head *head, char *bytes, size_t size)
{
    const char *end = bytes + size;
    char *rest = bytes;
    int status;

    *head = (struct http_head){0};
    char *line = take_line(&rest, end);
    char *target = line != NULL ? strchr(line, ' ') : NULL;
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (version == NULL) {
        return -EPROTO;
    }
    *target = *version = '\0';
    head->method = line;
    if (!is_token(line)) {
        return -EPROTO;
    }
    status = parse_version(head, version + 1, '\0');
    if (status == 0) {
        status = parse_target(head, target + 1);
    }
    return status != 0 ? status : parse_fields(head, rest, end);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int http_head_parse_response(struct http_head *head, char *bytes, size_t size)
{
    const char *end = bytes + size;
    char *rest = bytes;

    *head = (struct http_head){0};
    const char *line = take_line(&rest, end);
    if (line == NULL) {
        return -EPROTO;
    }
    int status = parse_version(head, line, ' ');
    if (status != 0) {
        return status;
    }
    const char *code = line + VERSION_SIZE + 1;
    if (code[0] < '1' || code[0] > '5' || !is_digit(code[1]) || !is_digit(code[2]) ||
        (code[3] != ' ' && code[3] != '\0')) {
        return -EPROTO;
    }
    head->status = (unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    return parse_fields(head, rest, end);
}

/* ---- fields ------------------------------------------------------------------------------------
 */

size_t http_head_field_count(const struct http_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->field_count; i++) {
        count += strcasecmp(head->fields[i].name, name) == 0;
    }
    return count;
}

const char *http_head_field(const struct http_head *head, const char *name)
{
    if (http_head_field_count(head, name) != 1) {
        return NULL;
    }
    size_t i = 0;
    while (strcasecmp(head->fields[i].name, name) != 0) {
        i++;
    }
    return head->fields[i].value;
}

/* Whether the list has the token (RFC 9110 §5.6.1). */
static bool list_has(const char *list, const char *token)
{
    size_t size = strlen(token);

    for (;;) {
        list += strspn(list, ", \t");
        if (*list == '\0') {
            return false;
        }
        size_t length = strcspn(list, ",");
        const char *next = list + length;
        while (length > 0 && is_space(list[length - 1])) {
            length--;
        }
        if (length == size && strncasecmp(list, token, size) == 0) {
            return true;
        }
        list = next;
    }
}

bool http_head_has_token(const struct http_head *head, const char *name, const char *token)
{
    bool found = false;

    for (size_t i = 0; !found && i < head->field_count; i++) {
        found =
            strcasecmp(head->fields[i].name, name) == 0 && list_has(head->fields[i].value, token);
    }
    return found;
}

const char *http_head_bearer(const struct http_head *head)
{
    const char *value = http_head_field(head, "Authorization");

    if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0) {
        return NULL;
    }
    value += 7;
    return value + strspn(value, " ");
}

const char *http_status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "";
}

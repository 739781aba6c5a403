/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The head of an HTTP/1.1 message (RFC 9112 §2 to §5), of a request or a response: strict, bounded,
 * and no copy. Enough for the opening of WebSocket and for a small GET; bodies are not read.
 */
#ifndef WIRE_HTTP_HEAD_H
#define WIRE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_SIZE_MAX 8192
#define HTTP_HEAD_FIELDS_MAX 64

struct http_field {
    const char *name, *value; /* the value without white space around it */
};

struct http_head {
    const char *method; /* of a request: "GET" */
    const char *path;   /* of its target: begins with '/', up to '?' */
    const char *query;  /* what follows '?', or NULL */
    unsigned status;    /* of a response: 100 to 599 */
    unsigned minor;     /* of HTTP/1.x: 0 or 1 */
    size_t field_count;
    struct http_field fields[HTTP_HEAD_FIELDS_MAX];
};

/*
 * How many bytes the head takes that `bytes` begin with: up to and with its empty line. 0: it is
 * not whole yet; -EMSGSIZE: above HTTP_HEAD_SIZE_MAX; -EPROTO: what is there cannot become one
 * (a control character).
 */
int http_head_size(const char *bytes, size_t size);

/*
 * Parses a whole head of `size` bytes in place: ends names and values by zeros, and `head` points
 * into `bytes`. Returns 0; -EPROTO when it is malformed (folded lines, white space before a colon,
 * a bare CR or LF, an absolute target and the like); -EMSGSIZE when it has too many fields;
 * -EPROTONOSUPPORT for another version than HTTP/1.0 and 1.1.
 */
int http_head_parse_request(struct http_head *head, char *bytes, size_t size);
int http_head_parse_response(struct http_head *head, char *bytes, size_t size);

/* The value of the field of that name, in any case; NULL when there is none or more than one. */
const char *http_head_field(const struct http_head *head, const char *name);
/* How many fields have that name. */
size_t http_head_field_count(const struct http_head *head, const char *name);
/* Whether a field of that name has `token`, in any case, in its list of commas. */
bool http_head_has_token(const struct http_head *head, const char *name, const char *token);
/* The token of "Authorization: Bearer TOKEN" (RFC 6750 §2.1), or NULL. */
const char *http_head_bearer(const struct http_head *head);

/* "Not Found" of 404; "" of a status that we never send. */
const char *http_status_text(unsigned status);

#endif

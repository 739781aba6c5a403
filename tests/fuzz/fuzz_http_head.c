/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads of HTTP: a whole one has one size, and what it yields lies within it. */
#include "tests/fuzz/fuzz.h"

#include "wire/http_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check(const struct http_head *head, const char *bytes, size_t size)
{
    REQUIRE(head->field_count <= HTTP_HEAD_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        REQUIRE(field->name >= bytes && field->value >= field->name);
        REQUIRE(field->value + strlen(field->value) < bytes + size);
        REQUIRE(strpbrk(field->value, "\r\n") == NULL);
        REQUIRE(http_head_field_count(head, field->name) >= 1);
        (void)http_head_has_token(head, field->name, "upgrade");
    }
    (void)http_head_bearer(head);
}

static void try_parse(int (*parse)(struct http_head *, char *, size_t), const uint8_t *data,
                      size_t size)
{
    struct http_head head;
    char *copy = malloc(size);
    REQUIRE(copy != NULL);
    memcpy(copy, data, size);
    if (parse(&head, copy, size) == 0) {
        check(&head, copy, size);
        REQUIRE(head.path == NULL || head.path[0] == '/');
        REQUIRE(head.path != NULL || (head.status >= 100 && head.status < 600));
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int whole = http_head_size((const char *)data, size);
    REQUIRE(whole <= (int)size && whole <= HTTP_HEAD_SIZE_MAX);
    if (whole > 0) {
        REQUIRE(http_head_size((const char *)data, (size_t)whole) == whole);
        REQUIRE(http_head_size((const char *)data, (size_t)whole - 1) == 0);
        try_parse(http_head_parse_request, data, (size_t)whole);
        try_parse(http_head_parse_response, data, (size_t)whole);
    }
    if (size > 0) {
        try_parse(http_head_parse_request, data, size);
    }
    return 0;
}

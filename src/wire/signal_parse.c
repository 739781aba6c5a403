/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes into a struct, by jansson, which refuses what is not UTF-8, has a zero in a string or a
 * member twice. Texts point into its tree, which the message keeps.
 */
#include "wire/signal.h"

#include "base/text.h"
#include "wire/signal_fields.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct parser {
    const json_t *root;
    struct signal_message *message;
    struct signal_fault *fault;
};

/* A member's reader: false when the node is not what the member should be. */
typedef bool read_member(const struct parser *parser, const json_t *node,
                         const struct signal_field *field, void *out);

/* ---- texts ----------------------------------------------------------------------------------- */

/* Whether it is a string of at most `max` bytes; points `out` at it. */
static bool get_text(const json_t *node, size_t max, const char **out)
{
    if (!json_is_string(node) || json_string_length(node) > max) {
        return false;
    }
    *out = json_string_value(node);
    return true;
}

static bool is_printable(const char *text, size_t size)
{
    while (size > 0) {
        uint32_t code_point = 0;
        size_t length = text_utf8_next(text, size, &code_point);
        if (length == 0 || !text_is_printable(code_point)) {
            return false;
        }
        text += length;
        size -= length;
    }
    return true;
}

static bool get_name(const json_t *node, size_t max, const char **out)
{
    return get_text(node, max, out) && **out != '\0' && is_printable(*out, strlen(*out));
}

static bool read_text(const struct parser *parser, const json_t *node,
                      const struct signal_field *field, void *out)
{
    (void)parser;
    return get_text(node, field->max, out);
}

static bool read_name(const struct parser *parser, const json_t *node,
                      const struct signal_field *field, void *out)
{
    (void)parser;
    return get_name(node, field->max, out);
}

static bool read_id(const struct parser *parser, const json_t *node,
                    const struct signal_field *field, void *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    const char *id = NULL;

    (void)parser;
    if (!get_text(node, field->max, &id) || *id == '\0' || id[strspn(id, letters)] != '\0') {
        return false;
    }
    *(const char **)out = id;
    return true;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool get_number(const json_t *node, uint32_t max, uint32_t *out)
{
    json_int_t value = json_integer_value(node);

    if (!json_is_integer(node) || value < 0 || value > max) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool read_u32(const struct parser *parser, const json_t *node,
                     const struct signal_field *field, void *out)
{
    (void)parser;
    return get_number(node, field->max, out);
}

static bool read_real(const struct parser *parser, const json_t *node,
                      const struct signal_field *field, void *out)
{
    double value = json_number_value(node);

    (void)parser;
    if (!json_is_number(node) || value < 0 || value > field->max) {
        return false;
    }
    *(double *)out = value;
    return true;
}

static bool read_bool(const struct parser *parser, const json_t *node,
                      const struct signal_field *field, void *out)
{
    (void)parser;
    (void)field;
    *(bool *)out = json_is_true(node);
    return json_is_boolean(node);
}

/* ---- names of things ------------------------------------------------------------------------- */

static bool read_method(const struct parser *parser, const json_t *node,
                        const struct signal_field *field, void *out)
{
    const char *name = NULL;

    (void)parser;
    (void)field;
    if (!get_text(node, SIGNAL_WORD_MAX, &name)) {
        return false;
    }
    enum signal_method method = signal_method_find(name);
    *(enum signal_method *)out = method;
    return method < SIGNAL_METHOD_COUNT;
}

static bool read_path(const struct parser *parser, const json_t *node,
                      const struct signal_field *field, void *out)
{
    const char *name = NULL;

    (void)parser;
    if (!get_text(node, field->max, &name)) {
        return false;
    }
    *(const char **)out = name;
    return strcmp(name, "direct") == 0 || strcmp(name, "relay") == 0 || strcmp(name, "none") == 0;
}

/* Methods that are not known are left out: they are of a later version. */
static bool read_methods(const struct parser *parser, const json_t *node,
                         const struct signal_field *field, void *out)
{
    enum signal_method *methods = out;
    size_t *count = &parser->message->welcome.method_count;
    const char *name = NULL;
    const json_t *element = NULL;
    size_t i = 0;

    (void)field;
    if (!json_is_array(node)) {
        return false;
    }
    json_array_foreach(node, i, element)
    {
        if (!get_text(element, SIGNAL_WORD_MAX, &name)) {
            return false;
        }
        enum signal_method method = signal_method_find(name);
        if (method < SIGNAL_METHOD_COUNT && *count < SIGNAL_METHODS_MAX) {
            methods[(*count)++] = method;
        }
    }
    return true;
}

static bool read_allow(const struct parser *parser, const json_t *node,
                       const struct signal_field *field, void *out)
{
    const char **names = out;
    size_t *count = &parser->message->hello.allow_count;
    const json_t *element = NULL;
    size_t i = 0;

    (void)field;
    if (!json_is_array(node) || json_array_size(node) > SIGNAL_ALLOW_MAX) {
        return false;
    }
    parser->message->hello.has_allow = true;
    json_array_foreach(node, i, element)
    {
        if (!get_name(element, SIGNAL_NAME_MAX, &names[(*count)++])) {
            return false;
        }
    }
    return true;
}

static bool read_code(const struct parser *parser, const json_t *node,
                      const struct signal_field *field, void *out)
{
    const char *name = NULL;

    if (!get_name(node, field->max, &name)) {
        return false;
    }
    *(enum signal_code *)out = signal_code_find(name);
    parser->message->error.code_name = name;
    return true;
}

/* ---- browsers' dictionaries ------------------------------------------------------------------ */

static bool is_absent(const json_t *node)
{
    return node == NULL || json_is_null(node);
}

/* A text that may be absent, or null. */
static bool get_optional(const json_t *node, size_t max, const char **out)
{
    return is_absent(node) || get_text(node, max, out);
}

static bool read_description(const struct parser *parser, const json_t *node,
                             const struct signal_field *field, void *out)
{
    static const char *const kinds[] = {"offer", "answer", "pranswer", "rollback"};
    struct signal_description *description = out;
    bool known = false;

    (void)parser;
    (void)field;
    if (!get_text(json_object_get(node, "type"), SIGNAL_WORD_MAX, &description->type) ||
        !get_optional(json_object_get(node, "sdp"), SIGNAL_SDP_MAX, &description->sdp)) {
        return false;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        known = known || strcmp(kinds[i], description->type) == 0;
    }
    return known && (description->sdp != NULL || strcmp(description->type, "rollback") == 0);
}

/* What comes as null ends the candidates, as a browser's last event does. */
static bool read_candidate(const struct parser *parser, const json_t *node,
                           const struct signal_field *field, void *out)
{
    struct signal_candidate *candidate = out;
    uint32_t index = 0;

    (void)parser;
    (void)field;
    candidate->sdp_mline_index = -1;
    if (json_is_null(node)) {
        return true;
    }
    const json_t *line = json_object_get(node, "sdpMLineIndex");
    if (!json_is_object(node) ||
        !get_optional(json_object_get(node, "candidate"), SIGNAL_CANDIDATE_MAX,
                      &candidate->candidate) ||
        !get_optional(json_object_get(node, "sdpMid"), SIGNAL_WORD_MAX, &candidate->sdp_mid) ||
        !get_optional(json_object_get(node, "usernameFragment"), SIGNAL_NAME_MAX + 1,
                      &candidate->username_fragment) ||
        (!is_absent(line) && !get_number(line, UINT16_MAX, &index))) {
        return false;
    }
    candidate->candidate = candidate->candidate != NULL ? candidate->candidate : "";
    candidate->sdp_mline_index = is_absent(line) ? -1 : (int32_t)index;
    return true;
}

/* One text, or a list of them. */
static bool read_urls(const json_t *node, struct signal_ice_server *server)
{
    const json_t *element = NULL;
    size_t i = 0;

    if (json_is_string(node)) {
        server->url_count = 1;
        return get_name(node, SIGNAL_TEXT_MAX, &server->urls[0]);
    }
    if (!json_is_array(node) || json_array_size(node) > SIGNAL_URLS_MAX) {
        return false;
    }
    json_array_foreach(node, i, element)
    {
        if (!get_name(element, SIGNAL_TEXT_MAX, &server->urls[server->url_count++])) {
            return false;
        }
    }
    return server->url_count > 0;
}

static bool read_challenge(const json_t *node, struct signal_challenge *challenge)
{
    const json_t *algorithms = json_object_get(node, "algorithms"), *element = NULL;
    size_t i = 0;

    if (is_absent(node)) {
        return true;
    }
    if (!get_name(json_object_get(node, "realm"), SIGNAL_REALM_MAX, &challenge->realm) ||
        !get_name(json_object_get(node, "nonce"), SIGNAL_REALM_MAX, &challenge->nonce) ||
        (!is_absent(algorithms) &&
         (!json_is_array(algorithms) || json_array_size(algorithms) > SIGNAL_ALGORITHMS_MAX))) {
        return false;
    }
    json_array_foreach(algorithms, i, element)
    {
        if (!get_name(element, SIGNAL_WORD_MAX,
                      &challenge->algorithms[challenge->algorithm_count++])) {
            return false;
        }
    }
    return true;
}

static bool read_ice_servers(const struct parser *parser, const json_t *node,
                             const struct signal_field *field, void *out)
{
    struct signal_ice_servers *ice = out;
    const json_t *element = NULL;
    size_t i = 0;

    (void)parser;
    (void)field;
    if (!json_is_array(node) || json_array_size(node) > SIGNAL_ICE_SERVERS_MAX) {
        return false;
    }
    json_array_foreach(node, i, element)
    {
        struct signal_ice_server *server = &ice->servers[ice->count++];
        if (!read_urls(json_object_get(element, "urls"), server) ||
            !get_optional(json_object_get(element, "username"), SIGNAL_TEXT_MAX,
                          &server->username) ||
            !get_optional(json_object_get(element, "credential"), SIGNAL_TEXT_MAX,
                          &server->credential) ||
            !read_challenge(json_object_get(element, "challenge"), &server->challenge)) {
            return false;
        }
    }
    return true;
}

/* ---- a message ------------------------------------------------------------------------------- */

static const struct {
    read_member *read;
    const char *expected;
} kinds[SIGNAL_KIND_COUNT] = {
    [SIGNAL_KIND_TEXT] = {read_text, "a text that is not too long"},
    [SIGNAL_KIND_NAME] = {read_name, "a text without control characters, not too long"},
    [SIGNAL_KIND_ID] = {read_id, "letters, digits, '-' and '_', at most 43"},
    [SIGNAL_KIND_U32] = {read_u32, "a whole number in its range"},
    [SIGNAL_KIND_REAL] = {read_real, "a number that is not negative"},
    [SIGNAL_KIND_PATH] = {read_path, "direct, relay or none"},
    [SIGNAL_KIND_BOOL] = {read_bool, "true or false"},
    [SIGNAL_KIND_METHOD] = {read_method, "one of welcome's auth"},
    [SIGNAL_KIND_METHODS] = {read_methods, "a list of names"},
    [SIGNAL_KIND_ALLOW] = {read_allow, "a list of at most 16 names"},
    [SIGNAL_KIND_CODE] = {read_code, "a code"},
    [SIGNAL_KIND_DESCRIPTION] = {read_description, "{type, sdp}, as in browsers"},
    [SIGNAL_KIND_CANDIDATE] = {read_candidate, "{candidate, sdpMid, …}, as in browsers, or null"},
    [SIGNAL_KIND_ICE_SERVERS] = {read_ice_servers, "a list of {urls, username, credential}"},
};

static bool fail(struct signal_fault *fault, enum signal_code code, const char *where,
                 const char *member, const char *problem)
{
    fault->code = code;
    snprintf(fault->problem, sizeof fault->problem, "%s%s%s%s%s", where,
             member[0] != '\0' ? "." : "", member, where[0] != '\0' ? ": " : "", problem);
    return false;
}

static bool fail_member(const struct parser *parser, const char *member, const char *problem)
{
    return fail(parser->fault, SIGNAL_BAD_MESSAGE, signal_type_name(parser->message->type), member,
                problem);
}

static bool read_field(const struct parser *parser, const struct signal_field *field)
{
    const json_t *node = json_object_get(parser->root, field->key);
    void *out = (char *)parser->message + field->offset;
    char expected[80];

    /* A candidate that is null says something. */
    if (node == NULL || (json_is_null(node) && field->kind != SIGNAL_KIND_CANDIDATE)) {
        return !field->required || fail_member(parser, field->key, "missing");
    }
    if (kinds[field->kind].read(parser, node, field, out)) {
        return true;
    }
    snprintf(expected, sizeof expected, "expected %s", kinds[field->kind].expected);
    return fail_member(parser, field->key, expected);
}

/* What is absent and not zero. */
static void set_absent(struct signal_message *message)
{
    if (message->type == SIGNAL_REPORT) {
        message->report.ms = message->report.rtt = -1;
    } else if (message->type == SIGNAL_HELLO) {
        message->hello.method = SIGNAL_METHOD_COUNT;
    }
}

/* A hello shows one thing, and all of it. */
static bool check_hello(const struct parser *parser)
{
    struct signal_message *message = parser->message;
    bool proof = message->hello.proof != NULL, token = message->hello.token != NULL,
         signature = message->hello.sig != NULL;

    if (proof + token + signature != 1) {
        return fail_member(parser, "", "expected one of proof, token and sig");
    }
    if (message->hello.method == SIGNAL_METHOD_COUNT) {
        message->hello.method = proof   ? SIGNAL_METHOD_SHA256
                                : token ? SIGNAL_METHOD_TOKEN
                                        : SIGNAL_METHOD_ED25519;
    }
    bool fits = message->hello.method == SIGNAL_METHOD_TOKEN     ? token
                : message->hello.method == SIGNAL_METHOD_ED25519 ? signature
                                                                 : proof;
    if (!fits || (proof && message->hello.user == NULL) ||
        (signature && message->hello.pub == NULL)) {
        return fail_member(parser, "", "expected user with proof, or pub with sig");
    }
    return true;
}

static bool read_type(const struct parser *parser)
{
    const json_t *rid = json_object_get(parser->root, "rid");
    const char *name = NULL;

    if (!get_optional(rid, SIGNAL_RID_MAX, &parser->message->rid)) {
        return fail(parser->fault, SIGNAL_BAD_MESSAGE, "rid", "",
                    "expected a text of at most 64 bytes");
    }
    if (parser->message->rid != NULL) {
        memcpy(parser->fault->rid, parser->message->rid, strlen(parser->message->rid) + 1);
    }
    if (!get_text(json_object_get(parser->root, "type"), SIGNAL_WORD_MAX, &name)) {
        return fail(parser->fault, SIGNAL_BAD_MESSAGE, "type", "", "missing, or not a text");
    }
    parser->message->type = signal_type_find(name);
    if (parser->message->type == SIGNAL_TYPE_COUNT) {
        return fail(parser->fault, SIGNAL_UNKNOWN_TYPE, "type", "", "not known");
    }
    return true;
}

static bool read_message(struct parser *parser)
{
    if (!read_type(parser)) {
        return false;
    }
    set_absent(parser->message);
    for (const struct signal_field *field = signal_fields(parser->message->type);
         field->key != NULL; field++) {
        if (!read_field(parser, field)) {
            return false;
        }
    }
    return parser->message->type != SIGNAL_HELLO || check_hello(parser);
}

/* Whether nothing is deeper than we go: jansson would follow two thousand brackets. */
static bool is_shallow(const char *bytes, size_t size)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        if (quoted && bytes[i] == '\\') {
            i++;
        } else if (bytes[i] == '"') {
            quoted = !quoted;
        } else if (quoted) {
            continue;
        } else if (bytes[i] == '[' || bytes[i] == '{') {
            if (++depth > SIGNAL_DEPTH_MAX) {
                return false;
            }
        } else if ((bytes[i] == ']' || bytes[i] == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* What is wrong with bytes that jansson did not take, in words. */
static const char *tell_problem(const char *bytes, size_t size, const json_error_t *error)
{
    static const struct {
        enum json_error_code code;
        const char *words;
    } problems[] = {
        {json_error_duplicate_key, "a key stands twice in one object"},
        {json_error_numeric_overflow, "a number is out of range"},
        {json_error_invalid_utf8, "expected UTF-8"},
        {json_error_null_character, "U+0000 is not allowed"},
        {json_error_null_byte_in_key, "U+0000 is not allowed"},
        {json_error_end_of_input_expected, "expected one JSON object, and nothing behind it"},
    };

    if (!is_shallow(bytes, size)) {
        return "objects and arrays are more than 8 deep";
    }
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (json_error_code(error) == problems[i].code) {
            return problems[i].words;
        }
    }
    return "expected one JSON object";
}

bool signal_message_parse(struct signal_message *message, const char *bytes, size_t size,
                          struct signal_fault *fault)
{
    struct signal_fault unwanted;
    struct parser parser = {.message = message, .fault = fault != NULL ? fault : &unwanted};

    *message = (struct signal_message){0};
    *parser.fault = (struct signal_fault){0};
    if (size > SIGNAL_MESSAGE_MAX) {
        return fail(parser.fault, SIGNAL_TOO_LARGE, "", "", "more than 16384 bytes");
    }
    json_error_t error = {0};
    json_t *root =
        is_shallow(bytes, size) ? json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error) : NULL;
    message->storage = root;
    parser.root = root;
    if (!json_is_object(root)) {
        const char *problem =
            root != NULL ? "expected one JSON object" : tell_problem(bytes, size, &error);
        signal_message_free(message);
        return fail(parser.fault, SIGNAL_BAD_MESSAGE, "", "", problem);
    }
    if (!read_message(&parser)) {
        signal_message_free(message);
        return false;
    }
    return true;
}

void signal_message_free(struct signal_message *message)
{
    json_decref(message->storage);
    *message = (struct signal_message){0};
}

const char *signal_absent(void)
{
    return NULL;
}

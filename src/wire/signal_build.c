/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/signal.h"

#include "base/json_writer.h"
#include "wire/signal_fields.h"

#include <string.h>

typedef void put_member(struct json_writer *json, const struct signal_message *message,
                        const struct signal_field *field, const void *value);

static void put_optional(struct json_writer *json, const char *key, const char *text)
{
    if (text != NULL) {
        json_member_string(json, key, text);
    }
}

static void put_text(struct json_writer *json, const struct signal_message *message,
                     const struct signal_field *field, const void *value)
{
    (void)message;
    put_optional(json, field->key, *(const char *const *)value);
}

static void put_u32(struct json_writer *json, const struct signal_message *message,
                    const struct signal_field *field, const void *value)
{
    uint32_t number = *(const uint32_t *)value;

    (void)message;
    if (number > 0 || field->required) {
        json_member_u64(json, field->key, number);
    }
}

static void put_real(struct json_writer *json, const struct signal_message *message,
                     const struct signal_field *field, const void *value)
{
    double number = *(const double *)value;

    (void)message;
    if (number >= 0) {
        json_member_real(json, field->key, number, 3);
    }
}

static void put_bool(struct json_writer *json, const struct signal_message *message,
                     const struct signal_field *field, const void *value)
{
    (void)message;
    json_member_bool(json, field->key, *(const bool *)value);
}

static void put_method(struct json_writer *json, const struct signal_message *message,
                       const struct signal_field *field, const void *value)
{
    (void)message;
    json_member_string(json, field->key, signal_method_name(*(const enum signal_method *)value));
}

static void put_methods(struct json_writer *json, const struct signal_message *message,
                        const struct signal_field *field, const void *value)
{
    const enum signal_method *methods = value;

    json_put_key(json, field->key);
    json_begin_array(json);
    for (size_t i = 0; i < message->welcome.method_count; i++) {
        json_put_string(json, signal_method_name(methods[i]));
    }
    json_end_array(json);
}

static void put_allow(struct json_writer *json, const struct signal_message *message,
                      const struct signal_field *field, const void *value)
{
    const char *const *names = value;

    if (!message->hello.has_allow) {
        return;
    }
    json_put_key(json, field->key);
    json_begin_array(json);
    for (size_t i = 0; i < message->hello.allow_count; i++) {
        json_put_string(json, names[i]);
    }
    json_end_array(json);
}

static void put_code(struct json_writer *json, const struct signal_message *message,
                     const struct signal_field *field, const void *value)
{
    enum signal_code code = *(const enum signal_code *)value;
    bool listed = message->error.code_name == NULL && code < SIGNAL_CODE_COUNT;

    json_member_string(json, field->key,
                       listed ? signal_code_name(code) : message->error.code_name);
    if (listed && message->error.message == NULL) {
        json_member_string(json, "message", signal_code_words(code));
    }
}

static void put_description(struct json_writer *json, const struct signal_message *message,
                            const struct signal_field *field, const void *value)
{
    const struct signal_description *description = value;

    (void)message;
    if (description->type == NULL) {
        return;
    }
    json_put_key(json, field->key);
    json_begin_object(json);
    json_member_string(json, "type", description->type);
    put_optional(json, "sdp", description->sdp);
    json_end_object(json);
}

static void put_candidate(struct json_writer *json, const struct signal_message *message,
                          const struct signal_field *field, const void *value)
{
    const struct signal_candidate *candidate = value;

    (void)message;
    json_put_key(json, field->key);
    if (candidate->candidate == NULL) {
        json_put_null(json);
        return;
    }
    json_begin_object(json);
    json_member_string(json, "candidate", candidate->candidate);
    put_optional(json, "sdpMid", candidate->sdp_mid);
    if (candidate->sdp_mline_index >= 0) {
        json_member_i64(json, "sdpMLineIndex", candidate->sdp_mline_index);
    }
    put_optional(json, "usernameFragment", candidate->username_fragment);
    json_end_object(json);
}

static void put_challenge(struct json_writer *json, const struct signal_challenge *challenge)
{
    if (challenge->realm == NULL) {
        return;
    }
    json_put_key(json, "challenge");
    json_begin_object(json);
    json_member_string(json, "realm", challenge->realm);
    json_member_string(json, "nonce", challenge->nonce);
    json_put_key(json, "algorithms");
    json_begin_array(json);
    for (size_t i = 0; i < challenge->algorithm_count; i++) {
        json_put_string(json, challenge->algorithms[i]);
    }
    json_end_array(json);
    json_end_object(json);
}

void signal_put_ice_server(struct json_writer *json, const struct signal_ice_server *server)
{
    json_begin_object(json);
    json_put_key(json, "urls");
    json_begin_array(json);
    for (size_t i = 0; i < server->url_count; i++) {
        json_put_string(json, server->urls[i]);
    }
    json_end_array(json);
    put_optional(json, "username", server->username);
    put_optional(json, "credential", server->credential);
    put_challenge(json, &server->challenge);
    json_end_object(json);
}

/* A turn without servers is a request. */
static void put_ice_servers(struct json_writer *json, const struct signal_message *message,
                            const struct signal_field *field, const void *value)
{
    const struct signal_ice_servers *ice = value;

    if (message->type == SIGNAL_TURN && ice->count == 0) {
        return;
    }
    json_put_key(json, field->key);
    json_begin_array(json);
    for (size_t i = 0; i < ice->count; i++) {
        signal_put_ice_server(json, &ice->servers[i]);
    }
    json_end_array(json);
}

static put_member *const kinds[SIGNAL_KIND_COUNT] = {
    [SIGNAL_KIND_TEXT] = put_text,
    [SIGNAL_KIND_NAME] = put_text,
    [SIGNAL_KIND_ID] = put_text,
    [SIGNAL_KIND_U32] = put_u32,
    [SIGNAL_KIND_REAL] = put_real,
    [SIGNAL_KIND_PATH] = put_text,
    [SIGNAL_KIND_BOOL] = put_bool,
    [SIGNAL_KIND_METHOD] = put_method,
    [SIGNAL_KIND_METHODS] = put_methods,
    [SIGNAL_KIND_ALLOW] = put_allow,
    [SIGNAL_KIND_CODE] = put_code,
    [SIGNAL_KIND_DESCRIPTION] = put_description,
    [SIGNAL_KIND_CANDIDATE] = put_candidate,
    [SIGNAL_KIND_ICE_SERVERS] = put_ice_servers,
};

size_t signal_message_build(const struct signal_message *message, char *out, size_t capacity)
{
    struct text_buffer buffer;
    struct json_writer json;
    size_t room = SIGNAL_MESSAGE_MAX + 1;

    text_buffer_init_fixed(&buffer, out, capacity < room ? capacity : room);
    json_init(&json, &buffer);
    json_begin_object(&json);
    json_member_string(&json, "type", signal_type_name(message->type));
    put_optional(&json, "rid", message->rid);
    for (const struct signal_field *field = signal_fields(message->type); field->key != NULL;
         field++) {
        kinds[field->kind](&json, message, field, (const char *)message + field->offset);
    }
    json_end_object(&json);
    return text_buffer_finish(&buffer) != NULL ? buffer.size : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/session_fingerprint.h"

#include "wire/span.h"

static const struct hash {
    const char *name;
    uint8_t size;
} hashes[] = {
    {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}, {"sha-224", 28}, {"sha-1", 20},
};

static const struct hash *find_hash(struct span name)
{
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        if (span_is_word(name, hashes[i].name)) {
            return &hashes[i];
        }
    }
    return NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool session_fingerprint_is_known(const char *text, size_t size)
{
    struct span rest = {text, size};

    return find_hash(span_next_word(&rest)) != NULL;
}

bool session_fingerprint_parse(struct session_fingerprint *out, const char *text, size_t size)
{
    struct session_fingerprint fingerprint = {0};
    struct span rest = {text, size};
    const struct hash *hash = find_hash(span_next_word(&rest));
    struct span hex = span_next_word(&rest);

    if (hash == NULL || rest.size > 0 || hex.size != (size_t)hash->size * 3 - 1) {
        return false;
    }
    for (size_t i = 0; i < hash->size; i++) {
        int high = hex_value(hex.at[3 * i]), low = hex_value(hex.at[3 * i + 1]);
        if (high < 0 || low < 0 || (i + 1 < hash->size && hex.at[3 * i + 2] != ':')) {
            return false;
        }
        fingerprint.bytes[i] = (uint8_t)(high << 4 | low);
    }
    fingerprint.size = hash->size;
    memcpy(fingerprint.algorithm, hash->name, strlen(hash->name) + 1);
    *out = fingerprint;
    return true;
}

size_t session_fingerprint_format(const struct session_fingerprint *fingerprint, char *text,
                                  size_t capacity)
{
    struct text_buffer buffer;

    text_buffer_init_fixed(&buffer, text, capacity);
    text_buffer_put_format(&buffer, "%s ", fingerprint->algorithm);
    for (size_t i = 0; i < fingerprint->size; i++) {
        text_buffer_put_format(&buffer, i > 0 ? ":%02X" : "%02X", fingerprint->bytes[i]);
    }
    return text_buffer_finish(&buffer) != NULL ? buffer.size : 0;
}

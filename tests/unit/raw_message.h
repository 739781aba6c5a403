/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages written out byte by byte, and signed by OpenSSL directly: nothing here comes from our
 * own codec, so that the two cannot agree on an error.
 */
#ifndef RAW_MESSAGE_H
#define RAW_MESSAGE_H

#include "tests/unit/stun_test.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

struct raw {
    uint8_t bytes[1024];
    size_t size;
};

static inline void raw_hex(struct raw *raw, const char *hex)
{
    raw->size += from_hex(hex, raw->bytes + raw->size, sizeof raw->bytes - raw->size);
}

static inline void raw_set_length(struct raw *raw, size_t size)
{
    raw->bytes[2] = (uint8_t)((size - 20) >> 8);
    raw->bytes[3] = (uint8_t)(size - 20);
}

/* An attribute with padding; the length field counts it. */
static inline void raw_attribute(struct raw *raw, unsigned type, const void *value, size_t size)
{
    uint8_t *to = raw->bytes + raw->size;

    assert_true(raw->size + size + 8 <= sizeof raw->bytes);
    to[0] = (uint8_t)(type >> 8);
    to[1] = (uint8_t)type;
    to[2] = (uint8_t)(size >> 8);
    to[3] = (uint8_t)size;
    memset(to + 4, 0, (size + 3) / 4 * 4);
    if (size > 0) {
        memcpy(to + 4, value, size);
    }
    raw->size += 4 + (size + 3) / 4 * 4;
    raw_set_length(raw, raw->size);
}

/* MESSAGE-INTEGRITY with MD5("user:realm:password"). */
static inline void raw_sign(struct raw *raw, const char *user_realm_password)
{
    uint8_t key[16], mac[20];
    unsigned size = sizeof key;

    assert_int_equal(
        EVP_Digest(user_realm_password, strlen(user_realm_password), key, &size, EVP_md5(), NULL),
        1);
    raw_set_length(raw, raw->size + 24);
    assert_non_null(HMAC(EVP_sha1(), key, sizeof key, raw->bytes, raw->size, mac, &size));
    raw_attribute(raw, 0x0008, mac, sizeof mac);
}

/* The long-term credentials of alice, with the server's nonce. */
static inline void raw_authenticate(struct raw *raw, const void *nonce, size_t nonce_size)
{
    raw_attribute(raw, 0x0006, "alice", 5);
    raw_attribute(raw, 0x0014, "example.org", 11);
    raw_attribute(raw, 0x0015, nonce, nonce_size);
    raw_sign(raw, "alice:example.org:secret");
}

/* Where an attribute's value stands, found by walking; NULL when there is none. */
static inline const uint8_t *raw_find(const uint8_t *bytes, size_t size, unsigned type,
                                      size_t *value_size)
{
    for (size_t at = 20; at + 4 <= size;) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];

        if (((unsigned)bytes[at] << 8 | bytes[at + 1]) == type) {
            *value_size = length;
            return bytes + at + 4;
        }
        at += 4 + (length + 3) / 4 * 4;
    }
    return NULL;
}

#endif

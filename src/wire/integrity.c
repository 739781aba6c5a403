/* SPDX-License-Identifier: BSD-3-Clause */
/* The checks of what closes a message. They leave the borrowed bytes alone. */
#include "wire/wire_internal.h"

#include <openssl/crypto.h>
#include <string.h>

#define SHA256_SIZE_MIN 16 /* RFC 8489 §14.6 */

/* The message's header with the length field that it had when the attribute was its last one. */
static void header_as_of(const struct stun_view *view, const struct stun_attribute_view *attribute,
                         uint8_t header[STUN_HEADER_SIZE])
{
    size_t end = (size_t)(attribute->value - view->bytes) + wire_padded(attribute->size);

    memcpy(header, view->bytes, STUN_HEADER_SIZE);
    wire_put_u16(header + 2, (uint16_t)(end - STUN_HEADER_SIZE));
}

/* The bytes between the header and the attribute. */
static size_t body_size_before(const struct stun_view *view,
                               const struct stun_attribute_view *attribute)
{
    return (size_t)(attribute->value - view->bytes) - WIRE_ATTRIBUTE_HEADER_SIZE - STUN_HEADER_SIZE;
}

static int check(const struct stun_view *view, struct stun_crypto *crypto,
                 const struct stun_key *key, enum wire_mac which,
                 const struct stun_attribute_view *attribute)
{
    uint8_t header[STUN_HEADER_SIZE];
    uint8_t digest[STUN_SHA256_SIZE];

    header_as_of(view, attribute, header);
    int status = wire_hmac(crypto, which, key, header, view->bytes + STUN_HEADER_SIZE,
                           body_size_before(view, attribute), digest);
    if (status == STUN_OK && CRYPTO_memcmp(digest, attribute->value, attribute->size) != 0)
        status = STUN_ERROR_MISMATCH;
    return status;
}

int stun_view_check_integrity(const struct stun_view *view, struct stun_crypto *crypto,
                              const struct stun_key *key)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_MESSAGE_INTEGRITY);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    if (attribute->size != STUN_SHA1_SIZE)
        return STUN_ERROR_VALUE;
    return check(view, crypto, key, WIRE_HMAC_SHA1, attribute);
}

int stun_view_check_integrity_sha256_truncated(const struct stun_view *view,
                                               struct stun_crypto *crypto,
                                               const struct stun_key *key, size_t minimum)
{
    const struct stun_attribute_view *attribute =
        stun_view_find(view, STUN_MESSAGE_INTEGRITY_SHA256);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    if (attribute->size < (minimum < SHA256_SIZE_MIN ? SHA256_SIZE_MIN : minimum) ||
        attribute->size > STUN_SHA256_SIZE || attribute->size % 4 != 0)
        return STUN_ERROR_VALUE;
    return check(view, crypto, key, WIRE_HMAC_SHA256, attribute);
}

int stun_view_check_integrity_sha256(const struct stun_view *view, struct stun_crypto *crypto,
                                     const struct stun_key *key)
{
    return stun_view_check_integrity_sha256_truncated(view, crypto, key, STUN_SHA256_SIZE);
}

int stun_view_check_fingerprint(const struct stun_view *view)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_FINGERPRINT);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    if (attribute->size != WIRE_FINGERPRINT_SIZE ||
        attribute->value + WIRE_FINGERPRINT_SIZE != view->bytes + view->size)
        return STUN_ERROR_VALUE;
    uint32_t expected = wire_fingerprint(view->bytes, view->bytes + STUN_HEADER_SIZE,
                                         body_size_before(view, attribute));
    return wire_get_u32(attribute->value) == expected ? STUN_OK : STUN_ERROR_MISMATCH;
}

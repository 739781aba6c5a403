/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/wire_internal.h"

#include <string.h>

/* ---- what comes next ------------------------------------------------------------------------- */

enum stun_protocol stun_first_byte(uint8_t byte)
{
    if (byte <= 3)
        return STUN_PROTOCOL_STUN;
    if (byte >= 16 && byte <= 19)
        return STUN_PROTOCOL_ZRTP;
    if (byte >= 20 && byte <= 63)
        return STUN_PROTOCOL_DTLS;
    if (byte >= 64 && byte <= 79)
        return STUN_PROTOCOL_CHANNEL;
    if (byte >= 128 && byte <= 191)
        return STUN_PROTOCOL_RTP;
    return STUN_PROTOCOL_UNKNOWN;
}

bool stun_is_channel(uint8_t first_byte)
{
    return (first_byte & 0xC0) == 0x40;
}

/* Whether the bytes of the magic cookie that have come so far are right. */
static bool cookie_begins(const uint8_t *bytes, size_t size)
{
    static const uint8_t cookie[4] = {0x21, 0x12, 0xA4, 0x42};
    size_t count = size < 4 ? 0 : size - 4;

    return memcmp(bytes + 4, cookie, count < 4 ? count : 4) == 0;
}

int stun_stream_next(const uint8_t *bytes, size_t size, size_t *frame_size)
{
    *frame_size = 0;
    if (size == 0)
        return STUN_ERROR_TRUNCATED;
    enum stun_protocol protocol =
        stun_is_channel(bytes[0]) ? STUN_PROTOCOL_CHANNEL : stun_first_byte(bytes[0]);
    if (protocol != STUN_PROTOCOL_STUN && protocol != STUN_PROTOCOL_CHANNEL)
        return STUN_ERROR_NOT_STUN;
    if (size < 4)
        return STUN_ERROR_TRUNCATED;
    size_t length = wire_get_u16(bytes + 2);
    if (protocol == STUN_PROTOCOL_STUN) {
        if (length % 4 != 0 || !cookie_begins(bytes, size))
            return STUN_ERROR_NOT_STUN;
        *frame_size = STUN_HEADER_SIZE + length;
    } else {
        *frame_size = STUN_CHANNEL_HEADER_SIZE + wire_padded(length);
    }
    return size < *frame_size ? STUN_ERROR_TRUNCATED : (int)protocol;
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* What may still be listed, as the closing attributes go by (RFC 8489 §14.5, §14.6, §14.7). */
enum visible {
    VISIBLE_ALL,
    VISIBLE_SHA256, /* and FINGERPRINT */
    VISIBLE_FINGERPRINT,
    VISIBLE_NONE,
};

static bool is_visible(enum visible visible, uint16_t type)
{
    switch (visible) {
    case VISIBLE_ALL:
        return true;
    case VISIBLE_SHA256:
        return type == STUN_MESSAGE_INTEGRITY_SHA256 || type == STUN_FINGERPRINT;
    case VISIBLE_FINGERPRINT:
        return type == STUN_FINGERPRINT;
    case VISIBLE_NONE:
        break;
    }
    return false;
}

/* What is visible after a listed attribute of that type. */
static enum visible visible_after(enum visible visible, uint16_t type)
{
    switch (type) {
    case STUN_MESSAGE_INTEGRITY:
        return VISIBLE_SHA256;
    case STUN_MESSAGE_INTEGRITY_SHA256:
        return VISIBLE_FINGERPRINT;
    case STUN_FINGERPRINT:
        return VISIBLE_NONE;
    default:
        return visible;
    }
}

static int parse_attributes(struct stun_view *view, const uint8_t *bytes, size_t size)
{
    enum visible visible = VISIBLE_ALL;
    size_t count = 0;

    /* Every step is a multiple of four, and so is `size`: a header is always whole. */
    for (size_t at = STUN_HEADER_SIZE; at < size;) {
        uint16_t type = wire_get_u16(bytes + at);
        uint16_t value_size = wire_get_u16(bytes + at + 2);
        at += WIRE_ATTRIBUTE_HEADER_SIZE;
        if (wire_padded(value_size) > size - at)
            return STUN_ERROR_MALFORMED;
        if (is_visible(visible, type)) {
            if (count == STUN_ATTRIBUTES_MAX)
                return STUN_ERROR_TOO_MANY;
            view->attributes[count++] =
                (struct stun_attribute_view){.type = type, .size = value_size, .value = bytes + at};
            visible = visible_after(visible, type);
        }
        at += wire_padded(value_size);
    }
    view->attribute_count = (uint8_t)count;
    return STUN_OK;
}

int stun_view_parse(struct stun_view *view, const uint8_t *bytes, size_t size)
{
    if (size > 0 && (bytes[0] & 0xC0) != 0)
        return STUN_ERROR_NOT_STUN;
    if (size < STUN_HEADER_SIZE)
        return STUN_ERROR_TRUNCATED;
    uint16_t type = wire_get_u16(bytes);
    uint16_t length = wire_get_u16(bytes + 2);
    if (size - STUN_HEADER_SIZE < length)
        return STUN_ERROR_TRUNCATED;
    if (size - STUN_HEADER_SIZE > length || length % 4 != 0)
        return STUN_ERROR_MALFORMED;

    view->bytes = bytes;
    view->size = size;
    view->transaction_id = bytes + 8;
    /* The class is bits 4 and 8 of the type, the method is the others (RFC 8489 §5). */
    view->method = (uint16_t)((type & 0x000F) | (type & 0x00E0) >> 1 | (type & 0x3E00) >> 2);
    view->message_class = (uint8_t)((type & 0x0010) >> 4 | (type & 0x0100) >> 7);
    view->classic = wire_get_u32(bytes + 4) != STUN_MAGIC_COOKIE;
    return parse_attributes(view, bytes, size);
}

/* ---- looking up ------------------------------------------------------------------------------ */

const struct stun_attribute_view *stun_view_find(const struct stun_view *view, uint16_t type)
{
    for (size_t i = 0; i < view->attribute_count; i++)
        if (view->attributes[i].type == type)
            return &view->attributes[i];
    return NULL;
}

bool stun_view_has(const struct stun_view *view, uint16_t type)
{
    return stun_view_find(view, type) != NULL;
}

static bool is_among(uint16_t type, const uint16_t *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (types[i] == type)
            return true;
    return false;
}

size_t stun_view_list_unknown(const struct stun_view *view, const uint16_t *known,
                              size_t known_count, uint16_t *out)
{
    size_t count = 0;

    for (size_t i = 0; i < view->attribute_count && count < STUN_UNKNOWN_MAX; i++) {
        uint16_t type = view->attributes[i].type;
        if (type < 0x8000 && !is_among(type, known, known_count) && !is_among(type, out, count))
            out[count++] = type;
    }
    return count;
}

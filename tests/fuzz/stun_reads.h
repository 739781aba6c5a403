/* SPDX-License-Identifier: BSD-3-Clause */
/* Every read that the codec offers, on a view of bytes that nobody trusts. */
#ifndef FUZZ_STUN_READS_H
#define FUZZ_STUN_READS_H

#include <postern/stun.h>

/* Reads each attribute as every type. Returns false when a value lies outside the message. */
static inline bool stun_reads_attributes(const struct stun_view *view)
{
    const uint8_t *begin = view->bytes + STUN_HEADER_SIZE, *end = view->bytes + view->size;
    struct stun_address address;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    const char *text;
    size_t size;

    for (size_t i = 0; i < view->attribute_count; i++) {
        const struct stun_attribute_view *attribute = &view->attributes[i];
        if (attribute->value < begin || attribute->value > end ||
            attribute->size > (size_t)(end - attribute->value))
            return false;
        stun_view_u8(view, attribute->type, &u8);
        stun_view_u16(view, attribute->type, &u16);
        stun_view_u32(view, attribute->type, &u32);
        stun_view_u64(view, attribute->type, &u64);
        stun_view_address(view, attribute->type, &address);
        stun_view_xor_address(view, attribute->type, &address);
        stun_view_xor_address_of(view, attribute, &address);
        if (stun_view_string(view, attribute->type, &text, &size) != STUN_OK)
            return false;
    }
    return true;
}

/* Reads what has a reader of its own. Returns false when a list exceeds its bound. */
static inline bool stun_reads_lists(const struct stun_view *view)
{
    struct stun_password_algorithm_view algorithms[STUN_PASSWORD_ALGORITHMS_MAX];
    const uint8_t *end = view->bytes + view->size;
    struct stun_icmp icmp;
    uint8_t family;
    uint16_t types[STUN_UNKNOWN_MAX], code;
    const char *text;
    size_t count = 0;
    bool ok = true;

    if (stun_view_error(view, &code, &text, &count) == STUN_OK)
        ok = ok && code >= 300 && code <= 699 && (const uint8_t *)text + count <= end;
    if (stun_view_address_error(view, &family, &code, &text, &count) == STUN_OK)
        ok = ok && code >= 300 && code <= 699 && (const uint8_t *)text + count <= end;
    if (stun_view_unknown(view, types, &count) == STUN_OK)
        ok = ok && count <= STUN_UNKNOWN_MAX;
    if (stun_view_icmp(view, &icmp) == STUN_OK)
        ok = ok && icmp.type <= 127 && icmp.code <= 511;
    if (stun_view_password_algorithm(view, algorithms) == STUN_OK)
        ok = ok && algorithms[0].parameters + algorithms[0].parameters_size <= end;
    if (stun_view_password_algorithms(view, algorithms, &count) == STUN_OK) {
        ok = ok && count >= 1 && count <= STUN_PASSWORD_ALGORITHMS_MAX;
        for (size_t i = 0; ok && i < count; i++)
            ok = algorithms[i].parameters + algorithms[i].parameters_size <= end;
    }
    return ok && stun_view_list_unknown(view, NULL, 0, types) <= STUN_UNKNOWN_MAX;
}

/* Checks whatever closes the message, by any key. */
static inline void stun_reads_checks(const struct stun_view *view, struct stun_crypto *crypto,
                                     const struct stun_key *key)
{
    stun_view_check_integrity(view, crypto, key);
    stun_view_check_integrity_sha256_truncated(view, crypto, key, 16);
    stun_view_check_fingerprint(view);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Typed reads of attributes in a view. */
#include "wire/wire_internal.h"

#include <string.h>

/* ---- numbers and text ------------------------------------------------------------------------ */

/* Finds an attribute whose value has one of two sizes. */
static int find_sized(const struct stun_view *view, uint16_t type, size_t size, size_t other_size,
                      const uint8_t **value)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, type);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    if (attribute->size != size && attribute->size != other_size)
        return STUN_ERROR_VALUE;
    *value = attribute->value;
    return STUN_OK;
}

int stun_view_u8(const struct stun_view *view, uint16_t type, uint8_t *out)
{
    const uint8_t *value;
    int status = find_sized(view, type, 1, 4, &value);

    if (status == STUN_OK)
        *out = value[0];
    return status;
}

int stun_view_u16(const struct stun_view *view, uint16_t type, uint16_t *out)
{
    const uint8_t *value;
    int status = find_sized(view, type, 2, 4, &value);

    if (status == STUN_OK)
        *out = wire_get_u16(value);
    return status;
}

int stun_view_u32(const struct stun_view *view, uint16_t type, uint32_t *out)
{
    const uint8_t *value;
    int status = find_sized(view, type, 4, 4, &value);

    if (status == STUN_OK)
        *out = wire_get_u32(value);
    return status;
}

int stun_view_u64(const struct stun_view *view, uint16_t type, uint64_t *out)
{
    const uint8_t *value;
    int status = find_sized(view, type, 8, 8, &value);

    if (status == STUN_OK)
        *out = wire_get_u64(value);
    return status;
}

int stun_view_string(const struct stun_view *view, uint16_t type, const char **text, size_t *size)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, type);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    *text = (const char *)attribute->value;
    *size = attribute->size;
    return STUN_OK;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* RFC 8489 §14.1: a reserved byte, the family, the port, the IP. */
static int read_address(const struct stun_attribute_view *attribute, struct stun_address *out)
{
    if (attribute->size < 4)
        return STUN_ERROR_VALUE;
    uint8_t family = attribute->value[1];
    size_t ip_size = attribute->size - 4u;
    if (!(family == STUN_FAMILY_IPV4 && ip_size == 4) &&
        !(family == STUN_FAMILY_IPV6 && ip_size == 16))
        return STUN_ERROR_VALUE;
    *out = (struct stun_address){.family = family, .port = wire_get_u16(attribute->value + 2)};
    memcpy(out->ip, attribute->value + 4, ip_size);
    return STUN_OK;
}

int stun_view_address(const struct stun_view *view, uint16_t type, struct stun_address *out)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, type);

    return attribute == NULL ? STUN_ERROR_ABSENT : read_address(attribute, out);
}

int stun_view_xor_address_of(const struct stun_view *view,
                             const struct stun_attribute_view *attribute, struct stun_address *out)
{
    const uint8_t *pad = view->bytes + 4; /* cookie and transaction id */
    int status = read_address(attribute, out);

    if (status != STUN_OK)
        return status;
    out->port ^= wire_get_u16(pad);
    for (size_t i = 0; i < (out->family == STUN_FAMILY_IPV4 ? 4 : 16); i++)
        out->ip[i] ^= pad[i];
    return STUN_OK;
}

int stun_view_xor_address(const struct stun_view *view, uint16_t type, struct stun_address *out)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, type);

    return attribute == NULL ? STUN_ERROR_ABSENT : stun_view_xor_address_of(view, attribute, out);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* RFC 8489 §14.8: the hundreds are three bits of the third byte, the rest is the fourth. */
static int read_error(const struct stun_attribute_view *attribute, uint16_t *code,
                      const char **reason, size_t *reason_size)
{
    if (attribute->size < 4)
        return STUN_ERROR_VALUE;
    unsigned hundreds = attribute->value[2] & 0x7u;
    unsigned rest = attribute->value[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        return STUN_ERROR_VALUE;
    *code = (uint16_t)(hundreds * 100 + rest);
    if (reason != NULL)
        *reason = (const char *)attribute->value + 4;
    if (reason_size != NULL)
        *reason_size = attribute->size - 4u;
    return STUN_OK;
}

int stun_view_error(const struct stun_view *view, uint16_t *code, const char **reason,
                    size_t *reason_size)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_ERROR_CODE);

    return attribute == NULL ? STUN_ERROR_ABSENT : read_error(attribute, code, reason, reason_size);
}

int stun_view_address_error(const struct stun_view *view, uint8_t *family, uint16_t *code,
                            const char **reason, size_t *reason_size)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_ADDRESS_ERROR_CODE);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    int status = read_error(attribute, code, reason, reason_size);
    if (status == STUN_OK)
        *family = attribute->value[0];
    return status;
}

int stun_view_unknown(const struct stun_view *view, uint16_t types[STUN_UNKNOWN_MAX], size_t *count)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_UNKNOWN_ATTRIBUTES);

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    if (attribute->size % 2 != 0)
        return STUN_ERROR_VALUE;
    *count = attribute->size / 2u;
    if (*count > STUN_UNKNOWN_MAX)
        *count = STUN_UNKNOWN_MAX;
    for (size_t i = 0; i < *count; i++)
        types[i] = wire_get_u16(attribute->value + 2 * i);
    return STUN_OK;
}

int stun_view_icmp(const struct stun_view *view, struct stun_icmp *out)
{
    uint64_t value;
    int status = stun_view_u64(view, STUN_ICMP, &value);

    if (status == STUN_OK)
        *out = (struct stun_icmp){.type = (uint8_t)(value >> 41 & 0x7F),
                                  .code = (uint16_t)(value >> 32 & 0x1FF),
                                  .data = (uint32_t)value};
    return status;
}

/* ---- password algorithms --------------------------------------------------------------------- */

/*
 * Reads one entry at the front of a list and returns the bytes that it takes, or STUN_ERROR_VALUE.
 * The last entry's padding may be the attribute's own, which the list does not count.
 */
static int read_algorithm(const uint8_t *list, size_t size,
                          struct stun_password_algorithm_view *out)
{
    if (size < 4)
        return STUN_ERROR_VALUE;
    uint16_t parameters_size = wire_get_u16(list + 2);
    if (parameters_size > size - 4)
        return STUN_ERROR_VALUE;
    *out = (struct stun_password_algorithm_view){
        .algorithm = wire_get_u16(list),
        .parameters_size = parameters_size,
        .parameters = list + 4,
    };
    size_t taken = 4 + wire_padded(parameters_size);
    return (int)(taken < size ? taken : size);
}

int stun_view_password_algorithm(const struct stun_view *view,
                                 struct stun_password_algorithm_view *out)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_PASSWORD_ALGORITHM);
    struct stun_password_algorithm_view entry;

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    if (read_algorithm(attribute->value, attribute->size, &entry) != attribute->size)
        return STUN_ERROR_VALUE;
    *out = entry;
    return STUN_OK;
}

int stun_view_password_algorithms(
    const struct stun_view *view,
    struct stun_password_algorithm_view out[STUN_PASSWORD_ALGORITHMS_MAX], size_t *count)
{
    const struct stun_attribute_view *attribute = stun_view_find(view, STUN_PASSWORD_ALGORITHMS);
    struct stun_password_algorithm_view entries[STUN_PASSWORD_ALGORITHMS_MAX], entry;
    size_t found = 0;

    if (attribute == NULL)
        return STUN_ERROR_ABSENT;
    for (size_t at = 0; at < attribute->size;) {
        int taken = read_algorithm(attribute->value + at, attribute->size - at, &entry);
        if (taken < 0)
            return STUN_ERROR_VALUE;
        if (found < STUN_PASSWORD_ALGORITHMS_MAX)
            entries[found++] = entry;
        at += (size_t)taken;
    }
    if (found == 0)
        return STUN_ERROR_VALUE;
    memcpy(out, entries, found * sizeof *out);
    *count = found;
    return STUN_OK;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/proxy_header.h"

#include "base/address.h"
#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* ---- version 1: a line of text -----------------------------------------------------------------
 */

#define LINE_SIZE_MAX 107
static const char line_begin[] = "PROXY ";
#define LINE_BEGIN_SIZE (sizeof line_begin - 1)

/* Cuts the next word off `line`; words are one space apart. NULL: there is none. */
static char *next_word(char **line)
{
    char *word = *line;

    if (word == NULL || *word == '\0') {
        return NULL;
    }
    char *space = strchr(word, ' ');
    if (space != NULL) {
        *space++ = '\0';
    }
    *line = space;
    return *word != '\0' ? word : NULL;
}

static bool read_address(struct stun_address *address, const char *text, uint8_t family)
{
    /* What may stand in an address, so that no zone and no brackets get in. */
    bool plain = text != NULL && text[strspn(text, "0123456789abcdefABCDEF.:")] == '\0';

    return plain && address_parse_ip(address, text) &&
           (strchr(text, ':') != NULL) == (family == STUN_FAMILY_IPV6);
}

static bool read_port(struct stun_address *address, const char *text)
{
    uint64_t port = 0;

    if (text == NULL || (text[0] == '0' && text[1] != '\0') ||
        !text_parse_u64(text, strlen(text), UINT16_MAX, &port)) {
        return false;
    }
    address->port = (uint16_t)port;
    return true;
}

/* `line` is what stands between "PROXY " and the end of the line. */
static int parse_line(char *line, struct proxy_header *header)
{
    const char *protocol = next_word(&line);
    uint8_t family = STUN_FAMILY_NONE;

    if (protocol == NULL) {
        return -EPROTO;
    }
    if (strcmp(protocol, "UNKNOWN") == 0) {
        return 0; /* §2.1: what follows is ignored */
    }
    if (strcmp(protocol, "TCP4") == 0) {
        family = STUN_FAMILY_IPV4;
    } else if (strcmp(protocol, "TCP6") == 0) {
        family = STUN_FAMILY_IPV6;
    }
    if (family == STUN_FAMILY_NONE || !read_address(&header->source, next_word(&line), family) ||
        !read_address(&header->destination, next_word(&line), family) ||
        !read_port(&header->source, next_word(&line)) ||
        !read_port(&header->destination, next_word(&line)) || line != NULL) {
        return -EPROTO;
    }
    return 0;
}

static int parse_text(const uint8_t *bytes, size_t size, struct proxy_header *header,
                      size_t *needed)
{
    char line[LINE_SIZE_MAX + 1];
    size_t compared = size < LINE_BEGIN_SIZE ? size : LINE_BEGIN_SIZE;
    size_t looked = size < LINE_SIZE_MAX ? size : LINE_SIZE_MAX;

    if (memcmp(bytes, line_begin, compared) != 0) {
        return -EPROTO;
    }
    const uint8_t *end = memchr(bytes, '\n', looked);
    if (end == NULL) {
        *needed = size + 1;
        return size < LINE_SIZE_MAX && memchr(bytes, '\0', size) == NULL ? -EAGAIN : -EPROTO;
    }
    size_t line_size = (size_t)(end - bytes) + 1;
    if (line_size < LINE_BEGIN_SIZE + 2 || end[-1] != '\r' ||
        memchr(bytes, '\0', line_size) != NULL) {
        return -EPROTO;
    }
    memcpy(line, bytes, line_size - 2);
    line[line_size - 2] = '\0';
    header->size = line_size;
    return parse_line(line + LINE_BEGIN_SIZE, header);
}

/* ---- version 2: binary -------------------------------------------------------------------------
 */

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
#define FIXED_SIZE 16
#define COMMAND_LOCAL 0x20 /* version and command share a byte */
#define COMMAND_PROXY 0x21
#define FAMILY_NONE 0x00 /* family and transport share a byte */
#define FAMILY_TCP4 0x11
#define FAMILY_TCP6 0x21
#define TYPE_CRC32C 0x03

static uint16_t read_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/*
 * §2.2.3: CRC-32C of the whole header, in which the checksum itself counts as zeros. A bit at a
 * time: once a connection, of some dozen bytes most often.
 */
static bool checksum_is_right(const uint8_t *header, size_t size, const uint8_t *checksum)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        bool inside = header + i >= checksum && header + i < checksum + 4;
        crc ^= inside ? 0 : header[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
        }
    }
    return ~crc == ((uint32_t)read_u16(checksum) << 16 | read_u16(checksum + 2));
}

/* The checksum among the type-length-values behind the addresses, which are whole; NULL: none. */
static const uint8_t *find_checksum(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += 3 + (size_t)read_u16(bytes + at + 1)) {
        if (bytes[at] == TYPE_CRC32C && read_u16(bytes + at + 1) == 4) {
            return bytes + at + 3;
        }
    }
    return NULL;
}

/* Whether what follows the addresses is a sequence of whole type-length-values. */
static bool extras_are_whole(const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        if (size < 3 || size - 3 < read_u16(bytes + 1)) {
            return false;
        }
        size_t whole = 3 + (size_t)read_u16(bytes + 1);
        bytes += whole;
        size -= whole;
    }
    return true;
}

static int parse_addresses(const uint8_t *bytes, size_t size, uint8_t family, size_t ip_size,
                           struct proxy_header *header)
{
    size_t both = 2 * ip_size + 4;

    if (size < both || !extras_are_whole(bytes + both, size - both)) {
        return -EPROTO;
    }
    const uint8_t *checksum = find_checksum(bytes + both, size - both);
    if (checksum != NULL && !checksum_is_right(bytes - FIXED_SIZE, size + FIXED_SIZE, checksum)) {
        return -EPROTO;
    }
    header->source.family = header->destination.family = family;
    memcpy(header->source.ip, bytes, ip_size);
    memcpy(header->destination.ip, bytes + ip_size, ip_size);
    header->source.port = read_u16(bytes + 2 * ip_size);
    header->destination.port = read_u16(bytes + 2 * ip_size + 2);
    return 0;
}

static int parse_binary(const uint8_t *bytes, size_t size, struct proxy_header *header,
                        size_t *needed)
{
    size_t compared = size < sizeof signature ? size : sizeof signature;

    if (memcmp(bytes, signature, compared) != 0 ||
        (size > 12 && bytes[12] != COMMAND_LOCAL && bytes[12] != COMMAND_PROXY)) {
        return -EPROTO;
    }
    header->size = size < FIXED_SIZE ? FIXED_SIZE : FIXED_SIZE + (size_t)read_u16(bytes + 14);
    if (header->size > PROXY_HEADER_SIZE_MAX) {
        return -EPROTO;
    }
    if (size < header->size) {
        *needed = header->size;
        return -EAGAIN;
    }
    const uint8_t *rest = bytes + FIXED_SIZE;
    size_t rest_size = header->size - FIXED_SIZE;
    if (bytes[12] == COMMAND_LOCAL || bytes[13] == FAMILY_NONE) {
        return 0; /* §2.2: the addresses are to be ignored */
    }
    switch (bytes[13]) {
    case FAMILY_TCP4:
        return parse_addresses(rest, rest_size, STUN_FAMILY_IPV4, 4, header);
    case FAMILY_TCP6:
        return parse_addresses(rest, rest_size, STUN_FAMILY_IPV6, 16, header);
    default:
        return -EPROTO;
    }
}

/* ---- both --------------------------------------------------------------------------------------
 */

/* An IPv4-mapped address is the IPv4 address that it carries, as at our own sockets. */
static struct stun_address unmapped(const struct stun_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    bool is_mapped =
        address->family == STUN_FAMILY_IPV6 && memcmp(address->ip, mapped, sizeof mapped) == 0;

    return is_mapped ? address_canonical(address) : *address;
}

int proxy_header_parse(const uint8_t *bytes, size_t size, struct proxy_header *header,
                       size_t *needed)
{
    struct proxy_header found = {0};

    if (size == 0) {
        *needed = 1;
        return -EAGAIN;
    }
    int status = bytes[0] == signature[0] ? parse_binary(bytes, size, &found, needed)
                                          : parse_text(bytes, size, &found, needed);
    if (status == 0) {
        found.source = unmapped(&found.source);
        found.destination = unmapped(&found.destination);
        *header = found;
    }
    return status;
}

static uint8_t *put_u16(uint8_t *bytes, size_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    return bytes + 2;
}

/* An IPv4 address among IPv6 ones is written IPv4-mapped. */
static uint8_t *put_ip(uint8_t *bytes, const struct stun_address *address, bool ipv4)
{
    size_t ip_size = ipv4 ? 4 : 16;

    if (!ipv4 && address->family == STUN_FAMILY_IPV4) {
        memset(bytes, 0, 10);
        memset(bytes + 10, 0xFF, 2);
        memcpy(bytes + 12, address->ip, 4);
    } else {
        memcpy(bytes, address->ip, ip_size);
    }
    return bytes + ip_size;
}

size_t proxy_header_write(uint8_t bytes[PROXY_HEADER_WRITE_SIZE], const struct stun_address *source,
                          const struct stun_address *destination)
{
    bool ipv4 = source->family == STUN_FAMILY_IPV4 && destination->family == STUN_FAMILY_IPV4;
    uint8_t *next = bytes + FIXED_SIZE;

    memcpy(bytes, signature, sizeof signature);
    bytes[12] = COMMAND_PROXY;
    bytes[13] = ipv4 ? FAMILY_TCP4 : FAMILY_TCP6;
    (void)put_u16(bytes + 14, ipv4 ? 12 : 36);
    next = put_ip(next, source, ipv4);
    next = put_ip(next, destination, ipv4);
    next = put_u16(next, source->port);
    next = put_u16(next, destination->port);
    return (size_t)(next - bytes);
}

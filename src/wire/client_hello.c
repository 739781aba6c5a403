/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/client_hello.h"

#include <errno.h>
#include <string.h>

#define RECORD_HEADER_SIZE 5
#define RECORD_SIZE_MAX 16384
#define RECORD_HANDSHAKE 22
#define MESSAGE_HEADER_SIZE 4
#define MESSAGE_CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN 16
#define NAME_HOST 0
#define VERSION_AND_RANDOM_SIZE 34

/* ---- a part of the message: what is taken from it is checked once ------------------------------
 */

struct part {
    const uint8_t *bytes;
    size_t size;
    bool failed; /* something was longer than what there was; then the part is empty */
};

static struct part part_take(struct part *from, size_t size)
{
    if (from->failed || from->size < size) {
        *from = (struct part){.failed = true};
        return *from;
    }
    struct part taken = {.bytes = from->bytes, .size = size};
    from->bytes += size;
    from->size -= size;
    return taken;
}

/* A number of `size` bytes, at most 3; 0 after a failure. */
static uint32_t part_number(struct part *from, size_t size)
{
    struct part taken = part_take(from, size);
    uint32_t number = 0;

    for (size_t i = 0; i < taken.size; i++) {
        number = number << 8 | taken.bytes[i];
    }
    return number;
}

/* A vector with its length before it, in `length_size` bytes. */
static struct part part_vector(struct part *from, size_t length_size)
{
    uint32_t size = part_number(from, length_size);

    return part_take(from, size);
}

/* ---- extensions --------------------------------------------------------------------------------
 */

static bool is_host_character(uint8_t character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '-' || character == '.' ||
           character == '_';
}

/* RFC 6066 §3: a list with one name of each type; host names are the only type. */
static bool read_server_name(struct client_hello *hello, struct part extension)
{
    struct part list = part_vector(&extension, 2);
    uint32_t type = part_number(&list, 1);
    struct part name = part_vector(&list, 2);

    if (extension.failed || extension.size > 0 || list.failed || list.size > 0 || name.failed ||
        type != NAME_HOST || name.size == 0 || name.size >= sizeof hello->server_name) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t character = name.bytes[i];
        if (!is_host_character(character)) {
            return false;
        }
        bool capital = character >= 'A' && character <= 'Z';
        hello->server_name[i] = (char)(capital ? character + ('a' - 'A') : character);
    }
    size_t size = name.bytes[name.size - 1] == '.' ? name.size - 1 : name.size;
    hello->server_name[size] = '\0';
    return true;
}

/* RFC 7301 §3.1: at least one name, none empty. */
static bool read_alpn(struct client_hello *hello, struct part extension)
{
    struct part list = part_vector(&extension, 2);

    hello->protocols = list.bytes;
    hello->protocols_size = list.size;
    if (extension.failed || extension.size > 0 || list.failed || list.size == 0) {
        return false;
    }
    while (list.size > 0) {
        if (part_vector(&list, 1).size == 0) {
            return false;
        }
    }
    return !list.failed;
}

static bool read_extensions(struct client_hello *hello, struct part extensions)
{
    bool named = false;
    bool alpn = false;

    while (extensions.size > 0) {
        uint32_t type = part_number(&extensions, 2);
        struct part extension = part_vector(&extensions, 2);
        if (extension.failed) {
            return false;
        }
        if (type == EXTENSION_SERVER_NAME) {
            if (named || !read_server_name(hello, extension)) {
                return false;
            }
            named = true;
        } else if (type == EXTENSION_ALPN) {
            if (alpn || !read_alpn(hello, extension)) {
                return false;
            }
            alpn = true;
        }
    }
    return !extensions.failed;
}

/* RFC 8446 §4.1.2; the same in older versions. */
static bool read_message(struct client_hello *hello, struct part message)
{
    (void)part_take(&message, VERSION_AND_RANDOM_SIZE);
    struct part session = part_vector(&message, 1);
    struct part ciphers = part_vector(&message, 2);
    struct part compression = part_vector(&message, 1);

    if (message.failed || session.size > 32 || ciphers.size < 2 || ciphers.size % 2 != 0 ||
        compression.size == 0) {
        return false;
    }
    if (message.size == 0) {
        return true; /* of old: no extensions at all */
    }
    struct part extensions = part_vector(&message, 2);
    return !extensions.failed && message.size == 0 && read_extensions(hello, extensions);
}

/* ---- records -----------------------------------------------------------------------------------
 */

/* Whether the bytes may begin a record of a handshake: type, version 3.x, a length that is not 0.
 */
static bool is_handshake(const uint8_t *bytes, size_t size)
{
    return bytes[0] == RECORD_HANDSHAKE && (size < 2 || bytes[1] == 3) &&
           (size < RECORD_HEADER_SIZE || bytes[3] != 0 || bytes[4] != 0);
}

/* How long the message is, header included, as far as its first `size` bytes tell. */
static size_t message_size(const uint8_t *message, size_t size)
{
    if (size < MESSAGE_HEADER_SIZE) {
        return MESSAGE_HEADER_SIZE;
    }
    return MESSAGE_HEADER_SIZE +
           ((size_t)message[1] << 16 | (size_t)message[2] << 8 | (size_t)message[3]);
}

/* Puts together in `message` what the records hold, at most `size` bytes of them. Returns 0 once
 * the message is whole. */
static int join_records(struct client_hello *hello, const uint8_t *bytes, size_t size,
                        size_t *needed, size_t *whole)
{
    size_t joined = 0;
    size_t used = 0;

    for (;;) {
        *whole = message_size(hello->message, joined);
        if (joined > 0 && hello->message[0] != MESSAGE_CLIENT_HELLO) {
            return -EPROTO;
        }
        if (*whole > sizeof hello->message || used > CLIENT_HELLO_SIZE_MAX) {
            return -EMSGSIZE;
        }
        if (joined >= *whole) {
            /* Nothing may follow it: a client has to wait for the answer. */
            return joined == *whole ? 0 : -EPROTO;
        }
        size_t left = size - used;
        if (left > 0 && !is_handshake(bytes + used, left)) {
            return -EPROTO;
        }
        size_t length =
            left < RECORD_HEADER_SIZE ? 1 : (size_t)bytes[used + 3] << 8 | (size_t)bytes[used + 4];
        if (length > RECORD_SIZE_MAX) {
            return -EPROTO;
        }
        size_t next = used + RECORD_HEADER_SIZE + length;
        if (next > CLIENT_HELLO_SIZE_MAX) {
            return -EMSGSIZE;
        }
        if (next > size) {
            *needed = next;
            return -EAGAIN;
        }
        memcpy(hello->message + joined, bytes + used + RECORD_HEADER_SIZE, length);
        joined += length;
        used = next;
    }
}

/* ---- what the header says ----------------------------------------------------------------------
 */

int client_hello_parse(struct client_hello *hello, const uint8_t *bytes, size_t size,
                       size_t *needed)
{
    size_t whole = 0;

    hello->server_name[0] = '\0';
    hello->protocols = NULL;
    hello->protocols_size = 0;
    int status = join_records(hello, bytes, size, needed, &whole);
    if (status != 0) {
        return status;
    }
    struct part message = {.bytes = hello->message + MESSAGE_HEADER_SIZE,
                           .size = whole - MESSAGE_HEADER_SIZE};
    return read_message(hello, message) ? 0 : -EPROTO;
}

bool client_hello_offers(const struct client_hello *hello, const char *protocol)
{
    struct part list = {.bytes = hello->protocols, .size = hello->protocols_size};
    size_t size = strlen(protocol);

    while (list.size > 0) {
        struct part name = part_vector(&list, 1);
        if (!name.failed && name.size == size && memcmp(name.bytes, protocol, size) == 0) {
            return true;
        }
    }
    return false;
}

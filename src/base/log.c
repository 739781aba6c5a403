/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include "base/address.h"
#include "base/json_writer.h"
#include "base/siphash.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Bytes of a string that are written: six times this, all of it escaped, still fits into a line. A
 * user name of the largest size fits (RFC 8489 §14.3). */
#define VALUE_SIZE_MAX 600
/* Kept free for the mark of a line that was cut, and its end. */
#define LINE_RESERVE 32

/* What was said lately. */
struct repeat {
    _Atomic int64_t quiet_until_us; /* 0: never said */
    _Atomic uint64_t kept_back;
};

struct log {
    int fd; /* our own: log_reopen puts another file under the same number */
    _Atomic int level;
    _Atomic bool json;
    _Atomic uint64_t lost;
    struct siphash_key repeat_key;
    struct repeat repeats[LOG_REPEAT_SLOTS];
};

/* ---- levels -------------------------------------------------------------------------------------
 */

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(enum log_level *out, const char *name)
{
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        if (strcmp(name, level_names[level]) == 0) {
            *out = (enum log_level)level;
            return true;
        }
    }
    return false;
}

/* ---- opening ------------------------------------------------------------------------------------
 */

/* Returns a descriptor of our own, or -errno. */
static int open_output(const char *path)
{
    int fd = path == NULL ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                          : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    return fd < 0 ? -errno : fd;
}

int log_new(struct log **out, const char *path, enum log_level level, bool json)
{
    struct log *log = calloc(1, sizeof *log);

    if (log == NULL) {
        return -ENOMEM;
    }
    log->fd = open_output(path);
    if (log->fd < 0) {
        int status = log->fd;
        free(log);
        return status;
    }
    if (getrandom(&log->repeat_key, sizeof log->repeat_key, GRND_NONBLOCK) < 0) {
        log->repeat_key = (struct siphash_key){{0}}; /* at boot only, and nobody is there yet */
    }
    log_set_level(log, level);
    log_set_json(log, json);
    *out = log;
    return 0;
}

void log_free(struct log *log)
{
    if (log != NULL) {
        close(log->fd);
        free(log);
    }
}

int log_reopen(struct log *log, const char *path)
{
    int fd = open_output(path);

    return fd < 0 ? fd : log_reopen_descriptor(log, fd);
}

int log_reopen_descriptor(struct log *log, int fd)
{
    int status = 0;

    /* dup3 changes the file under the number at once, so no writer sees it closed. */
    if (dup3(fd, log->fd, O_CLOEXEC) < 0) {
        status = -errno;
    }
    close(fd);
    return status;
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

void log_set_json(struct log *log, bool json)
{
    atomic_store_explicit(&log->json, json, memory_order_relaxed);
}

uint64_t log_lost(const struct log *log)
{
    return atomic_load_explicit(&log->lost, memory_order_relaxed);
}

bool log_enabled(const struct log *log, enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* ---- fields -------------------------------------------------------------------------------------
 */

struct log_field log_bytes(const char *key, const void *bytes, size_t size)
{
    return (struct log_field){key, LOG_FIELD_BYTES, size, {.bytes = bytes}};
}

struct log_field log_string(const char *key, const char *text)
{
    return text == NULL ? log_bytes(key, "", 0) : log_bytes(key, text, strlen(text));
}

struct log_field log_u64(const char *key, uint64_t number)
{
    return (struct log_field){key, LOG_FIELD_U64, 0, {.u64 = number}};
}

struct log_field log_i64(const char *key, int64_t number)
{
    return (struct log_field){key, LOG_FIELD_I64, 0, {.i64 = number}};
}

struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){key, LOG_FIELD_BOOL, 0, {.boolean = value}};
}

struct log_field log_address(const char *key, const struct stun_address *address)
{
    return (struct log_field){key, LOG_FIELD_ADDRESS, 0, {.address = address}};
}

struct log_field log_ip(const char *key, const struct stun_address *address)
{
    return (struct log_field){key, LOG_FIELD_IP, 0, {.address = address}};
}

struct log_field log_duration(const char *key, int64_t microseconds)
{
    return (struct log_field){key, LOG_FIELD_MICROSECONDS, 0, {.i64 = microseconds}};
}

struct log_field log_errno(const char *key, int error)
{
    /* strerrordesc_np gives constant strings, and so is safe in threads. */
    const char *text = strerrordesc_np(error < 0 ? -error : error);

    return log_string(key, text == NULL ? "unknown error" : text);
}

/* ---- values as text -----------------------------------------------------------------------------
 */

/* Whether a value can stand as it is, without quotes. */
static bool is_plain(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte <= ' ' || byte >= 0x7F || byte == '"' || byte == '=' || byte == '\\') {
            return false;
        }
    }
    return size > 0;
}

/* Invalid bytes and unprintable characters as \xNN, byte by byte. */
static void put_text_escaped(struct text_buffer *line, const char *bytes, size_t size)
{
    for (size_t length = 0; size > 0; bytes += length, size -= length) {
        uint32_t code_point = 0;
        length = text_utf8_next(bytes, size, &code_point);
        if (length > 0 && text_is_printable(code_point)) {
            if (code_point == '"' || code_point == '\\') {
                text_buffer_put_char(line, '\\');
            }
            text_buffer_put(line, bytes, length);
            continue;
        }
        length = length == 0 ? 1 : length;
        for (size_t i = 0; i < length; i++) {
            text_buffer_put_format(line, "\\x%02x", (unsigned char)bytes[i]);
        }
    }
}

static void put_text_bytes(struct text_buffer *line, const char *bytes, size_t size)
{
    if (is_plain(bytes, size)) {
        text_buffer_put(line, bytes, size);
        return;
    }
    text_buffer_put_char(line, '"');
    put_text_escaped(line, bytes, size);
    text_buffer_put_char(line, '"');
}

static void put_text_field(struct text_buffer *line, const struct log_field *field)
{
    char text[ADDRESS_TEXT_SIZE];

    text_buffer_put_format(line, " %s=", field->key);
    switch (field->type) {
    case LOG_FIELD_BYTES:
        put_text_bytes(line, field->value.bytes, field->size);
        break;
    case LOG_FIELD_U64:
        text_buffer_put_format(line, "%" PRIu64, field->value.u64);
        break;
    case LOG_FIELD_I64:
        text_buffer_put_format(line, "%" PRId64, field->value.i64);
        break;
    case LOG_FIELD_BOOL:
        text_buffer_put_string(line, field->value.boolean ? "yes" : "no");
        break;
    case LOG_FIELD_ADDRESS:
        text_buffer_put_string(line, address_format(field->value.address, text));
        break;
    case LOG_FIELD_IP:
        text_buffer_put_string(line, address_format_ip(field->value.address, text));
        break;
    case LOG_FIELD_MICROSECONDS:
        text_buffer_put_format(line, "%.6f", (double)field->value.i64 / 1e6);
        break;
    }
}

/* ---- values as JSON -----------------------------------------------------------------------------
 */

static void put_json_field(struct json_writer *json, const struct log_field *field)
{
    char text[ADDRESS_TEXT_SIZE];

    json_put_key(json, field->key);
    switch (field->type) {
    case LOG_FIELD_BYTES:
        json_put_bytes(json, field->value.bytes, field->size);
        break;
    case LOG_FIELD_U64:
        json_put_u64(json, field->value.u64);
        break;
    case LOG_FIELD_I64:
        json_put_i64(json, field->value.i64);
        break;
    case LOG_FIELD_BOOL:
        json_put_bool(json, field->value.boolean);
        break;
    case LOG_FIELD_ADDRESS:
        json_put_address(json, field->value.address);
        break;
    case LOG_FIELD_IP:
        json_put_string(json, address_format_ip(field->value.address, text));
        break;
    case LOG_FIELD_MICROSECONDS:
        json_put_real(json, (double)field->value.i64 / 1e6, 6);
        break;
    }
}

/* ---- lines --------------------------------------------------------------------------------------
 */

/* "2026-11-22T10:20:00.123Z" */
static void format_time(char *text, size_t size)
{
    struct timespec now;
    struct tm utc;
    char seconds[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, size, "%s.%03uZ", seconds, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

/* The field itself, or a copy in `scratch` that is cut between two characters and ends in dots. */
static struct log_field clip(const struct log_field *field, char scratch[VALUE_SIZE_MAX + 3])
{
    size_t size = VALUE_SIZE_MAX;

    if (field->type != LOG_FIELD_BYTES || field->size <= VALUE_SIZE_MAX) {
        return *field;
    }
    while (size > VALUE_SIZE_MAX - 3 && ((unsigned char)field->value.bytes[size] & 0xC0u) == 0x80) {
        size--;
    }
    memcpy(scratch, field->value.bytes, size);
    memset(scratch + size, '.', 3);
    return log_bytes(field->key, scratch, size + 3);
}

static void render_text(struct text_buffer *line, enum log_level level, const char *time,
                        const struct log_field *fields)
{
    char scratch[VALUE_SIZE_MAX + 3];

    text_buffer_put_format(line, "%s %s ", time, log_level_name(level));
    struct log_field message = clip(fields, scratch);
    put_text_escaped(line, message.value.bytes, message.size);
    for (const struct log_field *field = fields + 1; field->key != NULL; field++) {
        size_t whole = line->size;
        struct log_field clipped = clip(field, scratch);
        put_text_field(line, &clipped);
        if (line->failed) {
            text_buffer_rewind(line, whole);
            line->capacity += LINE_RESERVE;
            text_buffer_put_string(line, " truncated=yes");
            break;
        }
    }
}

static void render_json(struct text_buffer *line, enum log_level level, const char *time,
                        const struct log_field *fields)
{
    char scratch[VALUE_SIZE_MAX + 3];
    struct json_writer json;

    json_init(&json, line);
    json_begin_object(&json);
    json_member_string(&json, "time", time);
    json_member_string(&json, "level", log_level_name(level));
    for (const struct log_field *field = fields; field->key != NULL; field++) {
        size_t whole = line->size;
        struct log_field clipped = clip(field, scratch);
        put_json_field(&json, &clipped);
        if (line->failed) {
            text_buffer_rewind(line, whole);
            line->capacity += LINE_RESERVE;
            json_member_bool(&json, "truncated", true);
            break;
        }
    }
    line->capacity = LOG_LINE_SIZE_MAX;
    json_end_object(&json);
}

static void write_line(struct log *log, const char *line, size_t size)
{
    ssize_t written;

    do {
        written = write(log->fd, line, size);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)size) {
        atomic_fetch_add_explicit(&log->lost, 1, memory_order_relaxed);
    }
}

void log_write(struct log *log, enum log_level level, const struct log_field *fields)
{
    char bytes[LOG_LINE_SIZE_MAX];
    struct text_buffer line;
    char time[48];
    int saved = errno;

    if (!log_enabled(log, level)) {
        return;
    }
    format_time(time, sizeof time);
    text_buffer_init_fixed(&line, bytes, sizeof bytes - LINE_RESERVE);
    if (atomic_load_explicit(&log->json, memory_order_relaxed)) {
        render_json(&line, level, time, fields);
    } else {
        render_text(&line, level, time, fields);
    }
    line.capacity = sizeof bytes;
    text_buffer_put_char(&line, '\n');
    write_line(log, bytes, line.size);
    errno = saved;
}

/* ---- repeated lines -----------------------------------------------------------------------------
 */

bool log_is_news(struct log *log, struct monotime now, const char *message, const void *about,
                 size_t size, uint64_t *repeated)
{
    uint64_t what[2] = {siphash(&log->repeat_key, message, strlen(message)),
                        siphash(&log->repeat_key, about, size)};
    uint64_t hash = siphash(&log->repeat_key, what, sizeof what);
    struct repeat *repeat = &log->repeats[hash % LOG_REPEAT_SLOTS];
    int64_t until = atomic_load(&repeat->quiet_until_us);

    if ((until != 0 && now.us < until) ||
        !atomic_compare_exchange_strong(&repeat->quiet_until_us, &until,
                                        monotime_add_seconds(now, LOG_REPEAT_SECONDS).us)) {
        atomic_fetch_add(&repeat->kept_back, 1);
        return false;
    }
    *repeated = atomic_exchange(&repeat->kept_back, 0);
    return true;
}

struct log_field log_repeated(uint64_t repeated)
{
    return repeated > 0 ? log_u64("repeated", repeated) : LOG_END_;
}

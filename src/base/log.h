/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines for operators: a message and typed fields, as text or as one JSON object a line.
 *
 *     log_event(log, LOG_INFO, "allocation made", log_string("user", user),
 *               log_address("client", &client), log_u64("lifetime_s", lifetime));
 *
 *     2026-11-22T10:20:00.123Z info allocation made user=alice client=192.0.2.1:5000 lifetime_s=600
 *     {"time":"2026-11-22T10:20:00.123Z","level":"info","message":"allocation
 * made","user":"alice",…}
 *
 * Messages are constant sentences without variable parts; what varies is a field. Values may hold
 * any bytes: a line is one line, whatever a peer sends. Any thread may log: a line is one write(2)
 * of at most LOG_LINE_SIZE_MAX bytes. The log reads the time of day itself, so no machine may hold
 * one.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/monotime.h"

#include <postern/address.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Also what a pipe takes in one piece (PIPE_BUF). A longer line loses its last fields. */
#define LOG_LINE_SIZE_MAX 4096

enum log_level {
    LOG_ERROR,   /* the operator must act */
    LOG_WARNING, /* the operator may want to act */
    LOG_INFO,    /* what the server did */
    LOG_DEBUG,
};

struct log;

/*
 * `path`: a file that is appended to and made when it is not there (mode 0640), or NULL for
 * standard error. Returns 0 and sets `out`, or -errno. Free with log_free.
 */
int log_new(struct log **out, const char *path, enum log_level level, bool json);
void log_free(struct log *log); /* NULL is allowed */

/*
 * Opens `path` (as in log_new) and goes on there; for a rotated file it is the same path again.
 * Other threads may be logging. Returns 0, or -errno and goes on where it was.
 */
int log_reopen(struct log *log, const char *path);
/* The same with a descriptor that somebody else has opened for appending; it becomes the log's,
 * after an error too. */
int log_reopen_descriptor(struct log *log, int fd);
void log_set_level(struct log *log, enum log_level level);
void log_set_json(struct log *log, bool json);
/* Lines that could not be written: a full disk, a full pipe. */
uint64_t log_lost(const struct log *log);

/* "error", "warning", "info", "debug", and back; false for any other text. */
const char *log_level_name(enum log_level level);
bool log_level_parse(enum log_level *out, const char *name);

/* ---- fields ------------------------------------------------------------------------------------
 */

enum log_field_type {
    LOG_FIELD_BYTES,
    LOG_FIELD_U64,
    LOG_FIELD_I64,
    LOG_FIELD_BOOL,
    LOG_FIELD_ADDRESS,
    LOG_FIELD_IP,
    LOG_FIELD_MICROSECONDS,
};

/* Borrows what it points to until the call of log_event has returned. */
struct log_field {
    const char *key; /* a constant: letters, digits, underscores */
    enum log_field_type type;
    size_t size; /* of bytes */
    union {
        const char *bytes;
        uint64_t u64;
        int64_t i64;
        bool boolean;
        const struct stun_address *address;
    } value;
};

struct log_field log_string(const char *key, const char *text); /* NULL: empty */
struct log_field log_bytes(const char *key, const void *bytes, size_t size);
struct log_field log_u64(const char *key, uint64_t number);
struct log_field log_i64(const char *key, int64_t number);
struct log_field log_bool(const char *key, bool value);
/* "192.0.2.1:3478", and the IP alone. */
struct log_field log_address(const char *key, const struct stun_address *address);
struct log_field log_ip(const char *key, const struct stun_address *address);
/* Written in seconds with a point; the key should end in "_s". */
struct log_field log_duration(const char *key, int64_t microseconds);
/* What an error means: takes errno or -errno. */
struct log_field log_errno(const char *key, int error);

/* ---- lines -------------------------------------------------------------------------------------
 */

/* Whether a line of that level would be written. */
bool log_enabled(const struct log *log, enum log_level level);

/* log_event(log, level, message, fields...): fields are evaluated only when the level is enabled.
 */
#define log_event(log, level, ...)                                     \
    do {                                                               \
        if (log_enabled(log, level)) {                                 \
            log_write(log, level, LOG_FIELDS_(__VA_ARGS__, LOG_END_)); \
        }                                                              \
    } while (0)

/* The message is the first of the array, an entry without key is its end. */
#define LOG_FIELDS_(message, ...)                   \
    (const struct log_field[])                      \
    {                                               \
        log_string("message", message), __VA_ARGS__ \
    }
#define LOG_END_ ((struct log_field){.key = NULL})

/* What log_event calls. */
void log_write(struct log *log, enum log_level level, const struct log_field *fields);

/* ---- repeated lines ----------------------------------------------------------------------------
 */

/* How long the same is not said again, and how many things can be told apart by that: so many lines
 * at most a period, whoever asks for how many. */
#define LOG_REPEAT_SECONDS 60
#define LOG_REPEAT_SLOTS 256

/*
 * What somebody from outside can bring about as often as they like is logged once a period for each
 * cause and each one concerned. Whether to write the line now; `repeated` is set to how many were
 * kept back since the last that was written. `about` says what is the same: any bytes, such as a
 * name. (Two that share a slot are taken for the same, seldom and not foreseeably.) Any thread.
 */
bool log_is_news(struct log *log, struct monotime now, const char *message, const void *about,
                 size_t size, uint64_t *repeated);
/* The last field of such a line: nothing when it was not repeated. */
struct log_field log_repeated(uint64_t repeated);

#endif

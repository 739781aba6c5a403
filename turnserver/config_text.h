/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration's text: the file with its @include lines replaced by what they name, and where
 * each line came from. The files are opened by the caller's function, since after a drop of
 * privileges another process does that.
 */
#ifndef TURNSERVER_CONFIG_TEXT_H
#define TURNSERVER_CONFIG_TEXT_H

#include "base/text.h"
#include "turnserver/config.h"
#include "turnserver/config_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_TEXT_SIZE_MAX (8u << 20) /* all files together: 100,000 users fit */
#define CONFIG_FILES_MAX 32
#define CONFIG_INCLUDE_DEPTH_MAX 4

struct config_text_file {
    char *name;   /* as messages show it */
    char *folder; /* absolute, without a slash at the end (but "/") */
    bool world_readable;
};

struct config_text_line {
    uint32_t file; /* index of files */
    uint32_t line; /* 1.. */
};

struct config_text {
    struct text_buffer buffer; /* zero-terminated; every line ends with a newline */
    struct config_text_line *lines;
    size_t line_count, line_capacity;
    struct config_text_file files[CONFIG_FILES_MAX];
    size_t file_count;
};

/*
 * Reads `input` and what it includes. Returns false when there was a problem, which `report` then
 * knows. Free with config_text_free in either case.
 */
bool config_text_load(struct config_text *text, const struct config_input *input,
                      struct config_report *report);
void config_text_free(struct config_text *text);

/* Where line `number` (1..) of the whole text came from; `key` is put into the result. */
struct config_place config_text_place(const struct config_text *text, unsigned number,
                                      const char *key);
/* The file that this line came from. */
const struct config_text_file *config_text_file_of(const struct config_text *text, unsigned number);

/* A path as it stands in a file of `folder`, made absolute. The caller frees; NULL: no memory. */
char *config_path_resolve(const char *folder, const char *path);

/*
 * Opens and reads a whole file of at most `size_max` bytes. Returns 0, or -errno (-EFBIG: larger).
 * `readable_by_all` may be NULL.
 */
int config_files_read(const struct config_files *files, const char *path, size_t size_max,
                      struct text_buffer *out, bool *readable_by_all);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths and files --------------------------------------------------------------------------
 */

char *config_path_resolve(const char *folder, const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    char *result = NULL;
    const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
    return asprintf(&result, "%s%s%s", folder, slash, path) < 0 ? NULL : result;
}

/* The folder of a file, absolute. The caller frees; NULL: no memory or no current directory. */
static char *path_folder(const char *path)
{
    char *absolute = NULL;
    if (path[0] == '/') {
        absolute = strdup(path);
    } else {
        char *current = getcwd(NULL, 0);
        absolute = current ? config_path_resolve(current, path) : NULL;
        free(current);
    }
    if (!absolute)
        return NULL;
    char *slash = strrchr(absolute, '/');
    slash[slash == absolute ? 1 : 0] = '\0';
    return absolute;
}

static int open_directly(void *context, const char *path)
{
    (void)context;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return descriptor < 0 ? -errno : descriptor;
}

static const struct config_files direct_files = {.open = open_directly};

static int read_whole(int descriptor, size_t size_max, struct text_buffer *out)
{
    char bytes[16384];
    for (;;) {
        ssize_t count = read(descriptor, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            return 0;
        if ((size_t)count > size_max)
            return -EFBIG;
        size_max -= (size_t)count;
        text_buffer_put(out, bytes, (size_t)count);
        if (out->failed)
            return -ENOMEM;
    }
}

int config_files_read(const struct config_files *files, const char *path, size_t size_max,
                      struct text_buffer *out, bool *readable_by_all)
{
    files = files ? files : &direct_files;
    int descriptor = files->open(files->context, path);
    if (descriptor < 0)
        return descriptor;
    struct stat status;
    int result = fstat(descriptor, &status) < 0 ? -errno : 0;
    if (result == 0 && readable_by_all)
        *readable_by_all = S_ISREG(status.st_mode) && (status.st_mode & S_IROTH);
    if (result == 0)
        result = read_whole(descriptor, size_max, out);
    close(descriptor);
    return result;
}

/* ---- lines ------------------------------------------------------------------------------------
 */

enum scan_state {
    IN_CODE,
    IN_STRING,
    IN_COMMENT, /* of the kind that ends with an asterisk and a slash */
};

struct loader {
    struct config_text *text;
    const struct config_files *files;
    struct config_report *report;
    size_t size_left;
};

static bool __attribute__((format(printf, 4, 5)))
fail(struct loader *loader, uint32_t file, uint32_t line, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct config_place place = {.file = loader->text->files[file].name, .line = line};
    config_report_error(loader->report, place, "%s", text);
    return false;
}

static bool note_line(struct config_text *text, uint32_t file, uint32_t line)
{
    if (text->line_count == text->line_capacity) {
        size_t capacity = text->line_capacity ? text->line_capacity * 2 : 256;
        struct config_text_line *lines = realloc(text->lines, capacity * sizeof(*lines));
        if (!lines)
            return false;
        text->lines = lines;
        text->line_capacity = capacity;
    }
    text->lines[text->line_count++] = (struct config_text_line){file, line};
    return true;
}

/* What state the next line begins in. A string never goes on: the syntax check complains. */
static enum scan_state scan_line(enum scan_state state, const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char next = i + 1 < size ? line[i + 1] : '\0';
        if (state == IN_COMMENT) {
            if (line[i] == '*' && next == '/') {
                state = IN_CODE;
                i++;
            }
        } else if (state == IN_STRING) {
            if (line[i] == '\\')
                i++;
            else if (line[i] == '"')
                state = IN_CODE;
        } else if (line[i] == '"') {
            state = IN_STRING;
        } else if (line[i] == '/' && next == '*') {
            state = IN_COMMENT;
            i++;
        } else if (line[i] == '#' || (line[i] == '/' && next == '/')) {
            return IN_CODE;
        }
    }
    return state == IN_COMMENT ? IN_COMMENT : IN_CODE;
}

static size_t skip_blanks(const char *line, size_t size, size_t at)
{
    while (at < size && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r'))
        at++;
    return at;
}

enum include_kind {
    INCLUDE_NONE,
    INCLUDE_GOOD,
    INCLUDE_BROKEN,
};

/* Whether a line is `@include "path"`, nothing but a comment behind it. */
static enum include_kind parse_include(const char *line, size_t size, const char **path,
                                       size_t *path_size)
{
    static const char word[] = "@include";
    size_t at = skip_blanks(line, size, 0);
    if (size - at < sizeof(word) - 1 || memcmp(line + at, word, sizeof(word) - 1) != 0)
        return INCLUDE_NONE;
    at = skip_blanks(line, size, at + sizeof(word) - 1);
    if (at == size || line[at] != '"')
        return INCLUDE_BROKEN;
    const char *begin = line + at + 1;
    const char *end = memchr(begin, '"', size - at - 1);
    if (!end || end == begin || memchr(begin, '\\', (size_t)(end - begin)))
        return INCLUDE_BROKEN;
    *path = begin;
    *path_size = (size_t)(end - begin);
    at = skip_blanks(line, size, (size_t)(end + 1 - line));
    bool comment =
        at < size && (line[at] == '#' || (at + 1 < size && line[at] == '/' && line[at + 1] == '/'));
    return at == size || comment ? INCLUDE_GOOD : INCLUDE_BROKEN;
}

struct include_line {
    uint32_t file, line;
};

static bool load_file(struct loader *loader, uint32_t file, const struct include_line *from,
                      unsigned depth);

static bool load_include(struct loader *loader, uint32_t file, uint32_t line, const char *path,
                         size_t path_size, unsigned depth)
{
    struct config_text *text = loader->text;
    if (depth >= CONFIG_INCLUDE_DEPTH_MAX)
        return fail(loader, file, line,
                    "@include is nested more than 4 deep: does a file "
                    "include itself?");
    if (text->file_count == CONFIG_FILES_MAX)
        return fail(loader, file, line, "more than 32 files are included");
    char *relative = strndup(path, path_size);
    char *absolute = relative ? config_path_resolve(text->files[file].folder, relative) : NULL;
    free(relative);
    char *folder = absolute ? path_folder(absolute) : NULL;
    if (!folder) {
        free(absolute);
        return fail(loader, file, line, "memory is out");
    }
    uint32_t included = (uint32_t)text->file_count++;
    text->files[included] = (struct config_text_file){.name = absolute, .folder = folder};
    return load_file(loader, included, &(struct include_line){file, line}, depth + 1);
}

static bool load_line(struct loader *loader, uint32_t file, uint32_t number, const char *line,
                      size_t size)
{
    struct config_text *text = loader->text;
    text_buffer_put(&text->buffer, line, size);
    text_buffer_put_char(&text->buffer, '\n');
    if (text->buffer.failed || !note_line(text, file, number))
        return fail(loader, file, number, "memory is out");
    return true;
}

/* Splits into lines and follows the include lines among them. */
static bool load_text(struct loader *loader, uint32_t file, const char *bytes, size_t size,
                      unsigned depth)
{
    enum scan_state state = IN_CODE;
    uint32_t number = 1;
    size_t mark = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (size_t at = mark; at < size; number++) {
        const char *line = bytes + at;
        const char *newline = memchr(line, '\n', size - at);
        size_t length = newline ? (size_t)(newline - line) : size - at;
        at += length + 1;
        if (memchr(line, '\0', length))
            return fail(loader, file, number, "expected text, got a zero byte");
        const char *path = NULL;
        size_t path_size = 0;
        enum include_kind include = INCLUDE_NONE;
        if (state == IN_CODE)
            include = parse_include(line, length, &path, &path_size);
        if (include == INCLUDE_BROKEN)
            return fail(loader, file, number,
                        "expected @include \"PATH\" and nothing else on the line");
        if (include == INCLUDE_NONE)
            state = scan_line(state, line, length);
        if (include == INCLUDE_GOOD ? !load_include(loader, file, number, path, path_size, depth)
                                    : !load_line(loader, file, number, line, length))
            return false;
    }
    return true;
}

/* `from`: the line that includes it; NULL for the first file. */
static bool load_file(struct loader *loader, uint32_t file, const struct include_line *from,
                      unsigned depth)
{
    const char *path = loader->text->files[file].name;
    struct text_buffer bytes;
    text_buffer_init_growing(&bytes);
    int result = config_files_read(loader->files, path, loader->size_left, &bytes,
                                   &loader->text->files[file].world_readable);
    bool good = false;
    if (result == -EFBIG) {
        fail(loader, file, 0, "the configuration is larger than 8 MiB");
    } else if (result < 0 && from) {
        fail(loader, from->file, from->line,
             "expected a file to include, but %s cannot be read: %s", path, strerror(-result));
    } else if (result < 0) {
        fail(loader, file, 0, "cannot be read: %s", strerror(-result));
    } else {
        loader->size_left -= bytes.size;
        good = load_text(loader, file, bytes.bytes ? bytes.bytes : "", bytes.size, depth);
    }
    text_buffer_free(&bytes);
    return good;
}

bool config_text_load(struct config_text *text, const struct config_input *input,
                      struct config_report *report)
{
    *text = (struct config_text){.file_count = 1};
    text_buffer_init_growing(&text->buffer);
    struct config_text_file *main_file = &text->files[0];
    main_file->name = strdup(input->path);
    main_file->folder = path_folder(input->path);
    if (!main_file->name || !main_file->folder) {
        struct config_place place = {.file = input->path};
        config_report_error(report, place, "memory is out, or the current directory is gone");
        return false;
    }
    struct loader loader = {text, input->files, report, CONFIG_TEXT_SIZE_MAX};
    bool good = input->text ? load_text(&loader, 0, input->text, strlen(input->text), 0)
                            : load_file(&loader, 0, NULL, 0);
    if (good && !text_buffer_finish(&text->buffer))
        good = fail(&loader, 0, 0, "memory is out");
    return good;
}

void config_text_free(struct config_text *text)
{
    text_buffer_free(&text->buffer);
    free(text->lines);
    for (size_t i = 0; i < text->file_count; i++) {
        free(text->files[i].name);
        free(text->files[i].folder);
    }
    *text = (struct config_text){0};
}

struct config_place config_text_place(const struct config_text *text, unsigned number,
                                      const char *key)
{
    struct config_place place = {.file = text->files[0].name, .key = key};
    if (number > 0 && number <= text->line_count) {
        const struct config_text_line *line = &text->lines[number - 1];
        place.file = text->files[line->file].name;
        place.line = line->line;
    }
    return place;
}

const struct config_text_file *config_text_file_of(const struct config_text *text, unsigned number)
{
    bool known = number > 0 && number <= text->line_count;
    return &text->files[known ? text->lines[number - 1].file : 0];
}

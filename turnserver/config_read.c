/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings into a draft, by the table of config_keys.c. */
#include "base/address.h"
#include "base/text.h"
#include "turnserver/config_keys.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 256
#define EXPECTED_SIZE 512
#define GOT_SIZE 128
#define STRING_ELEMENT_SIZE_MAX 512

/* ---- values -----------------------------------------------------------------------------------
 */

bool config_parse_duration(const char *text, uint32_t *seconds)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t size = strlen(text);
    uint64_t count = 0;
    if (size < 2 || !text_parse_u64(text, size - 1, 10000000, &count))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[size - 1] != units[i].unit)
            continue;
        uint64_t product = count * units[i].seconds;
        if (product > UINT32_MAX)
            return false;
        *seconds = (uint32_t)product;
        return true;
    }
    return false;
}

/* "10 Mbit/s" and its like, units bit/s, kbit/s, Mbit/s and Gbit/s. */
static bool parse_rate(const char *text, uint64_t *bits_per_second)
{
    static const struct {
        const char *unit;
        uint64_t bits;
    } units[] = {{" bit/s", 1}, {" kbit/s", 1000}, {" Mbit/s", 1000000}, {" Gbit/s", 1000000000}};
    const char *space = strchr(text, ' ');
    uint64_t count = 0;
    if (!space || !text_parse_u64(text, (size_t)(space - text), 1000000000, &count))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(space, units[i].unit) == 0) {
            *bits_per_second = count * units[i].bits;
            return true;
        }
    return false;
}

unsigned config_line_of(config_setting_t *setting)
{
    const struct config_position *position = config_setting_get_hook(setting);
    return position ? position->line : 0;
}

/* What a setting is, for "got ...". A secret's value is not shown, nor a long text. */
static const char *describe(config_setting_t *setting, bool secret, char *text)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: {
        long long value = config_setting_get_int64(setting);
        if (secret)
            snprintf(text, GOT_SIZE, "a number");
        else if (value == LLONG_MAX || value == -LLONG_MAX)
            snprintf(text, GOT_SIZE, "a number beyond 64 bits");
        else
            snprintf(text, GOT_SIZE, "%lld", value);
        break;
    }
    case CONFIG_TYPE_FLOAT:
        snprintf(text, GOT_SIZE, "a number with a point");
        break;
    case CONFIG_TYPE_STRING: {
        const char *value = config_setting_get_string(setting);
        size_t size = strlen(value);
        if (secret || size > 60)
            snprintf(text, GOT_SIZE, "a string of %zu bytes", size);
        else
            snprintf(text, GOT_SIZE, "\"%s\"", value);
        break;
    }
    case CONFIG_TYPE_BOOL:
        snprintf(text, GOT_SIZE, "%s", config_setting_get_bool(setting) ? "true" : "false");
        break;
    case CONFIG_TYPE_GROUP:
        snprintf(text, GOT_SIZE, "a group { ... }");
        break;
    case CONFIG_TYPE_ARRAY:
        snprintf(text, GOT_SIZE, "an array [ ... ] of %d", config_setting_length(setting));
        break;
    default:
        snprintf(text, GOT_SIZE, "a list ( ... ) of %d", config_setting_length(setting));
        break;
    }
    return text;
}

/* ---- reading one setting ----------------------------------------------------------------------
 */

struct reading {
    struct config_draft *draft;
    const struct config_key *key;
    config_setting_t *setting;
    const char *path; /* with the indexes of lists: "listeners[1].port" */
    void *target;     /* where the value goes */
};

static void refuse(const struct reading *reading, config_setting_t *setting)
{
    char expected[EXPECTED_SIZE];
    char got[GOT_SIZE];
    const struct config_key *key = reading->key;
    bool secret = key->kind == CONFIG_SECRET || key->kind == CONFIG_SECRETS;
    struct config_place place =
        config_text_place(reading->draft->text, config_line_of(setting), reading->path);
    config_report_error(reading->draft->report, place, "expected %s, got %s",
                        config_key_expected(key, expected, sizeof(expected)),
                        describe(setting, secret, got));
}

static void refuse_later(const struct reading *reading, config_setting_t *setting, const char *word)
{
    char expected[EXPECTED_SIZE];
    struct config_place place =
        config_text_place(reading->draft->text, config_line_of(setting), reading->path);
    config_report_error(reading->draft->report, place,
                        "expected %s, got \"%s\", which is not in this version",
                        config_key_expected(reading->key, expected, sizeof(expected)), word);
}

static bool is_string(config_setting_t *setting, int64_t min, int64_t max)
{
    if (config_setting_type(setting) != CONFIG_TYPE_STRING)
        return false;
    const char *text = config_setting_get_string(setting);
    int64_t size = (int64_t)strlen(text);
    return size >= min && size <= max && text_utf8_valid(text, (size_t)size);
}

static void read_string(const struct reading *reading)
{
    if (is_string(reading->setting, reading->key->min, reading->key->max))
        *(const char **)reading->target = config_setting_get_string(reading->setting);
    else
        refuse(reading, reading->setting);
}

static void read_integer(const struct reading *reading)
{
    int type = config_setting_type(reading->setting);
    long long value = config_setting_get_int64(reading->setting);
    if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) || value < reading->key->min ||
        value > reading->key->max)
        refuse(reading, reading->setting);
    else
        *(uint32_t *)reading->target = (uint32_t)value;
}

static void read_boolean(const struct reading *reading)
{
    if (config_setting_type(reading->setting) == CONFIG_TYPE_BOOL)
        *(bool *)reading->target = config_setting_get_bool(reading->setting);
    else
        refuse(reading, reading->setting);
}

static void read_duration(const struct reading *reading)
{
    uint32_t seconds = 0;
    if (!is_string(reading->setting, 1, 16) ||
        !config_parse_duration(config_setting_get_string(reading->setting), &seconds) ||
        seconds < reading->key->min || seconds > reading->key->max)
        refuse(reading, reading->setting);
    else
        *(uint32_t *)reading->target = seconds;
}

static void read_rate(const struct reading *reading)
{
    uint64_t bits = 0;
    if (!is_string(reading->setting, 1, 24) ||
        !parse_rate(config_setting_get_string(reading->setting), &bits) ||
        bits < (uint64_t)reading->key->min || bits > (uint64_t)reading->key->max)
        refuse(reading, reading->setting);
    else
        *(uint64_t *)reading->target = bits / 8;
}

static void read_address(const struct reading *reading)
{
    struct stun_address address;
    if (is_string(reading->setting, 1, 64) &&
        address_parse_ip(&address, config_setting_get_string(reading->setting)))
        *(struct stun_address *)reading->target = address;
    else
        refuse(reading, reading->setting);
}

static bool read_word(const struct reading *reading, config_setting_t *setting, uint32_t *value)
{
    const char *word = is_string(setting, 1, 64) ? config_setting_get_string(setting) : "";
    for (const struct config_choice *choice = reading->key->choices; choice->name; choice++) {
        if (strcmp(choice->name, word) != 0)
            continue;
        if (choice->later)
            refuse_later(reading, setting, word);
        *value = choice->value;
        return !choice->later;
    }
    refuse(reading, setting);
    return false;
}

static void read_choice(const struct reading *reading)
{
    uint32_t value = 0;
    if (read_word(reading, reading->setting, &value))
        *(uint32_t *)reading->target = value;
}

/* Whether it is an array or a list with a number of elements in the key's range. */
static bool is_sequence(const struct reading *reading, int64_t min, int64_t max)
{
    config_setting_t *setting = reading->setting;
    if (config_setting_is_array(setting) || config_setting_is_list(setting)) {
        int length = config_setting_length(setting);
        if (length >= min && length <= max)
            return true;
    }
    refuse(reading, setting);
    return false;
}

/* What stands for one element of a sequence: errors then name the element. */
static enum config_kind element_kind(enum config_kind kind)
{
    switch (kind) {
    case CONFIG_SECRETS:
        return CONFIG_SECRET;
    case CONFIG_ADDRESSES:
        return CONFIG_ADDRESS;
    case CONFIG_CHOICES:
        return CONFIG_CHOICE;
    default:
        return CONFIG_STRING;
    }
}

static void read_setting(const struct reading *reading);

/* Reads element `index` as if it were a setting of its own; its value goes to `target`. */
static void read_element(const struct reading *reading, unsigned index, void *target)
{
    char path[PATH_SIZE];
    struct config_key key = *reading->key;
    key.kind = element_kind(key.kind);
    key.min = 1;
    key.max = STRING_ELEMENT_SIZE_MAX;
    snprintf(path, sizeof(path), "%s[%u]", reading->path, index);
    read_setting(&(struct reading){
        .draft = reading->draft,
        .key = &key,
        .setting = config_setting_get_elem(reading->setting, index),
        .path = path,
        .target = target,
    });
}

static void read_choices(const struct reading *reading)
{
    if (!is_sequence(reading, 1, 16))
        return;
    uint32_t bits = 0;
    for (int i = 0; i < config_setting_length(reading->setting); i++) {
        uint32_t bit = 0;
        read_element(reading, (unsigned)i, &bit);
        bits |= bit;
    }
    *(uint32_t *)reading->target = bits;
}

/* Strings and addresses stay in libconfig's tree: only once all are good does the draft see them.
 */
static void read_strings(const struct reading *reading)
{
    if (!is_sequence(reading, reading->key->min, reading->key->max))
        return;
    unsigned errors = reading->draft->report->errors;
    for (int i = 0; i < config_setting_length(reading->setting); i++) {
        union {
            const char *text;
            struct stun_address address;
        } unused;
        read_element(reading, (unsigned)i, &unused);
    }
    if (reading->draft->report->errors == errors)
        *(config_setting_t **)reading->target = reading->setting;
}

/* ---- groups, lists and names ------------------------------------------------------------------
 */

/* How many single-character changes make one name of the other (Levenshtein); at most 64 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[CONFIG_NAME_SIZE_MAX + 1];
    size_t width = strnlen(b, CONFIG_NAME_SIZE_MAX);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t shorter = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            row[j + 1] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[width];
}

/* The last name of a row's path, when its group is `group` ("" for the outermost); else NULL. */
static const char *name_in_group(const char *path, const char *group)
{
    size_t size = strlen(group);
    if (strncmp(path, group, size) != 0)
        return NULL;
    const char *name = path + size;
    if (size > 0 && *name++ != '.')
        return NULL;
    return strpbrk(name, ".[") ? NULL : name;
}

static void refuse_unknown(struct config_draft *draft, const char *group, const char *path,
                           config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    const char *nearest = NULL;
    size_t least = strlen(name) / 2 + 1;
    const char *elsewhere = NULL;
    for (const struct config_key *key = config_keys; key->path; key++) {
        const char *last = strrchr(key->path, '.');
        if (!elsewhere && strcmp(last ? last + 1 : key->path, name) == 0)
            elsewhere = key->path;
        const char *candidate = name_in_group(key->path, group);
        size_t away = candidate ? distance(name, candidate) : least;
        if (candidate && away < least) {
            least = away;
            nearest = candidate;
        }
    }
    struct config_place place = config_text_place(draft->text, config_line_of(setting), path);
    if (nearest)
        config_report_error(draft->report, place,
                            "expected a known key, got \"%s\": did you mean \"%s\"?", name,
                            nearest);
    else if (elsewhere)
        config_report_error(draft->report, place,
                            "expected a known key, got \"%s\": did you mean %s?", name, elsewhere);
    else
        config_report_error(draft->report, place,
                            "expected a known key, got \"%s\"; turnserver.conf(5) lists them",
                            name);
}

/* `group` and `base` are what the names of the group's members begin with: with and without the
 * indexes of lists. */
static void read_group(struct config_draft *draft, config_setting_t *group, const char *base,
                       const char *path, void *target);

static void set_defaults(void *target, const char *base);

static void read_groups(const struct reading *reading)
{
    const struct config_key *key = reading->key;
    if (!config_setting_is_list(reading->setting) || !is_sequence(reading, key->min, key->max)) {
        if (!config_setting_is_list(reading->setting))
            refuse(reading, reading->setting);
        return;
    }
    char base[PATH_SIZE];
    snprintf(base, sizeof(base), "%s[]", key->path);
    for (int i = 0; i < config_setting_length(reading->setting); i++) {
        config_setting_t *element = config_setting_get_elem(reading->setting, (unsigned)i);
        if (!config_setting_is_group(element)) {
            refuse(reading, element);
            continue;
        }
        unsigned line = config_line_of(element);
        void *target = config_draft_new_element(reading->draft, key->path, line);
        if (!target)
            return refuse(reading, element);
        set_defaults(target, base);
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "%s[%d]", reading->path, i);
        read_group(reading->draft, element, base, path, target);
    }
}

static void read_setting(const struct reading *reading)
{
    switch (reading->key->kind) {
    case CONFIG_GROUP:
        if (config_setting_is_group(reading->setting))
            read_group(reading->draft, reading->setting, reading->key->path, reading->path,
                       reading->draft);
        else
            refuse(reading, reading->setting);
        return;
    case CONFIG_GROUPS:
        read_groups(reading);
        return;
    case CONFIG_STRING:
    case CONFIG_SECRET:
        read_string(reading);
        return;
    case CONFIG_STRINGS:
    case CONFIG_SECRETS:
    case CONFIG_ADDRESSES:
        read_strings(reading);
        return;
    case CONFIG_INTEGER:
        read_integer(reading);
        return;
    case CONFIG_BOOLEAN:
        read_boolean(reading);
        return;
    case CONFIG_DURATION:
        read_duration(reading);
        return;
    case CONFIG_RATE:
        read_rate(reading);
        return;
    case CONFIG_ADDRESS:
        read_address(reading);
        return;
    case CONFIG_CHOICE:
        read_choice(reading);
        return;
    case CONFIG_CHOICES:
        read_choices(reading);
        return;
    }
}

static const struct config_key *find_key(const char *base, const char *name)
{
    for (const struct config_key *key = config_keys; key->path; key++) {
        const char *candidate = name_in_group(key->path, base);
        if (candidate && strcmp(candidate, name) == 0)
            return key;
    }
    return NULL;
}

/* Every key of the group `base` that has no default must be there. */
static void require_keys(const struct config_draft *draft, config_setting_t *group,
                         const char *base, const char *path)
{
    for (const struct config_key *key = config_keys; key->path; key++) {
        const char *name = name_in_group(key->path, base);
        if (!name || key->default_text || config_setting_get_member(group, name))
            continue;
        char expected[EXPECTED_SIZE];
        char full[PATH_SIZE + CONFIG_NAME_SIZE_MAX];
        snprintf(full, sizeof(full), "%s.%s", path, name);
        struct config_place place = config_text_place(draft->text, config_line_of(group), full);
        config_report_error(draft->report, place, "expected %s, got nothing: the key is required",
                            config_key_expected(key, expected, sizeof(expected)));
    }
}

static void read_group(struct config_draft *draft, config_setting_t *group, const char *base,
                       const char *path, void *target)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const struct config_position *position = config_setting_get_hook(setting);
        if (position && position->duplicate)
            continue;
        const char *name = config_setting_name(setting);
        char full[PATH_SIZE + CONFIG_NAME_SIZE_MAX];
        snprintf(full, sizeof(full), "%s%s%s", path, *path ? "." : "", name);
        const struct config_key *key = find_key(base, name);
        if (!key) {
            refuse_unknown(draft, base, full, setting);
            continue;
        }
        draft->lines[key - config_keys] = config_line_of(setting);
        read_setting(&(struct reading){
            .draft = draft,
            .key = key,
            .setting = setting,
            .path = full,
            .target = (char *)target + key->offset,
        });
    }
    require_keys(draft, group, base, path);
}

/* ---- the draft --------------------------------------------------------------------------------
 */

static void set_default(const struct config_key *key, void *target)
{
    uint64_t number = 0;
    const char *text = key->default_text;
    if (key->kind == CONFIG_INTEGER && text_parse_u64(text, strlen(text), UINT32_MAX, &number))
        *(uint32_t *)target = (uint32_t)number;
    else if (key->kind == CONFIG_DURATION)
        config_parse_duration(text, target);
    else if (key->kind == CONFIG_STRING)
        *(const char **)target = text;
    else if (key->kind == CONFIG_BOOLEAN)
        *(bool *)target = strcmp(text, "true") == 0;
    for (const struct config_choice *choice = key->choices;
         key->kind == CONFIG_CHOICE && choice->name; choice++)
        if (strcmp(choice->name, text) == 0)
            *(uint32_t *)target = choice->value;
}

/* Gives every key below `base` the value of its row; words in parentheses are not values. */
static void set_defaults(void *target, const char *base)
{
    size_t size = strlen(base);
    for (const struct config_key *key = config_keys; key->path; key++) {
        bool inside = size > 0 ? strncmp(key->path, base, size) == 0 : !strchr(key->path, '[');
        if (inside && key->default_text && key->default_text[0] != '(')
            set_default(key, (char *)target + key->offset);
    }
}

void config_keys_read(struct config_draft *draft, config_setting_t *root)
{
    set_defaults(draft, "");
    read_group(draft, root, "", "", draft);
}

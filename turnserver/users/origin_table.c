/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/users/origin_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *origin, *realm;
};

struct list {
    struct entry *entries;
    size_t count, capacity;
};

struct origin_table {
    pthread_mutex_t mutex; /* of `current` */
    struct list current, next;
};

static void clear(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i].origin);
        free(list->entries[i].realm);
    }
    free(list->entries);
    *list = (struct list){0};
}

struct origin_table *origin_table_new(void)
{
    struct origin_table *table = calloc(1, sizeof *table);

    if (table != NULL && pthread_mutex_init(&table->mutex, NULL) != 0) {
        free(table);
        table = NULL;
    }
    return table;
}

void origin_table_free(struct origin_table *table)
{
    if (table != NULL) {
        clear(&table->current);
        clear(&table->next);
        pthread_mutex_destroy(&table->mutex);
        free(table);
    }
}

void origin_table_begin(struct origin_table *table)
{
    clear(&table->next);
}

static bool grow(struct list *list)
{
    size_t capacity = list->capacity > 0 ? list->capacity * 2 : 16;
    struct entry *entries = reallocarray(list->entries, capacity, sizeof *entries);

    if (entries != NULL) {
        list->entries = entries;
        list->capacity = capacity;
    }
    return entries != NULL;
}

void origin_table_add(struct origin_table *table, const char *origin, const char *realm)
{
    struct list *list = &table->next;
    struct entry entry;

    if (list->count == ORIGINS_MAX || strlen(realm) >= AUTH_REALM_SIZE_MAX ||
        (list->count == list->capacity && !grow(list))) {
        return;
    }
    entry = (struct entry){strdup(origin), strdup(realm)};
    if (entry.origin == NULL || entry.realm == NULL) {
        free(entry.origin);
        free(entry.realm);
        return;
    }
    list->entries[list->count++] = entry;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->origin, ((const struct entry *)b)->origin);
}

void origin_table_commit(struct origin_table *table)
{
    struct list before;

    if (table->next.count > 0) {
        qsort(table->next.entries, table->next.count, sizeof *table->next.entries, compare);
    }
    pthread_mutex_lock(&table->mutex);
    before = table->current;
    table->current = table->next;
    pthread_mutex_unlock(&table->mutex);
    table->next = (struct list){0};
    clear(&before);
}

static int compare_bytes(const struct entry *entry, const uint8_t *origin, size_t size)
{
    int order = strncmp((const char *)origin, entry->origin, size);

    return order == 0 && entry->origin[size] != '\0' ? -1 : order;
}

static const struct entry *find(const struct list *list, const uint8_t *origin, size_t size)
{
    size_t first = 0, end = list->count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = compare_bytes(&list->entries[middle], origin, size);
        if (order == 0) {
            return &list->entries[middle];
        }
        if (order < 0) {
            end = middle;
        } else {
            first = middle + 1;
        }
    }
    return NULL;
}

bool origin_table_find(struct origin_table *table, const uint8_t *origin, size_t size,
                       char realm[AUTH_REALM_SIZE_MAX])
{
    const struct entry *entry;

    if (size == 0 || memchr(origin, 0, size) != NULL) {
        return false;
    }
    pthread_mutex_lock(&table->mutex);
    entry = find(&table->current, origin, size);
    if (entry != NULL) {
        memcpy(realm, entry->realm, strlen(entry->realm) + 1);
    }
    pthread_mutex_unlock(&table->mutex);
    return entry != NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "short_memory.h"

#include <malloc.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *given);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *given);

struct short_memory memory;

static bool memory_is_out(void)
{
    if (!memory.armed) {
        return false;
    }
    if (memory.allowed > 0) {
        memory.allowed--;
        return false;
    }
    memory.refused++;
    return true;
}

static size_t size_of(void *given)
{
    return given != NULL ? malloc_usable_size(given) : 0;
}

static void *counted(void *given)
{
    memory.live += size_of(given);
    return given;
}

void *__wrap_malloc(size_t size)
{
    return memory_is_out() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return memory_is_out() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    size_t old_size = size_of(old);
    void *given = memory_is_out() ? NULL : __real_realloc(old, size);

    if (given == NULL) {
        return NULL;
    }
    memory.live -= old_size;
    return counted(given);
}

void __wrap_free(void *given)
{
    memory.live -= size_of(given);
    __real_free(given);
}

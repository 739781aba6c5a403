/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/normal_form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

bool normal_form_apply(char *text, size_t capacity)
{
    size_t size = 0;
    uint8_t *composed = u8_normalize(UNINORM_NFC, (const uint8_t *)text, strlen(text), NULL, &size);
    bool fits = composed != NULL && size < capacity;

    if (fits) {
        memcpy(text, composed, size);
        text[size] = '\0';
    }
    free(composed);
    return fits || text[0] == '\0';
}

bool normal_form_present(void)
{
    return true;
}

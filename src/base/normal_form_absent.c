/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/normal_form.h"

bool normal_form_apply(char *text, size_t capacity)
{
    (void)text;
    (void)capacity;
    return true;
}

bool normal_form_present(void)
{
    return false;
}

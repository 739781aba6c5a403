/* SPDX-License-Identifier: BSD-3-Clause */
#include "turnserver/users/user_backend.h"

static bool is_available(void)
{
    return false;
}

static struct user_backend *create(const struct user_source_settings *settings,
                                   struct origin_table *origins, struct log *log, FILE *diagnostics)
{
    (void)settings;
    (void)origins;
    (void)log;
    fprintf(diagnostics, "turnserver: users_database: %s\n", user_backend_redis.missing);
    return NULL;
}

const struct user_backend_operations user_backend_redis = {
    .is_available = is_available,
    .missing = "expected no redis: this turnserver was built without hiredis",
    .create = create,
};

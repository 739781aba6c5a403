/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient key: the key by which peers know this host. */
#include "stunclient/output.h"
#include "stunclient/peer/home.h"
#include "stunclient/peer/host_key.h"
#include "stunclient/verbs.h"

static enum exit_status print_key(const struct host_key *key, const char *path,
                                  const struct output *output)
{
    if (output->json) {
        struct output_object object;
        output_object_begin(&object, "key", NULL, EXIT_OK, NULL);
        json_member_string(&object.json, "type", "ed25519");
        json_member_string(&object.json, "public_key", key->public_text);
        json_member_string(&object.json, "file", path);
        output_object_end(&object);
    } else {
        printf("ed25519 %s\n", key->public_text);
    }
    return EXIT_OK;
}

enum exit_status cmd_key(const struct options *options)
{
    struct failure failure;
    struct output output;
    struct host_key key;
    char usual[HOME_PATH_SIZE];
    const char *path = options->call.key_file;
    output_init(&output, options);
    if (path == NULL) {
        if (!host_key_path(usual, sizeof usual)) {
            failure_set(&failure, EXIT_USAGE, "HOME is not set, so there is no place for a key");
            failure_advise(&failure, "Name a file by --key.");
            return output_fail(&output, "key", NULL, &failure);
        }
        path = usual;
    }
    if (!host_key_load(&key, path, &failure)) {
        return output_fail(&output, "key", NULL, &failure);
    }
    enum exit_status status = print_key(&key, path, &output);
    host_key_wipe(&key);
    return status;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient key: the key by which peers know this host, and those by which it knows them. */
#include "stunclient/output.h"
#include "stunclient/peer/home.h"
#include "stunclient/peer/host_key.h"
#include "stunclient/peer/known_peers.h"
#include "stunclient/peer/rendezvous.h"
#include "stunclient/verbs.h"

#include <stdio.h>
#include <string.h>

/* ---- our own --------------------------------------------------------------------------------- */

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

static enum exit_status show_key(const struct options *options, const struct output *output)
{
    struct failure failure;
    struct host_key key;
    char usual[HOME_PATH_SIZE];
    const char *path = options->call.key_file;
    if (path == NULL) {
        if (!host_key_path(usual, sizeof usual)) {
            failure_set(&failure, EXIT_USAGE, "HOME is not set, so there is no place for a key");
            failure_advise(&failure, "Name a file by --key.");
            return output_fail(output, "key", NULL, &failure);
        }
        path = usual;
    }
    if (!host_key_load(&key, path, &failure)) {
        return output_fail(output, "key", NULL, &failure);
    }
    enum exit_status status = print_key(&key, path, output);
    host_key_wipe(&key);
    return status;
}

/* ---- those of peers -------------------------------------------------------------------------- */

static enum exit_status fail_file(const struct output *output, const char *what, int status)
{
    struct failure failure;
    failure_set(&failure, EXIT_USAGE, "the file of known peers cannot be %s: %s", what,
                strerror(-status));
    failure_advise(&failure, "It is ~/.config/postern/known_peers.");
    return output_fail(output, "key", NULL, &failure);
}

static void print_line(void *context, const struct known_peer_line *line)
{
    (void)context;
    printf("%s %s ed25519 %s\n", line->service, line->name, line->public_text);
}

static void put_line(void *context, const struct known_peer_line *line)
{
    struct json_writer *json = context;
    json_begin_object(json);
    json_member_string(json, "service", line->service);
    json_member_string(json, "name", line->name);
    json_member_string(json, "public_key", line->public_text);
    json_end_object(json);
}

static enum exit_status list(const struct output *output)
{
    struct output_object object;
    if (!output->json) {
        int status = known_peers_list(NULL, print_line, NULL);
        return status == 0 ? EXIT_OK : fail_file(output, "read", status);
    }
    output_object_begin(&object, "key", NULL, EXIT_OK, NULL);
    json_put_key(&object.json, "peers");
    json_begin_array(&object.json);
    (void)known_peers_list(NULL, put_line, &object.json);
    json_end_array(&object.json);
    output_object_end(&object);
    return EXIT_OK;
}

static enum exit_status print_count(const struct output *output, const char *member, int count)
{
    if (output->json) {
        struct output_object object;
        output_object_begin(&object, "key", NULL, EXIT_OK, NULL);
        json_member_i64(&object.json, member, count);
        output_object_end(&object);
    } else {
        printf("%d %s %s\n", count, count == 1 ? "key" : "keys", member);
    }
    return EXIT_OK;
}

/* The service that options, environment or the account's file name. */
static bool find_service(const struct options *options, char out[RENDEZVOUS_AUTHORITY_SIZE],
                         struct failure *failure)
{
    char server[ACCOUNT_SERVER_SIZE];
    struct message_uri uri;
    if (!account_find_server(server, options, failure)) {
        return false;
    }
    const char *problem = message_uri_parse(&uri, server);
    if (problem != NULL) {
        failure_set(failure, EXIT_USAGE, "the rendezvous service \"%s\" %s", server, problem);
        return false;
    }
    rendezvous_format_authority(&uri, out);
    return true;
}

static enum exit_status trust(const struct options *options, const struct output *output)
{
    char service[RENDEZVOUS_AUTHORITY_SIZE];
    char typed[3 * KNOWN_PEER_NAME_SIZE];
    char name[KNOWN_PEER_NAME_SIZE];
    struct failure failure;
    const char *equals = strrchr(options->call.trust, '=');
    snprintf(typed, sizeof typed, "%.*s", (int)(equals - options->call.trust), options->call.trust);
    known_peers_read_name(name, typed);
    if (!find_service(options, service, &failure)) {
        return output_fail(output, "key", NULL, &failure);
    }
    int status = known_peers_add(NULL, service, name, equals + 1);
    return status == 0 ? print_count(output, "noted", 1) : fail_file(output, "written", status);
}

static enum exit_status forget(const struct options *options, const struct output *output)
{
    char service[RENDEZVOUS_AUTHORITY_SIZE];
    char name[KNOWN_PEER_NAME_SIZE];
    struct failure failure;
    bool one = options->call.server != NULL;
    if (one && !find_service(options, service, &failure)) {
        return output_fail(output, "key", NULL, &failure);
    }
    known_peers_read_name(name, options->call.forget);
    int count = known_peers_forget(NULL, one ? service : NULL, name);
    return count >= 0 ? print_count(output, "forgotten", count)
                      : fail_file(output, "changed", count);
}

enum exit_status cmd_key(const struct options *options)
{
    struct output output;
    output_init(&output, options);
    if (options->call.list_keys) {
        return list(&output);
    }
    if (options->call.trust != NULL) {
        return trust(options, &output);
    }
    return options->call.forget != NULL ? forget(options, &output) : show_key(options, &output);
}

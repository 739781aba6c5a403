/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/resolver.h"
#include "stunclient/options.h"
#include "stunclient/output.h"
#include "stunclient/verbs.h"

#include "config.h"

#include <signal.h>

static enum exit_status run(const struct options *options)
{
    if (options->version) {
        printf("stunclient (postern) %s, SRV records: %s\n", PACKAGE_VERSION,
               resolver_knows_srv() ? "yes" : "no (built without c-ares)");
        return EXIT_OK;
    }
    return options->help ? cmd_help(options) : options->verb->run(options);
}

int main(int argc, char **argv)
{
    struct options options;
    struct failure failure;
    struct output output;
    enum exit_status status;
    bool json = options_want_json(argc, argv);

    signal(SIGPIPE, SIG_IGN); /* a reader of ours that left is an error of printing */
    if (options_parse(&options, argc, argv, &failure)) {
        status = run(&options);
    } else {
        options.json = json;
        output_init(&output, &options);
        status = output_fail(&output, options.verb == NULL ? "error" : options.verb->schema,
                             options.target, &failure);
    }
    options_free(&options);
    if (fflush(stdout) != 0 && status == EXIT_OK) {
        status = EXIT_DEGRADED;
    }
    return status;
}

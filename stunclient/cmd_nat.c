/* SPDX-License-Identifier: BSD-3-Clause */
#include "stunclient/verbs.h"
enum exit_status cmd_nat(const struct options *options)
{
    (void)options;
    return EXIT_USAGE;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient listen, stunclient call: joined with a peer through the firewalls of both. */
#include "stunclient/peer/phone.h"
#include "stunclient/verbs.h"

enum exit_status cmd_listen(const struct options *options)
{
    return phone_run(options, false);
}

enum exit_status cmd_call(const struct options *options)
{
    return phone_run(options, true);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* stunclient listen, stunclient call: joined with a peer through the firewalls of both. */
#include "stunclient/peer/phone.h"
#include "stunclient/verbs.h"

#include <fcntl.h>
#include <unistd.h>

/* Where standard input, output or error are closed, a socket would take their numbers, and be
 * joined with itself. */
static void occupy_standard_descriptors(void)
{
    int descriptor;
    do {
        descriptor = open("/dev/null", O_RDWR);
    } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor >= 0) {
        close(descriptor);
    }
}

enum exit_status cmd_listen(const struct options *options)
{
    occupy_standard_descriptors();
    return phone_run(options, false);
}

enum exit_status cmd_call(const struct options *options)
{
    occupy_standard_descriptors();
    return phone_run(options, true);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of the TURN machine share: a server, and two clients who are not known to it yet. */
#ifndef TURN_TEST_H
#define TURN_TEST_H

#include "tests/unit/machine_test.h"

#include "tests/sim/turn_shell.h"

#include <stdlib.h>

struct bench {
    struct shell *shell;
    struct shell_client alice, bob; /* 198.51.100.9:40000, 198.51.100.10:40000 */
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct flow a = shell_flow_udp("198.51.100.9:40000");
    struct flow b = shell_flow_udp("198.51.100.10:40000");

    assert_non_null(bench);
    bench->shell = shell_new(3);
    shell_start(bench->shell, NULL);
    client_init(&bench->alice, bench->shell, &a, "alice", "secret");
    client_init(&bench->bob, bench->shell, &b, "bob", "secret");
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    shell_free(bench->shell);
    free(bench);
    return 0;
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif

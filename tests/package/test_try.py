# SPDX-License-Identifier: BSD-3-Clause
"""The command lines that turnserver --try, and so `./dev run`, prints for its user."""
import postern
import tap


@tap.test
def printed_commands_work():
    """Every command line of stunclient that turnserver --try prints succeeds"""
    trial = postern.Trial(postern.temporary_folder() / "try")
    verbs = {line[1] if line[1] in ("nat", "turn", "listen", "call") else "query" for line in trial.commands}
    tap.true({"query", "turn"} <= verbs, f"a line for each service: {verbs}")
    # The two of a call need each other: tests/e2e/test_server_try.py.
    for line in (line for line in trial.commands if line[1] not in ("listen", "call")):
        tap.equal(postern.run(*line).status, 0, " ".join(line))


tap.main()

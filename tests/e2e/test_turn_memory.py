# SPDX-License-Identifier: BSD-3-Clause
"""An idle allocation takes less than 2 KiB of the server's own memory; tests/bench/run_memory.py tells how much."""
import sys

import e2e
import postern
import tap

BENCH = postern.source / "tests/bench/run_memory.py"


@tap.test(timeout=120, workers=[1, 3])
def an_allocation_is_small(workers):
    """2,000 allocations, each with a permission and a channel, take less than 2 KiB each"""
    process, _ = e2e.serve()
    if process.sanitized:
        tap.skip("a sanitizer has memory of its own")
    ended = postern.run(sys.executable, "-B", BENCH, "--allocations", 2000, "--workers", workers, timeout=100)
    tap.equal(ended.status, 0, str(ended))
    tap.diag(ended.out)


tap.main()

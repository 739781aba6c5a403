# SPDX-License-Identifier: BSD-3-Clause
"""A release can be made, and it builds, tests and installs from what it holds."""
import os
import subprocess

import postern
import tap


@tap.test(timeout=1100)
def release():
    """make distcheck passes"""
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", postern.build, "distcheck"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    text = done.stdout.decode("utf-8", "replace")
    tap.true(done.returncode == 0, "\n".join(text.splitlines()[-120:]))


tap.main()

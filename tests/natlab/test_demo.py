# SPDX-License-Identifier: BSD-3-Clause
"""`./dev demo` tells the story, and it holds."""
import os
import subprocess
import sys

import tap

FOLDER = os.path.dirname(os.path.abspath(__file__))


@tap.test(timeout=120)
def the_story_holds():
    """Alice calls Bob through two firewalls: both drop what nobody asked for, and the call goes through the holes"""
    told = subprocess.run([sys.executable, "-B", os.path.join(FOLDER, "demo.py")], capture_output=True, text=True, timeout=100)
    if "needs network namespaces" in told.stderr:
        tap.skip("no network namespaces")
    tap.equal(told.returncode, 0, told.stdout[-4000:] + told.stderr)
    for words in ("DROPPED by firewall A", "DROPPED by firewall B", "PASSED firewall B, through the hole", "The story holds."):
        tap.true(words in told.stdout, told.stdout)


tap.main()

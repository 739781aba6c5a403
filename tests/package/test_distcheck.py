# SPDX-License-Identifier: BSD-3-Clause
"""A release can be made, and it builds, tests and installs from what it holds."""
import os
import re
import shutil
import subprocess

import postern
import tap


def failed_tests(folder):
    """The logs of the tests that failed in what distcheck has unpacked and left behind."""
    texts = []
    for result in sorted(folder.glob("postern-*/_build/**/*.trs")):
        if re.search(r":global-test-result: (FAIL|ERROR)", result.read_text()):
            lines = result.with_suffix(".log").read_text(errors="replace").splitlines()
            texts.append(f"{result.stem}:\n" + "\n".join(line for line in lines if not line.startswith(("ok ", "PASS"))))
    return "\n".join(texts)


def remove(folder):
    """What distcheck left is write-protected."""
    for tree in folder.glob("postern-*/"):
        subprocess.run(["chmod", "-R", "u+w", tree], check=True)
        shutil.rmtree(tree)


@tap.test(timeout=1100)
def release():
    """make distcheck passes"""
    tap.cleanup(remove, postern.build)
    done = subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", postern.build, "distcheck"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    text = done.stdout.decode("utf-8", "replace")
    tap.true(done.returncode == 0, failed_tests(postern.build) or "\n".join(text.splitlines()[-60:]))


tap.main()

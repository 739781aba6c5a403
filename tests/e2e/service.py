# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the server as a process share: its log, certificates, who runs it."""
import os
import pathlib
import shutil
import subprocess
import time

import postern
import tap

NOBODY = 65534


def wait_for(condition, what, seconds=30):
    """Whatever `condition` gives that is true; AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.01)


def logged(server, text, since=0):
    """The first line on standard error, from line `since` on, that has this text."""
    def find():
        return next((line for line in list(server.errors)[since:] if text in line), None)
    try:
        return wait_for(find, text)
    except AssertionError:
        raise AssertionError(f"the log lacks {text!r}:\n{server.stderr}") from None


def reload(server, good=True):
    """SIGHUP, and waits until the log tells how that went. Returns the lines since."""
    since = len(server.errors)
    server.reload()
    logged(server, "configuration reloaded" if good else "configuration not reloaded", since)
    return list(server.errors)[since:]


def make_certificate(folder, name, certificate="cert.pem", key="key.pem", days=90):
    """A self-made pair in `folder`; returns the SHA-256 fingerprint, as the log writes it."""
    if not shutil.which("openssl"):
        tap.skip("the openssl program is not there")
    paths = [str(pathlib.Path(folder) / file) for file in (certificate, key)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", str(days), "-subj", f"/CN={name}", "-out", paths[0], "-keyout", paths[1]],
                   check=True, capture_output=True)
    done = subprocess.run(["openssl", "x509", "-in", paths[0], "-noout", "-fingerprint", "-sha256"],
                          check=True, capture_output=True, text=True)
    return done.stdout.strip().partition("=")[2].replace(":", "").lower()


def unprivileged():
    """A prefix that runs a program as nobody, or nothing when we are not root anyway."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        tap.skip("setpriv is not there")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


def need_root():
    if os.geteuid() != 0:
        tap.skip("only root can give privileges up")


def check(text, folder=None, arguments=("--check-config",)):
    """turnserver -c FILE --check-config. The result has `file`, the path that messages begin with."""
    folder = folder or postern.temporary_folder()
    file = folder / "turnserver.conf"
    file.write_text(text)
    file.chmod(0o600)
    result = postern.run(postern.turnserver, "-c", file, *arguments)
    result.file = file
    return result

# SPDX-License-Identifier: BSD-3-Clause
"""Builds the Go programs of the tests from Debian's packages of pion's source. What has been compiled once is kept for all
of them, and for the next run: the compiler is slow."""
import os
import pathlib
import shutil
import subprocess

import foreign
import tap

here = pathlib.Path(__file__).resolve().parent
PACKAGES = pathlib.Path("/usr/share/gocode")


def build(name, needs):
    """The program of NAME.go, or None where Go or pion's package `needs` is not installed."""
    go = next((path for path in ("/usr/lib/go/bin/go", shutil.which("go")) if path and os.path.exists(path)), None)
    if go is None or not (PACKAGES / "src/github.com/pion" / needs).is_dir():
        return None
    folder = foreign.place.resolve() / "go"
    folder.mkdir(parents=True, exist_ok=True)
    built = subprocess.run([go, "build", "-o", folder / name, here / f"{name}.go"], capture_output=True, text=True, cwd=folder,
                           env={**os.environ, "GO111MODULE": "off", "GOPATH": str(PACKAGES), "GOFLAGS": "",
                                "GOCACHE": str(folder / "cache")})
    tap.equal(built.returncode, 0, f"Go builds {name}: {built.stderr}")
    return folder / name

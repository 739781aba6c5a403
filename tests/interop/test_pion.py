# SPDX-License-Identifier: BSD-3-Clause
"""pion/turn, from Debian's packages of its source: its client through our relay. The program is built here."""
import os
import pathlib
import shutil
import subprocess

import foreign
import postern
import tap

SOURCE = postern.source / "tests/interop/pion_echo.go"
PACKAGES = pathlib.Path("/usr/share/gocode")

if not shutil.which("go") or not (PACKAGES / "src/github.com/pion/turn/v2").exists():
    tap.skip_all("Go or pion's source is not there: ./dev deps peers")

_built = []


def build():
    """Once a run: the compiler is slow."""
    if not _built:
        folder = foreign.place / "pion"
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "pion_echo"
        subprocess.run(["go", "build", "-o", program, SOURCE], check=True, cwd=folder, env={
            **os.environ, "GO111MODULE": "off", "GOPATH": str(PACKAGES), "GOFLAGS": "", "GOCACHE": str(folder / "cache")})
        _built.append(program)
    return _built[0]


@tap.test(timeout=300, transport=["udp", "tcp"], workers=[1, 3])
def echoes(transport, workers):
    """pion's client allocates over UDP and TCP, and payloads come back through the relay"""
    program, port, peer = build(), postern.free_port(), foreign.Peer()
    foreign.server(port, workers)
    ended = postern.run(program, port, transport, postern.USER, postern.PASSWORD, f"127.0.0.1:{peer.address[1]}")
    tap.equal(ended.status, 0, str(ended))
    tap.true("5 of 5 came back" in ended.out, str(ended))
    tap.equal(peer.count, 5)


@tap.test(timeout=300)
def wrong_password():
    """pion's client with a wrong password gets no relay"""
    program, port = build(), postern.free_port()
    foreign.server(port, 1)
    ended = postern.run(program, port, "udp", postern.USER, "wrong", "127.0.0.1:9")
    tap.true(ended.status != 0 and "relay" not in ended.out, str(ended))


tap.main()

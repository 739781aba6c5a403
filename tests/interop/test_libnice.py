# SPDX-License-Identifier: BSD-3-Clause
"""libnice: two of its agents, allowed relays only, meet through our server. The program is built here."""
import shlex
import shutil
import subprocess

import foreign
import postern
import tap

SOURCE = postern.source / "tests/interop/nice_pair.c"
FOUND = subprocess.run(["pkg-config", "--cflags", "--libs", "nice"], capture_output=True, text=True, check=False) \
    if shutil.which("pkg-config") else None

if FOUND is None or FOUND.returncode != 0:
    tap.skip_all("libnice is not there to build with: ./dev deps peers")


def build():
    program = postern.temporary_folder() / "nice_pair"
    subprocess.run(["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-o", program, SOURCE, *shlex.split(FOUND.stdout)], check=True)
    return program


@tap.test(timeout=90, transport=["udp", "tcp"], workers=[1, 3])
def meet(transport, workers):
    """two agents of libnice connect relay to relay, and payloads of every size come back"""
    program, port = build(), postern.free_port()
    server = foreign.server(port, workers)
    ended = postern.run(program, port, transport, postern.USER, postern.PASSWORD, timeout=60)
    tap.equal(ended.status, 0, str(ended))
    tap.true("5 of 5 came back" in ended.out, ended.out)
    tap.equal(ended.out.count("pair relay relay"), 2, ended.out)
    tap.true(sum("allocation made" in line for line in server.errors) >= 2, "they used the relay")


tap.main()

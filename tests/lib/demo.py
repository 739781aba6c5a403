# SPDX-License-Identifier: BSD-3-Clause
"""Starts a server on loopback and runs each command line that it prints for its user: ./dev demo."""
import shlex
import subprocess
import sys
import tempfile

import postern


def show(text):
    print(text, flush=True)


def main():
    port, failed = postern.free_port(), 0
    with tempfile.TemporaryDirectory() as folder:
        arguments = [postern.turnserver, f"--try={folder}/try", "--listen", f"127.0.0.1:{port}"]
        show("$ " + " ".join(map(str, arguments)))
        with postern.Process(arguments) as server:
            if not postern.until(lambda: ("udp", port) in postern.listening(server.pid)
                                 and "iceServers" in server.stdout, 10):
                sys.exit(f"turnserver does not start:\n{server.stdout}\n{server.stderr}")
            show(server.stdout)
            for line in server.stdout.splitlines():
                if line.strip().startswith(str(postern.stunclient)):
                    show(f"\n$ {line.strip()}")
                    failed += subprocess.run(shlex.split(line), stdin=subprocess.DEVNULL, timeout=60).returncode != 0
    sys.exit(1 if failed else 0)


main()

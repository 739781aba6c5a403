# SPDX-License-Identifier: BSD-3-Clause
"""Programs that speak the words of data_peer.c: ours, aiortc's and pion's; and the way between two of them."""
import json
import pathlib
import random
import select
import socket
import subprocess
import threading

import go_program
import postern
import tap

here = pathlib.Path(__file__).resolve().parent
OURS = [postern.build / "tests/interop/data_peer"]
AIORTC = ["/usr/bin/python3", "-B", here / "aiortc_peer.py"]  # the module is Debian's


def has_aiortc():
    return subprocess.run([AIORTC[0], "-c", "import aiortc"], capture_output=True).returncode == 0


def build_pion():
    """pion's program, or None where Debian's packages of it are not installed."""
    program = go_program.build("pion_data_peer", "datachannel")
    return program and [program]


class End:
    def __init__(self, program, *words):
        self.process = subprocess.Popen([str(word) for word in (*program, *words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        tap.cleanup(self.kill)
        word, port, self.fingerprint = self.process.stdout.readline().rstrip("\n").split(None, 2)
        tap.equal(word, "local")
        self.port = int(port)

    def meet(self, port, fingerprint):
        self.process.stdin.write(f"remote {port} {fingerprint}\n")
        self.process.stdin.flush()

    def report(self, timeout=60):
        out, err = self.process.communicate(timeout=timeout)
        tap.true(out, f"a report; it said: {err}")
        return json.loads(out)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Way:
    """Carries datagrams between two ports, and loses some: `percent` of them, by a seed."""

    def __init__(self, ports, percent):
        self.ends, self.random, self.percent, self.lost = {}, random.Random(7), percent, 0
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]
        for one, port in zip(self.sockets, ports):
            one.bind(("127.0.0.1", 0))
            one.connect(("127.0.0.1", port))
        self.ports = [one.getsockname()[1] for one in self.sockets]
        self.ended = False
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()
        tap.cleanup(self.close)

    def carry(self):
        while not self.ended:
            for one in select.select(self.sockets, [], [], 0.1)[0]:
                other = self.sockets[1 - self.sockets.index(one)]
                try:
                    data = one.recv(65536)
                    if self.random.randrange(100) < self.percent:
                        self.lost += 1
                    else:
                        other.send(data)
                except ConnectionRefusedError:
                    pass  # that end has gone

    def close(self):
        self.ended = True
        self.thread.join()
        for one in self.sockets:
            one.close()


def pattern(size):
    block = bytes((at * 131 + (at >> 8)) & 255 for at in range(65536))
    return (block * (size // 65536 + 1))[:size]


def introduce(one, other, percent=0):
    ports = one.port, other.port
    if percent:
        way = Way(ports, percent)
        ports = way.ports[0], way.ports[1]
        # Each end knows the side of the way that is turned to it.
        one.meet(ports[0], other.fingerprint)
        other.meet(ports[1], one.fingerprint)
        return way
    one.meet(ports[1], other.fingerprint)
    other.meet(ports[0], one.fingerprint)
    return None

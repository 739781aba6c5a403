# SPDX-License-Identifier: BSD-3-Clause
"""Our DTLS, SCTP and data channel with aiortc's, over plain UDP on loopback: both DTLS roles, both directions, judged
by the hash that each end makes of what it received."""
import hashlib
import json
import pathlib
import random
import select
import socket
import subprocess
import threading

import postern
import tap

here = pathlib.Path(__file__).resolve().parent
OURS = [postern.build / "tests/interop/data_peer"]
THEIRS = ["/usr/bin/python3", "-B", here / "aiortc_peer.py"]  # the module is Debian's
SIZE = 1_000_000

if not OURS[0].exists():
    tap.skip_all("this build is without libusrsctp")
if subprocess.run([THEIRS[0], "-c", "import aiortc"], capture_output=True).returncode != 0:
    tap.skip_all("aiortc is not installed: ./dev deps peers")


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


def check(sender, echo):
    digest = hashlib.sha256(pattern(SIZE)).hexdigest()
    # The sender closes in order when all has come back, so it is asked first.
    back, there = sender.report(), echo.report()
    tap.equal((there["received"], there["sha256"]), (SIZE, digest), "what arrived")
    tap.equal((back["received"], back["sha256"]), (SIZE, digest), "what came back")
    tap.true(back["ok"], f"the sender's end: {back['text']}")
    tap.true(there["ok"], f"the echo's end: {there['text']}")


@tap.test(timeout=120, role=["client", "server"], sender=["ours", "theirs"])
def echo(role, sender):
    """1 MB is echoed; `role` is our end's in DTLS"""
    verbs = ("send", "echo") if sender == "ours" else ("echo", "send")
    ours = End(OURS, role, verbs[0], SIZE)
    theirs = End(THEIRS, "server" if role == "client" else "client", verbs[1], SIZE)
    introduce(ours, theirs)
    check(*((ours, theirs) if sender == "ours" else (theirs, ours)))


@tap.test(timeout=120, sender=["ours", "theirs"])
def loss(sender):
    """300 kB are echoed although 3% of the datagrams are lost"""
    global SIZE
    whole, SIZE = SIZE, 300_000
    try:
        verbs = ("send", "echo") if sender == "ours" else ("echo", "send")
        ours, theirs = End(OURS, "client", verbs[0], SIZE), End(THEIRS, "server", verbs[1], SIZE)
        way = introduce(ours, theirs, percent=3)
        check(*((ours, theirs) if sender == "ours" else (theirs, ours)))
        tap.true(way.lost > 0, "something was lost")
    finally:
        SIZE = whole


@tap.test(role=["client", "server"])
def stranger(role):
    """A certificate that is not the one of the description: no data, and the reason in words"""
    ours = End(OURS, role, "receive", SIZE)
    theirs = End(THEIRS, "server" if role == "client" else "client", "send", SIZE)
    ours.meet(theirs.port, ours.fingerprint)  # not theirs
    theirs.meet(ours.port, ours.fingerprint)
    report = ours.report()
    tap.true(not report["ok"] and "fingerprint differs" in report["text"], report["text"])
    tap.equal(report["received"], 0)


tap.main()

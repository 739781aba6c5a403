#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the rendezvous service costs: memory of an idle session by each transport, CPU of a call.

    POSTERN_BUILD=$PWD/build python3 -B tests/bench/run_rendezvous.py [--sessions 15000] [--calls 20000] [WAY...]

Memory is what the server's own pages grow by (Private_Dirty, without the kernel's sockets) while sessions register, and
once more after they have lain idle. CPU is the server's, user and system; a call is `call`, `incoming`, `ringing`,
`accept`, a candidate each way, and `bye`, with a session description of 1 kB in each of the first and fourth.
"""
import argparse
import os
import pathlib
import re
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import messages
import pki
import postern
import stunwire

SECRET = "a secret of the bench, 32 bytes long"
SDP = "v=0\r\n" + "a=x:0123456789abcdef0123456789\r\n" * 32
CANDIDATE = {"candidate": "candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


def own_memory(pid):
    return 1024 * int(re.search(r"Private_Dirty:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1])


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def config(folder, port, authority):
    certificate = authority.issue("server.test", "127.0.0.1")
    return (f'listeners = ( {{ address = "127.0.0.1"; port = {port}; }} );\nworkers = 1;\nrealm = "example.org";\n'
            f'rest = {{ secrets = [ "{SECRET}" ]; }};\nlog = {{ level = "warning"; }};\n{certificate.settings()}'
            f'rendezvous = {{ listeners = ( {{ address = "127.0.0.1"; port = {port + 1}; tls = true; }} );\n'
            'hellos_per_source = 0; messages_per_account = 0; calls_per_account = 0; connections_per_source = 1000000;\n'
            'ping_interval = "1h"; calls_per_session = 10000; };\n')


class Service:
    def __init__(self):
        folder = postern.temporary_folder()
        self.authority = pki.Authority(folder)
        port = postern.free_port()
        self.remote = ("127.0.0.1", port + 1)
        self.server = postern.Server(config(folder, port, self.authority))
        self.context = self.authority.context()
        self.sources = 0

    def session(self, way, number):
        # One address has some 28,000 ports.
        client = messages.connect(way, self.remote, self.context, local=(f"127.0.1.{1 + number // 10000}", 0))
        user, password = stunwire.rest_credential(SECRET, f"u{number}", 86400)
        client.register(user, password)
        return client


def measure_memory(way, count):
    service = Service()
    with service.server as server:
        service.session(way, count + 1)  # what is made once only
        before, began, spent = own_memory(server.pid), time.monotonic(), cpu(server.pid)
        clients = [service.session(way, number) for number in range(count)]
        seconds, spent = time.monotonic() - began, cpu(server.pid) - spent
        time.sleep(3)
        after = own_memory(server.pid)
        print(f"{way:4} {count} idle sessions: {(after - before) / count:7.0f} bytes each; registering: "
              f"{1e6 * spent / count:.0f} µs of CPU each ({count / seconds:.0f} a second by this client)", flush=True)
        for client in clients:
            client.close()


def measure_calls(way, calls, pairs=100):
    service = Service()
    with service.server as server:
        sides = [(service.session(way, 2 * i), service.session(way, 2 * i + 1)) for i in range(pairs)]
        description = {"type": "offer", "sdp": SDP}
        began, spent = time.monotonic(), cpu(server.pid)
        for _ in range(calls // pairs):
            # A round in each pair at once, so that neither end waits for the other all the time.
            for i, (alice, bob) in enumerate(sides):
                alice.send({"type": "call", "to": f"u{2 * i + 1}", "rid": "c", "description": description})
            for alice, bob in sides:
                call = bob.expect("incoming")["call"]
                bob.send({"type": "ringing", "call": call})
                bob.send({"type": "accept", "call": call, "description": description})
                bob.send({"type": "candidate", "call": call, "candidate": CANDIDATE})
            for alice, bob in sides:
                call = alice.expect("ok")["call"]
                for kind in ("ringing", "accept", "candidate"):
                    alice.expect(kind)
                alice.send({"type": "candidate", "call": call, "candidate": CANDIDATE})
                alice.send({"type": "bye", "call": call})
            for alice, bob in sides:
                bob.expect("candidate")
                bob.expect("bye")
        seconds, spent = time.monotonic() - began, cpu(server.pid) - spent
        print(f"{way:4} a call: {1e6 * spent / calls:.0f} µs of CPU, so {calls / spent:.0f} calls a second on one core "
              f"({calls / seconds:.0f} by this client)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=15000)
    parser.add_argument("--calls", type=int, default=20000)
    parser.add_argument("ways", nargs="*", default=["tcp", "ws", "tls", "wss"])
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for way in options.ways:
        if options.sessions:
            measure_memory(way, min(options.sessions, most - 200))
    for way in options.ways:
        if options.calls:
            measure_calls(way, options.calls)


main()

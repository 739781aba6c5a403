# SPDX-License-Identifier: BSD-3-Clause
"""Programs that are not ours, and a peer that counts what reaches it."""
import collections
import os
import pathlib
import re
import select
import shutil
import socket
import struct
import tempfile
import threading
import time

import pki
import postern
import tap

place = pathlib.Path(os.environ.get("POSTERN_FOREIGN") or postern.source / "build-test")
coturn = place / "coturn/usr/bin"


def need_coturn():
    if not (coturn / "turnserver").exists():
        tap.skip_all(f"coturn's programs are not in {coturn}: ./dev deps peers")


class Peer:
    """Echoes UDP datagrams, and counts them: `seen[source]` lists the payloads."""

    def __init__(self, address="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((address, 0))
        self.address = self.socket.getsockname()[:2]
        self.seen, self.ended = collections.defaultdict(list), False
        self.thread = threading.Thread(target=self._echo, daemon=True)
        self.thread.start()
        tap.cleanup(self.close)

    def _echo(self):
        while not self.ended:
            if select.select([self.socket], [], [], 0.1)[0]:
                data, source = self.socket.recvfrom(65536)
                self.seen[source[:2]].append(data)
                self.socket.sendto(data, source)

    @property
    def count(self):
        return sum(map(len, self.seen.values()))

    def close(self):
        self.ended = True
        self.thread.join()
        self.socket.close()


class Coturn(postern.Process):
    """Debian's coturn server on loopback, with our tests' user; ended with the test."""

    def __init__(self, port, *more):
        self.folder = tempfile.mkdtemp(prefix="postern-coturn-")
        super().__init__([
            coturn / "turnserver", "-n", "-L", "127.0.0.1", "-L", "127.0.0.2", "-E", "127.0.0.1", "-p", port,
            "--alt-listening-port", port + 1, "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers",
            "-a", "-u", f"{postern.USER}:{postern.PASSWORD}", "-r", postern.REALM, "--relay-threads", "2",
            "--pidfile", f"{self.folder}/pid", "-b", f"{self.folder}/turndb", "--log-file", "stdout", "--simple-log",
            *more], cwd=self.folder)
        tap.cleanup(self.end)
        deadline = time.monotonic() + 10
        while not {("udp", port), ("tcp", port)} <= postern.listening(self.pid):
            tap.true(self.running() and time.monotonic() < deadline, f"coturn starts: {self.stdout}{self.stderr}")
            time.sleep(0.02)

    def end(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def server(port, workers, more="", addresses=("127.0.0.1",)):
    """The server under test. INTEROP_SERVER=coturn takes coturn's, to test the tests."""
    if os.environ.get("INTEROP_SERVER") == "coturn":
        return Coturn(port)
    return postern.server(postern.config(port, workers, addresses=addresses, more=more))


def server_tls(port, workers, transports=("udp", "tcp", "tls"), more=""):
    """The server with TLS on the same port, and the authority that signed its certificate."""
    authority = pki.Authority(postern.temporary_folder())
    tls = authority.issue("127.0.0.1").settings()
    return postern.server(postern.config(port, workers, transports=transports, more=tls + more)), authority


def uclient_of_rfc8656():
    """turnutils_uclient with the number that ADDITIONAL-ADDRESS-FAMILY has now; Debian's 4.6.1 has that of a draft."""
    code = (coturn / "turnutils_uclient").read_bytes()
    draft, standard = (struct.pack("<I", number) for number in (0x8032, 0x8000))
    if code.count(draft) != 1:
        tap.skip("this turnutils_uclient does not have the draft's number in one place")
    program = postern.temporary_folder() / "turnutils_uclient"
    program.write_bytes(code.replace(draft, standard))
    program.chmod(0o755)
    return program


def uclient(port, *flags, clients, messages, length=160, timeout=90, address="127.0.0.1", program=None):
    """(sent, received, lost) as turnutils_uclient counts them. It exits with 0 whatever it lost."""
    ended = postern.run(program or coturn / "turnutils_uclient", "-u", postern.USER, "-w", postern.PASSWORD, "-p", port,
                        "-m", clients, "-n", messages, "-l", length, "-z", 5, *flags, address, timeout=timeout)
    told = re.findall(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", ended.out + ended.err)
    lost = re.findall(r"Total lost packets (-?\d+)", ended.out + ended.err)
    tap.true(told and lost, f"turnutils_uclient counted something: {ended}")
    return int(told[-1][0]), int(told[-1][1]), int(lost[-1])

# SPDX-License-Identifier: BSD-3-Clause
"""Calls in the lab: turnserver with its rendezvous service, `stunclient listen` and `stunclient call`."""
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import threading
import time

import lab
import nats
import postern

PORT, RENDEZVOUS_PORT, TURN_TCP_PORT = 3478, 443, 80
PASSWORDS = {"alice": "secret", "bob": "hidden"}
TOLD = re.compile(r"\s*([0-9.]+) ms  (.*)")
READY = re.compile(r"(?i)registered|listening|waiting")

# What each kind of NAT counts as in the matrix of pairs.
OPEN, ADF, APDF, SEQUENTIAL, RANDOM, BLOCKED = range(6)
CLASS = {
    "open": OPEN, "ei-ei": OPEN, "ei-ad": ADF, "ei-apd": APDF, "firewall": APDF, "masquerade": APDF,
    "masquerade-accepting": APDF, "double": APDF, "sequential": SEQUENTIAL, "symmetric": RANDOM,
    "double-symmetric": RANDOM, "udp-blocked": BLOCKED,
}


def expected_path(one, other):
    """Whether plain ICE must find a direct way between two NATs, by name."""
    low, high = sorted((CLASS[one], CLASS[other]))
    if high == BLOCKED:
        return "relay"
    if low in (OPEN, ADF):
        return "direct"
    return "direct" if high == APDF else "relay"


def server_text(rendezvous_port=RENDEZVOUS_PORT, more=""):
    addresses = (lab.SERVER[0], lab.SERVER6[0])
    listeners = [postern.listener(PORT, address) for address in addresses]
    listeners += [postern.listener(TURN_TCP_PORT, address, ("tcp",)) for address in addresses]
    users = ", ".join(f'{{ name = "{name}"; password = "{password}"; }}' for name, password in PASSWORDS.items())
    rendezvous = ", ".join(f'{{ address = "{address}"; port = {rendezvous_port}; }}' for address in addresses)
    return f"""listeners = ( {", ".join(listeners)} );
realm = "{postern.REALM}";
workers = 1;
users = ( {users} );
rest = {{ secrets = [ "{postern.SECRET}" ]; }};
relay = {{ addresses = [ "{addresses[0]}", "{addresses[1]}" ]; }};
peers = {{ allow = [ "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "100.64.0.0/10", "2001:db8::/32" ]; }};
rendezvous = {{ listeners = ( {rendezvous} ); }};
{more}"""


class Program:
    """A stunclient with pipes: it is written to, and its output is kept by hash and time. With `echo` it is written
    what it has put out, and its input ends with its output."""

    def __init__(self, box, verb, user, options=(), server=None, feed=b"", name="bob", echo=False):
        self.echo = echo
        self.report_file = f"/run/{verb}-{user}-{time.monotonic_ns()}.json"
        server = server or f"tcp://{lab.SERVER[0]}:{RENDEZVOUS_PORT}"
        home = f"/run/home-{user}"
        os.makedirs(home, exist_ok=True)
        self.arguments = [*box.prefix, str(postern.stunclient), verb, name, "--server", server, "--user", user,
                          "--password", PASSWORDS[user], "--report", self.report_file, *options]
        self.began = time.time()
        self.child = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": f"{home}/.config"})
        self.errors, self.received, self.digest, self.first = [], 0, hashlib.sha256(), None
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._errors, self._output)]
        for thread in self.threads:
            thread.start()
        if feed is not None and not echo:
            self.feed(feed)

    def feed(self, data, end=True):
        def write():
            try:
                self.child.stdin.write(data)
                self.child.stdin.flush()
                if end:
                    self.child.stdin.close()
            except (BrokenPipeError, ValueError):
                pass
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        return thread

    def _errors(self):
        for line in self.child.stderr:
            self.errors.append((time.time(), line.decode("utf-8", "replace").rstrip("\n")))

    def _output(self):
        while chunk := self.child.stdout.read1(65536):
            self.first = self.first or time.time()
            self.received += len(chunk)
            self.digest.update(chunk)
            if self.echo:
                self.child.stdin.write(chunk)
                self.child.stdin.flush()
        if self.echo:
            self.child.stdin.close()

    @property
    def stderr(self):
        return "\n".join(line for _, line in self.errors)

    def ready(self, seconds=30):
        return postern.until(lambda: READY.search(self.stderr) or self.child.poll() is not None, seconds)

    def wait(self, timeout=30):
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"{self.arguments[-1]} still ran after {timeout} s:\n{self.stderr}") from None
        for thread in self.threads:
            thread.join(20)
        if postern.SANITIZER.search(self.stderr):
            raise AssertionError(self.stderr)
        return status

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def story(self):
        """What --trace told: (seconds by our clock, words). The line that was read soonest sets its clock by ours."""
        lines = [(read, float(match[1]) / 1000, match[2]) for read, line in self.errors if (match := TOLD.match(line))]
        start = min((read - told for read, told, _ in lines), default=0)
        return [(start + told, words) for _, told, words in lines]

    @property
    def report(self):
        try:
            with open(self.report_file, encoding="utf-8") as stream:
                return json.load(stream)
        except (OSError, ValueError):
            return None


@dataclasses.dataclass
class Outcome:
    """What a call came to. `milliseconds`: to the first data, as the caller says; `seen_direct`: of its
    data's packets the routers between both sides saw."""

    path: str
    good: bool
    milliseconds: float
    report: dict
    words: str
    seen_direct: int = 0
    stories: tuple = ((), ())  # of caller and callee, with --trace


HOLD = 1.5  # seconds that a call goes on after its data: a relay may be quicker than a direct way


def call(net, caller="alice", options=(), listen_options=(), size=2000, timeout=30, server=None, hold=HOLD):
    """One call between the lab's hosts, with `size` random bytes each way, checked by hash."""
    callee = "bob" if caller == "alice" else "alice"
    there, back = os.urandom(size), os.urandom(size)
    before = net.direct_datagrams()
    listener = Program(getattr(net, callee), "listen", callee, listen_options, server, None, callee)
    dialer = None
    try:
        listener.feed(back, end=False)
        listener.ready()
        dialer = Program(getattr(net, caller), "call", caller, options, server, None, callee)
        dialer.feed(there, end=False)
        if postern.until(lambda: dialer.received == listener.received == size or dialer.child.poll() is not None, timeout):
            time.sleep(hold)
        listener.feed(b"")
        dialer.feed(b"")
        status, listened = dialer.wait(timeout), listener.wait(timeout)
    except AssertionError as late:
        return Outcome("none", False, 0, {}, str(late) + said(listener, dialer))
    finally:
        listener.stop()
        if dialer:
            dialer.stop()
    report = dialer.report or {}
    good = (status == 0 and listened == 0 and dialer.digest.digest() == hashlib.sha256(back).digest()
            and listener.digest.digest() == hashlib.sha256(there).digest())
    words = "" if good else f"call ended with {status}, listen with {listened}" + said(listener, dialer)
    return Outcome(report.get("path") or "none", good, report.get("ms_to_first_data") or 0, report, words,
                   net.direct_datagrams() - before, (dialer.story(), listener.story()))


def said(*programs):
    return "".join(f"\n{one.arguments[4]} said:\n{one.stderr}\nreport: {one.report}" for one in programs if one)


def make(alice, bob, more="", ipv6=False, **options):
    """The lab with the server in it; ended with the test."""
    net = lab.made(alice, bob, ipv6=ipv6, **options)
    serve(net, more)
    return net


def serve(net, more=""):
    return postern.server(server_text(more=more), prefix=net.server.prefix)


BY_NAME = {nat.name: nat for nat in nats.ALL}

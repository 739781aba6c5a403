# SPDX-License-Identifier: BSD-3-Clause
"""Readiness, reload and end, as a service manager hears of them; by an unprivileged user."""
import os
import signal
import socket
import subprocess
import time

import e2e
import postern
import service
import tap


class Manager:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self):
        self.folder = postern.temporary_folder()
        self.path = str(self.folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        tap.cleanup(self.socket.close)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.settimeout(10)

    def hear(self):
        """One notification as a dict."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())


def need_systemd():
    libraries = subprocess.run(["ldd", postern.turnserver], capture_output=True, text=True).stdout
    if "libsystemd" not in libraries:
        tap.skip("this build is without libsystemd")


def serve(more=""):
    """(manager, server, port, text): a server of nobody's, that reports to us."""
    need_systemd()
    manager = Manager()
    port = postern.free_port()
    text = postern.config(port, more=more)
    server = postern.server(text, prefix=service.unprivileged(), env={"NOTIFY_SOCKET": manager.path})
    os.chmod(server.file, 0o644)
    return manager, server, port, text


@tap.test
def tells_of_start_and_end():
    """READY=1 once clients are served, STOPPING=1 at the end, and nothing else"""
    manager, server, port, _ = serve()
    told = manager.hear()
    tap.equal(told["READY"], "1")
    tap.true(told["STATUS"], "a status")
    e2e.still_answers(port)
    server.finish()
    tap.equal(manager.hear(), {"STOPPING": "1"})
    manager.socket.settimeout(0.2)
    tap.raises(TimeoutError, manager.hear)


@tap.test
def runs_unprivileged():
    """The server under test is nobody's, and cannot gain privileges"""
    if os.geteuid() != 0:
        tap.skip("only root can become somebody else")
    _, server, _, _ = serve()
    status = dict(line.split(":\t") for line in open(f"/proc/{server.pid}/status").read().splitlines() if ":\t" in line)
    tap.equal(status["Uid"].split(), [str(service.NOBODY)] * 4)
    tap.equal(status["NoNewPrivs"], "1")


@tap.test
def tells_of_reloads():
    """RELOADING=1 with the monotonic time, then READY=1, after a good and after a bad file"""
    manager, server, _, text = serve()
    tap.equal(manager.hear()["READY"], "1")
    for changed in (text, "realm = 5;", text):
        server.rewrite(changed)
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.reload()
        told = manager.hear()
        tap.equal(told["RELOADING"], "1")
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        tap.true(before <= int(told["MONOTONIC_USEC"]) <= after, f"{before} {told} {after}")
        told = manager.hear()
        tap.equal(told["READY"], "1")
        tap.equal("refused" in told["STATUS"], changed != text)


@tap.test
def tells_nothing_of_a_failed_start():
    """A server that cannot start never says READY"""
    manager = Manager()
    for text, status in (("realm = 5;", 2), (postern.config(1, relay=["192.0.2.1"]), 1)):
        (manager.folder / "bad.conf").write_text(text)
        result = postern.run(postern.turnserver, "-c", manager.folder / "bad.conf", env={"NOTIFY_SOCKET": manager.path})
        tap.equal(result.status, status, str(result))
    manager.socket.settimeout(0.2)
    tap.raises(TimeoutError, manager.hear)


@tap.test
def runs_without_a_manager():
    """Without NOTIFY_SOCKET, or with one that nobody reads, it serves all the same"""
    for env in ({}, {"NOTIFY_SOCKET": "/nowhere/at/all"}):
        port = postern.free_port()
        with postern.Server(postern.config(port), env=env) as server:
            e2e.still_answers(port)
            server.signal(signal.SIGHUP)
            service.logged(server, "configuration reloaded")


tap.main()

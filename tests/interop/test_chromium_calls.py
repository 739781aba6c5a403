# SPDX-License-Identifier: BSD-3-Clause
"""Headless Chromium calls Chromium, and stunclient, through our rendezvous service over WebSocket: each
in a namespace of its own, behind a NAT of its own."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "natlab"))

import foreign
import lab
import postern
import tap

SIZE = 1 << 20
CHROMIUM = shutil.which("chromium")
MODULES = foreign.place / "browser/node_modules"
if not CHROMIUM or not shutil.which("node") or not (MODULES / "playwright-core").exists():
    tap.skip_all(f"Chromium, node or {MODULES}/playwright-core is not there: ./dev deps browser")
lab.isolate()
import calls

SCRIPT = pathlib.Path(__file__).with_name("chromium_call.js")
URL = f"ws://{lab.SERVER[0]}:{calls.RENDEZVOUS_PORT}/"
ORIGINS = 'origins = [ "*" ];'


class Browser:
    """A page in a box. result() is what it tells at its end."""

    def __init__(self, box, role, user, to=None, arguments=()):
        task = {"modules": str(MODULES), "chromium": CHROMIUM, "example": str(postern.source / "examples/browser"),
                "role": role, "url": URL, "account": {"user": user, "password": calls.PASSWORDS[user]}, "to": to,
                "bytes": SIZE, "timeout": 60000, "arguments": list(arguments)}
        self.process = postern.Process([*box.prefix, "node", SCRIPT], input=json.dumps(task).encode())
        tap.cleanup(self.process.stop)

    def registered(self):
        tap.true(postern.until(lambda: '"registered"' in self.process.stdout or not self.process.running(), 60)
                 and '"registered"' in self.process.stdout, f"registered: {self.process.stdout}\n{self.process.stderr}")

    def result(self):
        tap.equal(self.process.wait(120), 0, f"the browser ran: {self.process.stderr}")
        told = json.loads(self.process.output[-1])
        tap.diag("\n".join(told["log"]))
        tap.true("error" not in told, f"{told.get('error')}\n" + "\n".join(told["log"]))
        return told


def made(alice, bob):
    net = lab.Lab(alice, bob, ipv6=False)
    net.__enter__()
    tap.cleanup(net.close)
    text = calls.server_text().replace("rendezvous = { ", f"rendezvous = {{ {ORIGINS} ")
    postern.server(text, prefix=net.server.prefix)
    return net


@tap.test(pair=["ei-apd + ei-apd", "firewall + ei-ad", "symmetric + symmetric"], timeout=240)
def pages_call_each_other(pair):
    """two pages call each other through their NATs, 1 MB echoed with the same hash"""
    one, other = pair.split(" + ")
    net = made(calls.BY_NAME[one], calls.BY_NAME[other])
    called = Browser(net.bob, "listen", "bob")
    called.registered()
    caller = Browser(net.alice, "call", "alice", "bob")
    told, heard = caller.result(), called.result()
    tap.equal((told["received"], told["sha256"]), (SIZE, told["sent"]), "the echo")
    tap.equal((heard["received"], heard["sha256"]), (SIZE, told["sent"]), "what the called one got")
    tap.equal(told["path"]["path"], calls.expected_path(one, other), str(told["path"]))
    tap.diag(f"{told['path']} in {told['ms']:.0f} ms")


@tap.test(pair=["open + ei-apd", "ei-apd + ei-apd", "ei-apd + symmetric", "open + ei-apd, --lite"], timeout=240)
def page_calls_stunclient(pair):
    """a page calls stunclient listen, which echoes 1 MB through cat"""
    pair, _, options = pair.partition(", ")
    one, other = pair.split(" + ")
    net = made(calls.BY_NAME[one], calls.BY_NAME[other])
    home = "/run/home-alice"
    os.makedirs(home, exist_ok=True)
    read, write = os.pipe()
    command = [*net.alice.prefix, str(postern.stunclient), "listen", "alice", "--server", f"tcp://{lab.SERVER[0]}:{calls.RENDEZVOUS_PORT}",
               "--user", "alice", "--password", calls.PASSWORDS["alice"], "--report", f"{home}/report.json", *options.split()]
    listener = subprocess.Popen(command, stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home})
    echo = subprocess.Popen(["cat"], stdin=listener.stdout, stdout=write)
    os.close(read)
    os.close(write)
    listener.stdout.close()
    tap.cleanup(echo.kill)
    tap.cleanup(listener.kill)
    for line in listener.stderr:
        if calls.READY.search(line.decode()):
            break
    told = Browser(net.bob, "call", "bob", "alice").result()
    tap.equal((told["received"], told["sha256"]), (SIZE, told["sent"]), "the echo")
    tap.equal(told["path"]["path"], calls.expected_path(one, other), str(told["path"]))
    tap.diag(f"{told['path']} in {told['ms']:.0f} ms")
    listener.wait(30)


@tap.test(pair=["ei-apd + ei-apd"], timeout=240)
def stunclient_calls_a_page(pair):
    """stunclient call reaches a page, which echoes 1 MB"""
    one, other = pair.split(" + ")
    net = made(calls.BY_NAME[one], calls.BY_NAME[other])
    called = Browser(net.bob, "listen", "bob")
    called.registered()
    data = os.urandom(SIZE)
    caller = calls.Program(net.alice, "call", "alice", ("--trace",), feed=data)
    status = caller.wait(60)
    heard = called.result()
    tap.equal(status, 0, caller.stderr)
    digest = hashlib.sha256(data).hexdigest()
    tap.equal((heard["received"], heard["sha256"]), (SIZE, digest), "what the page got")
    tap.equal((caller.received, caller.digest.hexdigest()), (SIZE, digest), "the echo")
    tap.equal(caller.report["path"], "direct", str(caller.report))


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""Headless Chromium calls Chromium, and stunclient, through our rendezvous service over WebSocket: each
in a namespace of its own, behind a NAT of its own."""
import hashlib
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "natlab"))

import foreign
import lab
import postern
import tap

SIZE = 1 << 20
MUCH = 6 << 20  # takes some seconds
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

    def __init__(self, box, role, user, to=None, arguments=(), size=SIZE, restarts=0):
        task = {"modules": str(MODULES), "chromium": CHROMIUM, "example": str(postern.source / "examples/browser"),
                "role": role, "url": URL, "account": {"user": user, "password": calls.PASSWORDS[user]}, "to": to,
                "bytes": size, "timeout": 60000, "arguments": list(arguments), "restarts": restarts}
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
    net = lab.made(alice, bob, ipv6=False)
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


def echo(source, target):
    """Takes all that comes, however slowly it is taken back."""
    parts = queue.SimpleQueue()

    def read():
        while part := source.read1(65536):
            parts.put(part)
        parts.put(None)

    def write():
        try:
            while part := parts.get():
                target.write(part)
                target.flush()
            target.close()
        except BrokenPipeError:
            pass
    for work in (read, write):
        threading.Thread(target=work, daemon=True).start()


def echoing(box, home, options):
    """stunclient listen as alice, whose output comes back as its input; and what it says, as it says it."""
    command = [*box.prefix, str(postern.stunclient), "listen", "alice", "--server", f"tcp://{lab.SERVER[0]}:{calls.RENDEZVOUS_PORT}",
               "--user", "alice", "--password", calls.PASSWORDS["alice"], "--report", f"{home}/report.json", *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    listener = subprocess.Popen(command, env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}, **pipes)
    tap.cleanup(listener.kill)
    echo(listener.stdout, listener.stdin)
    said = []
    for line in listener.stderr:
        said.append(line.decode())
        if calls.READY.search(said[-1]):
            break
    threading.Thread(target=lambda: said.extend(line.decode() for line in listener.stderr), daemon=True).start()
    return listener, said


@tap.test(pair=["open + ei-apd", "ei-apd + ei-apd", "ei-apd + symmetric", "open + ei-apd, --lite"], timeout=240)
def page_calls_stunclient(pair):
    """a page calls stunclient listen, which echoes 1 MB"""
    pair, _, options = pair.partition(", ")
    one, other = pair.split(" + ")
    net = made(calls.BY_NAME[one], calls.BY_NAME[other])
    home = "/run/home-alice"
    os.makedirs(home, exist_ok=True)
    listener, _ = echoing(net.alice, home, options.split())
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
    caller = calls.Program(net.alice, "call", "alice", ("--trace",), feed=None)
    caller.feed(data, end=False).join(30)
    tap.true(postern.until(lambda: "direct to" in caller.stderr, 10), caller.stderr)  # the relay may have carried all
    caller.child.stdin.close()
    status = caller.wait(60)
    heard = called.result()
    tap.equal(status, 0, caller.stderr)
    digest = hashlib.sha256(data).hexdigest()
    tap.equal((heard["received"], heard["sha256"]), (SIZE, digest), "what the page got")
    tap.equal((caller.received, caller.digest.hexdigest()), (SIZE, digest), "the echo")
    tap.equal(caller.report["path"], "direct", str(caller.report))


# ---- ICE restarts ------------------------------------------------------------------------------------------------------

RESTARTS = 3


def nudge(program, every=0.7):
    """Makes a stunclient restart some times."""
    def run():
        for _ in range(6):
            time.sleep(every)
            if program.poll() is None:
                program.send_signal(signal.SIGUSR1)
    threading.Thread(target=run, daemon=True).start()


@tap.test(who=["page", "both"], options=["", "--lite"], timeout=240)
def calling_page_restarts(who, options):
    """a page that called stunclient restarts ICE in mid-transfer, stunclient too: 6 MB there and back by hash"""
    net = made(calls.BY_NAME["open" if options else "ei-apd"], calls.BY_NAME["ei-apd"])
    home = "/run/home-alice"
    os.makedirs(home, exist_ok=True)
    listener, said = echoing(net.alice, home, ["--trace", *options.split()])
    page = Browser(net.bob, "call", "bob", "alice", size=MUCH, restarts=RESTARTS)
    if who == "both":
        tap.true(postern.until(lambda: any("data channel stands" in line for line in said), 60), "".join(said))
        nudge(listener)
    told = page.result()
    tap.equal((told["received"], told["sha256"]), (MUCH, told["sent"]), "the echo: " + "".join(said))
    tap.true(told["restarts"] >= RESTARTS, str(told))
    tap.equal(any("another way to" in line for line in said), who == "both", "".join(said))
    tap.diag(f"{told['restarts']} restarts")
    listener.wait(30)


@tap.test(who=["page", "both"], timeout=240)
def called_page_restarts(who):
    """a page that stunclient called restarts ICE in mid-transfer, stunclient too: 6 MB there and back by hash"""
    net = made(calls.BY_NAME["ei-apd"], calls.BY_NAME["ei-apd"])
    called = Browser(net.bob, "listen", "bob", size=MUCH, restarts=RESTARTS)
    called.registered()
    data = os.urandom(MUCH)
    caller = calls.Program(net.alice, "call", "alice", ("--trace",), feed=data)
    if who == "both":
        tap.true(postern.until(lambda: "data channel stands" in caller.stderr, 60), caller.stderr)
        nudge(caller.child)
    status = caller.wait(90)
    heard = called.result()
    tap.equal(status, 0, caller.stderr)
    digest = hashlib.sha256(data).hexdigest()
    tap.equal((heard["received"], heard["sha256"]), (MUCH, digest), "what the page got")
    tap.equal((caller.received, caller.digest.hexdigest()), (MUCH, digest), "the echo")
    tap.true(heard["restarts"] >= RESTARTS, str(heard))
    tap.equal("another way to" in caller.stderr, who == "both", caller.stderr)
    tap.diag(f"{heard['restarts']} restarts")


@tap.test(timeout=240)
def two_pages_restart():
    """two pages restart ICE in mid-transfer, both of them: 6 MB there and back by hash"""
    net = made(calls.BY_NAME["ei-apd"], calls.BY_NAME["ei-apd"])
    called = Browser(net.bob, "listen", "bob", size=MUCH, restarts=RESTARTS)
    called.registered()
    told = Browser(net.alice, "call", "alice", "bob", size=MUCH, restarts=RESTARTS).result()
    heard = called.result()
    tap.equal((told["received"], told["sha256"]), (MUCH, told["sent"]), "the echo")
    tap.equal((heard["received"], heard["sha256"]), (MUCH, told["sent"]), "what the called one got")
    tap.true(told["restarts"] >= RESTARTS and heard["restarts"] >= RESTARTS, f"{told} {heard}")
    tap.diag(f"{told['restarts']} and {heard['restarts']} restarts")


tap.main()

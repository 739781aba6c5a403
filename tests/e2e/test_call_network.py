# SPDX-License-Identifier: BSD-3-Clause
"""A call whose network changes in the middle: addresses come and go, and the call finds another way."""
import signal
import subprocess
import time

import own_network
import postern
import tap
from telephone import World

own_network.enter()
RELAYED = "a relay takes what is sent to"


def address(verb, text):
    own_network.ip("address", verb, f"{text}/24", "dev", "wire0")


def wire():
    own_network.ip("link", "add", "wire0", "type", "veth", "peer", "name", "wire1")
    own_network.ip("link", "set", "wire1", "up")
    own_network.ip("link", "set", "wire0", "up")
    tap.cleanup(own_network.ip, "link", "delete", "wire0")
    address("add", "10.77.0.1")


@tap.test(timeout=180)
def address_changes():
    """the address of both sides is taken away in mid-call and another one given: the call goes on"""
    own_network.need()
    world = World()
    wire()
    options = ("--iface", "wire0", "--family", "4", "--no-relay")
    bob = world.listen(*options, input=subprocess.PIPE, iface=False)
    alice = world.call("--trace", *options, input=subprocess.PIPE, iface=False)
    alice.child.stdin.write(b"before ")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"before "), bob.errors)
    address("add", "10.78.0.1")
    address("delete", "10.77.0.1")
    alice.wait_for("another way to bob is looked for", 40)
    alice.child.stdin.write(b"after")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"before after", 60), alice.errors + bob.errors)
    began = time.monotonic()
    alice.child.stdin.close()
    bob.child.stdin.close()
    told = alice.wait()
    bob.wait()
    tap.true(told["local"]["address"].startswith("10.78."), str(told))
    tap.true(time.monotonic() - began < 12, "ends in order")


@tap.test(timeout=180)
def credentials_expire():
    """TURN credentials good for a minute: a call by the relay outlives them, and allocates with new ones when it must"""
    own_network.need()
    world = World(settings='credential_lifetime = "1m";')
    wire()
    options = ("--iface", "wire0", "--family", "4", "--relay-only")
    bob = world.listen(*options, input=subprocess.PIPE, iface=False)
    alice = world.call("--trace", *options, input=subprocess.PIPE, iface=False)
    alice.wait_for("the data channel stands")
    time.sleep(66)
    alice.child.stdin.write(b"before ")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"before "), alice.errors)
    for side in (alice, bob):
        tap.true("another way" not in side.errors and "nothing is heard" not in side.errors, side.errors)
    known = alice.errors.count(RELAYED), bob.errors.count(RELAYED)
    address("add", "10.78.0.1")
    address("delete", "10.77.0.1")
    for side in (alice, bob):
        side.child.send_signal(signal.SIGUSR1)
    told = time.monotonic()
    for side, before in zip((alice, bob), known):
        # Over TCP the relay is still there; over UDP it is asked for another one, with what `turn` has brought.
        tap.true(postern.until(lambda: side.errors.count(RELAYED) > before, 20), side.errors)
        tap.true("refused" not in side.errors, side.errors)
    alice.child.stdin.write(b"after")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"before after", 40), alice.errors + bob.errors)
    tap.diag(f"{time.monotonic() - told:.1f} s after the change")
    alice.child.stdin.close()
    bob.child.stdin.close()
    alice.wait()
    bob.wait()


tap.main()

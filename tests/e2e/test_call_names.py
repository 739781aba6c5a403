# SPDX-License-Identifier: BSD-3-Clause
"""Calls by host name: several addresses of the service or of a target, some of them dead (RFC 8305)."""
import signal
import socket
import time

import client
import e2e
import postern
import tap
from client import A, AAAA
from telephone import World

NAME = "rendezvous.test.example"


def black_hole(address, port):
    """Something at that address takes no connection and refuses none."""
    hole = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=0)
    tap.cleanup(hole.close)
    for _ in range(4):
        waiting = socket.socket(hole.family)
        tap.cleanup(waiting.close)
        waiting.setblocking(False)
        waiting.connect_ex((address, port))
    time.sleep(0.05)


def joined(world, dns):
    """A call whose both sides find the service by its name."""
    world.uri = f"tcp://{NAME}:{world.port + 1}"
    began = time.monotonic()
    bob = world.listen(*dns.option, input=b"from bob")
    alice = world.call(*dns.option, "--trace", input=b"from alice")
    alice.wait()
    bob.wait()
    tap.equal((alice.output, bob.output), (b"from bob", b"from alice"))
    return time.monotonic() - began


@tap.test
def by_name():
    """the service is found by its host name"""
    joined(World(), client.Dns({(NAME, A): ["127.0.0.1"]}))


@tap.test
def refused_elsewhere():
    """an address where nothing listens costs no time"""
    took = joined(World(), client.Dns({(NAME, A): ["127.0.0.9", "127.0.0.1"]}))
    tap.true(took < 8, f"took {took:.1f} s")


@tap.test(hole=["::1", "127.0.0.9"])
def silent_elsewhere(hole):
    """an address that does not answer costs a quarter of a second, in either family"""
    e2e.need_address("::1")
    world = World()
    black_hole(hole, world.port + 1)
    records = {(NAME, A): ["127.0.0.1"], (NAME, AAAA): ["::1"]} if ":" in hole else {(NAME, A): [hole, "127.0.0.1"]}
    took = joined(world, client.Dns(records))
    tap.true(took < 8, f"took {took:.1f} s")


@tap.test
def nobody_anywhere():
    """when no address works each is told with its reason"""
    world = World()
    dns = client.Dns({(NAME, A): ["127.0.0.9", "127.0.0.8"]})
    world.uri = f"tcp://{NAME}:{world.port + 1}"
    told = world.call(*dns.option).wait(client.NO_REPLY)
    for address in ("127.0.0.9", "127.0.0.8"):
        tap.true(f"{address}:{world.port + 1}: Connection refused" in told["reason"], str(told))
    world.uri = f"tcp://no.test.example:{world.port + 1}"
    told = world.call(*dns.option).wait(client.NAME)
    tap.true("no.test.example" in told["reason"] and "does not exist" in told["reason"], str(told))


@tap.test
def target_by_name():
    """a target of --allow is reached at any of its addresses"""
    world = World()
    target = socket.create_server(("127.0.0.1", 0))
    tap.cleanup(target.close)
    port = target.getsockname()[1]
    dns = client.Dns({("target.test.example", A): ["127.0.0.9", "127.0.0.1"], ("target.test.example", AAAA): ["::1"]})
    bob = world.listen("--allow", f"target.test.example:{port}", *dns.option)
    alice = world.call("-W", f"target.test.example:{port}", input=b"hello")
    with target.accept()[0] as connection:
        connection.settimeout(10)
        tap.equal(connection.recv(5), b"hello")
        connection.sendall(b"welcome")
    alice.wait()
    bob.wait()
    tap.equal(alice.output, b"welcome")


@tap.test
def interrupted_look_ups():
    """a DNS server that is silent holds nobody up who wants to end, at the service's name or a target's"""
    world = World()
    dns = client.Dns({(NAME, A): None, (NAME, AAAA): None, ("target.test.example", A): None, ("target.test.example", AAAA): None})
    bob = world.listen("--allow", "target.test.example:1", *dns.option)
    alice = world.call("-W", "target.test.example:1", "--trace", input=b"hello")
    bob.wait_for("asks for a connection to")
    postern.until(lambda: any(name == "target.test.example" for name, _ in dns.asked))
    alice.child.send_signal(signal.SIGINT)
    tap.true("interrupted" in alice.wait(client.DEGRADED)["reason"], alice.errors)
    bob.child.wait(10)
    tap.true(not postern.SANITIZER.search(bob.errors), bob.errors)
    world.uri = f"tcp://{NAME}:{world.port + 1}"
    alice = world.call(*dns.option)
    tap.true(postern.until(lambda: any(name == NAME for name, _ in dns.asked)), "asked")
    alice.child.send_signal(signal.SIGINT)
    tap.true("interrupted" in alice.wait(client.NO_CONNECTION)["reason"], alice.errors)


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors told to the client, and DONT-FRAGMENT (RFC 8656 11.5, 18.13), over the wire.

A namespace of the test's own has a loopback link of 1400 bytes, so that something can be too big.
"""
import os

import e2e
import own_network
import stunwire
import tap

MTU = 1400

own_network.enter(MTU)


def icmp(one, timeout=20):
    """(peer, type, code, data) of the next Data indication with ICMP, or None."""
    while True:
        data = one.pending.pop(0) if one.pending else one.transport.receive(timeout)
        if data is None:
            return None
        message = stunwire.parse(data)
        value = message.get(stunwire.ICMP)
        if message.method == stunwire.DATA and value is not None:
            tap.equal(message.get(stunwire.DATA_ATTRIBUTE), None, "no DATA beside ICMP")
            packed = int.from_bytes(value[2:4], "big")
            return (message.address(stunwire.XOR_PEER_ADDRESS), packed >> 9, packed & 511,
                    int.from_bytes(value[4:8], "big"))


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"], address=e2e.LOOPBACKS)
def tells_of_a_closed_port(workers, transport, address):
    """A peer's "port unreachable" reaches the client, and other peers go on"""
    own_network.need()
    _, port = e2e.serve(workers, addresses=(address,))
    one, closed, good = e2e.allocated(port, transport, address), e2e.peer(address), e2e.peer(address)
    target = closed.local
    one.bind_channel(target)
    one.permit(good.local)
    closed.close()
    one.send_channel(b"nobody is there")
    tap.equal(icmp(one), (target, 3, 3, 0) if address == "127.0.0.1" else (target, 1, 4, 0))
    for number in range(10):
        one.send_channel(b"nobody is there")
        one.send(good.local, b"%d" % number)
        tap.equal(good.receive(20), b"%d" % number)
        good.send(b"back", one.relayed)
        tap.equal(one.receive(), (good.local, b"back"))


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS)
def keeps_whole_what_must_be(workers, address):
    """What is too big goes in fragments, or with DONT-FRAGMENT not at all: the client hears the MTU"""
    own_network.need()
    _, port = e2e.serve(workers, addresses=(address,))
    one, peer = e2e.client(port, "tcp", address), e2e.peer(address)
    one.allocate([e2e.family_of(address), (stunwire.DONT_FRAGMENT, b"")])
    one.permit(peer.local)
    small, big = os.urandom(1000), os.urandom(3000)
    whole = [(stunwire.DONT_FRAGMENT, b"")]
    for _ in range(3):
        one.send(peer.local, big)
        tap.equal(peer.receive(20), big, "in fragments")
        one.send(peer.local, small, whole)
        tap.equal(peer.receive(20), small, "small enough")
        one.send(peer.local, big, whole)
        one.send(peer.local, big)
        tap.equal(peer.receive(20), big, "only the one without the flag")
        tap.equal(icmp(one), (peer.local, *((3, 4) if address == "127.0.0.1" else (2, 0)), MTU))


@tap.test
def bounds_what_it_tells():
    """A flood of errors is told in part"""
    own_network.need()
    _, port = e2e.serve()
    one, closed = e2e.allocated(port), e2e.peer()
    target = closed.local
    one.permit(target)
    closed.close()
    for _ in range(400):
        one.send(target, b"x")
    told = 0
    while icmp(one, 0.5):
        told += 1
    tap.true(1 <= told <= 100, f"{told} told")
    e2e.still_answers(port)


tap.main()

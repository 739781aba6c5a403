# SPDX-License-Identifier: BSD-3-Clause
"""Mobility over the wire (RFC 8016): a client changes its address, and even its transport."""
import os

import e2e
import postern
import stunwire
import tap

TICKET = stunwire.MOBILITY_TICKET


def mobile(port, transport="udp"):
    """A client with a mobile allocation, and its ticket."""
    one = e2e.client(port, transport)
    return one, one.allocate([(TICKET, b"")]).get(TICKET)


def moved(port, old, transport="udp"):
    """The same client at another address; it has to ask for its allocation."""
    one = e2e.client(port, transport)
    one.channels, one.relayed = old.channels, old.relayed
    return one


def exchange(one, peer):
    payload = os.urandom(100)
    one.send_channel(payload)
    tap.equal(peer.receive(20), payload, "client to peer")
    tap.equal(peer.source, one.relayed, "from the same relayed address")
    peer.send(payload, one.relayed)
    tap.equal(one.receive(), (peer.local, payload), "peer to client")


@tap.test(workers=e2e.WORKERS)
def follows(workers):
    """Twenty moves, by UDP and TCP in turn: relayed address, permission and channel stay"""
    server, port = e2e.serve(workers)
    peer = e2e.peer()
    one, ticket = mobile(port)
    one.bind_channel(peer.local)
    exchange(one, peer)
    for number in range(20):
        one = moved(port, one, "tcp" if number % 2 else "udp")
        answer = one.refresh(600, [(TICKET, ticket)])
        tap.equal(answer.number(stunwire.LIFETIME), 600)
        tap.true(answer.get(TICKET) != ticket, "a new ticket")
        ticket = answer.get(TICKET)
        exchange(one, peer)
    one.refresh(0)
    tap.equal(tap.raises(stunwire.Refused, one.refresh).code, 437)

    def lines():
        return len([line for line in server.errors if "allocation moved" in line])

    postern.until(lambda: lines() >= 20)
    tap.equal(lines(), 20, "lines in the log")


@tap.test(workers=e2e.WORKERS)
def outlives_a_connection(workers):
    """A broken TCP connection does not end a mobile allocation"""
    _, port = e2e.serve(workers)
    peer = e2e.peer()
    for number in range(6):
        one, ticket = mobile(port, "tcp")
        one.bind_channel(peer.local)
        one.close()
        peer.send(b"lost", one.relayed)
        one = moved(port, one, "udp" if number % 2 else "tcp")
        one.refresh(600, [(TICKET, ticket)])
        exchange(one, peer)
        one.refresh(0)


@tap.test(workers=e2e.WORKERS)
def old_address_is_left(workers):
    """The old address has nothing any more, and a ticket is good once"""
    _, port = e2e.serve(workers)
    peer = e2e.peer()
    for _ in range(8):
        old, ticket = mobile(port)
        old.bind_channel(peer.local)
        one = moved(port, old)
        one.refresh(600, [(TICKET, ticket)])
        tap.equal(tap.raises(stunwire.Refused, old.refresh).code, 437)
        third = moved(port, old)
        tap.equal(tap.raises(stunwire.Refused, third.refresh, 600, [(TICKET, ticket)]).code, 437)
        old.send_channel(b"from the old address")
        exchange(one, peer)


@tap.test(workers=e2e.WORKERS)
def belongs_to_its_user(workers):
    """Another user gets 441 for a ticket, wherever the allocation is"""
    _, port = e2e.serve(workers)
    user, password = stunwire.rest_credential(postern.SECRET, "mallory")
    for _ in range(8):
        one, ticket = mobile(port)
        thief = e2e.client(port, user=user, password=password)
        tap.equal(tap.raises(stunwire.Refused, thief.refresh, 600, [(TICKET, ticket)]).code, 441)
        one.refresh(600)


@tap.test(workers=e2e.WORKERS)
def counts_once(workers):
    """However often it moves, it counts once in the user's quota"""
    _, port = e2e.serve(workers, more="quotas = { user = { allocations = 2; }; };\n")
    one, ticket = mobile(port)
    for _ in range(6):
        one = moved(port, one)
        ticket = one.refresh(600, [(TICKET, ticket)]).get(TICKET)
    e2e.allocated(port)
    tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate).code, 486)
    one.refresh(0)
    e2e.allocated(port)


@tap.test
def can_be_switched_off():
    """mobility = false: 405"""
    _, port = e2e.serve(more="mobility = false;\n")
    tap.equal(tap.raises(stunwire.Refused, mobile, port).code, 405)
    one = e2e.allocated(port)
    tap.equal(tap.raises(stunwire.Refused, one.refresh, 600, [(TICKET, bytes(24))]).code, 405)


tap.main()

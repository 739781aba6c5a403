# SPDX-License-Identifier: BSD-3-Clause
"""Dual allocations over the wire: one allocation, a relayed address of each family (RFC 8656 7.2)."""
import os

import e2e
import stunwire
import tap

DUAL = (stunwire.ADDITIONAL_ADDRESS_FAMILY, bytes([2, 0, 0, 0]))


def relayed_of(answer):
    """Every XOR-RELAYED-ADDRESS of an answer, by family: {4: (host, port), 6: ...}."""
    found = {}
    for kind, value in answer.attributes:
        if kind == stunwire.XOR_RELAYED_ADDRESS:
            address = stunwire.unpack_address(value, answer.transaction)
            found[6 if ":" in address[0] else 4] = address
    return found


def serve(workers):
    return e2e.serve(workers, addresses=("127.0.0.1", "::1"))[1]


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"])
def relays_for_both(workers, transport):
    """Peers of both families are reached by one client, each from the relayed address of its family"""
    one = e2e.client(serve(workers), transport)
    relayed = relayed_of(one.allocate([DUAL]))
    tap.equal(sorted(relayed), [4, 6])
    peers = {4: e2e.peer("127.0.0.1"), 6: e2e.peer("::1")}
    for family, peer in peers.items():
        one.bind_channel(peer.local, 0x4000 + family)
    for number in range(20):
        for family, peer in peers.items():
            payload = os.urandom(50 + number)
            one.send_channel(payload, 0x4000 + family)
            tap.equal(peer.receive(20), payload)
            tap.equal(peer.source, relayed[family])
            peer.send(payload, relayed[family])
            tap.equal(one.receive(), (peer.local, payload))


@tap.test(workers=e2e.WORKERS, gone=[4, 6])
def deletes_one(workers, gone):
    """Refresh 0 with a family ends that relayed address alone"""
    one = e2e.client(serve(workers))
    relayed = relayed_of(one.allocate([DUAL]))
    number = {4: 1, 6: 2}
    peers = {4: e2e.peer("127.0.0.1"), 6: e2e.peer("::1")}
    one.permit(peers[4].local, peers[6].local)
    family = (stunwire.REQUESTED_ADDRESS_FAMILY, bytes([number[gone], 0, 0, 0]))
    one.refresh(0, [family])
    tap.equal(tap.raises(stunwire.Refused, one.permit, peers[gone].local).code, 443)
    tap.equal(tap.raises(stunwire.Refused, one.refresh, 600, [family]).code, 443)
    one.send(peers[gone].local, b"gone")
    peers[gone].send(b"gone", relayed[gone])
    kept = 10 - gone
    one.send(peers[kept].local, b"kept")
    tap.equal(peers[kept].receive(20), b"kept")
    tap.equal(peers[gone].receive(0.2), None)
    peers[kept].send(b"back", relayed[kept])
    tap.equal(one.receive(), (peers[kept].local, b"back"))
    one.refresh(0)
    tap.equal(tap.raises(stunwire.Refused, one.refresh, 600).code, 437)


@tap.test
def tells_what_it_lacks():
    """A server with relays of one family gives that one, and says 440 of the other"""
    _, port = e2e.serve()
    answer = e2e.client(port).allocate([DUAL])
    tap.equal(sorted(relayed_of(answer)), [4])
    value = answer.get(stunwire.ADDRESS_ERROR_CODE)
    tap.equal((value[0], value[2] & 7, value[3]), (2, 4, 40))


@tap.test
def refuses_contradictions():
    """With REQUESTED-ADDRESS-FAMILY, RESERVATION-TOKEN, a reserved pair, or another value: 400"""
    port = serve(1)
    for more in ([e2e.family_of("127.0.0.1"), DUAL], [(stunwire.RESERVATION_TOKEN, b"12345678"), DUAL],
                 [(stunwire.EVEN_PORT, b"\x80"), DUAL], [(stunwire.ADDITIONAL_ADDRESS_FAMILY, bytes([1, 0, 0, 0]))],
                 [(stunwire.ADDITIONAL_ADDRESS_FAMILY, b"")]):
        tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate, more).code, 400, str(more))


tap.main()

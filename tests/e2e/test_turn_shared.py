# SPDX-License-Identifier: BSD-3-Clause
"""Few ports: many allocations on as many relayed ports as there are workers, over the wire."""
import os

import e2e
import postern
import stunwire
import tap


def serve(workers, ports):
    """A server with so few relayed ports; (server, its port)."""
    port, first = postern.free_port(), postern.free_port(8)
    text = postern.config(port, workers=workers).replace(
        'relay = { addresses = [ "127.0.0.1" ]; };',
        f'relay = {{ addresses = [ "127.0.0.1" ]; shared_ports = true; '
        f'ports = {{ min = {first}; max = {first + ports - 1}; }}; }};')
    return postern.server(text), port


@tap.test(workers=e2e.WORKERS)
def many_share_few(workers):
    """Twenty clients, each with a peer of its own, on one relayed port a worker"""
    _, port = serve(workers, workers)
    ones = [e2e.allocated(port) for _ in range(20)]
    peers = [e2e.peer(f"127.0.0.{10 + number}") for number in range(20)]
    tap.true(len({one.relayed for one in ones}) <= workers, "few relayed ports")
    for one, peer in zip(ones, peers):
        one.bind_channel(peer.local)
    for _ in range(3):
        for one, peer in zip(ones, peers):
            payload = os.urandom(64)
            one.send_channel(payload)
            tap.equal(peer.receive(20), payload)
            peer.send(payload, one.relayed)
        for one, peer in zip(ones, peers):
            tap.equal(one.receive()[0], peer.local, "from its own peer")
    for one in ones:
        one.refresh(0)


@tap.test
def refuses_a_peer_twice():
    """A second client's permission for the same address is 508, until the first has gone; the log tells"""
    server, port = serve(1, 1)
    one, other, peer = e2e.allocated(port), e2e.allocated(port), e2e.peer()
    one.permit(peer.local)
    tap.equal(tap.raises(stunwire.Refused, other.permit, peer.local).code, 508)
    tap.equal(tap.raises(stunwire.Refused, other.bind_channel, peer.local).code, 508)
    tap.true(postern.until(lambda: any("relay.shared_ports" in line for line in server.errors)), "a line in the log")
    one.refresh(0)
    other.bind_channel(peer.local)
    peer.send(b"mine now", other.relayed)
    tap.equal(other.receive(), (peer.local, b"mine now"))


@tap.test
def refuses_even_ports():
    """EVEN-PORT is 508"""
    _, port = serve(1, 2)
    for value in (b"\x00", b"\x80"):
        tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate, [(stunwire.EVEN_PORT, value)]).code, 508)


tap.main()

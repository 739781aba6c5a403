# SPDX-License-Identifier: BSD-3-Clause
"""Relaying over the wire, judged by the payloads that arrive at both ends."""
import os
import threading

import e2e
import postern
import stunwire
import tap

COUNT = 60


def exchange_payloads(one, peer, send, receive_source):
    """COUNT payloads each way; every one must arrive, in order."""
    there = [os.urandom(1 + 13 * number) for number in range(COUNT)]
    for payload in there:
        send(payload)
    tap.equal(e2e.receive_all(peer, COUNT), there, "client to peer")
    tap.equal(peer.source, one.relayed, "seen by the peer")
    back = [os.urandom(1 + 17 * number) for number in range(COUNT)]
    for payload in back:
        peer.send(payload, one.relayed)
    for number, payload in enumerate(back):
        tap.equal(one.receive(), (receive_source, payload), f"peer to client, {number}")


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"], address=e2e.LOOPBACKS)
def relays_channel_data(workers, transport, address):
    """ChannelData goes both ways"""
    _, port = e2e.serve(workers, addresses=(address,))
    one, peer = e2e.allocated(port, transport, address), e2e.peer(address)
    one.bind_channel(peer.local, 0x4001)
    exchange_payloads(one, peer, lambda payload: one.send_channel(payload, 0x4001), peer.local)


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"], address=e2e.LOOPBACKS)
def relays_indications(workers, transport, address):
    """Send and Data indications go both ways"""
    _, port = e2e.serve(workers, addresses=(address,))
    one, peer = e2e.allocated(port, transport, address), e2e.peer(address)
    one.permit(peer.local)
    exchange_payloads(one, peer, lambda payload: one.send(peer.local, payload), peer.local)


@tap.test
def relays_between_families():
    """A client over IPv6 has a relay on IPv4"""
    _, port = e2e.serve(addresses=("127.0.0.1", "::1"))
    one, peer = e2e.client(port, "udp", "::1"), e2e.peer()
    one.allocate([e2e.family_of("127.0.0.1")])
    tap.equal(one.relayed[0], "127.0.0.1")
    one.bind_channel(peer.local)
    exchange_payloads(one, peer, one.send_channel, peer.local)


@tap.test(transport=["udp", "tcp"], size=[0, 1, 3, 4, 5, 1500, 9000, 65000, 65507])
def relays_any_size(transport, size):
    """From nothing up to the largest datagram"""
    _, port = e2e.serve()
    one, peer = e2e.allocated(port, transport), e2e.peer()
    one.bind_channel(peer.local)
    payload = os.urandom(size)
    whole = size + 4 <= 65507 or transport == "tcp"  # what fits into the client's own datagram
    for _ in range(2):
        if whole:
            one.send_channel(payload)
            tap.equal(peer.receive(20), payload, "client to peer")
            peer.send(payload, one.relayed)
            tap.equal(one.receive(), (peer.local, payload), "peer to client")
        else:
            peer.send(payload, one.relayed)  # dropped: harmless
    one.send_channel(b"after")
    tap.equal(peer.receive(20), b"after")
    peer.send(b"after", one.relayed)
    tap.equal(one.receive(), (peer.local, b"after"))


@tap.test(transport=["udp", "tcp"])
def drops_strangers(transport):
    """Datagrams without permission pass in neither direction"""
    _, port = e2e.serve()
    one, peer, stranger = e2e.allocated(port, transport), e2e.peer(), e2e.peer("127.0.0.7")
    one.permit(peer.local)
    stranger.send(b"stranger", one.relayed)
    one.send(stranger.local, b"to a stranger")
    peer.send(b"peer", one.relayed)
    tap.equal(one.receive(), (peer.local, b"peer"), "only the peer is heard")
    one.send(peer.local, b"to the peer")
    tap.equal(peer.receive(20), b"to the peer")
    tap.equal(stranger.receive(0.2), None)


@tap.test
def ends_with_lifetime_zero():
    """Refresh 0 ends an allocation at once; what was sent before still goes out"""
    _, port = e2e.serve()
    one, peer = e2e.allocated(port, "tcp"), e2e.peer()
    one.bind_channel(peer.local)
    refresh = one.signed(stunwire.REFRESH, [(stunwire.LIFETIME, stunwire.u32(0))])
    data = stunwire.channel_data(0x4000, b"last words", stream=True)
    one.transport.send(data + refresh)
    tap.equal(peer.receive(20), b"last words")
    tap.equal(stunwire.parse(one.transport.receive(20)).klass, stunwire.SUCCESS)
    peer.send(b"too late", one.relayed)
    tap.equal(one.receive(0.3), None)
    tap.equal(one.try_request(stunwire.REFRESH).error()[0], 437)
    relayed = one.relayed
    one.allocate()
    tap.true(one.relayed != relayed, "another port")


def serve_few_ports(count, workers=None):
    """A server with so few relayed ports, where no program takes one at random; its port, and the first of them."""
    port, first = postern.free_port(), postern.free_port(4)
    text = postern.config(port, workers=workers).replace(
        'relay = { addresses = [ "127.0.0.1" ]; };',
        f'relay = {{ addresses = [ "127.0.0.1" ]; ports = {{ min = {first}; max = {first + count - 1}; }}; }};')
    postern.server(text)
    return port, first


@tap.test(workers=e2e.WORKERS)
def frees_its_ports(workers):
    """An ended allocation's port is free again, for every worker; when none is free the answer is 508"""
    port, _ = serve_few_ports(4, workers)
    one = e2e.client(port)
    for _ in range(100):
        one.allocate()
        one.refresh(0)
    holders = [e2e.allocated(port) for _ in range(4)]
    tap.equal(tap.raises(stunwire.Refused, one.allocate).code, 508)
    for _ in range(100):
        holders[0].refresh(0)
        one.allocate()
        holders[0], one = one, holders[0]


@tap.test(address=["127.0.0.2", "127.0.0.3"])
def relays_where_the_client_arrived(address):
    """Of several relay addresses the one that the client came to is its own, until that one is full"""
    port, first = postern.free_port(), postern.free_port(4)
    places = ["127.0.0.2", "127.0.0.3"]
    text = postern.config(port, addresses=places)
    postern.server(text.replace("relay = {", f"relay = {{ ports = {{ min = {first}; max = {first + 3}; }};"))
    other = places[address == places[0]]
    tap.equal([e2e.allocated(port, address=address).relayed[0] for _ in range(8)], [address] * 4 + [other] * 4)


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"])
def gives_datagrams_to_nobody_else(workers, transport):
    """While ports change hands under fire, each client hears only what was sent to its own"""
    port, first = serve_few_ports(4, workers)
    shooter, over = e2e.peer(), threading.Event()

    def shoot():
        while not over.is_set():
            for target in range(first, first + 4):
                shooter.send(b"%d" % target, ("127.0.0.1", target))

    thread = threading.Thread(target=shoot, daemon=True)
    thread.start()
    tap.cleanup(thread.join)
    tap.cleanup(over.set)
    heard = 0
    for round in range(120):
        one = e2e.client(port, transport)
        one.allocate()
        one.permit(shooter.local)
        for _ in range(3):
            received = one.receive(2)
            tap.true(received is not None, f"round {round}: something was heard")
            tap.equal(received, (shooter.local, b"%d" % one.relayed[1]), f"round {round}")
            heard += 1
        if round % 2 == 0 or transport == "udp":
            one.refresh(0)
        one.close()
    tap.equal(heard, 360)


@tap.test(workers=e2e.WORKERS)
def connects_two_relays(workers):
    """Two clients of one server reach each other through their relays"""
    _, port = e2e.serve(workers, peers=False)  # the default rules: own addresses at relayed ports
    pairs = [(e2e.allocated(port), e2e.allocated(port, "tcp")) for _ in range(8)]
    for first, second in pairs:
        first.bind_channel(second.relayed)
        second.bind_channel(first.relayed, 0x4005)
        for number in range(20):
            payload = b"%d" % number
            first.send_channel(payload)
            tap.equal(second.receive(), (first.relayed, payload))
            second.send_channel(payload, 0x4005)
            tap.equal(first.receive(), (second.relayed, payload))


@tap.test(workers=e2e.WORKERS)
def keeps_off_its_own_ports(workers):
    """A relay to our own address reaches live relayed ports only"""
    _, port = e2e.serve(workers, peers=False)
    one, bystander = e2e.allocated(port), e2e.peer()
    one.permit(("127.0.0.1", 1))
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    for target in (bystander.local, ("127.0.0.1", port)):
        for _ in range(3):
            one.send(target, request)
    tap.equal(bystander.receive(0.3), None, "another program of this host")
    tap.equal(one.receive(0.1), None, "our own listener")
    other = e2e.allocated(port)
    other.permit(one.relayed)
    one.send(other.relayed, b"live")
    tap.equal(other.receive(), (one.relayed, b"live"))


@tap.test(allowed=[True, False])
def obeys_peer_rules(allowed):
    """allow lets loopback in, deny comes first, the rest stays refused"""
    rules = 'peers = { allow = [ "127.0.0.0/8" ]; deny = [ "127.0.0.16/28" ]; };\n' if allowed else ""
    _, port = e2e.serve(peers=False, more=rules)
    one = e2e.allocated(port)
    refused = [("127.0.0.17", 9), ("10.0.0.1", 9), ("169.254.169.254", 80), ("224.0.0.1", 9), ("0.0.0.0", 9)]
    if not allowed:
        refused.append(("127.0.0.9", 9))
    for target in refused:
        for attempt in (one.permit, one.bind_channel):
            tap.equal(tap.raises(stunwire.Refused, attempt, target).code, 403, str(target))
    if allowed:
        peer = e2e.peer("127.0.0.9")
        one.bind_channel(peer.local)
        exchange_payloads(one, peer, one.send_channel, peer.local)


@tap.test(transport=["udp", "tcp"])
def survives_peers_that_cannot_be_reached(transport):
    """Port 0, closed ports and refused sends harm neither the allocation nor other peers"""
    _, port = e2e.serve()
    one, good, closed = e2e.allocated(port, transport), e2e.peer(), e2e.peer()
    target = closed.local
    closed.close()
    one.permit(good.local, ("127.255.255.255", 9))
    for number in range(20):
        one.send(("127.0.0.1", 0), b"port 0")
        one.send(target, b"nobody listens")
        one.send(("127.255.255.255", 9), b"a broadcast, which the kernel refuses")
        one.send(good.local, b"%d" % number)
        tap.equal(good.receive(20), b"%d" % number)
    good.send(b"and back", one.relayed)
    tap.equal(one.receive(), (good.local, b"and back"))


tap.main()

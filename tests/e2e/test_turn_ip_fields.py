# SPDX-License-Identifier: BSD-3-Clause
"""What the IP header of a relayed datagram says: RFC 8656, section 15, as it prefers and as it also allows."""
import socket
import struct

import e2e
import postern
import stunwire
import tap

DEFAULTS = (64, 0)
EF_ECT0 = 0xB8 | 2  # DSCP 46, ECN 2


def names(address):
    """Level and options: to set hop limit and traffic class, and to be told them; and how they are told."""
    if ":" in address:
        return socket.IPPROTO_IPV6, (socket.IPV6_UNICAST_HOPS, socket.IPV6_TCLASS), (51, 66), (52, 67)
    return socket.IPPROTO_IP, (socket.IP_TTL, socket.IP_TOS), (12, 13), (2, 1)


def say(transport, address, hop_limit, traffic_class):
    """What datagrams of that socket say from now on."""
    level, options, _, _ = names(address)
    for option, value in zip(options, (hop_limit, traffic_class)):
        transport.socket.setsockopt(level, option, value)


def hear(transport, address):
    level, _, options, _ = names(address)
    for option in options:
        transport.socket.setsockopt(level, option, 1)


def fields(transport, address, timeout=20):
    """(hop limit, traffic class) of the next datagram, or None."""
    level, _, _, told = names(address)
    transport.socket.settimeout(timeout)
    try:
        _, ancillary, _, _ = transport.socket.recvmsg(2048, 256)
    except TimeoutError:
        return None
    number = lambda data: data[0] if len(data) == 1 else struct.unpack("=i", data[:4])[0]
    found = {kind: number(data) for at, kind, data in ancillary if at == level}
    return found[told[0]], found[told[1]]


@tap.test(copies=[True, False], address=e2e.LOOPBACKS, workers=e2e.WORKERS)
def both_ways(copies, address, workers):
    """TTL, DSCP and ECN go on with ChannelData, Send and Data by default, and not where that is off"""
    e2e.need_address(address)
    port = postern.free_port()
    text = postern.config(port, workers=workers, addresses=(address,))
    if not copies:
        text = text.replace("relay = {", "relay = { copy_ip_fields = false;", 1)
    postern.server(text)
    one, peer, other = e2e.allocated(port, address=address), e2e.peer(address), e2e.peer(address)
    one.bind_channel(peer.local, 0x4001)
    one.permit(other.local)
    hear(one.transport, address)
    for way in (peer, other):
        hear(way, address)
    for hop_limit, traffic_class in ((64, 0), (33, EF_ECT0), (255, 3), (2, 0x28)):
        expected = (hop_limit - 1, traffic_class) if copies else DEFAULTS
        say(one.transport, address, hop_limit, traffic_class)
        for _ in range(3):
            one.send_channel(b"channel", 0x4001)
            tap.equal(fields(peer, address), expected, "ChannelData to the peer")
        one.send(other.local, b"indication")
        tap.equal(fields(other, address), expected, "Send to the peer")
        for way in (peer, other):
            say(way, address, hop_limit, traffic_class)
            way.send(b"back", one.relayed)
            tap.equal(fields(one.transport, address), expected, "to the client")
    say(one.transport, address, 1, 0)
    one.send_channel(b"spent", 0x4001)
    tap.equal(fields(peer, address, 0.3), None if copies else DEFAULTS, "at the end of its way")
    say(one.transport, address, 64, EF_ECT0)
    one.refresh()  # an answer is the server's own
    one.transport.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    tap.equal(fields(one.transport, address), DEFAULTS)


@tap.test
def from_a_stream():
    """A client over TCP has no datagrams: what it sends leaves with the defaults"""
    port = postern.free_port()
    postern.server(postern.config(port))
    one, peer = e2e.allocated(port, "tcp"), e2e.peer()
    one.bind_channel(peer.local)
    hear(peer, "127.0.0.1")
    say(one.transport, "127.0.0.1", 9, 0xB8)
    one.send_channel(b"x")
    tap.equal(fields(peer, "127.0.0.1"), DEFAULTS)


TICKET = stunwire.MOBILITY_TICKET


@tap.test(workers=e2e.WORKERS)
def goes_with_the_client(workers):
    """A mobile client that goes from UDP to TCP takes no TTL of its past along, at whichever worker it arrives; back it does"""
    port = postern.free_port()
    postern.server(postern.config(port, workers=workers))
    one, peer = e2e.client(port), e2e.peer()
    ticket = one.allocate([(TICKET, b"")]).get(TICKET)
    one.bind_channel(peer.local)
    hear(peer, "127.0.0.1")
    for number in range(8):
        transport = "tcp" if number % 2 else "udp"
        if number > 0:
            after = e2e.client(port, transport)
            ticket = after.refresh(600, [(TICKET, ticket)]).get(TICKET)
            one = after
        say(one.transport, "127.0.0.1", 33, EF_ECT0)
        for _ in range(3):
            one.send_channel(b"x")
            tap.equal(fields(peer, "127.0.0.1"), DEFAULTS if transport == "tcp" else (32, EF_ECT0), transport)


tap.main()

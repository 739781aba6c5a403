# SPDX-License-Identifier: BSD-3-Clause
"""TURN over TCP: framing, the end of a connection, clients that do not read, and no descriptors left."""
import os
import pathlib
import socket
import struct
import time

import e2e
import postern
import stunwire
import tap


@tap.test(workers=e2e.WORKERS)
def works_byte_by_byte(workers):
    """A client that sends every byte by itself allocates and relays"""
    _, port = e2e.serve(workers)
    one, peer = e2e.client(port, "tcp"), e2e.peer()
    whole = one.transport.send
    one.transport.send = lambda data: [whole(bytes([byte])) for byte in data]
    one.allocate()
    one.bind_channel(peer.local)
    one.permit(peer.local)
    for size in range(9):
        one.send_channel(b"c" * size)
        one.send(peer.local, b"i" * size)
        tap.equal(e2e.receive_all(peer, 2), [b"c" * size, b"i" * size])


@tap.test(workers=e2e.WORKERS)
def takes_frames_in_any_pieces(workers):
    """Frames glued together and cut anywhere arrive whole and in order"""
    _, port = e2e.serve(workers)
    one, peer = e2e.allocated(port, "tcp"), e2e.peer()
    one.bind_channel(peer.local)
    payloads = [os.urandom(number % 97) for number in range(1, 101)]
    stream = b"".join(stunwire.channel_data(0x4000, payload, stream=True) for payload in payloads)
    for piece in (len(stream), 1000, 333, 7):
        for start in range(0, len(stream), piece):
            one.transport.send(stream[start : start + piece])
        tap.equal(e2e.receive_all(peer, len(payloads)), payloads, f"in pieces of {piece}")


@tap.test(how=["close", "reset", "half"], workers=e2e.WORKERS)
def ends_with_its_connection(how, workers):
    """An allocation ends as soon as its connection does"""
    _, port = e2e.serve(workers)
    ones = [e2e.allocated(port, "tcp") for _ in range(5)]
    other = e2e.allocated(port, "udp")
    for one in ones:
        tap.true(not e2e.is_free(one.relayed), "the port is in use")
        if how == "reset":
            one.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half":
            one.transport.socket.shutdown(socket.SHUT_WR)
        else:
            one.close()
    for one in ones:
        tap.true(postern.until(lambda: e2e.is_free(one.relayed)), f"{one.relayed} is closed")
    other.refresh()


@tap.test
def answers_before_it_closes():
    """What was asked before the client closed its direction is still answered"""
    _, port = e2e.serve()
    one, peer = e2e.allocated(port, "tcp"), e2e.peer()
    one.bind_channel(peer.local)
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    one.transport.send(stunwire.channel_data(0x4000, b"bye", stream=True) + request)
    one.transport.socket.shutdown(socket.SHUT_WR)
    tap.equal(peer.receive(20), b"bye")
    tap.equal(stunwire.parse(one.transport.receive(20)).transaction, request[8:20])


@tap.test(workers=e2e.WORKERS)
def keeps_idle_connections_only_for_allocations(workers):
    """An idle connection is closed, but not one that carries an allocation"""
    port = postern.free_port()
    text = postern.config(port, workers=workers).replace("limits = {", 'limits = { tcp_idle_timeout = "1s";')
    postern.server(text)
    holder, peer, idle, ended = e2e.allocated(port, "tcp"), e2e.peer(), e2e.client(port, "tcp"), e2e.allocated(port, "tcp")
    holder.bind_channel(peer.local)
    idle.binding()
    ended.refresh(0)
    for one in (idle, ended):
        tap.equal(one.transport.receive(20), None)
        tap.true(one.transport.closed, "the idle connection is closed")
    peer.send(b"still there", holder.relayed)
    tap.equal(holder.receive(), (peer.local, b"still there"))


@tap.test
def keeps_its_memory_when_a_client_does_not_read():
    """A client that does not read loses data; memory stays, and others do not notice"""
    server, port = e2e.serve()
    slow, peer, other, other_peer = e2e.allocated(port, "tcp"), e2e.peer(), e2e.allocated(port), e2e.peer()
    slow.bind_channel(peer.local)
    other.bind_channel(other_peer.local)
    before, sent = None, 0
    for number in range(100):
        for _ in range(500):
            sent += 1
            peer.send(struct.pack("!I", sent) + b"x" * 1196, slow.relayed)
        other_peer.send(b"%d" % number, other.relayed)
        tap.equal(other.receive(), (other_peer.local, b"%d" % number))
        if number == 20:  # the sockets' buffers are full by now
            before = server.resident
    grown = server.resident - before
    tap.true(grown < 8 << 20, f"{grown} bytes more after {sent} datagrams of 1,200 bytes")
    got = 0
    while True:  # what did arrive is whole, and in order
        received = slow.receive(0.5)
        if received is None:
            break
        number = struct.unpack("!I", received[1][:4])[0]
        tap.true(number > got and len(received[1]) == 1200, f"{number} after {got}")
        got = number
    tap.true(0 < got, "some of it arrived")
    peer.send(b"again", slow.relayed)
    tap.equal(slow.receive(), (peer.local, b"again"))
    slow.refresh()


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@tap.test
def lives_without_descriptors():
    """With no descriptor left: 508 for allocations, no connections, no spinning, and it recovers"""
    port = postern.free_port()
    server = postern.server(postern.config(port), prefix=["prlimit", "--nofile=64:64"])
    ones = []
    while len(ones) < 64:
        one = e2e.client(port)
        try:
            one.allocate()
        except stunwire.Refused as refused:
            tap.equal(refused.code, 508)
            break
        ones.append(one)
    tap.true(16 < len(ones) < 64, f"{len(ones)} allocations fitted")
    waiting = [e2e.tcp(port) for _ in range(5)]  # the kernel takes them, the server cannot
    for way in waiting:
        way.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    before = cpu_seconds(server)
    time.sleep(1)
    tap.true(cpu_seconds(server) - before < 0.5, "it does not spin")
    e2e.still_answers(port)
    for one in ones[:8]:
        one.refresh(0)
    for way in waiting:
        tap.true(way.receive(15) is not None, "a connection that waited is served")
    ones[-1].refresh()


tap.main()

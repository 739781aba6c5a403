# SPDX-License-Identifier: BSD-3-Clause
"""Relaying of TCP (RFC 6062): Connect, ConnectionBind, ConnectionAttempt, back pressure, half close,
and what is refused. With three workers, data connections come to workers that hold no allocation."""
import hashlib
import os
import select
import socket
import ssl
import threading
import time

import e2e
import pki
import postern
import stunwire
import tap

BOTH = {"workers": e2e.WORKERS}
MEGABYTE = os.urandom(1 << 20)
NAME = "turn.example.org"


def server(workers=1, more="", **options):
    """(server, port)"""
    port = postern.free_port()
    return postern.server(postern.config(port, workers, more=more, **options)), port


def control(port, address="127.0.0.1", user=postern.USER, password=postern.PASSWORD):
    """A client with an allocation that relays TCP."""
    one = stunwire.Client(e2e.tcp(port, address), user, password)
    one.allocate([e2e.family_of(address)], protocol=stunwire.TCP)
    return one


def number_of(answer):
    return answer.number(stunwire.CONNECTION_ID)


def connect(one, peer):
    return number_of(one._peer_request(stunwire.CONNECT, [peer]))


EARLY = {}  # what came with the answer to ConnectionBind, by socket


def bind(port, number, transport=None, address="127.0.0.1", user=postern.USER):
    """The socket of a data connection, after its ConnectionBind has succeeded."""
    data = stunwire.Client(transport or e2e.tcp(port, address), user, postern.PASSWORD)
    data.request(stunwire.CONNECTION_BIND, [(stunwire.CONNECTION_ID, stunwire.u32(number))])
    EARLY[data.transport.socket] = data.transport.buffer
    data.transport.socket.settimeout(10)
    return data.transport.socket


def attempt(one, timeout=20):
    """(number, peer) of the next ConnectionAttempt, or None."""
    raw = one.pending.pop(0) if one.pending else one.transport.receive(timeout)
    if raw is None:
        return None
    message = stunwire.parse(raw)
    tap.equal((message.method, message.klass), (stunwire.CONNECTION_ATTEMPT, stunwire.INDICATION))
    return number_of(message), message.address(stunwire.XOR_PEER_ADDRESS)


def listen(address="127.0.0.1", backlog=16):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.bind((address, 0))
    listening.listen(backlog)
    listening.settimeout(10)
    tap.cleanup(listening.close)
    return listening


def accept(listening):
    connection, source = listening.accept()
    connection.settimeout(10)
    tap.cleanup(connection.close)
    return connection, source[:2]


def joined(one, port, transport=None, address="127.0.0.1"):
    """(client's socket, peer's socket), joined by Connect."""
    listening = listen(address)
    number = connect(one, listening.getsockname()[:2])
    peer, source = accept(listening)
    tap.equal(source, one.relayed, "the peer sees the relayed address")
    return bind(port, number, transport, address), peer


def read(connection, size):
    got = bytearray(EARLY.pop(connection, b""))
    while len(got) < size:
        more = connection.recv(65536)
        if not more:
            break
        got += more
    return bytes(got)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def both_ways(client, peer, data=MEGABYTE):
    for source, target in ((client, peer), (peer, client)):
        writer = threading.Thread(target=source.sendall, args=(data,))
        writer.start()
        tap.equal(digest(read(target, len(data))), digest(data))
        writer.join()


@tap.test(timeout=120, **BOTH)
def connects(workers):
    """Connect, ConnectionBind, and a megabyte each way, for eight data connections at once"""
    _, port = server(workers)
    one = control(port)
    for client, peer in [joined(one, port) for _ in range(8)]:
        both_ways(client, peer)
    one.refresh()


@tap.test(timeout=120, **BOTH)
def is_connected_to(workers):
    """A peer with a permission connects: ConnectionAttempt; bytes that it sent early arrive"""
    _, port = server(workers)
    one = control(port)
    one.permit(("127.0.0.1", 0))
    for _ in range(8):
        peer = socket.create_connection(one.relayed, 5)
        tap.cleanup(peer.close)
        peer.sendall(b"early")
        number, source = attempt(one)
        tap.equal(source, peer.getsockname())
        client = bind(port, number)
        tap.equal(read(client, 5), b"early")
        both_ways(client, peer, MEGABYTE[:100000])


@tap.test(**BOTH)
def without_permission(workers):
    """A peer without a permission is closed, and the client hears nothing"""
    _, port = server(workers)
    one = control(port)
    peer = socket.create_connection(one.relayed, 5)
    tap.equal(peer.recv(1), b"", "closed")
    tap.equal(attempt(one, 0.3), None)


@tap.test(**BOTH)
def over_ipv6(workers):
    """The same over IPv6"""
    _, port = server(workers, addresses=["::1"])
    one = control(port, "::1")
    client, peer = joined(one, port, address="::1")
    both_ways(client, peer, b"six" * 1000)


@tap.test(timeout=120, version=["TLSv1_2", "TLSv1_3"], **BOTH)
def over_tls(version, workers):
    """Control and data connections over TLS: a megabyte each way, and the end in both orders"""
    authority = pki.Authority(postern.temporary_folder())
    _, port = server(workers, authority.issue(NAME, "127.0.0.1").settings(""), transports=("tls",))
    context = authority.context(maximum_version=ssl.TLSVersion[version])

    def tls():
        transport = stunwire.Tcp(("127.0.0.1", port), context=context, server_name=NAME)
        tap.cleanup(transport.close)
        return transport

    one = stunwire.Client(tls(), postern.USER, postern.PASSWORD)
    one.allocate(protocol=stunwire.TCP)
    for first in ("client", "peer") * 3:
        client, peer = joined(one, port, tls())
        both_ways(client, peer)
        if first == "client":
            ending = threading.Thread(target=client.unwrap)  # until the other direction ends as well
            ending.start()
            tap.equal(peer.recv(1), b"")
            peer.close()
            ending.join()
        else:
            peer.close()
            tap.equal(client.recv(1), b"")


def fill(connection):
    """Sends until nothing more is taken; how many bytes that were."""
    sent = 0
    connection.setblocking(False)
    while select.select([], [connection], [], 0.5)[1]:
        try:
            sent += connection.send(MEGABYTE)
        except BlockingIOError:
            continue
    connection.settimeout(10)
    return sent


@tap.test(timeout=90, direction=["to the peer", "to the client"], **BOTH)
def slow_readers(direction, workers):
    """Whoever does not read stops who sends; memory stays bounded, and nothing is lost"""
    port = postern.free_port()
    # A sanitizer keeps what was freed; here that would look like buffers that grow.
    keep_nothing = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    process = postern.server(postern.config(port, workers), env={"ASAN_OPTIONS": keep_nothing.lstrip(":")})
    one = control(port)
    pairs = []
    for _ in range(4):
        client, peer = joined(one, port)
        pairs.append((client, peer) if direction == "to the peer" else (peer, client))
    before = process.resident
    sent = [fill(source) for source, _ in pairs]
    tap.true(sum(sent) > 4 << 20, f"{sent} bytes were taken, most of them by the kernel")
    grown = process.resident - before
    tap.true(grown < 2 << 20, f"{grown} bytes more for {len(pairs)} connections that nobody reads")
    for (source, target), size in zip(pairs, sent):
        source.shutdown(socket.SHUT_WR)
        tap.equal(len(read(target, size + 1)), size, "all of it arrives")


@tap.test(**BOTH)
def half_close(workers):
    """One direction ends, the other goes on, both ways around"""
    _, port = server(workers)
    one = control(port)
    for _ in range(4):
        client, peer = joined(one, port)
        for first, second in ((client, peer), (peer, client)):
            first.sendall(b"last words")
            first.shutdown(socket.SHUT_WR)
            tap.equal(read(second, 100), b"last words", "then the end")
            if first is client:
                peer.sendall(b"still here")
                tap.equal(read(client, 10), b"still here")
        tap.equal((client.recv(1), peer.recv(1)), (b"", b""))


@tap.test(**BOTH)
def ends_together(workers):
    """When the allocation ends, by Refresh or with its connection, its data connections do"""
    _, port = server(workers)
    for how in ("refresh", "close"):
        one = control(port)
        pairs = [joined(one, port) for _ in range(6)]
        number = connect(one, listen().getsockname())
        one.refresh(0) if how == "refresh" else one.close()
        for client, peer in pairs:
            tap.equal((client.recv(1), peer.recv(1)), (b"", b""), f"ended by {how}")
        tap.equal(e2e.code_of(bind, port, number), 400)


@tap.test(**BOTH)
def connects_again(workers):
    """446 while there is a connection with that peer, not any more when it has ended"""
    _, port = server(workers)
    one, listening = control(port), listen()
    where = listening.getsockname()
    number = connect(one, where)
    peer, _ = accept(listening)
    tap.equal(e2e.code_of(connect, one, where), 446, "while it waits")
    client = bind(port, number)
    tap.equal(e2e.code_of(connect, one, where), 446, "while it is joined")
    peer.close()  # first, so that the port of the peer, not of the relay, is in TIME_WAIT
    tap.equal(client.recv(1), b"")
    client.close()
    deadline = time.monotonic() + 30
    while e2e.code_of(connect, one, where) == 446:
        tap.true(time.monotonic() < deadline, "446 no more")
        time.sleep(0.02)


@tap.test(**BOTH)
def refused_binds(workers):
    """ConnectionBind: 400 without a good id, twice, over UDP or on the control connection; 441 for another user"""
    users = f'users = ( {{ name = "{postern.USER}"; password = "{postern.PASSWORD}"; }}, ' \
            f'{{ name = "mallory"; password = "{postern.PASSWORD}"; }} );\n'
    port = postern.free_port()
    text = "\n".join(line for line in postern.config(port, workers).splitlines() if not line.startswith("users"))
    postern.server(text + "\n" + users)
    one, listening = control(port), listen()
    number = connect(one, listening.getsockname())
    accept(listening)
    for wrong in (0, number ^ 0x100, number ^ 1, number ^ 2, number ^ 0xFF, 0xFFFFFFFF):
        tap.equal(e2e.code_of(bind, port, wrong), 400, f"{wrong:#x} is not {number:#x}")
    for _ in range(6):  # at whichever worker
        tap.equal(e2e.code_of(lambda: bind(port, number, user="mallory")), 441)
    field = (stunwire.CONNECTION_ID, stunwire.u32(number))
    for transport, fields in (("tcp", []), ("tcp", [(stunwire.CONNECTION_ID, b"abc")]), ("udp", [field])):
        tap.equal(e2e.code_of(e2e.client(port, transport).request, stunwire.CONNECTION_BIND, fields), 400)
    tap.equal(e2e.code_of(one.request, stunwire.CONNECTION_BIND, [field]), 400, "on the control connection")
    bind(port, number)
    tap.equal(e2e.code_of(bind, port, number), 400, "once is enough")
    one.refresh()


@tap.test(**BOTH)
def refused_connects(workers):
    """Connect: 447 nobody there, 437 not for TCP, 400, 403, 443; and a TCP allocation has no channels"""
    _, port = server(workers)
    one = control(port)
    free = listen()
    nobody = free.getsockname()
    free.close()
    tap.equal(e2e.code_of(connect, one, nobody), 447)
    tap.equal(e2e.code_of(connect, one, ("10.1.2.3", 80)), 403)
    tap.equal(e2e.code_of(connect, one, ("127.0.0.1", port)), 403, "where the server listens")
    tap.equal(e2e.code_of(connect, one, one.relayed), 403, "itself")
    tap.equal(e2e.code_of(connect, one, ("127.0.0.1", 0)), 400)
    tap.equal(e2e.code_of(connect, one, ("::1", 80)), 443)
    tap.equal(e2e.code_of(one.request, stunwire.CONNECT, []), 400)
    tap.equal(e2e.code_of(one.bind_channel, ("127.0.0.1", 9)), 403)
    tap.equal(e2e.code_of(connect, e2e.allocated(port, "tcp"), nobody), 437)
    tap.equal(e2e.code_of(connect, e2e.client(port, "tcp"), nobody), 437)


@tap.test(**BOTH)
def refused_allocations(workers):
    """An allocation for TCP: 400 over UDP, and with what is for UDP only"""
    _, port = server(workers)
    tap.equal(e2e.code_of(lambda: e2e.client(port).allocate(protocol=stunwire.TCP)), 400)
    for field in ((stunwire.EVEN_PORT, b"\0"), (stunwire.RESERVATION_TOKEN, bytes(7) + b"\1"),
                  (stunwire.DONT_FRAGMENT, b"")):
        tap.equal(e2e.code_of(lambda: e2e.client(port, "tcp").allocate([field], protocol=stunwire.TCP)), 400)


@tap.test(**BOTH)
def between_relays(workers):
    """Two clients, each with a relay here: Connect to the other's, in the default rules for own addresses"""
    _, port = server(workers, peers=False)
    one, other = control(port), control(port)
    other.permit(("127.0.0.1", 0))
    client = bind(port, connect(one, other.relayed))
    number, source = attempt(other)
    tap.equal(source, one.relayed)
    both_ways(client, bind(port, number), MEGABYTE[:300000])
    udp = e2e.allocated(port)
    listening = listen()
    tap.equal(e2e.code_of(connect, one, udp.relayed), 403, "a relay of UDP")
    tap.equal(e2e.code_of(connect, one, listening.getsockname()), 403, "whatever else listens on this host")


@tap.test
def bounded():
    """So many connections an allocation, then 508; and none at all when it is switched off"""
    _, port = server(more="")
    one, listening = control(port), [listen() for _ in range(33)]
    codes = [e2e.code_of(connect, one, each.getsockname()) for each in listening]
    tap.equal(codes, [0] * 32 + [508])
    port = postern.free_port()
    postern.server(postern.config(port).replace("relay = {", "relay = { tcp = false;"))
    tap.equal(e2e.code_of(lambda: e2e.client(port, "tcp").allocate(protocol=stunwire.TCP)), 442)


@tap.test(timeout=120, whose=["user", "total"], **BOTH)
def bandwidth(whose, workers):
    """What is above a bandwidth quota waits, and nothing is lost"""
    _, port = server(workers, f'quotas = {{ {whose} = {{ bandwidth = "800 kbit/s"; }}; }};\n')  # 100,000 bytes/s
    client, peer = joined(control(port), port)
    for source, target in ((client, peer), (peer, client)):
        begun = time.monotonic()
        both = threading.Thread(target=source.sendall, args=(MEGABYTE[:300000],))
        both.start()
        tap.equal(digest(read(target, 300000)), digest(MEGABYTE[:300000]))
        both.join()
        tap.true(1.5 < time.monotonic() - begun < 40, f"{time.monotonic() - begun:.1f} s for 300,000 bytes")


@tap.test(timeout=120, **BOTH)
def leaves_nothing(workers):
    """Descriptors are given back, however connections end"""
    process, port = server(workers)
    descriptors = lambda: len(os.listdir(f"/proc/{process.pid}/fd"))
    before = descriptors()
    for round in range(5):
        one = control(port)
        one.permit(("127.0.0.1", 0))
        pairs = [joined(one, port) for _ in range(4)]
        pairs[0][0].close()
        pairs[1][1].close()
        pairs[2][0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        pairs[2][0].close()
        connect(one, listen().getsockname())
        socket.create_connection(one.relayed, 5).close()
        attempt(one)
        one.close()
        for pair in pairs:
            for each in pair:
                each.close()
    deadline = time.monotonic() + 30
    while descriptors() > before:
        tap.true(time.monotonic() < deadline, f"{descriptors()} descriptors, {before} before")
        time.sleep(0.05)
    e2e.still_answers(port)


tap.main()

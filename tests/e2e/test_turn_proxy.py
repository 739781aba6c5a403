# SPDX-License-Identifier: BSD-3-Clause
"""The PROXY protocol, versions 1 and 2, before TCP and TLS; headers written out by hand."""
import socket
import struct
import time

import e2e
import pki
import postern
import stunwire
import tap

NAME = "turn.example.org"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REAL = ("192.0.2.7", 40000)
REAL6 = ("2001:db8::7", 40006)


def v1(source=REAL, destination=("198.51.100.1", 3478)):
    family = "TCP6" if ":" in source[0] else "TCP4"
    other = "2001:db8::1" if family == "TCP6" else destination[0]
    return f"PROXY {family} {source[0]} {other} {source[1]} {destination[1]}\r\n".encode()


def v2(source=REAL, destination=("198.51.100.1", 3478), command=0x21, family=None, extras=b""):
    kind = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    other = "2001:db8::1" if kind == socket.AF_INET6 else destination[0]
    body = socket.inet_pton(kind, source[0]) + socket.inet_pton(kind, other) + struct.pack("!HH", source[1], destination[1])
    code = family if family is not None else (0x21 if kind == socket.AF_INET6 else 0x11)
    body += extras
    return SIGNATURE + struct.pack("!BBH", command, code, len(body)) + body


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def serve(workers=None, transports=("tcp",), trusted="127.0.0.0/8", limits=""):
    authority = pki.Authority(postern.temporary_folder())
    port = postern.free_port()
    tls = authority.issue(NAME).settings() if "tls" in transports else ""
    text = postern.config(port, workers, transports=transports, more=tls)
    text = text.replace("transports = [", f'proxy_protocol_from = [ "{trusted}" ]; transports = [', 1)
    text = text.replace("limits = { ", f"limits = {{ {limits} ")
    return postern.server(text), port, authority


def open_with(port, header, pieces=None):
    """A plain connection that has sent the header."""
    connection = socket.create_connection(("127.0.0.1", port))
    tap.cleanup(connection.close)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(header), pieces or len(header) or 1):
        connection.sendall(header[start : start + (pieces or len(header))])
    return connection


def stream(connection):
    """The connection as a transport of stunwire."""
    transport = stunwire.Tcp.__new__(stunwire.Tcp)
    transport.socket, transport.buffer, transport.closed = connection, b"", False
    transport.remote = transport.source = connection.getpeername()[:2]
    return transport


def mapped(transport):
    transport.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    raw = transport.receive(20)
    return raw and stunwire.parse(raw).mapped


@tap.test(workers=e2e.WORKERS)
def takes_the_real_address(workers):
    """Both versions and both families tell the client's address; the server answers with it"""
    _, port, _ = serve(workers)
    for header, real in ((v1(), REAL), (v1(REAL6), REAL6), (v2(), REAL), (v2(REAL6), REAL6),
                         (v2(extras=tlv(0x01, b"h2") + tlv(0x02, b"example.org") + tlv(0x04, b"")), REAL),
                         (v2(extras=tlv(0xE0, bytes(1500))), REAL)):
        for pieces in (None, 1):
            tap.equal(mapped(stream(open_with(port, header, pieces))), real, repr(header[:40]))
    glued = open_with(port, v1() + stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    tap.equal(stunwire.parse(stream(glued).receive(20)).mapped, REAL, "header and request in one segment")


@tap.test
def relays_behind_a_proxy():
    """An allocation behind a proxy works, over TCP and over TLS on the same port"""
    _, port, authority = serve(transports=["tcp", "tls"])
    peer = e2e.peer()
    for secure in (False, True):
        connection = open_with(port, v2())
        if secure:
            connection = authority.context(["stun.turn"]).wrap_socket(connection, server_hostname=NAME)
        one = stunwire.Client(stream(connection), postern.USER, postern.PASSWORD)
        one.allocate()
        one.permit(peer.local)
        one.send(peer.local, b"hello")
        tap.equal(peer.receive(20), b"hello")
        peer.send(b"back", one.relayed)
        tap.equal(one.receive(), (peer.local, b"back"))
        one.refresh(0)


@tap.test
def takes_checks_of_the_proxy_itself():
    """LOCAL of version 2 and UNKNOWN of version 1 say nothing: the address is the connection's own"""
    _, port, _ = serve()
    for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
                   SIGNATURE + b"\x20\x00\x00\x00", v2(command=0x20), SIGNATURE + b"\x21\x00\x00\x00"):
        connection = open_with(port, header)
        tap.equal(mapped(stream(connection)), connection.getsockname(), repr(header))


BAD = [
    b"", b"GET / HTTP/1.1\r\n\r\n", b"PROXY\r\n", b"PROXY \r\n", b"PROXY TCP4\r\n", b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
    b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
    b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
    b"PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n", b"PROXY TCP6 fe80::1%lo 2001:db8::2 1 2\r\n",
    b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n", b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY UNKNOWN\0\r\n",
    SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12), SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12), SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
    SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x11\x00\x0e" + bytes(14), SIGNATURE + b"\x21\x11\x00\x10" + bytes(12) + b"\x01\x00\x09x",
    SIGNATURE + b"\x21\x11\xff\xff" + bytes(65535), SIGNATURE[:11] + b"\r\x21\x11\x00\x0c" + bytes(12),
]


@tap.test
def ends_malformed_headers():
    """A trusted proxy that sends no header or a bad one, or closes within one, is cut off"""
    _, port, _ = serve()
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    for header in BAD:
        try:
            connection = open_with(port, header + request)
        except (ConnectionResetError, BrokenPipeError):
            continue
        tap.true(e2e.ended(connection), repr(header[:60]))
    for header in (v1()[:20], v2()[:20], v2()[:5], b""):
        connection = open_with(port, header)
        connection.shutdown(socket.SHUT_WR)
        tap.true(e2e.ended(connection), f"closed after {header!r}")
    begin, half = time.monotonic(), open_with(port, v2()[:20])
    tap.true(e2e.ended(half, 15) and time.monotonic() - begin > 6, "half a header ends at the deadline")
    tap.equal(mapped(stream(open_with(port, v1()))), REAL)


@tap.test(transports=[["tcp"], ["tls"], ["tcp", "tls"]])
def takes_no_header_from_strangers(transports):
    """A header from a source that is not trusted ends the connection; without one it is served"""
    _, port, authority = serve(transports=transports, trusted="10.0.0.0/8")
    for header in (v1(), v2(), b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\x00\x00\x00"):
        connection = open_with(port, header + stunwire.build(stunwire.BINDING, stunwire.REQUEST))
        tap.true(e2e.ended(connection), repr(header))
    connection = open_with(port, b"")
    local = connection.getsockname()
    if "tls" in transports:
        connection = authority.context().wrap_socket(connection, server_hostname=NAME)
    tap.equal(mapped(stream(connection)), local)


@tap.test
def counts_real_addresses():
    """Limits a source hold for the real address, not for the proxy"""
    _, port, _ = serve(limits="tcp_connections_per_source = 3;")
    others = [open_with(port, v2((f"192.0.2.{number}", 1000))) for number in range(1, 20)]
    for number, connection in enumerate(others, 1):
        tap.equal(mapped(stream(connection)), (f"192.0.2.{number}", 1000))
    same = [open_with(port, v1()) for _ in range(2)]
    for connection in same:
        tap.equal(mapped(stream(connection)), REAL)
    tap.equal(mapped(stream(open_with(port, v1()))), None, "192.0.2.7 has three already")
    same[0].close()
    tap.true(postern.until(lambda: mapped(stream(open_with(port, v1()))) == REAL), "one left, one may come")


tap.main()

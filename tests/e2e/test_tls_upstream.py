# SPDX-License-Identifier: BSD-3-Clause
"""One port for TURN over TLS and for a web site: what is not ours goes to the upstream undecrypted."""
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import struct
import time

import e2e
import pki
import postern
import stunwire
import tap

OURS, SITE = "turn.example.org", "www.example.org"


class Site:
    """A web site with a certificate of its own. "GET /N" answers N bytes; POST echoes; it counts."""

    def __init__(self, certificate, proxied=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.certificate, certificate.key)
        self.context.set_alpn_protocols(["http/1.1"])
        self.proxied, self.headers, self.ended = proxied, [], []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.stop = tap.serve(self.socket, self._serve)

    def _serve(self, connection):
        try:
            if self.proxied:
                header = connection.recv(28, socket.MSG_WAITALL)
                self.headers.append(header)
            with self.context.wrap_socket(connection, server_side=True) as secure:
                self._talk(secure)
        except OSError:
            pass
        finally:
            self.ended.append(time.monotonic())
            connection.close()

    @staticmethod
    def _talk(secure):
        reader = secure.makefile("rb")
        while True:
            line = reader.readline()
            if not line:
                return
            method, path, _ = line.decode().split()
            length = 0
            while (field := reader.readline().strip()):
                if field.lower().startswith(b"content-length:"):
                    length = int(field.partition(b":")[2])
            digest = hashlib.sha256()
            while length > 0:
                part = reader.read(min(length, 65536))
                digest.update(part)
                length -= len(part)
            body = bytes(int(path[1:])) if method == "GET" else digest.hexdigest().encode()
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def serve(workers=None, names=(OURS,), transports=("tls",), header=False, **options):
    """(server, port, authority, site)"""
    authority = pki.Authority(postern.temporary_folder())
    site = Site(authority.issue(SITE), header)
    port = postern.free_port()
    text = postern.config(port, workers, transports=transports, more=authority.issue(OURS).settings(), **options)
    quoted = ", ".join(f'"{name}"' for name in names)
    keys = f'upstream = "127.0.0.1:{site.port}"; ' + (f"server_names = [ {quoted} ]; " if names else "")
    keys += "upstream_proxy_header = true; " if header else ""
    return postern.server(text.replace("transports = [", keys + "transports = [", 1)), port, authority, site


def connect(port, context, name):
    raw = socket.create_connection(("127.0.0.1", port), 10)
    secure = context.wrap_socket(raw, server_hostname=name)
    tap.cleanup(secure.close)
    return secure


def is_site(connection):
    return any(SITE in entry for entry in connection.getpeercert()["subjectAltName"])


def get(connection, size):
    connection.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
    response = http.client.HTTPResponse(connection)
    response.begin()
    return len(response.read())


def transport(connection):
    way = stunwire.Tcp.__new__(stunwire.Tcp)
    way.socket, way.buffer, way.closed = connection, b"", False
    way.remote = way.source = connection.getpeername()[:2]
    return way


@tap.test(workers=e2e.WORKERS)
def decides_by_alpn_and_name(workers):
    """ALPN decides; without it the server name; each gets its own certificate and service"""
    _, port, authority, site = serve(workers)
    for alpn, name, theirs in ((["h2", "http/1.1"], SITE, True), (["http/1.1"], OURS, True), ([], SITE, True),
                               (["stun.turn"], OURS, False), (["stun.nat-discovery"], OURS, False), ([], OURS, False),
                               ([], OURS.upper(), False), (["http/1.1", "stun.turn"], OURS, False)):
        context = authority.context(alpn, check_hostname=False)
        connection = connect(port, context, name)
        tap.equal(is_site(connection), theirs, f"{alpn} {name}")
        if theirs:
            tap.equal(get(connection, 1000), 1000)
        else:
            stun = stunwire.Client(transport(connection))
            tap.equal(stun.binding().mapped, connection.getsockname())
    nameless = connect(port, authority.context(check_hostname=False), None)
    tap.true(not is_site(nameless), "no ALPN, no name: ours")


@tap.test
def takes_every_name_without_a_list():
    """Without server_names only a foreign ALPN goes to the upstream"""
    _, port, authority, _ = serve(names=())
    tap.true(not is_site(connect(port, authority.context(check_hostname=False), SITE)), "a name alone")
    tap.true(is_site(connect(port, authority.context(["http/1.1"]), SITE)), "a foreign ALPN")


@tap.test
def gives_a_silent_upstream_up():
    """An upstream that does not even accept is waited for five seconds, and others are served meanwhile"""
    _, _, authority, _ = serve()
    hole = socket.socket()
    tap.cleanup(hole.close)
    hole.bind(("127.0.0.1", 0))
    hole.listen(0)
    fill = [socket.socket() for _ in range(3)]  # what comes after them is left without an answer
    for one in fill:
        tap.cleanup(one.close)
        one.setblocking(False)
        one.connect_ex(hole.getsockname())
    time.sleep(0.2)
    port = postern.free_port()
    text = postern.config(port, transports=["tls"], more=authority.issue(OURS).settings())
    text = text.replace("transports = [", f'upstream = "127.0.0.1:{hole.getsockname()[1]}"; transports = [', 1)
    postern.server(text)
    raw = socket.create_connection(("127.0.0.1", port), 10)
    tap.cleanup(raw.close)
    since = time.monotonic()
    context = authority.context(["http/1.1"])
    tap.raises(OSError, lambda: context.wrap_socket(raw, server_hostname=SITE))
    took = time.monotonic() - since
    tap.true(4 < took < 9.5, f"{took:.1f} s")
    tap.true(not is_site(connect(port, authority.context(["stun.turn"]), OURS)), "ours")


@tap.test
def takes_patterns():
    """A pattern in server_names stands for one label"""
    _, port, authority, _ = serve(names=("*." + OURS.partition(".")[2],))
    context = authority.context(check_hostname=False)
    for name, ours in ((OURS, True), ("EU." + OURS.partition(".")[2], True), ("a.b." + OURS.partition(".")[2], False),
                       (OURS.partition(".")[2], False)):
        tap.equal(not is_site(connect(port, context, name)), ours, name)


@tap.test
def shares_the_port_with_tcp_too():
    """Plain TCP, TLS for us and TLS for the web site on one port"""
    _, port, authority, _ = serve(transports=["tcp", "tls"])
    tap.true(e2e.client(port, "tcp").binding().mapped, "plain")
    tap.equal(get(connect(port, authority.context(["http/1.1"]), SITE), 10), 10)
    one = stunwire.Client(transport(connect(port, authority.context(["stun.turn"]), OURS)), postern.USER, postern.PASSWORD)
    one.allocate()
    one.refresh(0)


@tap.test
def carries_much_both_ways():
    """Megabytes go through both ways; who does not read holds up nobody, and costs no memory"""
    server, port, authority, site = serve()
    context = authority.context(["http/1.1"])
    size = 20 << 20
    tap.equal(get(connect(port, context, SITE), size), size)
    body = os.urandom(1 << 20) * 20
    up = connect(port, context, SITE)
    up.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    response = http.client.HTTPResponse(up)
    response.begin()
    tap.equal(response.read().decode(), hashlib.sha256(body).hexdigest())
    before = server.resident
    lazy = [connect(port, context, SITE) for _ in range(8)]
    for connection in lazy:
        connection.sendall(b"GET /%d HTTP/1.1\r\n\r\n" % size)
    time.sleep(1)
    if not server.sanitized:  # a sanitizer keeps what was freed
        tap.true(server.resident - before < 8 << 20, f"{server.resident - before} bytes more")
    tap.equal(get(connect(port, context, SITE), 1000), 1000, "others are served")
    tap.equal(http_length(lazy[0]), size, "and it is all there when it is read")


def http_length(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    return len(response.read())


@tap.test
def passes_ends_on():
    """Either side's end reaches the other; a site that is down ends the connection"""
    _, port, authority, site = serve()
    connection = connect(port, authority.context(["http/1.1"]), SITE)
    get(connection, 1)
    connection.close()
    tap.true(postern.until(lambda: site.ended), "the site hears of the end")
    site.stop()
    tap.true(postern.until(lambda: not reaches(port, authority)), "no site, no connection")
    tap.true(connect(port, authority.context(["stun.turn"]), OURS), "we are still there")


def reaches(port, authority):
    try:
        connect(port, authority.context(["http/1.1"]), SITE)
        return True
    except OSError:
        return False


@tap.test
def tells_the_upstream_who_it_is():
    """With upstream_proxy_header the upstream gets the client's address, version 2"""
    _, port, authority, site = serve(header=True)
    connection = connect(port, authority.context(["http/1.1"]), SITE)
    tap.equal(get(connection, 5), 5)
    local, remote = connection.getsockname(), connection.getpeername()
    wanted = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton(local[0]) + socket.inet_aton(remote[0])
              + struct.pack("!HH", local[1], remote[1]))
    tap.equal(site.headers, [wanted])


@tap.test
def tells_the_upstream_who_is_behind_a_proxy():
    """Behind a load balancer the upstream gets the real client's address, IPv6 too"""
    authority = pki.Authority(postern.temporary_folder())
    site, port = Site(authority.issue(SITE), proxied=True), postern.free_port()
    text = postern.config(port, transports=["tls"], more=authority.issue(OURS).settings())
    keys = f'upstream = "127.0.0.1:{site.port}"; upstream_proxy_header = true; proxy_protocol_from = [ "127.0.0.1" ]; '
    postern.server(text.replace("transports = [", keys + "transports = [", 1))
    raw = socket.create_connection(("127.0.0.1", port), 10)
    raw.sendall(b"PROXY TCP4 192.0.2.9 198.51.100.1 4660 443\r\n")
    connection = authority.context(["http/1.1"]).wrap_socket(raw, server_hostname=SITE)
    tap.cleanup(connection.close)
    tap.equal(get(connection, 5), 5)
    tap.equal(site.headers, [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton("192.0.2.9")
                             + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 4660, port)])
    raw = socket.create_connection(("127.0.0.1", port), 10)
    raw.sendall(b"PROXY TCP4 192.0.2.9 198.51.100.1 4660 443\r\n")
    ours = authority.context(["stun.turn"]).wrap_socket(raw, server_hostname=OURS)
    tap.cleanup(ours.close)
    tap.equal(stunwire.Client(transport(ours)).binding().mapped, ("192.0.2.9", 4660), "and so do we")


def counted(server):
    """The server's counters: {name: number}."""
    before = len(server.errors)
    server.signal(signal.SIGUSR1)
    found = lambda: [line for line in server.errors[before:] if " counters " in line]
    tap.true(postern.until(found), "SIGUSR1 is answered")
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", found()[0])}


@tap.test
def counts_what_becomes_of_connections():
    """Handshakes that failed, openings that made no sense, and connections that were handed on are counted"""
    server, port, authority, _ = serve()
    get(connect(port, authority.context(["http/1.1"]), SITE), 1)
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(data)
            tap.true(e2e.ended(connection), repr(data))
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and says so by an alert
    tap.raises(ssl.SSLError, connect, port, stranger, OURS)
    wanted = {"connections_tunneled": 1, "connections_opening_failed": 2, "connections_tls_failed": 1}
    tap.true(postern.until(lambda: wanted.items() <= counted(server).items()), f"{counted(server)}")


def hello_of(context, name):
    """The bytes of a ClientHello by Python's ssl."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return session, incoming, outgoing, outgoing.read()


def finish(connection, session, incoming, outgoing):
    connection.settimeout(5)
    while True:
        try:
            session.do_handshake()
            return session
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            more = connection.recv(65536)
            if not more:
                raise AssertionError("the connection ended in the handshake") from None
            incoming.write(more)


def fragmented(hello, size):
    """The same ClientHello in records of so many bytes (RFC 8446 5.1)."""
    message = hello[5:]
    parts = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack("!H", len(part)) + part for part in parts)


@tap.test(host=[SITE, OURS])
def understands_pieces(host):
    """A ClientHello in tiny segments, and cut into many records, is understood"""
    _, port, authority, _ = serve()
    alpn = ["http/1.1"] if host == SITE else ["stun.turn"]
    for pieces, record in ((1, None), (7, None), (None, 100), (50, 33), (None, 1)):
        session, incoming, outgoing, hello = hello_of(authority.context(alpn), host)
        data = fragmented(hello, record) if record else hello
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(data), pieces or len(data)):
                connection.sendall(data[start : start + (pieces or len(data))])
            done = finish(connection, session, incoming, outgoing)
            tap.equal(is_site(done), host == SITE, f"pieces of {pieces}, records of {record}")


@tap.test
def refuses_what_makes_no_sense():
    """Malformed or endless ClientHellos are closed, and reach neither us nor the upstream"""
    _, port, authority, site = serve()
    _, _, _, hello = hello_of(authority.context(["http/1.1"]), SITE)
    record = lambda body: b"\x16\x03\x01" + struct.pack("!H", len(body)) + body
    endless = record(b"\x01\x00\xff\xff" + bytes(8192)) + record(bytes(8192)) + record(bytes(4096))
    for data in (b"GET / HTTP/1.1\r\n\r\n", record(b"\x02" + hello[6:]), hello[:40] + b"\xff" * (len(hello) - 40), endless,
                 record(b""), b"\x16\x02\x00" + hello[3:], record(hello[5:] + b"\x01"), b"\x16\x03\x01\x40\x01" + bytes(16385),
                 record(b"\x01\x00\x00\x03abc")):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            try:
                connection.sendall(data)
            except OSError:
                continue
            tap.true(e2e.ended(connection), repr(data[:20]))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(hello[:100])
        connection.shutdown(socket.SHUT_WR)
        tap.true(e2e.ended(connection, 8), "closed in the middle")
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(hello[:100])
        tap.true(e2e.ended(connection, 15) and time.monotonic() - begin > 6, "half of one ends at the deadline")
    tap.equal(site.ended, [], "the upstream saw none of it")
    tap.equal(get(connect(port, authority.context(["http/1.1"]), SITE), 10), 10)


tap.main()

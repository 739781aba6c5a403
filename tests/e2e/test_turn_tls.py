# SPDX-License-Identifier: BSD-3-Clause
"""TURN over TLS, by Python's ssl and by openssl's own client: handshakes, ALPN, tickets, reload,
half-made handshakes, and plain TCP on the same port."""
import os
import socket
import ssl
import struct
import subprocess
import time

import e2e
import postern
import secure
import service
import stunwire
import tap

TLS_HANDSHAKE = b"\x16\x03\x01"


def serve(workers=None, transports=("tls",), more="", settings="", **options):
    """A server with a certificate for secure.NAME; (server, port, authority)."""
    authority = secure.authority()
    text = authority.issue(secure.NAME, "127.0.0.1").settings(settings) + more
    port = postern.free_port()
    config = postern.config(port, workers, transports=transports, more=text, **options)
    return postern.server(config), port, authority


def tls(port, context, name=secure.NAME, **options):
    transport = stunwire.Tcp(("127.0.0.1", port), context=context, server_name=name, **options)
    tap.cleanup(transport.close)
    return transport


def client(port, context, **options):
    return stunwire.Client(tls(port, context, **options), postern.USER, postern.PASSWORD)


def plain(port):
    return e2e.tcp(port)


@tap.test(version=["TLSv1_2", "TLSv1_3"], workers=e2e.WORKERS)
def relays(version, workers):
    """An allocation over TLS relays both ways, in frames of every size"""
    _, port, authority = serve(workers)
    context = authority.context(maximum_version=ssl.TLSVersion[version])
    one, peer = client(port, context), e2e.peer()
    tap.equal(one.transport.socket.version(), version.replace("_", "."))
    one.allocate()
    one.permit(peer.local)
    one.bind_channel(peer.local)
    for size in (0, 1, 2, 3, 100, 1200, 9000, 60000):
        one.send_channel(b"c" * size)
        tap.equal(peer.receive(20), b"c" * size)
        peer.send(b"d" * size, one.relayed)
        tap.equal(one.receive(), (peer.local, b"d" * size))
    one.refresh(0)


@tap.test
def takes_many_frames_at_once():
    """A burst in one TLS record and in many is answered whole and in order"""
    _, port, authority = serve()
    one, peer = client(port, authority.context()), e2e.peer()
    one.allocate()
    one.bind_channel(peer.local)
    payloads = [os.urandom(number % 1500) for number in range(1, 400)]
    stream = b"".join(stunwire.channel_data(0x4000, payload, stream=True) for payload in payloads)
    for piece in (len(stream), 16384, 333):
        for start in range(0, len(stream), piece):
            one.transport.send(stream[start : start + piece])
        tap.equal(e2e.receive_all(peer, len(payloads)), payloads, f"in pieces of {piece}")


@tap.test
def refuses_old_versions():
    """Below version 1.2 there is no handshake; min_version = "1.3" refuses 1.2"""
    _, port, authority = serve(settings='min_version = "1.3";')
    context = authority.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    tap.raises(ssl.SSLError, tls, port, context)
    tap.true(secure.ask(tls(port, authority.context())), "1.3 is answered")
    _, port, authority = serve()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        # A ClientHello of TLS 1.1 with one cipher, written out by hand.
        hello = b"\x03\x02" + bytes(32) + b"\x00" + b"\x00\x04\xc0\x13\x00\x2f" + b"\x01\x00"
        message = b"\x01" + struct.pack("!I", len(hello))[1:] + hello
        connection.sendall(TLS_HANDSHAKE + struct.pack("!H", len(message)) + message)
        connection.settimeout(5)
        alert = connection.recv(100)
        tap.equal((alert[0], alert[5], alert[6]), (21, 2, 70), "fatal alert protocol_version")


@tap.test
def chooses_alpn():
    """The names of RFC 7443 are chosen, no ALPN is welcome, others get no_application_protocol"""
    _, port, authority = serve()
    for offer, chosen in ((["stun.turn"], "stun.turn"), (["stun.nat-discovery"], "stun.nat-discovery"),
                          (["h2", "stun.nat-discovery", "stun.turn"], "stun.turn"), ([], None)):
        transport = tls(port, authority.context(offer))
        tap.equal(transport.socket.selected_alpn_protocol(), chosen)
        tap.true(secure.ask(transport), "answered")
    try:
        tls(port, authority.context(["h2", "http/1.1"]))
        raise AssertionError("a handshake for h2 was made")
    except ssl.SSLError as error:
        tap.true("NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_"), str(error))


@tap.test(version=["-tls1_2", "-tls1_3"])
def resumes_with_openssl(version):
    """openssl s_client: verified, and resumed by a ticket on whichever worker takes it"""
    _, port, authority = serve(3)
    session = authority.folder / "session.pem"
    tap.true(b"New, TLS" in secure.asks_with_openssl(port, authority, version, "-sess_out", session), "a new session")
    for _ in range(4):
        tap.true(b"Reused, TLS" in secure.asks_with_openssl(port, authority, version, "-sess_in", session), "resumed")


@tap.test
def does_not_renegotiate():
    """A client that wants to renegotiate (TLS 1.2) does not get it"""
    _, port, authority = serve()
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-CAfile",
                           str(authority.certificate)], input=b"R\n", capture_output=True, timeout=30)
    tap.true(b"no renegotiation" in done.stderr.lower(), done.stderr.decode()[-300:])


@tap.test(workers=e2e.WORKERS)
def reloads_the_certificate(workers):
    """After SIGHUP new connections see the new certificate; the old ones and their relays go on"""
    secure.reloads_the_certificate("tls", workers, lambda port, authority: client(port, authority.context()),
                                   lambda port, authority: tls(port, authority.context()).socket.getpeercert(True))


@tap.test(workers=e2e.WORKERS)
def tells_tls_and_tcp_apart(workers):
    """One port takes STUN over TCP and over TLS, also when the first byte comes by itself"""
    _, port, authority = serve(workers, transports=["tcp", "tls", "udp"])
    for _ in range(4):
        tap.true(secure.ask(plain(port)), "TCP")
        tap.true(secure.ask(tls(port, authority.context())), "TLS")
    e2e.still_answers(port)
    one, other, peer = client(port, authority.context()), e2e.client(port, "tcp"), e2e.peer()
    for way in (one, other):
        way.allocate()
        way.bind_channel(peer.local)
        way.send_channel(b"hello")
        tap.equal(peer.receive(20), b"hello")
    slow = plain(port)
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    for byte in request:
        slow.send(bytes([byte]))
    tap.true(slow.receive(20), "STUN byte by byte")


@tap.test
def takes_a_handshake_byte_by_byte():
    """A ClientHello in pieces of one byte is understood"""
    _, port, authority = serve(transports=["tcp", "tls"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = authority.context(["stun.turn"]).wrap_bio(incoming, outgoing, server_hostname=secure.NAME)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(5)
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    connection.send(bytes([byte]))
                incoming.write(connection.recv(65536))
        tap.equal(session.selected_alpn_protocol(), "stun.turn")


@tap.test(transports=[["tls"], ["tcp", "tls"]])
def refuses_what_is_not_tls(transports):
    """Garbage ends its own connection at once, and nobody else's"""
    _, port, authority = serve(transports=transports)
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 100,
                 b"\x15\x03\x01\x00\x02\x01\x00", b"\x16" + bytes(200), b"\xff" * 20, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(data)
            tap.true(e2e.ended(connection), repr(data[:20]))
    tap.true(secure.ask(tls(port, authority.context())), "others are served")


@tap.test(limit=["tcp_connections_per_source", "tcp_connections"])
def bounds_half_made_handshakes(limit):
    """Connections without a handshake count against the limits, and end at their deadline"""
    authority, port = secure.authority(), postern.free_port()
    config = postern.config(port, transports=["tcp", "tls"], more=authority.issue(secure.NAME).settings())
    config = config.replace("limits = { ", f"limits = {{ {limit} = 20; ")
    postern.server(config)
    half, begin = [], time.monotonic()
    for number in range(20):
        source = "127.0.0.1" if limit.endswith("source") else f"127.0.0.{1 + number}"
        connection = socket.create_connection(("127.0.0.1", port), source_address=(source, 0))
        tap.cleanup(connection.close)
        connection.sendall([b"\x16", TLS_HANDSHAKE + b"\x01\x00\x01", b""][number % 3])
        half.append(connection)

    def another_is_closed():
        connection = socket.create_connection(("127.0.0.1", port))
        tap.cleanup(connection.close)
        return e2e.ended(connection, 1)  # if not, it came before one of the twenty, which was closed

    tap.true(postern.until(another_is_closed, 7), "one too many is closed at once")
    for connection in half:
        tap.true(e2e.ended(connection, 30), "a half-made handshake ends")
    tap.true(8 < time.monotonic() - begin < 40, f"after {time.monotonic() - begin:.1f} s")
    tap.true(secure.ask(tls(port, authority.context())), "and then others get in")


@tap.test(workers=e2e.WORKERS)
def half_made_handshakes_starve_nobody(workers):
    """While 800 connections stop in the middle of a handshake or send a byte a time, others are served"""
    _, port, authority = serve(workers, transports=["tcp", "tls"])
    half = []
    for number in range(800):
        connection = socket.create_connection(("127.0.0.1", port))
        tap.cleanup(connection.close)
        connection.sendall(TLS_HANDSHAKE[: 1 + number % 3])
        half.append(connection)
    worst = 0
    for number in range(20):
        for connection in half[number::20]:
            try:
                connection.sendall(b"\x03")
            except OSError:
                pass  # a slow machine: its time is up
        begin = time.monotonic()
        tap.true(secure.ask(tls(port, authority.context())) and secure.ask(plain(port)), "served")
        worst = max(worst, time.monotonic() - begin)
    tap.true(worst < 5, f"{worst:.1f} s for two")


@tap.test(how=["close", "reset", "half"])
def ends_with_its_connection(how):
    """An allocation over TLS ends as soon as its connection does, however it ends"""
    _, port, authority = serve()
    one = client(port, authority.context())
    one.allocate()
    raw = one.transport.socket
    if how == "half":  # close_notify, and the answer to it
        raw.settimeout(5)
        raw.unwrap()
    elif how == "reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    else:
        raw.close()
    tap.true(postern.until(lambda: e2e.is_free(one.relayed)), "the relayed port is closed")


@tap.test
def does_not_wait_for_a_slow_reader():
    """A client over TLS that does not read loses data, and is answered again once it reads"""
    _, port, authority = serve()
    slow, peer = client(port, authority.context()), e2e.peer()
    slow.allocate()
    slow.bind_channel(peer.local)
    for number in range(20000):
        peer.send(struct.pack("!I", number) + b"x" * 1196, slow.relayed)
    got = -1
    while (received := slow.receive(1)) is not None:
        number = struct.unpack("!I", received[1][:4])[0]
        tap.true(number > got and len(received[1]) == 1200, f"{number} after {got}")
        got = number
    tap.true(got >= 0, "some of it arrived")
    peer.send(b"again", slow.relayed)
    tap.equal(slow.receive(), (peer.local, b"again"))
    slow.refresh()


@tap.test(workers=e2e.WORKERS)
def keeps_tickets_over_a_reload(workers):
    """A session goes on after the certificate has been renewed; new sessions see the new one"""
    server, port, authority = serve(workers)
    context = authority.context(["stun.turn"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose tickets come within the handshake
    first = tls(port, context)
    secure.ask(first)
    session, old = first.socket.session, first.socket.getpeercert(True)
    renewed = authority.issue(secure.NAME, "127.0.0.1")
    server.rewrite(postern.config(port, workers, transports=("tls",), more=renewed.settings()))
    service.reload(server)
    again = tls(port, context, session=session)
    tap.true(secure.ask(again) is not None and again.socket.session_reused, "resumed")
    fresh = tls(port, context)
    tap.true(not fresh.socket.session_reused and fresh.socket.getpeercert(True) != old, "the new certificate")


tap.main()

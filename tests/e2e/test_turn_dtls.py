# SPDX-License-Identifier: BSD-3-Clause
"""TURN over DTLS, by the system's OpenSSL and by ClientHellos written out by hand: cookies, handshakes,
what happens to half-made ones, a client that begins anew, floods, reload."""
import os
import re
import signal
import socket
import struct
import time

import dtls
import e2e
import postern
import secure
import service
import stunwire
import tap

HELLO_VERIFY_MAX = 60


def serve(workers=1, transports=("udp", "dtls"), more="", limits="", addresses=("127.0.0.1",), **options):
    """A server with a certificate for secure.NAME; (server, port, authority)."""
    for address in addresses:
        e2e.need_address(address)
    authority = secure.authority()
    port = postern.free_port()
    config = postern.config(port, workers, addresses, transports=transports,
                            more=authority.issue(secure.NAME, *addresses).settings() + more, **options)
    if limits:
        config = config.replace("limits = { unauthenticated_per_source = 0; };", f"limits = {{ {limits} }};")
    return postern.server(config), port, authority


def connect(port, authority, address="127.0.0.1", alpn=("stun.turn",), context=None, **options):
    context = context or dtls.Context(authority.certificate, alpn)
    transport = dtls.Dtls((address, port), context, **options)
    tap.cleanup(transport.close)
    return transport


def client(port, authority, **options):
    return stunwire.Client(connect(port, authority, **options), postern.USER, postern.PASSWORD)


def counters(server):
    """What the server has counted of DTLS, a moment ago at most."""
    time.sleep(1.2)
    before = server.stderr.count("counters of DTLS")
    server.signal(signal.SIGUSR1)
    tap.true(postern.until(lambda: server.stderr.count("counters of DTLS") > before), "counters are logged")
    line = server.stderr[server.stderr.rindex("counters of DTLS"):].splitlines()[0]
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def counts(server, **wanted):
    """Waits until that is what it has counted: a busy machine's workers tell late."""
    told = {}

    def right():
        told.update(counters(server))
        return all(told[name] == count for name, count in wanted.items())

    tap.true(postern.until(right), f"{wanted}, and not {told}")


def raw(port, local=None):
    """A UDP socket that speaks what it is told to."""
    return e2e.udp(port, local=local)


def cookie_for(transport, random):
    transport.send(dtls.client_hello(random=random))
    answer = transport.receive(20)
    tap.true(answer is not None and len(answer) <= HELLO_VERIFY_MAX, "a small HelloVerifyRequest")
    return dtls.cookie_of(answer)


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS)
def relays(workers, address):
    """An allocation over DTLS relays both ways, datagrams of every size"""
    _, port, authority = serve(workers, addresses=(address,))
    one, peer = client(port, authority, address=address), e2e.peer(address)
    one.allocate([e2e.family_of(address)])
    one.permit(peer.local)
    one.bind_channel(peer.local)
    for size in (0, 1, 2, 3, 100, 1200, 9000, 16000):
        one.send_channel(b"c" * size)
        tap.equal(peer.receive(20), b"c" * size)
        peer.send(b"d" * size, one.relayed)
        tap.equal(one.receive(), (peer.local, b"d" * size))
    peer.send(b"e" * 20000, one.relayed)  # more than a record holds: lost, and nothing else is
    peer.send(b"f", one.relayed)
    tap.equal(one.receive(), (peer.local, b"f"))
    one.refresh(0)


@tap.test(workers=e2e.WORKERS)
def shares_a_port_with_udp(workers):
    """One port takes STUN over UDP and over DTLS (RFC 7983); a socket can go from one to the other"""
    _, port, authority = serve(workers, transports=("udp", "tcp", "dtls", "tls"))
    for _ in range(4):
        tap.true(secure.ask(e2e.udp(port)), "UDP")
        tap.true(secure.ask(connect(port, authority)), "DTLS")
    one, other, peer = client(port, authority), e2e.client(port), e2e.peer()
    for way in (one, other):
        way.allocate()
        way.bind_channel(peer.local)
        way.send_channel(b"hello")
        tap.equal(peer.receive(20), b"hello")
    both = e2e.udp(port)
    tap.true(secure.ask(both), "UDP")
    over = connect(port, authority, udp=both)
    tap.true(secure.ask(over), "DTLS from the same socket")
    tap.true(secure.ask(both), "and UDP again")


@tap.test
def takes_dtls_alone():
    """A port for DTLS alone does not answer plain STUN, and one for UDP alone no ClientHello"""
    server, port, authority = serve(transports=("dtls",))
    tap.true(secure.ask(connect(port, authority)), "DTLS")
    tap.equal(secure.ask(raw(port), 0.5), None)
    counts(server, dropped_plain=1)
    _, port = e2e.serve()
    plain = raw(port)
    plain.send(dtls.client_hello())
    tap.equal(plain.receive(0.5), None)
    tap.true(secure.ask(plain), "UDP")


@tap.test
def chooses_alpn():
    """The names of RFC 7443 are chosen, no ALPN is welcome, others get no_application_protocol"""
    _, port, authority = serve()
    for offer, chosen in ((["stun.turn"], "stun.turn"), (["stun.nat-discovery"], "stun.nat-discovery"),
                          (["h2", "stun.nat-discovery", "stun.turn"], "stun.turn"), ([], "")):
        transport = connect(port, authority, alpn=offer)
        tap.equal(transport.alpn, chosen)
        tap.true(secure.ask(transport), "answered")
    try:
        connect(port, authority, alpn=["h2"])
        raise AssertionError("a handshake for h2 was made")
    except dtls.Error as error:
        tap.true("no application protocol" in str(error), str(error))


@tap.test
def refuses_old_versions():
    """Below version 1.2 there is no handshake"""
    _, port, authority = serve()
    context = dtls.Context(authority.certificate, minimum=dtls.DTLS_1_0, maximum=dtls.DTLS_1_0, ciphers="ALL:@SECLEVEL=0")
    tap.raises(dtls.Error, connect, port, authority, "127.0.0.1", (), context)
    tap.true(secure.ask(connect(port, authority)), "1.2 is answered")


@tap.test(workers=e2e.WORKERS)
def asks_for_a_cookie_first(workers):
    """A ClientHello without a good cookie gets a smaller answer, whatever is wrong with the cookie"""
    server, port, _ = serve(workers)
    one, other = raw(port), raw(port)
    random = os.urandom(32)
    hello = dtls.client_hello(random=random)
    one.send(hello)
    answer = one.receive(20)
    tap.true(len(answer) < len(hello), f"{len(answer)} bytes for {len(hello)}")
    tap.equal(answer[5:11], hello[5:11], "the sequence number of the ClientHello")
    cookie = dtls.cookie_of(answer)
    one.send(hello)
    tap.equal(dtls.cookie_of(one.receive(20)), cookie, "the same cookie again: nothing was kept")
    bad = bytes([cookie[0] ^ 1]) + cookie[1:]
    for text, sender, hello in (("an altered cookie", one, dtls.client_hello(bad, random)),
                                ("another random", one, dtls.client_hello(cookie, os.urandom(32))),
                                ("a short cookie", one, dtls.client_hello(cookie[:8], random)),
                                ("a long cookie", one, dtls.client_hello(cookie + bytes(9), random)),
                                ("another address", other, dtls.client_hello(cookie, random))):
        sender.send(hello)
        answer = sender.receive(20)
        tap.true(dtls.cookie_of(answer), f"{text}: asked for a cookie again")
        tap.equal(sender.receive(0.2), None, f"{text}: and that is all")
    one.send(dtls.client_hello(cookie, random))
    kind, epoch, fragment = dtls.records(one.receive(20))[0]
    tap.equal((kind, epoch, fragment[0]), (22, 0, 2), "ServerHello for the right one")
    counts(server, now=1)


@tap.test
def is_silent_about_noise():
    """What is neither a ClientHello nor part of an association is not answered"""
    server, port, authority = serve()
    hello = dtls.client_hello()
    noise = [hello[:size] for size in (1, 12, 13, 24, 25, 26, 27, 60, len(hello) - 1)]
    noise += [hello[:3] + b"\x00\x01" + hello[5:],  # epoch 1
              hello[:13] + b"\x02" + hello[14:],  # a ServerHello
              hello[:19] + b"\x00\x00\x01" + hello[22:],  # a fragment
              b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",  # an alert
              b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x20" + bytes(32), b"\x14", b"\x3f" * 1200]
    one = raw(port)
    for datagram in noise:
        one.send(datagram)
    tap.equal(one.receive(0.5), None)
    tap.true(secure.ask(connect(port, authority)), "others are served")
    counts(server, dropped_unknown=len(noise))


@tap.test
def limits_strangers():
    """Answers to ClientHellos count in unauthenticated_per_source, together with those to Binding"""
    server, port, _ = serve(limits="unauthenticated_per_source = 20;")
    one = raw(port)
    begun = time.monotonic()
    for _ in range(200):
        one.send(dtls.client_hello(random=os.urandom(32)))
    answers = len(e2e.receive_until_quiet(one, 20))
    most = 40 + 20 * (time.monotonic() - begun)
    tap.true(20 <= answers <= most, f"{answers} answers, {most} at most")
    counts(server, challenges=answers)


@tap.test(timeout=300)
def is_flat_in_a_flood():
    """100,000 ClientHellos from 10,000 sources leave no trace in memory, and others are served"""
    server, port, authority = serve()
    tap.true(secure.ask(connect(port, authority)), "warm")
    datagrams = [dtls.client_hello(random=os.urandom(32)) for _ in range(10)]
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
    for one in sockets:
        tap.cleanup(one.close)
    before = server.resident
    for number in range(50):
        for index, one in enumerate(sockets):
            if number:
                sockets[index].close()
            sockets[index] = one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.bind((f"127.{1 + index % 200}.{number}.{1 + index % 250}", 0))
            for datagram in datagrams:
                one.sendto(datagram, ("127.0.0.1", port))
    for one in sockets:
        one.close()
    after = server.resident
    tap.diag(f"{before >> 10} KiB before, {after >> 10} KiB after")
    tap.true(after - before < 4 << 20 or server.sanitized, f"{before >> 10} KiB before, {after >> 10} KiB after")
    tap.true(secure.ask(connect(port, authority)), "others are served")
    counts(server, opened=2)
    told = counters(server)
    tap.true(told["challenges"] > 10000, str(told))


@tap.test(timeout=300)
def half_made_handshakes_keep_nobody_out():
    """More half-made handshakes than there is room for: the oldest go, others get in, memory is bounded"""
    server, port, authority = serve(limits="unauthenticated_per_source = 0; tcp_connections_per_source = 100000;")
    one, peer = client(port, authority), e2e.peer()
    one.allocate()
    one.permit(peer.local)
    count, before = 1500, server.resident
    for number in range(count):
        half = stunwire.Udp(("127.0.0.1", port), local=(f"127.0.{number // 250}.{1 + number % 250}", 0))
        random = os.urandom(32)
        half.send(dtls.client_hello(cookie_for(half, random), random))
        half.close()
        if number % 100 == 99:
            begin = time.monotonic()
            tap.true(secure.ask(connect(port, authority)), "others get in")
            tap.true(time.monotonic() - begin < 8, "at once")
    told = counters(server)
    ended = told["displaced"] + told["timed_out"]  # on a slow machine some have had their time
    tap.true(ended >= count - 520 and told["displaced"] > 0 and told["now"] <= 540, str(told))
    grown = server.resident - before
    tap.diag(f"{grown >> 10} KiB for {told['now']} associations")
    tap.true(grown < 64 << 20 or server.sanitized, f"{grown >> 10} KiB")
    one.send(peer.local, b"still here")
    tap.equal(peer.receive(20), b"still here")
    tap.true(postern.until(lambda: counters(server)["now"] <= 20, 40), "half-made ones end at their deadline")


@tap.test
def counts_as_connections():
    """tcp_connections_per_source holds for associations too"""
    server, port, authority = serve(limits="unauthenticated_per_source = 0; tcp_connections_per_source = 3;")
    kept = [connect(port, authority) for _ in range(3)]
    tap.raises(dtls.Error, lambda: connect(port, authority, timeout=1))
    tap.true(postern.until(lambda: counters(server)["refused"] >= 1), "counted")
    kept[0].say_goodbye()
    tap.true(secure.ask(connect(port, authority)), "there is room again")


@tap.test(workers=e2e.WORKERS)
def a_client_begins_anew(workers):
    """RFC 6347 4.2.8: a new handshake from an old address replaces the old association when it is
    whole, and not before; the old allocation does not go over to the new keys"""
    server, port, authority = serve(workers)
    one, peer = client(port, authority), e2e.peer()
    one.allocate()
    one.permit(peer.local)
    udp = one.transport.udp
    again = connect(port, authority, udp=udp, handshake=False)
    tap.true(not again.step(), "ClientHello")
    again.feed(udp.receive(20))
    tap.true(not again.step(), "ClientHello with the cookie")
    held = udp.receive(20)
    tap.equal(dtls.records(held)[0][2][0], 2, "ServerHello")
    one.send(peer.local, b"the old one goes on")
    tap.equal(peer.receive(20), b"the old one goes on")
    one.refresh()
    again.feed(held)
    again.handshake()
    tap.true(secure.ask(again), "the new one is answered")
    peer.send(b"for whom?", one.relayed)
    tap.equal(again.receive(0.5), None, "the old relay is gone")
    stunwire.Client(again, postern.USER, postern.PASSWORD).allocate()  # and not 437
    counts(server, replaced=1)


@tap.test
def a_replayed_hello_changes_nothing():
    """The ClientHello of an association that stands, sent again, does not begin another"""
    server, port, authority = serve()
    one = client(port, authority)
    one.allocate()
    hello = next(datagram for datagram in one.transport.sent if datagram[13] == 1 and datagram[13 + 12 + 35] != 0)
    for _ in range(10):
        one.transport.udp.send(hello)
    one.refresh()
    counts(server, now=1)


@tap.test(workers=e2e.WORKERS)
def an_allocation_follows_its_client(workers):
    """A mobile allocation (RFC 8016) goes from UDP to DTLS, outlives an association, and goes back"""
    _, port, authority = serve(workers)
    peer, one = e2e.peer(), e2e.client(port)
    ticket = one.allocate([(stunwire.MOBILITY_TICKET, b"")]).get(stunwire.MOBILITY_TICKET)
    one.bind_channel(peer.local)
    for number in range(8):
        new = e2e.client(port) if number % 4 == 3 else client(port, authority)
        new.channels, new.relayed = one.channels, one.relayed
        if number % 2 and isinstance(one.transport, dtls.Dtls):
            one.transport.say_goodbye()
        one = new
        ticket = one.refresh(600, [(stunwire.MOBILITY_TICKET, ticket)]).get(stunwire.MOBILITY_TICKET)
        one.send_channel(b"to the peer")
        tap.equal((peer.receive(20), peer.source), (b"to the peer", one.relayed))
        peer.send(b"to the client", one.relayed)
        tap.equal(one.receive(), (peer.local, b"to the client"))
    one.refresh(0)


@tap.test
def survives_loss():
    """Each datagram of the handshake, in both directions, may be lost once"""
    _, port, authority = serve()

    class Lossy(stunwire.Udp):
        lost_out, lost_in, sent, heard = None, None, 0, 0

        def send(self, data, remote=None):
            self.sent += 1
            if self.sent - 1 != self.lost_out:
                super().send(data, remote)

        def receive(self, timeout):
            data = super().receive(timeout)
            self.heard += data is not None
            return data if data is None or self.heard - 1 != self.lost_in else None

    for side in ("lost_out", "lost_in"):
        for number in range(5):
            udp = Lossy(("127.0.0.1", port))
            setattr(udp, side, number)
            transport = connect(port, authority, udp=udp, timeout=10)
            tap.true(secure.ask(transport, 2) or secure.ask(transport), f"{side} {number}")  # the request itself may be lost


@tap.test
def ends_when_the_client_says_so():
    """close_notify ends the allocation at once"""
    server, port, authority = serve()
    one = client(port, authority)
    one.allocate()
    one.transport.say_goodbye()
    tap.true(postern.until(lambda: "allocation ended" in server.stderr), "the allocation ends")
    service.logged(server, "connection ended")
    tap.true(postern.until(lambda: e2e.is_free(one.relayed)), "the relayed port is closed")


@tap.test
def idle_associations_end():
    """Without an allocation an association ends after tcp_idle_timeout, with one it stays"""
    _, port, authority = serve(limits='unauthenticated_per_source = 0; tcp_idle_timeout = "2s";')
    idle, busy = connect(port, authority), client(port, authority)
    busy.allocate()
    tap.true(secure.ask(idle), "it stands")
    begin = time.monotonic()
    tap.equal(idle.receive(30), None)
    tap.true(idle.closed and 1.5 < time.monotonic() - begin < 20, f"close_notify after {time.monotonic() - begin:.1f} s")
    busy.refresh()
    busy.refresh(0)
    tap.equal(busy.transport.receive(30), None)
    tap.true(busy.transport.closed, "it ends once its allocation has")


@tap.test
def says_goodbye():
    """A server that stops says close_notify"""
    server, port, authority = serve()
    one = connect(port, authority)
    tap.true(secure.ask(one), "it stands")
    server.finish()
    tap.equal(one.receive(2), None)
    tap.true(one.closed, "closed")


@tap.test
def resumes_on_every_worker():
    """A ticket is good on whichever worker takes the next association"""
    server, port, authority = serve(3)
    context = dtls.Context(authority.certificate, ["stun.turn"])
    first = connect(port, authority, context=context)
    tap.true(secure.ask(first) and not first.resumed, "a new session")
    for _ in range(8):
        again = connect(port, authority, context=context, session=first.session)
        tap.true(secure.ask(again) and again.resumed, "the session is resumed")
    server.reload()
    service.logged(server, "configuration reloaded")
    again = connect(port, authority, context=context, session=first.session)
    tap.true(secure.ask(again) and again.resumed, "after a reload too")
    counts(server, resumed=9)


@tap.test(workers=e2e.WORKERS)
def reloads_the_certificate(workers):
    """After SIGHUP new associations see the new certificate; the old ones and their relays go on"""
    secure.reloads_the_certificate("dtls", workers, client, lambda port, ours: connect(port, ours).certificate)


@tap.test(workers=e2e.WORKERS)
def carries_bursts(workers):
    """Many associations and many datagrams at once; what arrives is whole"""
    _, port, authority = serve(workers)
    context, peer = dtls.Context(authority.certificate), e2e.peer()
    clients = [client(port, authority, context=context) for _ in range(20)]
    for one in clients:
        one.allocate()
        one.bind_channel(peer.local)
    for burst in range(4):  # of 100 datagrams, which every socket's buffer takes
        want = set()
        for number in range(5 * burst, 5 * burst + 5):
            for index, one in enumerate(clients):
                payload = struct.pack("!II", index, number) * (1 + number * 8)
                want.add(payload)
                one.send_channel(payload)
        got = e2e.receive_all(peer, len(want))
        tap.true(set(got) == want, f"{len(got)} of {len(want)}")
    for index, one in enumerate(clients):
        sent = [struct.pack("!II", index, number) * 50 for number in range(30)]
        for payload in sent:
            peer.send(payload, one.relayed)
        came = [one.receive() for _ in sent]
        tap.equal(came, [(peer.local, payload) for payload in sent])


@tap.test
def serves_openssl():
    """openssl s_client: verified, ALPN, answered"""
    _, port, authority = serve(3, transports=("dtls",))
    secure.asks_with_openssl(port, authority, "-dtls1_2")


if not dtls.available:
    tap.skip_all("this host's OpenSSL library cannot be loaded for DTLS")
tap.main()

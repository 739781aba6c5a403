# SPDX-License-Identifier: BSD-3-Clause
"""What somebody gets who has shown no credential, or somebody else's; floods, leaks and odd lengths.

The flood needs a network of the test's own, in which every unicast address is this host.
"""
import ipaddress
import json
import os
import random
import resource
import socket
import struct
import time

import e2e
import own_network
import postern
import stunwire
import tap

own_network.enter(everywhere=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

BOTH = {"workers": e2e.WORKERS}
TURN_METHODS = [stunwire.ALLOCATE, stunwire.REFRESH, stunwire.CREATE_PERMISSION, stunwire.CHANNEL_BIND, stunwire.CONNECT,
                stunwire.CONNECTION_BIND]
TRANSPORT = stunwire.requested_transport()


def limits(text, more):
    return text.replace("limits = { unauthenticated_per_source = 0;", f"limits = {{ {more}")


def json_log(process):
    """The log as objects; what is said before the configuration is read, is not JSON."""
    lines = list(process.errors)
    begin = next(number for number, line in enumerate(lines) if line.startswith("{"))
    return [json.loads(line) for line in lines[begin:]]


# ---- how much comes back ------------------------------------------------------------------------


def answered(port, address, message):
    """The answer to a datagram, or None: then the next answer is the one to a Binding behind it."""
    way, last = e2e.udp(port, address), stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    way.send(message)
    way.send(last)
    answer = way.receive(20)
    tap.true(answer is not None, "the Binding is answered")
    return None if answer[8:20] == last[8:20] else answer


def binding_requests():
    """Requests of every kind that somebody might want to have reflected."""
    fields = [[], [(stunwire.CHANGE_REQUEST, stunwire.u32(0))], [(0x7FFF, b"")], [(0x7FFF, b""), (0x7FFE, b""), (0x7FFD, b"")],
              [(stunwire.PADDING, b"")], [(stunwire.PADDING, bytes(64))], [(stunwire.PADDING, bytes(1400))],
              [(stunwire.CHANGE_REQUEST, b"")], [(stunwire.RESPONSE_PORT, b"")], [(stunwire.USERNAME, b"a:b")],
              [(stunwire.PRIORITY, bytes(4))], [(stunwire.MESSAGE_INTEGRITY, bytes(20))], [(stunwire.FINGERPRINT, bytes(4))]]
    for attributes in fields:
        for klass in range(4):
            yield stunwire.build(stunwire.BINDING, klass, attributes)
            yield stunwire.build(stunwire.BINDING, klass, attributes, fingerprint=True)
    yield struct.pack("!HH", 1, 0) + bytes(16)  # of RFC 3489, without a cookie


@tap.test(classic=["false", "true"], address=e2e.LOOPBACKS)
def binding_is_no_amplifier(classic, address):
    """The answer to a Binding is at most six times the request, with RFC 5780 and RFC 3489 on, and padding no more than came"""
    behavior = f"classic_stun = {classic};\n"
    if address == "127.0.0.1":
        behavior += f'nat_behavior = {{ alternate_address = "127.0.0.2"; alternate_port = {postern.free_port()}; }};\n'
    _, port = e2e.serve(addresses=(address,), more=behavior)
    count, largest = 0, 0
    for request in binding_requests():
        answer = answered(port, address, request)
        if answer is not None:
            count += 1
            largest = max(largest, len(answer) / len(request))
            if answer[4:8] == struct.pack("!I", stunwire.MAGIC):
                padding = [len(value) for value in stunwire.parse(answer).all(stunwire.PADDING)]
                asked = [len(value) for value in stunwire.parse(request).all(stunwire.PADDING)]
                tap.true(sum(padding) <= sum(asked), f"{padding} for {asked}")
    tap.true(count >= 10, f"{count} were answered")
    tap.true(largest <= 6, f"{largest:.1f} times")
    tap.diag(f"at most {largest:.2f} times, of {count} answers")


@tap.test(address=e2e.LOOPBACKS)
def challenge_is_no_amplifier(address):
    """What an unauthenticated request of any method brings back is at most ten times as much"""
    _, port = e2e.serve(addresses=(address,))
    largest, codes = 0, set()
    for method in TURN_METHODS:
        for attributes in ([], [TRANSPORT], [(0x7FFF, b"")], [(stunwire.USERNAME, b"a")], [(stunwire.REALM, b"r")],
                           [(stunwire.USERHASH, bytes(32))], [(stunwire.USERNAME, b"a"), (stunwire.MESSAGE_INTEGRITY, bytes(20))],
                           [(stunwire.USERNAME, b"a"), (stunwire.REALM, b"r"), (stunwire.NONCE, b"n"),
                            (stunwire.MESSAGE_INTEGRITY, bytes(20))]):
            request = stunwire.build(method, stunwire.REQUEST, attributes)
            answer = answered(port, address, request)
            if answer is not None:
                largest = max(largest, len(answer) / len(request))
                codes.add(stunwire.parse(answer).error()[0])
    tap.true({400, 401} <= codes and codes <= {400, 401, 420, 438}, str(codes))
    tap.true(largest <= 10, f"{largest:.1f} times")
    tap.diag(f"at most {largest:.2f} times")


@tap.test
def five_hundred_clients_behind_one_address():
    """The default limit of answers lets 500 clients at one address ask and be challenged within a second, and stops a flood"""
    port = postern.free_port()
    process = postern.server(limits(postern.config(port), ""))
    clients = [e2e.udp(port) for _ in range(500)]
    for first in range(0, 500, 50):  # what every socket's buffer takes
        for way in clients[first : first + 50]:
            way.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST))
            way.send(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [TRANSPORT]))
        tap.equal([len(e2e.receive_all(way, 2)) for way in clients[first : first + 50]], [2] * 50)
    flood = e2e.udp(port)
    flood.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    time.sleep(1.1)
    begun = time.monotonic()
    for _ in range(20000):
        flood.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    got = len(e2e.receive_until_quiet(flood))
    seconds = time.monotonic() - begun
    tap.true(got < 3000 + 1000 * seconds, f"{got} of 20,000 were answered in {seconds:.1f} s")
    tap.true(process.running(), "it runs")


@tap.test
def nat_tests_pass_the_default_limit():
    """stunclient nat is not held up by the default limit"""
    port = postern.free_port()
    behavior = f'nat_behavior = {{ alternate_address = "127.0.0.2"; alternate_port = {port + 1}; }};\n'
    postern.server(limits(postern.config(port, more=behavior), ""))
    tap.equal(postern.client("nat", f"127.0.0.1:{port}").status, 0)


# ---- who it seems to be -------------------------------------------------------------------------


def naked(answer):
    """An answer without what is new in each: transaction and nonce."""
    return [(kind, value) for kind, value in answer.attributes if kind != stunwire.NONCE] + [len(answer.raw)]


def signed(one, method, user, key, attributes=(), algorithm=None, hashed=False):
    name = (stunwire.USERHASH, stunwire.hashlib.sha256(user + b":" + one.realm).digest()) if hashed else (stunwire.USERNAME, user)
    fields = [*attributes, name, (stunwire.REALM, one.realm), (stunwire.NONCE, one.nonce)]
    if algorithm is None:
        return stunwire.build(method, stunwire.REQUEST, fields, key=key)
    fields += [(stunwire.PASSWORD_ALGORITHMS, one.offer), (stunwire.PASSWORD_ALGORITHM, struct.pack("!HH", algorithm, 0))]
    return stunwire.build(method, stunwire.REQUEST, fields, key256=key)


def challenged(port, transport="udp"):
    one = e2e.client(port, transport)
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [TRANSPORT]))
    one.realm, one.nonce, one.offer = (answer.get(kind) for kind in (stunwire.REALM, stunwire.NONCE, stunwire.PASSWORD_ALGORITHMS))
    return one


@tap.test(transport=["udp", "tcp"], way=["md5", "sha256", "userhash"])
def strangers_look_alike(transport, way):
    """Unknown user, wrong password, expired and future names get the same bytes, nonce aside"""
    _, port = e2e.serve()
    now, answers = int(time.time()), []
    names = [b"alice", b"nobody", b"%d:bob" % (now + 600), b"%d:bob" % (now - 600), b"x" * 508, "jos\u00e9".encode()]
    for name in names:
        one = challenged(port, transport)
        request = signed(one, stunwire.ALLOCATE, name, b"k" * 16, [TRANSPORT], None if way == "md5" else 2, way == "userhash")
        answer = one.exchange(request)
        tap.equal(answer.error()[0], 401, str(name))
        answers.append(naked(answer))
    tap.equal([answer for answer in answers if answer != answers[0]], [])


@tap.test(transport=["udp", "tcp"])
def owners_are_kept_apart(transport):
    """Another user's Refresh, CreatePermission, ChannelBind and Connect on an allocation get 441, and change nothing"""
    _, port = e2e.serve()
    peer = e2e.peer()
    kinds = [stunwire.UDP] + ([stunwire.TCP] if transport == "tcp" else [])
    for kind in kinds:
        one = e2e.client(port, transport)
        one.allocate(protocol=kind)
        owner = (one.user, one.password, one.key)
        one.user, one.password = stunwire.rest_credential(postern.SECRET, "bob")
        one.key = stunwire.long_term_key(one.user, postern.REALM, one.password)
        tap.equal(e2e.code_of(one.refresh, 0), 441)
        tap.equal(e2e.code_of(one.permit, peer.local), 441)
        tap.equal(e2e.code_of(one.bind_channel, peer.local), 441)
        if kind == stunwire.TCP:
            tap.equal(e2e.code_of(one._peer_request, stunwire.CONNECT, [peer.local]), 441)
        one.user, one.password, one.key = owner
        if kind == stunwire.UDP:
            one.send(peer.local, b"without permission")
            tap.equal(peer.receive(0.2), None)
        tap.equal(one.refresh(600).number(stunwire.LIFETIME), 600, "it still stands")


@tap.test
def channels_are_for_udp():
    """ChannelBind on an allocation of TCP is 403: a channel carries datagrams

    RFC 8656 19: "403 (Forbidden): The request was valid but cannot be performed due to
    administrative or similar restrictions." There is an allocation and it is the client's own, so
    that neither 437 nor 441 fits; RFC 6062 gives no number.
    """
    _, port = e2e.serve()
    one = e2e.client(port, "tcp")
    one.allocate(protocol=stunwire.TCP)
    tap.equal(e2e.code_of(one.bind_channel, ("127.0.0.1", 9)), 403)


# ---- what stands behind the integrity -----------------------------------------------------------


@tap.test(transport=["udp", "tcp"], fingerprint=[False, True], sha256=[False, True])
def what_follows_integrity_has_no_effect(transport, fingerprint, sha256):
    """Attributes behind MESSAGE-INTEGRITY, or that of SHA-256, change nothing; with a FINGERPRINT before them the message is void"""
    _, port = e2e.serve()
    one, first, second = e2e.allocated(port, transport), e2e.peer(), e2e.peer("127.0.0.7")
    choice = [(stunwire.PASSWORD_ALGORITHMS, challenged(port, transport).offer), (stunwire.PASSWORD_ALGORITHM, b"\0\2\0\0")]
    key256 = stunwire.long_term_key(postern.USER, postern.REALM, postern.PASSWORD, "sha256")

    def behind(method, inside, outside, transaction):
        signed_by = {"key256": key256} if sha256 else {"key": one.key}
        message = stunwire.build(method, stunwire.REQUEST, [*inside, *one.credentials(), *(choice if sha256 else ())],
                                 transaction, fingerprint=fingerprint, **signed_by)
        for kind, value in outside:
            message = stunwire.append(message, kind, value)
        return one.exchange(message, 0.4 if fingerprint else 20)

    def code(answer):
        if fingerprint:
            tap.equal(answer, None, "RFC 8489 14.7: FINGERPRINT is the last attribute")
            return None
        return 0 if answer.klass == stunwire.SUCCESS else answer.error()[0]

    def peer_field(peer, transaction):
        return (stunwire.XOR_PEER_ADDRESS, stunwire.pack_address(peer.local, transaction))

    answer = behind(stunwire.REFRESH, [], [(stunwire.LIFETIME, stunwire.u32(0)), (0x7FFF, b"")], os.urandom(12))
    tap.true(code(answer) is None or answer.number(stunwire.LIFETIME) == 600, "it was not deleted")
    transaction = os.urandom(12)
    answer = behind(stunwire.CREATE_PERMISSION, [peer_field(first, transaction)], [peer_field(second, transaction)], transaction)
    tap.true(code(answer) in (None, 0), "the first is permitted")
    transaction = os.urandom(12)
    tap.true(code(behind(stunwire.CREATE_PERMISSION, [], [peer_field(second, transaction)], transaction)) in (None, 400), "400")
    transaction = os.urandom(12)
    answer = behind(stunwire.CHANNEL_BIND, [(stunwire.CHANNEL_NUMBER, struct.pack("!HH", 0x4001, 0))],
                    [peer_field(second, transaction)], transaction)
    tap.true(code(answer) in (None, 400), "no channel")
    one.send(second.local, b"no")
    one.send(first.local, b"yes")
    tap.equal((first.receive(0.2), second.receive(0.2)), (None if fingerprint else b"yes", None))
    other = challenged(port, transport)
    message = signed(other, stunwire.ALLOCATE, postern.USER.encode(), one.key)
    answer = other.exchange(stunwire.append(message, *TRANSPORT))
    tap.equal(answer.error()[0], 400, "REQUESTED-TRANSPORT has to be inside")


# ---- odd names ----------------------------------------------------------------------------------

ODD = [b"", b"%n%n%n%s%s", b'"quoted" \\" \'; DROP TABLE users; --', b"two\nlines", b"nul\0inside", b"\x1b[31mred", b"x" * 508,
       b"x" * 509, b"x" * 513, b"y" * 763, b"z" * 1300, b"\xff\xfe\xc0\x80", "\u202eoverride".encode(), b"../../etc/passwd",
       b"*", b" ", b"alice ", b"ALICE", b"{}[]=,"]


@tap.test(attribute=["USERNAME", "REALM", "NONCE", "SOFTWARE"], transport=["udp", "tcp"])
def odd_strings_do_no_harm(attribute, transport):
    """USERNAME, REALM and others with percent signs, quotes, NUL, newlines, 513 bytes: refused in order, logged in order"""
    process, port = e2e.serve(more='log = { json = true; level = "debug"; };\n')
    key = stunwire.long_term_key(postern.USER, postern.REALM, postern.PASSWORD)
    for text in ODD:
        one = challenged(port, transport)
        fields = {"USERNAME": postern.USER.encode(), "REALM": one.realm, "NONCE": one.nonce, "SOFTWARE": b"good"}
        fields[attribute] = text
        attributes = [TRANSPORT, *((getattr(stunwire, name), value) for name, value in fields.items())]
        answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, attributes, key=key))
        code = 0 if answer.klass == stunwire.SUCCESS else answer.error()[0]
        allowed = {"USERNAME": (400, 401), "REALM": (400, 401), "NONCE": (400, 438), "SOFTWARE": (0, 400)}[attribute]
        tap.true(code in allowed, f"{attribute} {text[:40]!r}: {code}")
    e2e.still_answers(port)
    tap.true(json_log(process), "a log of JSON")


@tap.test
def odd_names_of_users_are_logged_whole():
    """A time-limited name is what its holder chose: in the log it is one string of one line, as it was"""
    process, port = e2e.serve(more="log = { json = true; };\n")
    plain, plain_port = e2e.serve()
    accepted = []
    for text in ODD:
        name = b"%d:" % (time.time() + 600) + text
        password = stunwire.base64.b64encode(stunwire.hmac.new(postern.SECRET.encode(), name, "sha1").digest())
        for at in (port, plain_port):
            one = challenged(at)
            key = stunwire.hashlib.md5(name + b":" + one.realm + b":" + password).digest()
            answer = one.exchange(signed(one, stunwire.ALLOCATE, name, key, [TRANSPORT]))
            if answer.klass == stunwire.SUCCESS and at == port:
                accepted.append(name.decode())
    tap.true(len(accepted) >= 6, str(accepted))

    def made():
        return [line["user"] for line in json_log(process) if "allocation made" in line.values()]

    tap.true(postern.until(lambda: len(made()) == len(accepted)), f"{len(made())} lines")
    tap.equal([name for name in made() if name not in accepted], [], "names in the log")
    for line in list(plain.errors):
        tap.true(line.isprintable(), repr(line))


# ---- what is said of it -------------------------------------------------------------------------

def lines_after(process, count, seconds=0.3):
    """What the log says beyond `count` lines, once it has had time to."""
    time.sleep(seconds)
    return list(process.errors)[count:]


@tap.test(**BOTH)
def a_user_floods_no_log(workers):
    """A quota asked against, a peer refused in ever new allocations: one line, not hundreds"""
    process, port = e2e.serve(workers, more="quotas = { user = { allocations = 2; }; };\n")
    kept = [e2e.allocated(port)]
    for _ in range(50):
        one = e2e.allocated(port)
        tap.equal(e2e.code_of(one.permit, ("192.168.1.1", 9)), 403)
        one.refresh(0)
        one.close()
    kept.append(e2e.allocated(port))
    for number in range(100):
        one = e2e.client(port) if number % 10 == 0 else one
        tap.equal(e2e.code_of(one.allocate), 486)
    lines = lines_after(process, 0)
    for words in ("allocation refused: a quota is reached", "peer refused"):
        found = [line for line in lines if words in line]
        tap.equal(len(found), 1, "\n".join(found[:5]))
        tap.true(f"user={postern.USER}" in found[0], found[0])
    tap.equal(sum("allocation made" in line for line in lines), 52, "each allocation is told of")


@tap.test(**BOTH)
def strangers_write_no_log(workers):
    """Wrong passwords, wrong nonces, noise, connections that end at once or say nonsense: counted, not logged"""
    process, port = e2e.serve(workers)
    known = challenged(port)
    plain = e2e.connect("udp", port)
    before = len(process.errors)
    for number in range(200):
        user = [postern.USER.encode(), b"nobody%d" % number][number % 2]
        answer = known.exchange(signed(known, stunwire.ALLOCATE, user, bytes(16), [TRANSPORT]))
        tap.equal(answer.error()[0], 401)
        plain.send(os.urandom(number))
        plain.send(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [(stunwire.NONCE, os.urandom(20))]))
        plain.send(stunwire.channel_data(0x4000 + number, b"to nobody"))
        if number % 4 == 0:
            connection = e2e.connect("tcp", port)
            connection.send(os.urandom(number))
            connection.close()
    tap.true(known.binding(), "it still serves")
    tap.equal(lines_after(process, before), [])


# ---- odd lengths --------------------------------------------------------------------------------

SIZES = [0, 1, 2, 3, 5, 19, 21, 4095, 32767, 65532, 65533, 65535]


@tap.test(transport=["udp", "tcp"], **BOTH)
def odd_lengths_do_no_harm(transport, workers):
    """Lengths of 0, odd, and 65535, of messages, of each attribute and of ChannelData: refused or dropped, and others go on"""
    process, port = e2e.serve(workers)
    holder, peer = e2e.allocated(port, transport), e2e.peer()
    holder.bind_channel(peer.local)
    template = holder.signed(stunwire.ALLOCATE, [TRANSPORT, (stunwire.LIFETIME, stunwire.u32(600)), (stunwire.SOFTWARE, b"odd")])
    offsets, at = [], 20
    while at < len(template):
        offsets.append(at)
        at += 4 + -(-struct.unpack("!H", template[at + 2 : at + 4])[0] // 4) * 4
    messages = []
    for size in SIZES:
        messages.append(template[:2] + struct.pack("!H", size) + template[4:])
        messages.append(stunwire.build(stunwire.BINDING, stunwire.REQUEST)[:2] + struct.pack("!H", size) + template[4:20])
        messages.append(struct.pack("!HH", 0x4000, size) + b"abc")
        messages += [template[: at + 2] + struct.pack("!H", size) + template[at + 4 :] for at in offsets]
    messages += [template[:size] for size in range(1, len(template), 7)] + [b"", b"\0", b"\x40"]
    good = [template, stunwire.build(stunwire.BINDING, stunwire.REQUEST)[:4] + template[4:20]]
    for message in messages:
        way = e2e.connect(transport, port)
        if message:
            way.socket.sendall(message) if transport == "tcp" else way.send(message)
        elif transport == "udp":
            way.send(message)
        answer = way.receive(0.01)
        tap.true(answer is None or stunwire.parse(answer).klass == stunwire.ERROR or message in good, str(message))
        way.close()
    e2e.still_answers(port)
    holder.send_channel(b"still here")
    tap.equal(peer.receive(20), b"still here")
    tap.true(process.running(), "it runs")


# ---- leaks and floods ---------------------------------------------------------------------------


@tap.test(timeout=300, **BOTH)
def twenty_thousand_cycles_leak_no_port(workers):
    """20,000 allocations and deletions on eight ports: plain, EVEN-PORT, and pairs, fetched or not; then all eight are free"""
    port, first = postern.free_port(), postern.free_port(8)
    text = postern.config(port, workers).replace(
        'relay = { addresses = [ "127.0.0.1" ]; };',
        f'relay = {{ addresses = [ "127.0.0.1" ]; ports = {{ min = {first}; max = {first + 7}; }}; }};')
    process = postern.server(text)
    count = 4000 if process.sanitized else 20000
    one, other = e2e.client(port), e2e.client(port)
    even, pair = [(stunwire.EVEN_PORT, b"\0")], [(stunwire.EVEN_PORT, b"\x80")]
    for number in range(count // 5):
        one.allocate()
        one.refresh(0)
        one.allocate(even)
        tap.equal(one.relayed[1] % 2, 0)
        one.refresh(0)
        one.allocate(pair)
        one.refresh(0)
        token = one.allocate(pair).get(stunwire.RESERVATION_TOKEN)
        other.allocate([(stunwire.RESERVATION_TOKEN, token)])
        tap.equal(other.relayed[1], one.relayed[1] + 1)
        (one if number % 2 else other).refresh(0)
        (other if number % 2 else one).refresh(0)
    holders = [e2e.client(port) for _ in range(8)]
    for holder in holders:
        holder.allocate()
    tap.equal({holder.relayed[1] for holder in holders}, set(range(first, first + 8)))
    tap.equal(e2e.code_of(one.allocate), 508)


@tap.test(timeout=300, **BOTH)
def half_open_connections_starve_nobody(workers):
    """1,000 connections that are silent, or send a byte now and then: others are served at once"""
    port = postern.free_port()
    process = postern.server(limits(postern.config(port, workers), "tcp_connections_per_source = 2000;"))
    request = stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [TRANSPORT])
    slow = []
    for _ in range(1000):
        connection = socket.create_connection(("127.0.0.1", port))
        tap.cleanup(connection.close)
        slow.append(connection)
    before, worst = process.resident, 0
    for turn in range(20):
        for connection in slow[::2]:
            try:
                connection.send(request[turn : turn + 1])
            except OSError:
                pass  # a slow machine: its time is up
        begun = time.monotonic()
        one = e2e.allocated(port, "tcp" if turn % 2 else "udp")
        worst = max(worst, time.monotonic() - begun)
        one.refresh(0)
    tap.true(worst < 5, f"{worst:.2f} s for an allocation")
    grown = process.resident - before
    tap.true(process.sanitized or grown < 8 << 20, f"{grown} bytes more for 500 that send slowly")
    tap.diag(f"an allocation took at most {worst * 1000:.1f} ms; {grown >> 10} KiB more")


def random_source(source):
    """A socket at a random address of either family."""
    if source.random() < 0.5:
        address = str(ipaddress.ip_address(source.randrange(0x01000000, 0x7EFFFFFF)))
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        address = str(ipaddress.ip_address(0x2A << 120 | source.getrandbits(120)))
        one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND, for IPv6 as well
    one.bind((address, 0))
    return one


@tap.test(timeout=300, **BOTH)
def memory_is_flat_in_a_flood(workers):
    """40,000 requests from as many random addresses, for everything that needs no credential, leave no trace in memory"""
    own_network.need()
    port = postern.free_port()
    process = postern.server(limits(postern.config(port, workers, addresses=e2e.LOOPBACKS), ""))
    source = random.Random(7)
    requests = [stunwire.build(stunwire.BINDING, stunwire.REQUEST), stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [TRANSPORT]),
                stunwire.build(stunwire.REFRESH, stunwire.REQUEST),
                stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [TRANSPORT, (stunwire.USERNAME, b"alice"),
                               (stunwire.REALM, postern.REALM.encode()), (stunwire.NONCE, b"n" * 40)], key=b"k" * 16),
                stunwire.build(stunwire.SEND, stunwire.INDICATION, [(stunwire.DATA_ATTRIBUTE, b"x")]),
                stunwire.channel_data(0x4000, b"to nobody"), b"\x16\xfe\xfd" + bytes(60), bytes(100)]
    answers = 0

    def flood(count):
        nonlocal answers
        for number in range(count):
            with random_source(source) as way:
                target = ("127.0.0.1", port) if way.family == socket.AF_INET else ("::1", port)
                way.sendto(requests[number % len(requests)], target)
                if number % 64 == 0:
                    way.settimeout(20)
                    answers += len(way.recv(2000)) > 0
    flood(10000)
    before = process.resident
    flood(30000)
    grown = process.resident - before
    tap.true(process.sanitized or grown < 1 << 20, f"{grown} bytes more after 30,000 sources")
    tap.equal(answers, 40000 // 64 + 1, "asked now and then, and answered")
    e2e.still_answers(port)
    tap.diag(f"{grown} bytes more")


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""Peers that a relay must not reach: each kind of address, by each method, over UDP and TCP, with the
default rules and with rules that allow everything.

The test has a network of its own in which every unicast address is this host, so that whatever the
server sends anywhere arrives at one socket: silence there is evidence, not an assumption.
"""
import ipaddress
import socket
import time

import e2e
import own_network
import postern
import service
import stunwire
import tap

# Relays stand at ordinary addresses, and at a private one as behind a one-to-one NAT.
RELAY4, RELAY6, PRIVATE = "11.0.0.1", "2a0b::1", "10.77.0.1"

if own_network.enter(everywhere=True):
    own_network.ip("addr", "add", f"{RELAY4}/32", "dev", "lo")
    own_network.ip("addr", "add", f"{PRIVATE}/32", "dev", "lo")
    own_network.ip("-6", "addr", "add", f"{RELAY6}/128", "dev", "lo", "nodad")

# ---- the table ----------------------------------------------------------------------------------

# One or two of each range; the boundaries are the business of the unit test of the rules.
ALWAYS4 = ["0.0.0.0", "224.0.0.1", "239.255.255.250", "255.255.255.255"]
SPECIAL4 = [
    "0.1.2.3", "0.255.255.255", "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.255.255.255", "100.64.0.1",
    "100.127.255.254", "169.254.1.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.1",
    "192.0.2.1", "192.168.0.1", "192.168.255.254", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1",
    "192.88.99.1", "240.0.0.1", "255.255.255.254"]
ALWAYS6 = ["::", "ff02::1", "ff0e::1", "2002::1", "2002:808:808::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"]
SPECIAL6 = [
    "::1", "100::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:2f:ffff::1", "2001:db8::1", "3fff::1",
    "3fff:fff::1", "5f00::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1", "feff::1", "64:ff9b:1::1"]


def in_ipv6(prefix, text, at=12):
    """An IPv4 address inside an IPv6 one, at that byte."""
    raw = bytearray(ipaddress.ip_address(prefix).packed)
    raw[at : at + 4] = ipaddress.ip_address(text).packed
    return str(ipaddress.ip_address(bytes(raw)))


def carriers(text):
    """The forms of IPv6 that are judged as the IPv4 address that they carry."""
    return [in_ipv6(prefix, text) for prefix in ("::ffff:0:0", "::", "64:ff9b::")]


def tunnels(text):
    """6to4; Teredo with it as the client (hidden by XOR) and as the server."""
    hidden = str(ipaddress.ip_address(bytes(byte ^ 0xFF for byte in ipaddress.ip_address(text).packed)))
    return [in_ipv6("2002::1", text, 2), in_ipv6("2001:0:808:808::", hidden), in_ipv6("2001::1", text, 4)]


def local_nat64(text):
    """64:ff9b:1::/48 with the address at the end, and in the middle as RFC 6052 2.2 has it for /48."""
    raw = ipaddress.ip_address(text).packed
    middle = ipaddress.ip_address("64:ff9b:1::").packed[:6] + raw[:2] + b"\0" + raw[2:] + bytes(5)
    return [in_ipv6("64:ff9b:1::", text), str(ipaddress.ip_address(middle))]


def table():
    """(addresses refused whatever is allowed, addresses refused by default)."""
    always, special = ALWAYS4 + ALWAYS6, SPECIAL4 + SPECIAL6
    for text in ALWAYS4 + SPECIAL4 + ["8.8.8.8"]:
        always = always + tunnels(text)
    for text in ALWAYS4:
        always = always + [one for one in carriers(text) if one not in always]
        special = special + local_nat64(text)
    for text in SPECIAL4:
        special = special + carriers(text) + local_nat64(text)
    return always, list(dict.fromkeys(special))


ALWAYS, SPECIAL = table()
# What a kernel may not send from such a socket, allowed or not.
UNSENDABLE = [ipaddress.ip_network(text) for text in ("::ffff:0:0/96", "fe80::/10", "0.0.0.0/8")]


def is_sendable(text):
    address = ipaddress.ip_address(text)
    return not any(address.version == network.version and address in network for network in UNSENDABLE)


# ---- the network --------------------------------------------------------------------------------


class Everywhere:
    """Hears every datagram and connection to its port, whatever address it was for."""

    def __init__(self):
        self.port = postern.free_port()
        self.datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.streams = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        for one in (self.datagrams, self.streams):
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            one.bind(("::", self.port))
            tap.cleanup(one.close)
        self.streams.listen(1024)

    def heard(self, wait=0.3):
        """The payloads so far."""
        self.datagrams.settimeout(wait)
        payloads = []
        try:
            while True:
                payloads.append(self.datagrams.recv(2048).decode())
        except TimeoutError:
            return payloads

    def connected(self, wait=0.3):
        """How many connections came."""
        self.streams.settimeout(wait)
        count = 0
        try:
            while True:
                self.streams.accept()[0].close()
                count += 1
        except TimeoutError:
            return count


ALLOW_ALL = 'peers = { allow = [ "0.0.0.0/0", "::/0" ]; };\n'


def serve(rules, relay=(RELAY4, RELAY6), more=""):
    own_network.need()
    return e2e.serve(relay=relay, peers=False, more=(ALLOW_ALL if rules == "allowing" else "") + more)


class Pair:
    """Two clients of one kind, one with an IPv4 relay and one with an IPv6 relay."""

    def __init__(self, port, transport, protocol=stunwire.UDP):
        self.port, self.transport, self.protocol, self.clients, self.used = port, transport, protocol, {}, {}

    def to(self, text):
        """The client whose relay is of the address's family; a new one before its tables are full."""
        version = ipaddress.ip_address(text).version
        self.used[version] = self.used.get(version, 30) + 1
        if self.used[version] > 30:
            self.clients[version] = one = e2e.client(self.port, self.transport)
            one.allocate([e2e.family_of(text)], protocol=self.protocol)
            self.used[version] = 0
        return self.clients[version]


def wrong(rows):
    """What did not hold, as text; rows are (address, got, expected)."""
    return [f"{text}: {got}, not {expected}" for text, got, expected in rows if got != expected]


BOTH_WAYS = {"rules": ["default", "allowing"], "transport": ["udp", "tcp"]}


def expected_code(text, rules):
    return 0 if rules == "allowing" and text not in ALWAYS else 403


@tap.test(method=["CreatePermission", "ChannelBind"], **BOTH_WAYS)
def judges_requests(method, rules, transport):
    """Every address of the table is 403, and what is not allowed gets nothing; what is allowed is reached"""
    _, port = serve(rules)
    pair, everywhere = Pair(port, transport), Everywhere()
    rows, reached = [], []
    for number, text in enumerate(ALWAYS + SPECIAL):
        one, peer, channel = pair.to(text), (text, everywhere.port), 0x4000 + number % 0x1000
        if method == "ChannelBind":
            code = e2e.code_of(one.bind_channel, peer, channel)
            one.send_channel(text.encode(), channel)
        else:
            code = e2e.code_of(one.permit, peer)
            one.send(peer, text.encode())
        rows.append((text, code, expected_code(text, rules)))
        if code == 0 and is_sendable(text):
            reached.append(text)
    tap.equal(wrong(rows), [])
    heard, granted = set(everywhere.heard()), {text for text, code, _ in rows if code == 0}
    tap.equal((heard - granted, set(reached) - heard), (set(), set()), "heard and not granted, granted and not heard")
    tap.true(not reached or rules == "allowing", "by default nothing is reached")
    tap.true(rules == "default" or len(reached) > 60, f"{len(reached)} of the allowed are reached")


@tap.test(**BOTH_WAYS)
def judges_send(rules, transport):
    """Send without a permission reaches none of them, nor does a permission for one help another"""
    _, port = serve(rules)
    pair, everywhere = Pair(port, transport), Everywhere()
    for text in ALWAYS + SPECIAL:
        one, friend = pair.to(text), "8.8.4.4" if ":" not in text else "2a00::8"
        one.permit((friend, everywhere.port))
        one.send((text, everywhere.port), text.encode())
        one.send((friend, everywhere.port), b"permitted")
    tap.equal(set(everywhere.heard()), {"permitted"})


@tap.test(**BOTH_WAYS)
def judges_connect(rules, transport):
    """Connect: 403 on a relay of TCP; one of UDP connects to nothing

    Over UDP there is no relay of TCP, and Connect there is 437. RFC 6062 5.2: "If the request is
    received on a TCP connection for which no allocation exists, the server MUST return a 437". An
    allocation that relays UDP is none that Connect could be for.
    """
    _, port = serve(rules)
    everywhere, rows = Everywhere(), []
    pair = Pair(port, transport, stunwire.TCP if transport == "tcp" else stunwire.UDP)
    count = 0
    for text in ALWAYS + SPECIAL:
        expected = 437 if transport == "udp" else expected_code(text, rules)
        if expected == 0 and not is_sendable(text):
            continue
        code = e2e.code_of(pair.to(text)._peer_request, stunwire.CONNECT, [(text, everywhere.port)])
        count += code == 0
        rows.append((text, code, expected))
    tap.equal(wrong(rows), [])
    tap.equal(everywhere.connected(), count, "connections that came anywhere")
    tap.equal(count > 60, rules == "allowing" and transport == "tcp", f"{count} connections")


@tap.test(transport=["udp", "tcp"])
def one_bad_peer_spoils_all(transport):
    """CreatePermission with a good peer and a bad one permits neither (RFC 8656 10.2)"""
    _, port = serve("default")
    one, everywhere = Pair(port, transport).to("8.8.8.8"), Everywhere()
    good, bad = ("8.8.8.8", everywhere.port), ("10.0.0.1", everywhere.port)
    for peers in ([good, bad], [bad, good]):
        tap.equal(e2e.code_of(one.permit, *peers), 403)
        one.send(good, b"no")
    tap.equal(everywhere.heard(), [])


# ---- our own addresses --------------------------------------------------------------------------


def own_ports(server_port):
    """Where the server listens, also for RFC 5780."""
    return [("127.0.0.1", server_port), (RELAY4, server_port), (PRIVATE, server_port), (RELAY4, server_port + 1),
            (PRIVATE, server_port + 1)]


@tap.test(**BOTH_WAYS)
def keeps_off_its_listeners(rules, transport):
    """No method reaches a port where the server listens, by whichever of its addresses"""
    own_network.need()
    port = postern.free_port()
    behavior = f'nat_behavior = {{ alternate_address = "{RELAY4}"; alternate_port = {port + 1}; }};\n'
    text = postern.config(port, addresses=("0.0.0.0",), relay=(RELAY4, PRIVATE), peers=False)
    text = text.replace("0.0.0.0", "127.0.0.1", 1)
    text += behavior + (ALLOW_ALL if rules == "allowing" else "")
    text = text.replace("listeners = ( ", f"listeners = ( {postern.listener(port, PRIVATE)}, {postern.listener(port, RELAY4)}, ")
    postern.server(text)
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    for number, target in enumerate(own_ports(port)):
        one = e2e.client(port, transport, RELAY4)
        one.allocate([e2e.family_of(RELAY4)])
        permitted = target[0] != "127.0.0.1" or rules == "allowing"
        tap.equal(e2e.code_of(one.permit, target), 0 if permitted else 403, str(target))
        one.send(target, request)
        e2e.code_of(one.bind_channel, target, 0x4000 + number)
        one.send_channel(request, 0x4000 + number)
        tap.equal(one.receive(0.2), None, f"an answer by way of {target}")
        if transport == "tcp":
            stream = e2e.client(port, transport, RELAY4)
            stream.allocate(protocol=stunwire.TCP)
            tap.equal(e2e.code_of(stream._peer_request, stunwire.CONNECT, [target]), 403, str(target))


@tap.test(rules=["default", "allowing"])
def keeps_off_its_database(rules):
    """Nor is the Redis server reached that users are looked up in"""
    own_network.need()
    database = socket.create_server((RELAY4, 0))
    tap.cleanup(database.close)
    where = database.getsockname()
    users = f'users_database = {{ redis = {{ address = "{where[0]}"; port = {where[1]}; }}; }};\n'
    text = postern.config(postern.free_port(), more=users)
    if "without hiredis" in service.check(text).err:
        tap.skip("built without hiredis")
    _, port = serve(rules, more=users)
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(where)
    tap.cleanup(listening.close)
    one = e2e.client(port, "tcp")
    one.allocate([e2e.family_of(RELAY4)])
    one.permit(where)
    one.send(where, b"PING\r\n")
    listening.settimeout(0.3)
    tap.raises(TimeoutError, listening.recv, 100)
    one = e2e.client(port, "tcp")
    one.allocate([e2e.family_of(RELAY4)], protocol=stunwire.TCP)
    tap.equal(e2e.code_of(one._peer_request, stunwire.CONNECT, [where]), 403)


@tap.test(rules=["default", "allowing"])
def keeps_off_its_rendezvous_service(rules):
    """Nor a port at which the rendezvous service listens"""
    own_network.need()
    where = (RELAY4, postern.free_port())
    more = f'rendezvous = {{ listeners = ( {{ address = "{where[0]}"; port = {where[1]}; }} ); unknown_keys = true; }};\n'
    refused = service.check(postern.config(postern.free_port(), more=more)).err
    if "reads no JSON" in refused or "without" in refused:
        tap.skip("this build has no rendezvous service")
    process, port = serve(rules, more=more)
    tap.true(postern.until(lambda: ("tcp", where[1]) in postern.listening(process.pid)), process.stderr)
    one = e2e.client(port, "tcp")
    one.allocate([e2e.family_of(RELAY4)], protocol=stunwire.TCP)
    tap.equal(e2e.code_of(one._peer_request, stunwire.CONNECT, [where]), 403)


@tap.test(address=[RELAY4, PRIVATE, RELAY6], transport=["udp", "tcp"])
def relays_meet_here(address, transport):
    """Two clients with relays on one server reach each other by default, also at a private address; nobody else is there"""
    own_network.need()
    _, port = e2e.serve(relay=(address,), peers=False)
    first, second = (e2e.client(port, transport) for _ in range(2))
    for one in (first, second):
        one.allocate([e2e.family_of(address)])
        tap.equal(one.relayed[0], address)
    first.bind_channel(second.relayed)
    second.permit(first.relayed)
    first.send_channel(b"there")
    tap.equal(second.receive(), (first.relayed, b"there"))
    second.send(first.relayed, b"and back")
    tap.equal(first.receive(), (second.relayed, b"and back"))
    bystander = e2e.peer(address)
    first.send(bystander.local, b"another program of this host")
    first.bind_channel(bystander.local, 0x4001)
    first.send_channel(b"another program of this host", 0x4001)
    tap.equal(bystander.receive(0.3), None)


# ---- what the operator says and reads ------------------------------------------------------------


@tap.test
def operator_decides():
    """Ranges that are not aligned, of both families, are allowed and denied as written"""
    own_network.need()
    rules = 'peers = { allow = [ "10.0.0.7-10.0.1.2", "fd00::5-fd00::1:2" ]; deny = [ "10.0.0.250-10.0.0.252", ' \
            '"2a00::7-2a00:0:0:1::3", "8.8.8.7-8.8.9.1" ]; };\n'
    _, port = serve("default", more=rules)
    everywhere, pair = Everywhere(), Pair(port, "udp")
    expected = {"10.0.0.6": 403, "10.0.0.7": 0, "10.0.1.2": 0, "10.0.1.3": 403, "10.0.0.249": 0, "10.0.0.250": 403,
                "10.0.0.252": 403, "10.0.0.253": 0, "fd00::4": 403, "fd00::5": 0, "fd00::1:2": 0, "fd00::1:3": 403,
                "2a00::6": 0, "2a00::7": 403, "2a00:0:0:1::3": 403, "2a00:0:0:1::4": 0, "8.8.8.6": 0, "8.8.8.7": 403,
                "8.8.9.1": 403, "8.8.9.2": 0}
    for text, code in expected.items():
        one = pair.to(text)
        tap.equal(e2e.code_of(one.permit, (text, everywhere.port)), code, text)
        one.send((text, everywhere.port), text.encode())
    tap.equal(set(everywhere.heard()), {text for text, code in expected.items() if code == 0})


@tap.test(transport=["udp", "tcp"])
def explains_once(transport):
    """The log tells of the first refusal of a kind in words, and not of the next ninety-nine"""
    process, port = serve("default", more='peers = { deny = [ "9.9.9.9" ]; };\n')
    one = e2e.client(port, transport)
    one.allocate([e2e.family_of(RELAY4)])
    for number in range(100):
        tap.equal(e2e.code_of(one.permit, (f"192.168.1.{number + 1}", 1)), 403)
    for target in ("9.9.9.9", "9.9.9.9", "224.0.0.1", "224.0.0.2"):
        tap.equal(e2e.code_of(one.permit, (target, 1)), 403)
    service.logged(process, "refused whatever peers.allow says")
    time.sleep(0.2)
    lines = [line for line in process.errors if "peer refused" in line]
    tap.equal(len(lines), 3, "\n".join(lines))
    for line, (peer, words) in zip(lines, (
            ("192.168.1.1:1", "normal for a browser"), ("9.9.9.9:1", "refused by peers.deny"),
            ("224.0.0.1:1", "refused whatever peers.allow says"))):
        tap.true(peer in line and words in line and postern.USER in line, line)


tap.main()

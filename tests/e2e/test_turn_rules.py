# SPDX-License-Identifier: BSD-3-Clause
"""Rules of RFC 8489 and RFC 8656 that a server keeps, over the wire, in bytes that our codec did not make."""
import base64
import os
import struct

import e2e
import postern
import stunwire
import tap

TRANSPORT = stunwire.requested_transport()
MD5_AND_SHA256 = {1: "md5", 2: "sha256"}


def code(answer):
    return answer.error()[0] if answer.klass == stunwire.ERROR else 0


# ---- RFC 8489 -----------------------------------------------------------------------------------


class Modern:
    """A client of RFC 8489 by hand: PASSWORD-ALGORITHMS, USERHASH, MESSAGE-INTEGRITY-SHA256."""

    def __init__(self, port, transport="udp", user=postern.USER, password=postern.PASSWORD):
        self.one = e2e.client(port, transport)
        self.user, self.password = user, password
        answer = self.one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [TRANSPORT]))
        self.realm, self.nonce = answer.get(stunwire.REALM), answer.get(stunwire.NONCE)
        self.offer = answer.get(stunwire.PASSWORD_ALGORITHMS)

    def request(self, algorithm=2, hashed=False, offer=None, nonce=None, sha1=False, name=None, attributes=(TRANSPORT,)):
        user = self.user.encode()
        who = (stunwire.USERHASH, stunwire.hashlib.sha256(user + b":" + self.realm).digest()) if hashed else \
            (stunwire.USERNAME, name or user)
        fields = [*attributes, who, (stunwire.REALM, self.realm), (stunwire.NONCE, nonce or self.nonce)]
        if offer is not False:
            fields += [(stunwire.PASSWORD_ALGORITHMS, offer or self.offer),
                       (stunwire.PASSWORD_ALGORITHM, struct.pack("!HH", algorithm, 0))]
        key = stunwire.long_term_key(self.user, self.realm.decode(), self.password, MD5_AND_SHA256.get(algorithm, "md5"))
        return stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, fields, **{"key" if sha1 else "key256": key}), key

    def ask(self, **options):
        message, key = self.request(**options)
        answer = self.one.exchange(message)
        if answer.klass == stunwire.SUCCESS:
            proved = answer.verify(key) if options.get("sha1") else answer.verify256(key)
            tap.true(proved, "the answer is signed as the request was")
        return code(answer)


@tap.test(transport=["udp", "tcp"], algorithm=[1, 2], hashed=[False, True], **{"workers": e2e.WORKERS})
def new_signatures(transport, algorithm, hashed, workers):
    """MESSAGE-INTEGRITY-SHA256 with either password algorithm, with USERNAME or USERHASH (RFC 8489 9.2)"""
    _, port = e2e.serve(workers)
    tap.equal(Modern(port, transport).ask(algorithm=algorithm, hashed=hashed), 0)


@tap.test
def offers_both_algorithms():
    """The challenge offers SHA-256 and MD5, and says so in its nonce cookie (RFC 8489 9.2.1, 18.1)"""
    _, port = e2e.serve()
    modern = Modern(port)
    offered = {struct.unpack("!HH", modern.offer[at : at + 4]) for at in range(0, len(modern.offer), 4)}
    tap.equal(offered, {(1, 0), (2, 0)})
    tap.equal(modern.nonce[:9], b"obMatJos2")
    tap.true(base64.b64decode(modern.nonce[9:13])[2] & 1, "bit 0: password algorithms")


@tap.test
def bidding_down_fails():
    """A changed or missing list of algorithms is refused, and so is a nonce whose feature bits were cleared (RFC 8489 9.2.4)"""
    _, port = e2e.serve()
    only_md5 = struct.pack("!HH", 1, 0)
    for sha1 in (False, True):
        tap.equal(Modern(port).ask(algorithm=1, offer=only_md5, sha1=sha1), 400, "another list than was offered")
    modern = Modern(port)
    tap.equal(modern.ask(algorithm=1, nonce=b"obMatJos2AAAA" + modern.nonce[13:], offer=False, sha1=True), 438)
    tap.equal(Modern(port).ask(algorithm=7), 400, "an algorithm that was not offered")
    tap.equal(Modern(port).ask(algorithm=1, offer=False, sha1=True), 0, "a client of RFC 5389 knows none of this")


@tap.test(name="caf\u00e9 and others: UTF-8 names work as OpaqueString has them (RFC 8265)", user=["jos\u00e9", "\u7528\u6237 \u0438\u043c\u044f", "x" * 200])
def utf8_names(user):
    """UTF-8 user names"""
    port = postern.free_port()
    text = postern.config(port).replace(f'name = "{postern.USER}"', f'name = "{user}"')
    postern.server(text)
    tap.equal(Modern(port, user=user).ask(), 0)
    tap.equal(Modern(port, user=user).ask(hashed=True), 0)
    tap.equal(Modern(port, user=user).ask(algorithm=1, offer=False, sha1=True), 0)
    tap.equal(Modern(port, user=user).ask(name=user.encode()[:-1] + b"\xff"), 401, "no UTF-8")


@tap.test
def prepares_configured_names():
    """A name is known however the configuration writes it: other spaces, and accents apart (RFC 8265 4.2.2)"""
    port = postern.free_port()
    written, prepared = "Ren\u00e9\u00a0Fran\u00e7ois", "Ren\u00e9 Fran\u00e7ois"
    accents_apart, together = "Ame\u0301lie", "Am\u00e9lie"
    users = f'users = ( {{ name = "{written}"; password = "{postern.PASSWORD}"; }}, ' \
            f'{{ name = "{accents_apart}"; password = "pa\u00a0ss"; }} );\n'
    postern.server(postern.config(port, users=False) + users + 'relay = { addresses = [ "127.0.0.1" ]; };\n')
    tap.equal(Modern(port, user=prepared).ask(), 0)
    tap.equal(Modern(port, user=prepared).ask(hashed=True), 0)
    normal_form = "UNISTRING_LIBS = -lunistring" in (postern.build / "Makefile").read_text()  # or the build is without it
    known = together if normal_form else accents_apart
    tap.equal(Modern(port, user=known, password="pa ss").ask(), 0, "the password is prepared, too")


@tap.test(transport=["udp", "tcp"])
def names_unknown_attributes(transport):
    """420 lists what was not understood, of every method, signed (RFC 8489 6.3.1)"""
    _, port = e2e.serve()
    one = e2e.allocated(port, transport)
    for method in (stunwire.REFRESH, stunwire.CREATE_PERMISSION, stunwire.CHANNEL_BIND, stunwire.CONNECT):
        answer = one.try_request(method, [(0x7F01, b""), (0x7F02, b"x"), (0xFF01, b"optional")])
        tap.equal((code(answer), answer.get(stunwire.UNKNOWN_ATTRIBUTES)), (420, b"\x7f\x01\x7f\x02"), f"method {method}")
        tap.true(answer.verify(one.key), "signed")


@tap.test(workers=e2e.WORKERS)
def repeats_are_answered_alike(workers):
    """A request that is sent again gets the same answer, and does nothing twice (RFC 8489 6.3.1, RFC 8656 7.2)"""
    process, port = e2e.serve(workers)
    for method in ("allocate", "channel", "delete"):
        one, peer = e2e.client(port), e2e.peer()
        if method == "allocate":
            one._learn(one.exchange(one.signed(stunwire.ALLOCATE, [TRANSPORT])))
            message = one.signed(stunwire.ALLOCATE, [TRANSPORT, (stunwire.EVEN_PORT, b"\x80")])
        else:
            one.allocate()
            transaction = os.urandom(12)
            fields = [(stunwire.LIFETIME, stunwire.u32(0))] if method == "delete" else \
                [(stunwire.CHANNEL_NUMBER, b"\x40\x07\0\0"), (stunwire.XOR_PEER_ADDRESS, stunwire.pack_address(peer.local, transaction))]
            number = stunwire.REFRESH if method == "delete" else stunwire.CHANNEL_BIND
            message = stunwire.build(number, stunwire.REQUEST, fields + one.credentials(), transaction, key=one.key)
        answers = [one.exchange(message) for _ in range(5)]
        tap.equal([code(answer) for answer in answers], [0] * 5, method)
        for kind in (stunwire.XOR_RELAYED_ADDRESS, stunwire.RESERVATION_TOKEN, stunwire.XOR_MAPPED_ADDRESS):
            tap.equal(len({answer.get(kind) for answer in answers}), 1, f"{method}: attribute {kind:#x}")
    made = lambda: sum("allocation made" in line for line in process.errors)
    postern.until(lambda: made() >= 3)
    tap.equal(made(), 3, "allocations")


# ---- RFC 8656 -----------------------------------------------------------------------------------


@tap.test
def lifetimes():
    """LIFETIME is what was asked for, within limits; 0 in Allocate is no deletion (RFC 8656 7.2)"""
    _, port = e2e.serve(more="")
    for asked, granted in ((None, 600), (0, 600), (1, 600), (599, 600), (700, 700), (3600, 3600), (3601, 3600), (0xFFFFFFFF, 3600)):
        one = e2e.client(port)
        one.allocate([] if asked is None else [(stunwire.LIFETIME, stunwire.u32(asked))])
        tap.equal(one.lifetime, granted, f"asked for {asked}")
    for asked, granted in ((700, 700), (5, 600), (99999, 3600), (None, 600)):
        tap.equal(one.refresh(asked).number(stunwire.LIFETIME), granted, f"Refresh with {asked}")


@tap.test(transport=["udp", "tcp"])
def pairs_of_ports(transport):
    """EVEN-PORT gives an even port, with R the next one to who brings the token, once; both together are 400 (RFC 8656 7.2)"""
    port, ports = postern.free_port(), postern.free_port(8)  # of which no other program takes the second of a pair
    postern.server(postern.config(port).replace("relay = {", f"relay = {{ ports = {{ min = {ports}; max = {ports + 7}; }};", 1))
    first = e2e.client(port, transport)
    token = first.allocate([(stunwire.EVEN_PORT, b"\x80")]).get(stunwire.RESERVATION_TOKEN)
    tap.equal((first.relayed[1] % 2, len(token)), (0, 8))
    fetch = (stunwire.RESERVATION_TOKEN, token)
    refused = e2e.client(port, transport)
    tap.equal(e2e.code_of(refused.allocate, [fetch, (stunwire.EVEN_PORT, b"\0")]), 400)
    tap.equal(e2e.code_of(refused.allocate, [fetch, e2e.family_of("127.0.0.1")]), 400)
    tap.equal(e2e.code_of(refused.allocate, [fetch, (stunwire.ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")]), 400)
    tap.equal(e2e.code_of(refused.allocate, [(stunwire.EVEN_PORT, b"\x80"), (stunwire.ADDITIONAL_ADDRESS_FAMILY, b"\x02\0\0\0")]), 400)
    second = e2e.client(port, transport)
    second.allocate([fetch])
    tap.equal(second.relayed, (first.relayed[0], first.relayed[1] + 1))
    for value in (token, bytes(8), b"nobody's"):
        answer = refused.try_request(stunwire.ALLOCATE, [TRANSPORT, (stunwire.RESERVATION_TOKEN, value)])
        tap.equal(answer.error(), (508, "Insufficient Capacity: no such reservation"), f"{value}: used, or nobody's")


@tap.test(transport=["udp", "tcp"], numbers=["rfc8656", "rfc5766"])
def channels(transport, numbers):
    """Channels are 0x4000 to 0x4FFF, or as RFC 5766 had it to 0x7FFF; each for one peer and each peer with one (RFC 8656 12.2)"""
    _, port = e2e.serve(more=f'channel_numbers = "{numbers}";\n')
    one, peer, other = e2e.allocated(port, transport), e2e.peer(), e2e.peer()
    for number in (0, 0x3FFF, 0x8000, 0xFFFF):
        tap.equal(e2e.code_of(one.bind_channel, peer.local, number), 400, f"{number:#x}")
    for number in (0x5000, 0x7FFF):
        tap.equal(e2e.code_of(e2e.allocated(port, transport).bind_channel, peer.local, number), 400 if numbers == "rfc8656" else 0)
    for _ in range(2):
        tap.equal(e2e.code_of(one.bind_channel, peer.local, 0x4000), 0)
    tap.equal(e2e.code_of(one.bind_channel, peer.local, 0x4FFF), 400, "the peer has another channel")
    tap.equal(e2e.code_of(one.bind_channel, other.local, 0x4000), 400, "the channel has another peer")
    tap.equal(e2e.code_of(one.bind_channel, other.local, 0x4FFF), 0)
    tap.equal(e2e.code_of(one.bind_channel, ("127.0.0.1", 0), 0x4001), 400)


@tap.test(transport=["udp", "tcp"])
def families_are_told_apart(transport):
    """440 a family that the server has not, 443 one that the allocation has not, 403 one address that is not allowed"""
    _, port = e2e.serve()
    one = e2e.client(port, transport)
    tap.equal(e2e.code_of(one.allocate, [e2e.family_of("::1")]), 440)
    tap.equal(e2e.code_of(one.allocate, [(stunwire.REQUESTED_ADDRESS_FAMILY, b"\x03\0\0\0")]), 440)
    one.allocate()
    tap.equal(e2e.code_of(one.permit, ("::1", 9)), 443)
    tap.equal(e2e.code_of(one.bind_channel, ("2a00::1", 9)), 443)
    tap.equal(e2e.code_of(one.permit, ("10.1.2.3", 9)), 403)
    tap.equal(code(one.try_request(stunwire.REFRESH, [e2e.family_of("::1")])), 443)


@tap.test
def full_is_told_apart():
    """486 when the user's quota is used up, 508 when the server's ports are (RFC 8656 7.2)"""
    first = postern.free_port(4)
    port = postern.free_port()
    text = postern.config(port, more="quotas = { user = { allocations = 2; }; };\n").replace(
        'relay = { addresses = [ "127.0.0.1" ]; };',
        f'relay = {{ addresses = [ "127.0.0.1" ]; ports = {{ min = {first}; max = {first + 2}; }}; }};')
    postern.server(text)
    clients = [e2e.client(port) for _ in range(3)]
    tap.equal([e2e.code_of(one.allocate) for one in clients], [0, 0, 486])
    for expected in (0, 508):
        user, password = stunwire.rest_credential(postern.SECRET, "bob")
        tap.equal(e2e.code_of(e2e.client(port, user=user, password=password).allocate), expected)


@tap.test(transport=["udp", "tcp"])
def transports(transport):
    """REQUESTED-TRANSPORT: 400 without, 442 for what is neither UDP nor TCP"""
    _, port = e2e.serve()
    one = e2e.client(port, transport)
    tap.equal(code(one.try_request(stunwire.ALLOCATE, [])), 400)
    for protocol in (0, 1, 132, 255):
        tap.equal(e2e.code_of(one.allocate, [], protocol), 442, f"protocol {protocol}")


tap.main()

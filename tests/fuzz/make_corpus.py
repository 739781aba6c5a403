#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of the codec's fuzz targets: tests/fuzz/make_corpus.py [CORPUS FOLDER]

The seeds are committed; run this after a change here. They come from the Python codec of the tests
and not from ours. Files that it does not name (what fuzzing found, other targets' seeds) stay.
"""
import pathlib
import re
import struct
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "lib"))
sys.dont_write_bytecode = True
import dtls  # noqa: E402
import stunwire as w  # noqa: E402

ID = bytes(range(1, 13))
KEY = b"VOkJxbRl1RmTxUk/WvJxBt"  # fuzz_stun_view's key, that of RFC 5769
V4, V6 = ("192.0.2.1", 32853), ("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def xor(address):
    return w.pack_address(address, ID)


def message(method, klass, *attributes, **seal):
    return w.build(method, klass, attributes, transaction=ID, **seal)


def vectors():
    """The published messages, from the header that the unit tests use."""
    text = (here.parent / "vectors" / "stun_messages.h").read_text()
    found = {}
    for name, body in re.findall(r"uint8_t vector_(request\w*|response\w*)\[\d+\] = \{(.*?)\};", text, re.S):
        body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
        found[f"vector_{name}"] = bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", body))
    assert len(found) == 5
    return found


def every_attribute():
    """One message an attribute, its value as the RFCs have it."""
    values = {
        "mapped": (w.MAPPED_ADDRESS, w.pack_address(V4)),
        "xor_mapped_ipv4": (w.XOR_MAPPED_ADDRESS, xor(V4)),
        "xor_mapped_ipv6": (w.XOR_MAPPED_ADDRESS, xor(V6)),
        "xor_relayed": (w.XOR_RELAYED_ADDRESS, xor(V6)),
        "other_address": (w.OTHER_ADDRESS, w.pack_address(V6)),
        "response_origin": (w.RESPONSE_ORIGIN, w.pack_address(V4)),
        "alternate_server": (w.ALTERNATE_SERVER, w.pack_address(V4)),
        "alternate_domain": (w.ALTERNATE_DOMAIN, b"example.net"),
        "change_request": (w.CHANGE_REQUEST, w.u32(6)),
        "response_port": (w.RESPONSE_PORT, b"\x0d\x97\0\0"),
        "padding": (w.PADDING, bytes(64)),
        "cache_timeout": (w.CACHE_TIMEOUT, w.u32(3600)),
        "error": (w.ERROR_CODE, w.pack_error(438, b"Stale Nonce")),
        "address_error": (w.ADDRESS_ERROR_CODE, b"\2\0\4\x28Address Family not Supported"),
        "unknown": (w.UNKNOWN_ATTRIBUTES, b"\x7f\1\x7f\2\x7f\3"),
        "lifetime": (w.LIFETIME, w.u32(600)),
        "channel_number": (w.CHANNEL_NUMBER, b"\x40\0\0\0"),
        "transport": w.requested_transport(),
        "family": (w.REQUESTED_ADDRESS_FAMILY, b"\2\0\0\0"),
        "additional_family": (w.ADDITIONAL_ADDRESS_FAMILY, b"\2\0\0\0"),
        "even_port": (w.EVEN_PORT, b"\x80"),
        "dont_fragment": (w.DONT_FRAGMENT, b""),
        "reservation": (w.RESERVATION_TOKEN, b"12345678"),
        "connection": (w.CONNECTION_ID, w.u32(7)),
        "icmp": (w.ICMP, b"\0\0\6\4\0\0\5\x78"),
        "data": (w.DATA_ATTRIBUTE, b"hello"),
        "userhash": (w.USERHASH, bytes(range(32))),
        "algorithm": (w.PASSWORD_ALGORITHM, b"\0\2\0\0"),
        "algorithm_parameters": (w.PASSWORD_ALGORITHM, b"\0\7\0\3abc"),
        "algorithms": (w.PASSWORD_ALGORITHMS, b"\0\2\0\0\0\1\0\0\0\7\0\5abcde\0\0\0"),
        "access_token": (w.ACCESS_TOKEN, bytes(48)),
        "third_party": (w.THIRD_PARTY_AUTHORIZATION, b"auth.example.org"),
        "ticket": (w.MOBILITY_TICKET, bytes(20)),
        "priority": (w.PRIORITY, w.u32(0x6E0001FF)),
        "use_candidate": (w.USE_CANDIDATE, b""),
        "controlled": (w.ICE_CONTROLLED, b"tiebreak"),
        "controlling": (w.ICE_CONTROLLING, b"tiebreak"),
        "software": (w.SOFTWARE, b"fuzz"),
        "not_known": (0x7ABC, b"?"),
    }
    return {f"attribute_{name}": message(w.BINDING, w.SUCCESS, value) for name, value in values.items()}


def exchanges():
    """What clients and servers say to each other, sealed in each way."""
    long_term = ((w.USERNAME, b"alice"), (w.REALM, b"example.org"), (w.NONCE, b"obMatJos2AAAC" + bytes(20)))
    peers = ((w.XOR_PEER_ADDRESS, xor(V4)), (w.XOR_PEER_ADDRESS, xor(V6)))
    allocate = message(w.ALLOCATE, w.REQUEST, w.requested_transport(), *long_term, key=KEY, fingerprint=True)
    return {
        "empty": message(w.BINDING, w.REQUEST),
        "allocate": allocate,
        "allocate_sha256": message(w.ALLOCATE, w.REQUEST, w.requested_transport(), *long_term, key256=KEY),
        "both": message(w.REFRESH, w.REQUEST, (w.LIFETIME, w.u32(0)), key=KEY, key256=KEY, fingerprint=True),
        "permissions": message(w.CREATE_PERMISSION, w.REQUEST, *peers, *long_term, key=KEY),
        "bind": message(w.CHANNEL_BIND, w.REQUEST, (w.CHANNEL_NUMBER, b"\x40\0\0\0"), peers[0], key=KEY),
        "send": message(w.SEND, w.INDICATION, peers[0], (w.DATA_ATTRIBUTE, b"hello")),
        "data": message(w.DATA, w.INDICATION, peers[1], (w.DATA_ATTRIBUTE, b"")),
        "connect": message(w.CONNECT, w.REQUEST, peers[0], key=KEY),
        "connection_attempt": message(w.CONNECTION_ATTEMPT, w.INDICATION, (w.CONNECTION_ID, w.u32(1)), peers[0]),
        "ice": message(w.BINDING, w.REQUEST, (w.USERNAME, b"a:b"), (w.PRIORITY, w.u32(1)),
                       (w.ICE_CONTROLLING, bytes(8)), (w.USE_CANDIDATE, b""), key=KEY, fingerprint=True),
        "after_integrity": w.append(allocate[:-8], *peers[0]),
        "after_fingerprint": w.append(allocate, *peers[0]),
        "second_integrity": w.append(allocate[:-8], w.MESSAGE_INTEGRITY, bytes(20)),
        "sha256_truncated": message(w.BINDING, w.REQUEST, (w.MESSAGE_INTEGRITY_SHA256, bytes(16))),
    }


def broken():
    """Wrong in one way each."""
    empty = message(w.BINDING, w.REQUEST)
    return {
        "classic": empty[:2] + b"\0\x08" + bytes(4) + ID + b"\0\3\0\4\0\0\0\6",
        "length_odd": empty[:2] + b"\0\5" + empty[4:] + b"\x80\x22\0\1a",
        "length_short": empty[:2] + b"\0\4" + empty[4:],
        "length_long": empty + bytes(4),
        "attribute_65535": empty[:2] + b"\0\4" + empty[4:] + b"\x80\x22\xff\xff",
        "attribute_cut": empty[:2] + b"\0\x08" + empty[4:] + b"\x80\x22\0\5abcd",
        "many": message(w.BINDING, w.REQUEST, *[(0x7000 + i, b"") for i in range(32)]),
        "too_many": message(w.BINDING, w.REQUEST, *[(0x7000 + i, b"") for i in range(33)]),
        "integrity_size": message(w.BINDING, w.REQUEST, (w.MESSAGE_INTEGRITY, bytes(16))),
        "fingerprint_size": message(w.BINDING, w.REQUEST, (w.FINGERPRINT, bytes(8))),
        "address_size": message(w.BINDING, w.SUCCESS, (w.XOR_MAPPED_ADDRESS, bytes(20))),
        "header": empty[:19],
    }


def channel(number, data, pad=True):
    return struct.pack("!HH", number, len(data)) + data + (bytes(-len(data) % 4) if pad else b"")


def channels():
    return {
        "empty": channel(0x4000, b""),
        "padded": channel(0x4001, b"hello"),
        "bare": channel(0x4FFF, b"hello", pad=False),
        "reserved": channel(0x5000, b"hello"),
        "cut": channel(0x4000, b"hello world")[:9],
        "long": struct.pack("!HH", 0x4000, 0xFFFF) + bytes(40),
    }


def streams():
    request, data = message(w.BINDING, w.REQUEST, fingerprint=True), channel(0x4000, b"hello")
    return {
        "one": request,
        "several": request + data + channel(0x4001, b"") + request,
        "cut_message": data + request[:-3],
        "cut_header": data + request[:3],
        "cut_channel": request + data[:7],
        "wrong_cookie": data + request[:4] + bytes(16),
        "tls": bytes.fromhex("16030100c8010000c40303"),
        "http": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    }


def builder_programs():
    """What fuzz_stun_builder reads: capacity, class, method, then calls of a byte and a type each."""
    head = struct.pack("!HBH", 1024, 0, w.BINDING)

    def call(number, kind=0, operands=b""):
        return struct.pack("!BH", number, kind) + operands

    seal = call(13) + call(14) + call(15)
    return {
        "empty": head,
        "sealed": head + seal,
        "numbers": head + call(3, w.EVEN_PORT, b"\x80") + call(4, w.REQUESTED_TRANSPORT, b"\x11")
        + call(5, w.CHANNEL_NUMBER, b"\x40\0") + call(6, w.LIFETIME, w.u32(600)) + call(7, w.ICE_CONTROLLED, w.u32(1)),
        "bytes": head + call(0, w.DATA_ATTRIBUTE, b"\0\x21") + call(1, w.SOFTWARE) + call(2, w.USE_CANDIDATE),
        "addresses": head + call(8, w.MAPPED_ADDRESS, b"\1\x0d\x96\1") + call(8, w.XOR_PEER_ADDRESS, b"\2\x0d\x96\0"),
        "lists": head + call(9, 0, b"\1\x90") + call(10, 2, b"\1\xb8") + call(11, 0, b"\2\0\1\0\2\1")
        + call(11, 0, b"\2\0\2\0\1\0") + call(12, 0, b"\3\0\4\0\0\5\x78"),
        "after_seal": head + seal + call(2, w.USE_CANDIDATE),
        "small": struct.pack("!HBH", 40, 2, w.ALLOCATE) + call(1, w.SOFTWARE) + seal,
        "none": struct.pack("!HBH", 10, 3, 0x1FFF),
    }


def client_hellos():
    good = dtls.client_hello()
    return {
        "first": good,
        "with_cookie": dtls.client_hello(bytes(16)),
        "other_cookie": dtls.client_hello(bytes(20)),
        "fragment": good[:19] + b"\x00\x00\x01" + good[22:],
        "cut": good[:60],
        "epoch_one": good[:4] + b"\x01" + good[5:],
        "long": dtls.client_hello(bytes(16), extra=b"\x00\x15\x04\x00" + bytes(1024)),
        "two_records": good + dtls.client_hello(bytes(16)),
    }


def association_programs():
    def datagram(data, address=0, good_cookie=False):
        return bytes([1 if good_cookie else 0, address]) + struct.pack("!H", len(data)) + data

    def hello(number, address=0):
        return datagram(dtls.client_hello(bytes(16), bytes([number]) * 32), address, True)

    later = lambda seconds: bytes([2, seconds])
    send = lambda size: bytes([3, size])
    key_exchange = b"\x16\xfe\xfd" + bytes(7) + b"\x02\x00\x4e\x10\x00\x00\x42\x00\x02\x00\x00\x00\x00\x00\x42\x41\x04"
    key_exchange += bytes(64)
    change = b"\x14\xfe\xfd" + bytes(7) + b"\x03\x00\x01\x01"
    finished = b"\x16\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x28" + bytes(40)
    alert = b"\x15\xfe\xfd" + bytes(7) + b"\x02\x00\x02\x02\x28"
    return {
        "no_cookie": datagram(dtls.client_hello()),
        "half_made": hello(1) + later(9) + later(2),
        "same_again": hello(1) + hello(1) + hello(2),
        "many": b"".join(hello(number, number % 4) for number in range(10)),
        "resend": hello(1) + b"".join(later(1) for _ in range(12)),
        "alert": hello(1) + datagram(alert) + send(10),
        "wrong_keys": hello(1) + datagram(key_exchange + change + finished) + send(100),
        "plain": datagram(bytes(20)) + datagram(b"") + datagram(b"\x17"),
    }


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "corpus"
    messages = {**vectors(), **every_attribute(), **exchanges(), **broken()}
    targets = {
        "fuzz_stun_view": messages,
        "fuzz_stun_rebuild": {**vectors(), **exchanges(), **broken()},
        "fuzz_stun_stream": streams(),
        "fuzz_channel": channels(),
        "fuzz_stun_builder": builder_programs(),
        "fuzz_dtls_hello": client_hellos(),
        "fuzz_associations": association_programs(),
    }
    for target, seeds in targets.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, seed in seeds.items():
            (folder / target / name).write_bytes(seed)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of fuzz_turn_server: tests/fuzz/make_turn_corpus.py [FOLDER]

A seed is a sequence of records, as fuzz_turn_server.c describes them. The seeds are committed; run
this after a change here.
"""
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "lib"))
sys.dont_write_bytecode = True
import stunwire as w  # noqa: E402

ID = bytes(range(1, 13))


def record(what, client, *rest):
    return bytes([what | client << 3, *rest])


def message(client, data):
    data += bytes(len(data) % 2)
    return record(0, client, len(data) // 2) + data


def signed(client, method, attributes):
    return record(1, client, method, len(attributes)) + attributes


def wait(seconds):
    return record(2, 0, *(seconds * 10).to_bytes(2, "big"))


def from_peer(client, peer, size=5):
    return record(3, client, peer, size)


def channel_data(client, number, size=5):
    return record(4, client, number, size)


def sound(client, which, choice=0):
    return record(6, client, which, choice)


ALLOCATE, REFRESH, PERMIT, BIND, EVEN, SEND = range(6)


def attribute(kind, value):
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)


def binding(*attributes, **seal):
    return w.build(w.BINDING, w.REQUEST, attributes, transaction=ID, **seal)


UDP = attribute(0x0019, b"\x11\0\0\0")
SEEDS = {
    "life": sound(0, ALLOCATE) + sound(0, PERMIT) + sound(0, SEND) + from_peer(0, 0)
    + sound(0, BIND) + channel_data(0, 0) + from_peer(0, 1) + sound(0, REFRESH, 0),
    "expiry": sound(0, ALLOCATE) + sound(0, BIND) + wait(301) + from_peer(0, 0)
    + channel_data(0, 0) + wait(299) + channel_data(0, 0) + sound(0, ALLOCATE),
    "stream": sound(2, ALLOCATE) + sound(2, BIND) + channel_data(2, 0, 3) + from_peer(2, 0, 1)
    + record(5, 2) + channel_data(2, 0),
    "two_relays": sound(0, ALLOCATE) + sound(1, ALLOCATE) + sound(0, PERMIT, 7)
    + sound(1, PERMIT, 7) + sound(0, SEND, 7) + sound(1, REFRESH, 0) + sound(0, SEND, 7),
    "even": sound(0, EVEN, 0x80) + wait(29) + wait(2) + sound(0, REFRESH, 0) + sound(0, EVEN, 0),
    "reload": sound(0, ALLOCATE) + sound(0, BIND) + record(7, 0, 1) + channel_data(0, 0)
    + from_peer(0, 0) + sound(0, PERMIT, 1) + record(7, 0, 0) + channel_data(0, 0),
    "full": sound(0, ALLOCATE) + b"".join(sound(0, PERMIT, i) for i in range(8))
    + b"".join(sound(0, BIND + 6 * i, i) for i in range(8)),
    "binding": message(0, binding()) + message(3, binding()) + message(2, binding(fingerprint=True)),
    "behavior": message(0, binding((w.CHANGE_REQUEST, w.u32(6))))
    + message(0, binding((w.RESPONSE_PORT, b"\x0d\x97\0\0")))
    + message(0, binding((w.PADDING, bytes(64)))),
    "signed": signed(0, 3, UDP + attribute(0x000D, b"\0\0\x03\x84"))
    + signed(0, 8, attribute(0x0012, b"\0\1\x3a\x4a\xea\x12\xd5\x47") * 2)
    + signed(0, 9, attribute(0x000C, b"\x40\1\0\0") + attribute(0x0012, b"\0\1\x3a\x4a\xea\x12\xd5\x47"))
    + signed(0, 4, attribute(0x0017, b"\2\0\0\0")) + signed(0, 4, attribute(0x000D, bytes(4))),
    "token": signed(0, 3, UDP + attribute(0x0018, b"\x80"))
    + signed(1, 3, UDP + attribute(0x0022, b"\x80" + bytes(7))),
    "ipv6": signed(3, 3, UDP + attribute(0x0017, b"\2\0\0\0")) + sound(3, PERMIT, 5) + sound(3, SEND, 5)
    + from_peer(3, 5),
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else here / "corpus" / "fuzz_turn_server")
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS.items():
        (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()

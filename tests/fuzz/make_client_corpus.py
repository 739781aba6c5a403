#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of the client's fuzz targets: tests/fuzz/make_client_corpus.py [CORPUS FOLDER]

Records are as fuzz_turn_client.c and fuzz_nat.c describe them. The seeds are committed; run this
after a change here.
"""
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent

URIS = {
    "stun": b"stun:example.org", "stuns_port": b"stuns:example.org:5349", "turn_udp": b"turn:example.org?transport=udp",
    "turns_tcp": b"turns:[2001:db8::1]:443?transport=tcp", "host": b"example.org:3478", "ipv6": b"2001:db8::1",
    "ipv4": b"192.0.2.1:1", "bracketed": b"[::1]:65535", "dot": b"STUN:example.org.",
}


# ---- fuzz_turn_client ---------------------------------------------------------------------------


def answer(which, how, attributes=b""):
    return bytes([1, which, how, len(attributes)]) + attributes


def sound(which, how):
    return bytes([2, which, how])


def wait(tenths):
    return bytes([3, *tenths.to_bytes(2, "big")])


def want(what, peer):
    return bytes([4, what, peer])


OK, CHALLENGE, STALE, REDIRECT, FORBIDDEN = 0, 3, 4, 5, 6
PERMIT, BIND, FORGET, SEND, DELETE = range(5)
BEGIN = sound(0, CHALLENGE) + sound(0, OK)
TURN = {
    "life": b"\0" + BEGIN + want(PERMIT, 0) + sound(0, OK) + want(SEND, 0) + want(BIND, 0) + sound(0, OK) + want(SEND, 0)
    + bytes([5, 0, 5]) + bytes([6, 0, 5]) + wait(2500) + sound(0, OK) + want(DELETE, 0) + sound(0, OK),
    "stream": b"\1" + BEGIN + want(BIND, 1) + sound(0, OK) + want(SEND, 1) + bytes([5, 0, 3]) + bytes([7]),
    "silent": b"\0" + wait(500),
    "limited": b"\4" + wait(30),
    "open": b"\2" + sound(0, OK) + want(PERMIT, 3),
    "no_credentials": b"\2" + sound(0, CHALLENGE),
    "refused": b"\0" + sound(0, CHALLENGE) + sound(0, 8),
    "wrong_password": b"\0" + sound(0, CHALLENGE) + sound(0, CHALLENGE),
    "stale": b"\0" + BEGIN + want(PERMIT, 0) + sound(0, STALE + 132) + sound(0, OK),
    "redirect": b"\0" + sound(0, REDIRECT),
    "forbidden": b"\0" + BEGIN + want(PERMIT, 0) + sound(0, FORBIDDEN) + want(PERMIT, 0) + sound(0, OK) + want(FORGET, 0),
    "expires": b"\4" + BEGIN + wait(7000),
    "keepalive": b"\x08" + BEGIN + wait(1000),
    "many": b"\0" + BEGIN + b"".join(want(BIND, i) for i in range(30)) + b"".join(sound(i, OK) for i in range(30)),
    "raw": b"\0" + answer(0, 0, b"\0\x09\0\4\0\0\4\1\0\x14\0\1r\0\0\0\0\x15\0\1n\0\0\0\x80\x02\0\x08\0\2\0\0\0\1\0\0")
    + answer(0, 3, b"\0\x16\0\x08\0\1\x11\x12\x21\x12\xa4\x42\0\x0d\0\4\0\0\2\x58"),
    "packets": b"\0" + bytes([0, 2]) + b"\x40\0\0\0" + bytes([0, 10]) + b"\1\1\0\0\x21\x12\xa4\x42" + bytes(12),
}


# ---- fuzz_nat -----------------------------------------------------------------------------------


def tells(which, source, mapped, other):
    return bytes([2, which, source, mapped, other])


def says(which, source, how, attributes=b""):
    return bytes([1, which, source, how, len(attributes)]) + attributes


def passes(hundredths):
    return bytes([3, hundredths])


PRIMARY, OTHER, OTHER_PORT, OTHER_ADDRESS, LOCAL = range(5)
# The requests that a probe begins with, newest first: port, plain, both, plain, mapping.
ALL_TESTS = tells(4, PRIMARY, 6, OTHER)
NAT = {
    "probe_open": b"\0" + tells(4, PRIMARY, LOCAL, OTHER) + tells(5, OTHER, LOCAL, PRIMARY),
    "probe_cone": b"\0" + ALL_TESTS + tells(0, OTHER, 6, PRIMARY) + tells(1, OTHER_PORT, 6, PRIMARY)
    + tells(2, OTHER_ADDRESS, 6, PRIMARY) + passes(200) + passes(200),
    "probe_symmetric": b"\0" + ALL_TESTS + tells(0, OTHER, 14, PRIMARY) + tells(1, OTHER_PORT, 22, PRIMARY)
    + tells(2, OTHER_ADDRESS, 30, PRIMARY) + passes(250),
    "probe_one_address": b"\0" + says(4, PRIMARY, 1, b"\0\1\0\x08\0\1\x9c\x40\x0a\0\0\2"),
    "probe_error": b"\0" + says(4, PRIMARY, 0, b"\0\x09\0\4\0\0\5\0"),
    "probe_silent": b"\0" + passes(255),
    "hairpin_yes": b"\1" + tells(0, PRIMARY, 6, OTHER) + tells(1, PRIMARY, 14, OTHER) + passes(50),
    "hairpin_none": b"\1" + tells(1, PRIMARY, LOCAL, OTHER),
    "lifetime": b"\2" + tells(0, PRIMARY, 6, OTHER) + passes(21) + tells(0, PRIMARY, 6, OTHER)
    + b"".join(tells(i, PRIMARY, 6, OTHER) for i in range(5)) + passes(130) + passes(255),
    "lifetime_refused": b"\2" + tells(0, PRIMARY, 6, OTHER) + passes(21) + says(0, PRIMARY, 0, b"\0\x09\0\4\0\0\4\x14"),
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else here / "corpus")
    for target, seeds in (("fuzz_stun_uri", URIS), ("fuzz_turn_client", TURN), ("fuzz_nat", NAT)):
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, seed in seeds.items():
            (folder / target / name).write_bytes(seed)


if __name__ == "__main__":
    main()

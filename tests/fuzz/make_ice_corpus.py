#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of fuzz_ice: tests/fuzz/make_ice_corpus.py [CORPUS FOLDER]

Records are as fuzz_ice.c describes them. The seeds are committed; run this after a change here.
"""
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
CONTROLLING, LITE, RELAY_ONLY, FAST, KNOWN, PEER_LITE, SERVER = 1, 2, 4, 8, 16, 32, 64
BY_CONTROLLING, BY_CONTROLLED, STRONG, NOMINATES = 4, 8, 16, 32


def packet(source, data):
    return bytes([0, source, len(data) // 2]) + data


def check(source, how):
    return bytes([1, source, how])


def sound(which, what=0):
    return bytes([3, which, what])


def wait(tenths):
    return bytes([4, *tenths.to_bytes(2, "big")])


def want(what, which=0):
    return bytes([5, what, which])


CREDENTIALS, RESTART, INFORMED, END, SOCKET, UNREACHABLE, ADD_SERVER, CONNECTION, SEND, CLOSE = range(10)


def candidate(address, kind=0, priority=100):
    return bytes([6, address, kind, priority])


def relayed(how, peer, data):
    return bytes([7, how, peer, len(data) // 2]) + data


DATA = b"\x16 some data.."
CONNECTED = candidate(0) + sound(0) + wait(1) + sound(0)
SEEDS = {
    "connects": bytes([CONTROLLING | KNOWN]) + CONNECTED + want(SEND, 20) + packet(0, DATA) + wait(600),
    "consents": bytes([CONTROLLING | KNOWN]) + CONNECTED + (wait(50) + sound(0)) * 10 + wait(600),
    "controlled": bytes([KNOWN]) + candidate(0) + check(0, BY_CONTROLLING | NOMINATES) + sound(0) + packet(0, DATA) + wait(100),
    "lite": bytes([LITE | KNOWN]) + check(0, BY_CONTROLLING | NOMINATES) + packet(0, DATA) + want(SEND, 9) + wait(500),
    "both_lite": bytes([CONTROLLING | LITE | KNOWN | PEER_LITE]) + candidate(0) + candidate(2) + want(SEND, 9) + wait(900),
    "early": bytes([0]) + b"".join(check(3 * i, BY_CONTROLLING) for i in range(20)) + want(CREDENTIALS) + sound(0) + wait(9),
    "conflicts": bytes([CONTROLLING | KNOWN]) + candidate(0) + check(0, BY_CONTROLLING) + check(0, BY_CONTROLLING | STRONG)
    + check(0, BY_CONTROLLED) + check(0, BY_CONTROLLED | STRONG) + sound(0, 4) + sound(1, 4) + wait(5) + sound(0),
    "errors": bytes([KNOWN]) + candidate(0) + b"".join(sound(0, i) + wait(3) for i in range(12)),
    "restarts": bytes([CONTROLLING | KNOWN]) + CONNECTED + want(RESTART) + want(SEND, 5) + want(CREDENTIALS, 2) + candidate(0)
    + sound(0) + wait(20) + want(CREDENTIALS, 0) + candidate(8) + sound(0) + wait(400),
    "silent": bytes([KNOWN]) + candidate(0) + candidate(1) + candidate(2) + candidate(3, 1) + want(INFORMED) + wait(600),
    "many": bytes([CONTROLLING | KNOWN | FAST])
    + b"".join(candidate(8 * (i % 30) + i % 4, i % 4, 30 + i) for i in range(90)) + wait(300),
    "prflx": bytes([KNOWN]) + b"".join(check(3 * (i % 70), BY_CONTROLLING | (i & 32)) for i in range(120)) + wait(30),
    "relay": bytes([CONTROLLING | KNOWN | SERVER]) + sound(0, 5) + sound(0) + candidate(0) + sound(0) + sound(1) + wait(2)
    + b"".join(sound(i) for i in range(6)) + relayed(0, 0, DATA) + relayed(128, 0, DATA) + want(SEND, 4) + wait(3000),
    "relay_only": bytes([RELAY_ONLY | KNOWN | SERVER]) + sound(0, 5) + sound(0) + candidate(0)
    + b"".join(sound(i) for i in range(9)) + want(CLOSE, 255) + sound(0) + wait(50),
    "stream": bytes([KNOWN]) + want(ADD_SERVER, 3) + want(CONNECTION, 0) + sound(0, 5) + sound(0) + candidate(0) + sound(0)
    + want(CONNECTION, 128) + wait(100),
    "sockets": bytes([CONTROLLING | KNOWN]) + CONNECTED + want(SOCKET, 128) + want(SEND, 5) + want(SOCKET, 0) + wait(20)
    + sound(0) + want(UNREACHABLE, 0) + wait(300),
    "closes": bytes([KNOWN | SERVER]) + CONNECTED + want(CLOSE, 255) + check(0, BY_CONTROLLING) + want(SEND, 1) + wait(90),
    "raw": bytes([KNOWN]) + packet(0, b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)) + packet(0, b"") + packet(0, bytes(20)),
}

corpus = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "corpus"
folder = corpus / "fuzz_ice"
folder.mkdir(parents=True, exist_ok=True)
for name, seed in SEEDS.items():
    (folder / name).write_bytes(seed)

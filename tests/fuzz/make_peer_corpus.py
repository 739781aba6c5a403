#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the seeds of fuzz_dcep and fuzz_sctp: tests/fuzz/make_peer_corpus.py [CORPUS FOLDER]

Steps are as fuzz_sctp.c describes them. The seeds are committed; run this after a change here.
"""
import pathlib
import struct
import sys

here = pathlib.Path(__file__).resolve().parent


def dcep_open(label=b"pipe", protocol=b"", kind=0, label_size=None):
    return struct.pack("!BBHIHH", 3, kind, 256, 0, len(label) if label_size is None else label_size,
                       len(protocol)) + label + protocol


def chunk(kind, flags, body):
    text = struct.pack("!BBH", kind, flags, 4 + len(body)) + body
    return text + bytes(-len(text) % 4)


def data(tsn, stream, sequence, ppid, payload, flags=3):
    return chunk(0, flags, struct.pack("!IHHI", tsn, stream, sequence, ppid) + payload)


def packet(*chunks):
    body = b"".join(chunks)
    return bytes([0, len(body) // 4]) + body


def wait(tens):
    return bytes([1, tens])


def say(stream, size):
    return bytes([3, stream, size])


def hear(stream, size, ppid):
    return bytes([4, stream, size, ppid - 50])


def change(place, bits):
    return bytes([5, place, bits])


def control(stream, body):
    return bytes([10, stream, len(body)]) + body


READ, CLOSE = b"\x02", b"\x07"
DCEP = {"ack": b"\x02", "open": dcep_open(), "unordered": dcep_open(b"", b"foo", 0x81),
        "empty": dcep_open(b""), "lying": dcep_open(label_size=9)}
SCTP = {
    "talk": say(0, 20) + wait(2) + hear(0, 20, 53) + wait(2) + READ,
    "kinds": control(0, b"\x02") + b"".join(hear(0, 1, ppid) for ppid in range(50, 58)) + wait(3) + READ,
    "opens": (control(1, dcep_open()) + hear(1, 3, 51) + control(1, dcep_open()) + control(3, DCEP["lying"]) + wait(2)
              + READ),
    "close_channel": say(0, 9) + b"\x06\x00" + wait(5) + READ + b"\x08\x00" + wait(5) + READ,
    "peer_resets": hear(0, 9, 53) + b"\x08\x00" + wait(5) + READ + say(0, 1),
    "close": say(0, 99) + CLOSE + wait(9) + READ,
    "open_many": b"".join(bytes([9, 1, 65 + at]) for at in range(6)) + wait(4) + READ,
    "changed": change(20, 0x40) + hear(0, 9, 53) + wait(60) + READ,
    "changed_length": change(15, 0xFF) + hear(0, 9, 53) + wait(60) + READ,
    "abort": packet(chunk(6, 0, b"\x00\x0c\x00\x08bye!")) + READ,
    "init_again": packet(chunk(1, 0, struct.pack("!IIHHI", 7, 65536, 1, 1, 9))) + wait(9) + READ,
    "data_far": packet(data(1, 0, 0, 53, b"far"), data(2, 9999, 7, 53, b"stream")) + READ,
    "sack_wild": packet(chunk(3, 0, struct.pack("!IIHHHH", 9, 0, 1, 0, 1, 65535))) + wait(9) + READ,
    "reset_all": packet(chunk(0x82, 0, struct.pack("!HHIII", 13, 16, 1, 1, 0))) + wait(9) + READ,
    "reset_in": packet(chunk(0x82, 0, struct.pack("!HHIHH", 14, 12, 1, 0, 1))) + wait(9) + READ,
    "add_streams": packet(chunk(0x82, 0, struct.pack("!HHIHH", 17, 12, 1, 65535, 0))) + wait(9) + READ,
    "heartbeat": packet(chunk(4, 0, struct.pack("!HH", 1, 8) + b"beat")) + READ,
    "shutdown": packet(chunk(7, 0, struct.pack("!I", 0))) + wait(9) + READ,
    "forward_tsn": packet(chunk(0xC0, 0, struct.pack("!IHH", 0x7FFFFFFF, 0, 9))) + wait(3) + READ,
    "asconf": packet(chunk(0xC1, 0, struct.pack("!IHHI", 1, 5, 8, 0x7F000001))) + READ,
    "error": packet(chunk(9, 0, struct.pack("!HHI", 3, 8, 1)), chunk(0x0A, 0, bytes(60))) + READ,
    "idata": packet(chunk(0x40, 3, struct.pack("!IHHII", 1, 0, 0, 0, 53) + b"hi")) + READ,
    "no_length": packet(struct.pack("!BBH", 0, 3, 0)) + packet(struct.pack("!BBH", 0, 3, 3)) + READ,
}


def main():
    corpus = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else here / "corpus")
    for target, seeds in (("fuzz_dcep", DCEP), ("fuzz_sctp", SCTP)):
        (corpus / target).mkdir(parents=True, exist_ok=True)
        for name, seed in seeds.items():
            (corpus / target / name).write_bytes(seed)


main()

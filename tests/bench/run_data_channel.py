#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A pipe between two processes through a data channel over loopback, without ICE: ours, pion's, aiortc's, one after the
other in each round, so that they share the machine's moods.

    POSTERN_BUILD=BUILD PYTHONPATH=tests/lib:tests/interop python3 tests/bench/run_data_channel.py [MB [ROUNDS]]

Tells megabytes a second, and the CPU seconds of either end for a gigabyte, which other load disturbs less.
"""
import statistics
import sys

from data_ends import AIORTC, OURS, End, build_pion, has_aiortc, introduce

MEGABYTES = int(sys.argv[1]) if len(sys.argv) > 1 else 256
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
MESSAGE = 65536


def carry(program, size, *options):
    sender = End(program, "client", "send", size, f"message={MESSAGE}", *options)
    receiver = End(program, "server", "receive", size, f"message={MESSAGE}", *options)
    introduce(sender, receiver)
    there = receiver.report(timeout=600)
    back = sender.report(timeout=600)
    gigabytes = size / 1e9
    return (size / there["seconds"] / 1e6, back["cpu_seconds"] / gigabytes, there["cpu_seconds"] / gigabytes,
            max(back["rss_kib"], there["rss_kib"]) / 1024)


def main():
    size = MEGABYTES * 1_000_000 // MESSAGE * MESSAGE
    pion = build_pion()
    stacks = {"ours": (OURS, size, ("nohash",)), "ours, without UDP segmentation": (OURS, size, ("nohash", "plain"))}
    if pion:
        stacks["pion"] = (pion, size, ("nohash",))
    if has_aiortc():  # a tenth of it takes long enough; what it takes to begin is in its CPU seconds
        stacks["aiortc"] = (AIORTC, size // 10 // MESSAGE * MESSAGE, ("nohash",))
    results = {name: [] for name in stacks}
    for _ in range(ROUNDS):
        for name, (program, bytes_, options) in stacks.items():
            results[name].append(carry(program, bytes_, *options))
    print(f"{'':32} {'MB/s':>8} {'sender s/GB':>12} {'receiver s/GB':>14} {'MiB resident':>13}")
    for name, rounds in results.items():
        rate, sender, receiver, resident = (statistics.median(column) for column in zip(*rounds))
        print(f"{name:32} {rate:8.1f} {sender:12.2f} {receiver:14.2f} {resident:13.0f}")


main()

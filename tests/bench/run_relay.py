#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a relayed packet costs our server, beside Debian's coturn in the same run.

    run_relay.py [--rounds N] [--packets N]

Server and load generator each have a core of their own, where there are two. Times differ between
machines and hours: only the ratios of one run mean something. coturn is taken from POSTERN_COTURN or
from where `./dev deps peers` unpacks it; without it only our own numbers are printed.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import postern

GENERATOR = postern.build / "tests/bench/bench_relay"
COTURN = pathlib.Path(os.environ.get("POSTERN_COTURN")
                      or postern.source / "build-test/coturn/usr/bin/turnserver")
# What is measured: a name, and bench_relay's options.
CASES = [
    ("100 allocations", ["--allocations", "100"]),
    ("1,000 allocations", ["--allocations", "1000", "--window", "256"]),
    ("100, bursts of 8", ["--allocations", "100", "--burst", "8", "--window", "512"]),
]


def pin(core):
    return ["taskset", "-c", str(core)] if len(os.sched_getaffinity(0)) > 1 else []


def start_ours(port):
    more = "quotas = { user = { allocations = 0; }; };\n"
    return postern.Server(postern.config(port, workers=1, more=more), prefix=pin(0))


def start_coturn(port):
    folder = tempfile.mkdtemp(prefix="postern-")
    server = postern.Process(
        [COTURN, "-n", "--no-tls", "--no-dtls", "--no-cli", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", port,
         "-r", postern.REALM, "-u", f"{postern.USER}:{postern.PASSWORD}", "-a", "--allow-loopback-peers",
         "-m", "1", "--no-stdout-log", "--log-file", "/dev/null", "--pidfile", f"{folder}/pid",
         "--userdb", f"{folder}/db"], prefix=pin(0))
    deadline = time.monotonic() + 10
    while ("udp", port) not in postern.listening(server.pid):
        if time.monotonic() > deadline or not server.running():
            raise SystemExit(f"coturn does not start: {server.stdout}{server.stderr}")
        time.sleep(0.05)
    return server


def measure(start, options, packets):
    """One run against a server of its own: {"up": {...}, "down": {...}}."""
    port = postern.free_port()
    with start(port) as server:
        done = subprocess.run([*pin(1), GENERATOR, "--pid", str(server.pid), "--packets", str(packets), *options,
                               f"127.0.0.1:{port}", postern.USER, postern.PASSWORD],
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise SystemExit(f"bench_relay failed: {done.stderr}\n{server.stderr}")
    return json.loads(done.stdout)


def median(results, way, key):
    return statistics.median(result[way][key] for result in results)


def loss(results, way):
    sent = sum(result[way]["sent"] for result in results)
    return 1 - sum(result[way]["received"] for result in results) / sent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--packets", type=int, default=200000)
    arguments = parser.parse_args()
    servers = {"postern": start_ours}
    if COTURN.exists():
        servers["coturn"] = start_coturn
    else:
        print("coturn is not there to compare with: ./dev deps peers", file=sys.stderr)
    print("160 bytes over UDP on loopback, CPU us of the server a packet (median), up = client to peer\n")
    print(f"{'':<20}{'way':<6}" + "".join(f"{name:>10}{'lost':>7}" for name in servers) + f"{'ratio':>8}")
    for title, options in CASES:
        results = {name: [] for name in servers}
        for _ in range(arguments.rounds):
            for name, start in servers.items():
                results[name].append(measure(start, options, arguments.packets))
        for way in ("up", "down"):
            line = f"{title:<20}{way:<6}"
            costs = {name: median(results[name], way, "cpu_us_per_packet") for name in servers}
            for name in servers:
                line += f"{costs[name]:>10.2f}{100 * loss(results[name], way):>6.1f}%"
            if "coturn" in costs:
                line += f"{costs['postern'] / costs['coturn']:>8.2f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()

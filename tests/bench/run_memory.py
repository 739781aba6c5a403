#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an idle allocation takes of the server's memory, and of the kernel's beside it.

    run_memory.py [--allocations N] [--workers N]

Makes N allocations (10,000), each by a client of its own, then gives each a permission and a channel.
The server's memory is what it has written to and nobody shares (RssAnon); the kernel's is its slab,
which other programs use too: on a quiet machine only. Exits 1 when an allocation with permission
and channel takes 2 KiB of the server's memory or more.
"""
import argparse
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import postern
import stunwire

LIMIT = 2048


def own(process):
    """Bytes of memory that are the server's alone."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


def slab():
    """Bytes of the kernel's small objects: sockets are among them."""
    return 1024 * int(pathlib.Path("/proc/meminfo").read_text().split("Slab:")[1].split()[0])


def client(port, first):
    """A client that begins with the realm, nonce and key of the first."""
    one = stunwire.Client(stunwire.Udp(("127.0.0.1", port)), postern.USER, postern.PASSWORD)
    if first is not None:
        one.realm, one.nonce, one.key = first.realm, first.nonce, first.key
    return one


def fill(port, count):
    """`count` allocations; their clients stay."""
    clients = []
    for _ in range(count):
        one = client(port, clients[0] if clients else None)
        one.allocate()
        clients.append(one)
    return clients


def measure(count, workers):
    port = postern.free_port()
    text = postern.config(port, workers=workers, 
                          more="log = { level = \"warning\"; };\nquotas = { user = { allocations = 0; }; };\n")
    with postern.Server(text) as process:
        warm = fill(port, 100)
        time.sleep(0.2)
        before, kernel_before, begun = own(process), slab(), time.monotonic()
        clients = fill(port, count)
        took = time.monotonic() - begun
        idle, kernel = own(process), slab()
        for number, one in enumerate(clients):
            one.bind_channel(("127.0.0.1", 1 + number % 60000))
        bound = own(process)
        for one in warm + clients:
            one.transport.close()
    return {"idle": (idle - before) / count, "bound": (bound - before) / count,
            "kernel": (kernel - kernel_before) / count, "seconds": took}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--allocations", type=int, default=10000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.allocations + 200 > hard or options.allocations > 16000:
        sys.exit(f"{options.allocations} allocations need as many files and ports: at most {min(hard - 200, 16000)} here")
    got = measure(options.allocations, options.workers)
    print(f"{options.allocations} allocations, {options.workers} workers, made in {got['seconds']:.1f} s")
    print(f"  {got['idle']:.0f} bytes each of the server's own memory when idle")
    print(f"  {got['bound']:.0f} with a permission and a channel")
    print(f"  {got['kernel']:.0f} of the kernel's slab, the client's socket included")
    sys.exit(got["bound"] >= LIMIT)


if __name__ == "__main__":
    main()

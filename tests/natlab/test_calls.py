# SPDX-License-Identifier: BSD-3-Clause
"""Alice calls Bob, and Bob Alice, through every pair of NATs. POSTERN_ATTEMPTS: calls a cell and
direction, 1 when it is not said. The table at the end has a line a pair."""
import itertools
import os
import signal
import statistics
import time

import lab

lab.isolate()
import calls
import nats
import tap

ATTEMPTS = int(os.environ.get("POSTERN_ATTEMPTS") or 1)
NAMES = [name for name in calls.CLASS if not name.startswith("double")]
PAIRS = [f"{one} + {other}" for one, other in itertools.combinations_with_replacement(NAMES, 2)]
table = []


def attempt(net, title, expected, attempts=ATTEMPTS, **options):
    outcomes = [calls.call(net, caller, **options) for _ in range(attempts) for caller in ("alice", "bob")]
    times = [one.milliseconds for one in outcomes if one.good]
    paths = sorted({one.path for one in outcomes})
    kinds = sorted({f"{one.report['local'].get('type')}-{one.report['remote'].get('type')}" for one in outcomes
                    if one.good and isinstance(one.report.get("local"), dict)})
    table.append((title, "/".join(paths), str(len(outcomes)), str(sum(one.good for one in outcomes)),
                  f"{statistics.median(times):.0f} ms" if times else "-", " ".join(kinds)))
    for one in outcomes:
        tap.true(one.good, one.words)
        tap.equal(one.path, expected, str(one.report))
        if net.bob.name == "bob":  # two hosts of one side do not meet there
            tap.equal(one.seen_direct > 0, expected == "direct", f"{one.seen_direct} packets between both sides: {one.report}")
    return outcomes


@tap.test(pair=PAIRS, timeout=180)
def connects(pair):
    """a call finds its way, both ways around: direct where plain ICE can, else by the relay"""
    one, other = pair.split(" + ")
    net = calls.make(calls.BY_NAME[one], calls.BY_NAME[other])
    attempt(net, pair, calls.expected_path(one, other))


@tap.test(pair=["double + ei-apd", "double + double", "double-symmetric + open"], timeout=180)
def connects_through_two_nats(pair):
    """a call goes direct through a NAT behind a NAT"""
    one, other = pair.split(" + ")
    attempt(calls.make(calls.BY_NAME[one], calls.BY_NAME[other]), pair, "direct")


@tap.test(pair=["open + open", "firewall + firewall"], timeout=180)
def connects_over_ipv6(pair):
    """a call goes over IPv6 alone"""
    one, other = (calls.BY_NAME[name] for name in pair.split(" + "))
    net = calls.make(one, other, ipv6=True)
    for box in (net.alice, net.bob):
        box.run("ip", "-4", "address", "flush", "dev", "eth0")
    server = f"tcp://[{lab.SERVER6[0]}]:{calls.RENDEZVOUS_PORT}"
    attempt(net, f"{pair}, IPv6 alone", "direct", server=server)


@tap.test(timeout=180)
def connects_in_one_lan():
    """two hosts of one LAN find each other there, whatever the NAT"""
    for kind in (nats.EI_APD, nats.EI_EI):
        net = calls.make(kind, nats.OPEN, second_hosts=True)
        net.bob = net.alice2
        for one in attempt(net, f"one LAN behind {kind.name}", "direct"):
            tap.equal((one.report["local"]["type"], one.report["remote"]["type"]), ("host", "host"), str(one.report))
        net.close()


@tap.test(timeout=180)
def connects_by_hairpin():
    """two hosts behind one NAT whose switch keeps them apart meet at its outside addresses, or else at the relay"""
    for kind, path in ((nats.EI_EI, "direct"), (nats.EI_APD, "relay")):
        net = calls.make(kind, nats.OPEN, second_hosts=True)
        net.bob = net.alice2
        for port in ("port0", "port1"):
            net.nat_a.run("ip", "link", "set", port, "type", "bridge_slave", "isolated", "on")
        for one in attempt(net, f"kept apart behind {kind.name}", path):
            tap.true(one.report["remote"]["type"] != "host", str(one.report))
        net.close()


@tap.test(timeout=180)
def relays_when_told():
    """--relay-only relays where a direct way is there, --no-relay fails with 9 where none is"""
    net = calls.make(nats.EI_APD, nats.EI_APD)
    attempt(net, "ei-apd, --relay-only", "relay", options=("--relay-only",))
    net.close()
    net = calls.make(nats.SYMMETRIC, nats.SYMMETRIC)
    listener = calls.Program(net.bob, "listen", "bob", ("--no-relay",))
    listener.ready()
    caller = calls.Program(net.alice, "call", "alice", ("--no-relay",))
    tap.equal(caller.wait(90), 9, caller.stderr)
    tap.true(caller.report.get("path") not in ("direct", "relay") and caller.report.get("reason"), str(caller.report))
    listener.stop()


def talk(net, meanwhile, options=(), rounds=4):
    """A call that carries a byte string each way, then `meanwhile`, and again; both programs' ends."""
    listener = calls.Program(net.bob, "listen", "bob", options, feed=None)
    listener.ready()
    caller = calls.Program(net.alice, "call", "alice", options, feed=None)
    for at in range(rounds):
        for one, other in ((caller, listener), (listener, caller)):
            before = other.received
            one.feed(os.urandom(1000), end=False)
            tap.true(calls.postern.until(lambda: other.received == before + 1000),
                     f"round {at}: {other.received - before} of 1000 bytes" + calls.said(listener, caller))
        if at == 0:
            meanwhile()
    caller.feed(b"")
    listener.feed(b"")
    return caller, caller.wait(60), listener.wait(60)


@tap.test(timeout=300)
def outlives_the_server():
    """a direct call goes on when the server is gone"""
    net = lab.made(nats.EI_APD, nats.FIREWALL, ipv6=False)
    server = calls.postern.Server(calls.server_text(), prefix=net.server.prefix)
    tap.cleanup(server.stop)
    caller, status, listened = talk(net, server.stop)
    tap.equal((status, listened, caller.report["path"]), (0, 0, "direct"), caller.stderr)


@tap.test(timeout=300)
def outlives_an_idle_while():
    """a call that says nothing for 40 s goes on, though its NATs forget after 30"""
    net = calls.make(nats.EI_APD, nats.EI_APD, lifetime=30)
    caller, status, listened = talk(net, lambda: time.sleep(40), rounds=2)
    tap.equal((status, listened, caller.report["path"]), (0, 0, "direct"), caller.stderr)


@tap.test(timeout=300)
def ends_when_the_relay_is_lost():
    """a relayed call whose server dies ends in words on both sides, and does not hang"""
    net = lab.made(nats.SYMMETRIC, nats.SYMMETRIC, ipv6=False)
    server = calls.postern.Server(calls.server_text(), prefix=net.server.prefix)
    tap.cleanup(server.stop)
    listener = calls.Program(net.bob, "listen", "bob", feed=None)
    listener.ready()
    caller = calls.Program(net.alice, "call", "alice", feed=None)
    caller.feed(b"x" * 100, end=False)
    tap.true(calls.postern.until(lambda: listener.received == 100), calls.said(listener, caller))
    server.signal(signal.SIGKILL)
    tap.true(caller.wait(75) != 0 and listener.wait(75) != 0, calls.said(listener, caller))
    tap.true(caller.report.get("reason"), str(caller.report))


@tap.test(option=["--no-relay", "--relay-only"], timeout=300)
def survives_loss(option):
    """where three of ten datagrams are lost, all arrives both ways, and both sides end with 0"""
    net = calls.make(nats.EI_APD, nats.FIREWALL)
    for turn in range(3):
        net.lose(30, "udp")
        outcome = calls.call(net, ("alice", "bob")[turn % 2], (option,), (option,), size=4000, timeout=80, hold=0.3)
        net.lose(0)
        tap.true(outcome.good, outcome.words)


@tap.test(delays=["10/10/10", "30/20/5"], timeout=180)
def is_quick(delays):
    """the first data come about as soon as the links allow (printed; only an absurd time fails)"""
    a, b, s = map(int, delays.split("/"))
    net = calls.make(nats.EI_APD, nats.EI_APD, delays={"a": a, "b": b, "server": s})
    outcomes = attempt(net, f"ei-apd + ei-apd, delays {delays} ms", "direct", attempts=max(3, ATTEMPTS))
    signal_trip, peer_trip = 2 * (max(a, b) + s), 2 * (a + b)
    tap.diag(f"S {signal_trip} ms, P {peer_trip} ms, 2S + P = {2 * signal_trip + peer_trip} ms")
    for one in outcomes:
        tap.diag(", ".join(f"{key} {one.report.get(key)}" for key in ("ms_to_path", "ms_to_dtls", "ms_to_first_data")))
        tap.true(one.milliseconds < 10 * (2 * signal_trip + 6 * peer_trip), "not absurd")


def moment(story, start):
    return next((at for at, words in story if words.startswith(start)), None)


@tap.test(delays=["10/10/10", "30/20/5"], timeout=180)
def relays_quickly(delays):
    """the relay can be used as soon as the links allow (printed; only an absurd time fails)"""
    a, b, s = map(int, delays.split("/"))
    net = calls.make(nats.SYMMETRIC, nats.SYMMETRIC, delays={"a": a, "b": b, "server": s})
    outcomes = attempt(net, f"symmetric + symmetric, delays {delays} ms", "relay", attempts=max(3, ATTEMPTS),
                       options=("--trace",), listen_options=("--trace",))
    trip = 2 * (max(a, b) + s)
    tap.diag(f"S {trip} ms, T {trip} ms, 2S + 2T = {4 * trip} ms")
    for one in outcomes:
        caller, callee = one.stories
        began = moment(caller, "calling ")
        ways = [1000 * (moment(story, "a way to ") - began) for story in (callee, caller)]
        tap.diag(f"the callee has a way after {ways[0]:.0f} ms, the caller after {ways[1]:.0f} ms, "
                 f"first data {one.milliseconds:.0f} ms")
        tap.true(min(ways) < 10 * 4 * trip, "not absurd")


try:
    tap.main()
finally:
    tap.diag_table([("pair", "path", "calls", "good", "median", "candidates"),
                    *table])

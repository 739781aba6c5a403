# SPDX-License-Identifier: BSD-3-Clause
"""The lab's NATs are what they are called: measured by a probe and a server that are not ours."""
import socket
import time

import lab

lab.isolate()
import capture
import delay
import nats
import postern
import probe
import stun_server
import stunwire as stun
import tap

ADDRESSES = {"alice": ("192.168.1.2", "192.0.2.66"), "bob": ("192.168.2.2", "203.0.113.66")}


def made(*arguments, **options):
    net = lab.made(*arguments, **options)
    net.server.serve(stun_server.serve, lab.SERVER)
    net.server.serve(stun_server.serve, lab.SERVER6)
    tap.true(postern.until(lambda: "3479" in net.server.run("ss", "-lun6")), "the STUN server listens")
    return net


def address_of(net, host):
    nat = net.nats["a" if host == "alice" else "b"]
    return ADDRESSES[host][0 if nat.translates else 1]


@tap.test(nat=[nat.name for nat in nats.ALL])
def type_is_right(nat):
    """the NAT maps and filters as its name says, on both sides"""
    kind = next(one for one in nats.ALL if one.name == nat)
    net = made(kind, kind)
    measured = [(host, getattr(net, host).start(probe.measure, address_of(net, host), lab.SERVER))
                for host in ("alice", "bob")]
    for host, result in measured:
        compare(net, host, kind, *result())


def compare(net, host, kind, mapped, filtered, kept, seen):
    if kind.blocked:
        tap.equal((mapped, filtered), (None, None))
        return
    tap.equal((mapped, filtered), (kind.mapping, kind.filtering), f"mapping and filtering, {seen}")
    tap.equal(kept, kind.ports == nats.PRESERVED, f"ports preserved, {seen}")
    tap.equal({address for address, _ in seen}, {net.public_address(host)}, "external addresses")
    if kind.ports == nats.SEQUENTIAL:
        ports = [port for _, port in seen]
        tap.equal([b - a for a, b in zip(ports, ports[1:])], [1, 1, 1], "steps between ports")


@tap.test(nat=["open", "firewall"])
def ipv6_is_right(nat):
    """IPv6 is open or firewalled, and not translated"""
    kind = next(one for one in nats.ALL if one.name == nat)
    net = made(kind, nats.OPEN)
    mapped, filtered, kept, seen = net.alice.call(probe.measure, "2001:db8:a::2", lab.SERVER6)
    tap.equal((mapped, filtered, kept), (nats.NONE, kind.filtering, True), str(seen))


def exchange(local, remote, rounds, ttl=64):
    """Sends from `local` to `remote` each 50 ms; the sources that were heard meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made_socket:
        made_socket.bind(local)
        made_socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        made_socket.setblocking(False)
        heard = set()
        for _ in range(rounds):
            try:
                made_socket.sendto(b"opener", remote)
            except OSError:
                pass
            time.sleep(0.05)
            try:
                while True:
                    heard.add(made_socket.recvfrom(100)[1])
            except OSError:
                pass
        return heard


@tap.test(nat=["masquerade", "masquerade-accepting"])
def early_packet(nat):
    """a peer's early packet takes the port from a router whose INPUT accepts it, and only from that"""
    kind = next(one for one in nats.ALL if one.name == nat)
    net = made(kind, kind)
    here, there = ("192.168.1.2", 5000), ("192.168.2.2", 6000)
    outside_here, outside_there = (lab.WAN["a"], 5000), (lab.WAN["b"], 6000)
    net.bob.call(exchange, there, outside_here, 2)
    from_alice = net.alice.start(exchange, here, outside_there, 60)
    from_bob = net.bob.start(exchange, there, outside_here, 60)
    at_alice, at_bob = from_alice(), from_bob()
    if kind.accepts:
        tap.true(outside_there not in at_alice and outside_here not in at_bob, f"blocked: {at_alice}, {at_bob}")
    else:
        tap.true(outside_there in at_alice and outside_here in at_bob, f"punched: {at_alice}, {at_bob}")


@tap.test
def hops():
    """two routers lie between the NATs: a packet of TTL 3 dies at r2, one of 4 gets to nat-b"""
    net = made(nats.MASQUERADE, nats.MASQUERADE)
    counter = "table ip count { chain input { type filter hook prerouting priority -400;\niifname wan udp dport 6000 counter\n}\n}"
    net.nat_b.nft(counter)
    for ttl, expected in ((2, 0), (3, 0), (4, 1)):
        net.alice.call(exchange, ("192.168.1.2", 5000), (lab.WAN["b"], 6000), 1, ttl)
        tap.true(f"packets {expected} " in net.nat_b.run("nft", "list", "table", "ip", "count"), f"TTL {ttl}")


@tap.test
def delays():
    """a delayed link adds its milliseconds each way, and nothing else"""
    if not delay.available():
        tap.skip("no TUN device")
    net = made(nats.EI_APD, nats.OPEN, delays={"a": 20, "server": 15})
    took = []
    for _ in range(5):
        took.append(net.alice.call(round_trip))
    tap.true(all(0.070 <= one for one in took) and min(took) < 0.2, f"70 ms are due, took {took}")


def round_trip():
    transport = stun.Udp((lab.SERVER[0], 3478), ("192.168.1.2", 0))
    began = time.monotonic()
    transport.send(stun.build(stun.BINDING, stun.REQUEST))
    return time.monotonic() - began if transport.receive(20) is not None else 0


@tap.test
def captures():
    """what a firewall passes is seen at both sides, what it drops at one, and its counter says the same"""
    net = made(nats.FIREWALL, nats.FIREWALL)
    with capture.Capture(net.nat_a, "wan", "lan") as seen:
        net.bob.call(exchange, ("203.0.113.66", 6000), ("192.0.2.66", 5000), 2)
        net.alice.call(exchange, ("192.0.2.66", 5000), ("203.0.113.66", 6000), 1)
        packets = [one for one in seen.packets() if {one.source[1], one.target[1]} == {5000, 6000}]
    places = [(one.source[1], one.interface, one.outgoing) for one in packets]
    tap.equal(places, [(6000, "wan", False)] * 2 + [(5000, "lan", False), (5000, "wan", True)])
    tap.true("packets 2 " in net.nat_a.run("nft", "list", "counters"), "two were dropped")


@tap.test(timeout=30)
def expiry():
    """a mapping goes away when it is idle for its lifetime"""
    net = made(nats.EI_APD, nats.OPEN, lifetime=2)
    local, first = net.alice.call(probe.mapping, ("192.168.1.2", 5000), lab.SERVER)
    time.sleep(3)
    local, second = net.alice.call(probe.mapping, ("192.168.1.2", 5000), lab.SERVER)
    tap.true(first[0] != second[0], f"{first[0]}, {second[0]}")


@tap.test
def hairpin():
    """a NAT with hairpinning lets a neighbour in by the outside address, another does not"""
    for kind in (nats.EI_EI, nats.EI_APD):
        with lab.Lab(kind, nats.OPEN, second_hosts=True) as net:
            net.server.serve(stun_server.serve, lab.SERVER)
            _, mapped = net.alice.call(probe.mapping, ("192.168.1.2", 5000), lab.SERVER)
            listening = net.alice.start(exchange, ("192.168.1.2", 5000), ("198.51.100.10", 9), 20)
            net.alice2.call(exchange, ("192.168.1.3", 5001), mapped[0], 10)
            heard = {source for source in listening() if source[0] != "198.51.100.10"}
            tap.equal({source[0] for source in heard}, {lab.WAN["a"]} if kind.hairpin else set(), f"heard with {kind.name}")


@tap.test
def loss():
    """a lossy core loses about what it was told"""
    net = made(nats.OPEN, nats.OPEN)
    net.lose(30)
    sent = net.bob.call(lossy, "203.0.113.66")
    tap.true(90 <= sent <= 260, f"{sent} of 300 round trips arrived, 147 expected")
    net.lose(0)
    tap.equal(net.bob.call(lossy, "203.0.113.66"), 300)


def lossy(address):
    transport = stun.Udp((lab.SERVER[0], 3478), (address, 0))
    arrived = 0
    for _ in range(300):
        transport.send(stun.build(stun.BINDING, stun.REQUEST))
        arrived += transport.receive(0.001) is not None
    while transport.receive(0.3) is not None:
        arrived += 1
    return arrived


tap.main()

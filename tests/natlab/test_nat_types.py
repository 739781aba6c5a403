# SPDX-License-Identifier: BSD-3-Clause
"""stunclient nat says of each NAT of the lab what it is. INTEROP_SERVER=python asks the lab's own
STUN server instead of turnserver."""
import os
import time

import lab

lab.isolate()
import nats
import postern
import stun_server
import tap

PORT = 3478
NAMES = [nat.name for nat in nats.ALL]
BY_NAME = dict(zip(NAMES, nats.ALL))
PORTS_WORD = {nats.PRESERVED: "preserved", nats.SEQUENTIAL: "sequential", nats.RANDOM: "changed"}
table = []


def made(alice, bob=nats.OPEN, addresses=lab.SERVER, servers=((PORT, 1),), behaves=True, **options):
    """The lab, with a server at each (port, workers); without `behaves` it has just one address."""
    net = lab.made(alice, bob, **options)
    for port, workers in servers:
        if os.environ.get("INTEROP_SERVER") == "python" and behaves:
            net.server.serve(stun_server.serve, addresses, (port, port + 1))
            continue
        text = f"listeners = ( {postern.listener(port, addresses[0])} );\nworkers = {workers};\n"
        if behaves:
            text += f'nat_behavior = {{ alternate_address = "{addresses[1]}"; alternate_port = {port + 1}; }};\n'
        postern.server(text, prefix=net.server.prefix)
    return net


def start(box, *arguments):
    """stunclient nat, started there; call what this returns for (exit status, its JSON, seconds)."""
    began = time.monotonic()
    process = postern.Process([postern.stunclient, "nat", *arguments, "--json"], prefix=box.prefix)

    def finish():
        status = process.wait(60)
        took = time.monotonic() - began
        tap.true(not postern.SANITIZER.search(process.stderr), process.stderr)
        tap.true(process.stdout, f"stunclient ended with {status} and without a result: {process.stderr}")
        return status, postern.Result(status, process.stdout, process.stderr).json, took

    return finish


def truth(nat):
    return ("blocked", "blocked") if nat.blocked else (nat.mapping, nat.filtering)


def compare(nat, net, host, status, told, took):
    got = told["mapping"], told["filtering"]
    table.append((nat.name, host, *truth(nat), *got, told["ports"], told["type"] or "-", f"{took:.2f} s"))
    tap.equal(got, truth(nat), f"mapping and filtering: {told}")
    if nat.blocked:
        tap.equal(status, 4, "exit status")
        return
    tap.equal(status, 0, f"exit status: {told}")
    tap.equal(told["ports"], PORTS_WORD[nat.ports], f"ports: {told}")
    tap.equal(told["behind_nat"], nat.translates, "behind_nat")
    tap.equal(told["mapped_addresses"]["primary"].rpartition(":")[0], net.public_address(host), "mapped address")
    tap.true(took < 10, f"done within 10 s, took {took:.2f}")


@tap.test(nat=NAMES)
def is_told_rightly(nat):
    """stunclient nat tells mapping, filtering and ports (alice: server with 1 worker, bob: with 3)"""
    kind = BY_NAME[nat]
    net = made(kind, kind, servers=((PORT, 1), (PORT + 10, 3)))
    results = [(host, start(getattr(net, host), f"{lab.SERVER[0]}:{port}"))
               for host, port in (("alice", PORT), ("bob", PORT + 10))]
    for host, result in results:
        compare(kind, net, host, *result())


@tap.test(nat=["open", "firewall"])
def ipv6_is_told_rightly(nat):
    """stunclient nat tells a firewall from none over IPv6"""
    kind = BY_NAME[nat]
    net = made(kind, addresses=lab.SERVER6)
    status, told, took = start(net.alice, f"[{lab.SERVER6[0]}]:{PORT}")()
    table.append((f"{nat}, IPv6", "alice", kind.mapping, kind.filtering, told["mapping"], told["filtering"],
                  told["ports"], told["type"] or "-", f"{took:.2f} s"))
    tap.equal((status, told["mapping"], told["filtering"]), (0, kind.mapping, kind.filtering), str(told))


@tap.test(nat=["ei-ei", "ei-ad", "ei-apd", "symmetric"])
def loss_does_not_mislead(nat):
    """with a tenth of the packets lost in each direction the result is right, or unknown"""
    kind = BY_NAME[nat]
    net = made(kind, kind)
    net.lose(10)
    results = [start(net.bob, f"{lab.SERVER[0]}:{PORT}", "--timeout", "8") for _ in range(5)]
    known = 0
    for result in results:
        status, told, _ = result()
        for got, expected in zip((told["mapping"], told["filtering"]), truth(kind)):
            tap.true(got in (expected, "unknown"), f"{got} instead of {expected}: {told}")
        known += status == 0
        tap.true(status in (0, 4, 8), f"exit status {status}")
    tap.diag(f"{nat}: {known} of 5 were certain")
    tap.true(known >= 1, "at least one of five knows")


@tap.test(nat=["open", "ei-apd"])
def one_address_leaves_it_unknown(nat):
    """a server with one address leaves the filtering unknown, with status 8"""
    net = made(BY_NAME[nat], behaves=False)
    status, told, _ = start(net.alice, f"{lab.SERVER[0]}:{PORT}")()
    tap.equal((status, told["filtering"]), (8, "unknown"), str(told))
    tap.equal(told["mapping"], "none" if nat == "open" else "unknown", str(told))


@tap.test(nat=["ei-ei", "ei-apd"])
def hairpin_is_told(nat):
    """hairpinning is told when asked for"""
    kind = BY_NAME[nat]
    net = made(kind)
    _, told, _ = start(net.alice, f"{lab.SERVER[0]}:{PORT}")()
    tap.equal(told["hairpin"], None, "not asked for")
    _, told, _ = start(net.alice, f"{lab.SERVER[0]}:{PORT}", "--hairpin")()
    tap.equal(told["hairpin"], "yes" if kind.hairpin else "no", str(told))


@tap.test(timeout=120)
def lifetime_is_told():
    """the lifetime of an idle mapping is told when asked for"""
    net = made(nats.EI_APD, lifetime=6)
    _, told, took = start(net.alice, f"{lab.SERVER[0]}:{PORT}", "--lifetime", "15", "--timeout", "60")()
    lifetime = told["lifetime"]
    tap.diag(f"{lifetime} in {took:.1f} s")
    tap.true(lifetime and lifetime["doubt"] is None, str(told))
    tap.true(lifetime["at_least_s"] <= 7.5 and lifetime["at_most_s"] >= 5.5, str(lifetime))


@tap.test(nat=["ei-apd", "symmetric", "udp-blocked"])
def relays_through_nat(nat):
    """stunclient turn relays through a NAT, over TCP where UDP is blocked"""
    kind = BY_NAME[nat]
    net = made(kind, servers=())
    port = 80 if kind.blocked else PORT
    allowed = 'peers = { allow = [ "198.51.100.0/24" ]; };\n'  # special-purpose: denied by default
    postern.server(postern.config(port, 3, lab.SERVER[:1], allowed, peers=False), prefix=net.server.prefix)
    ended = postern.client("turn", f"{lab.SERVER[0]}:{port}", "--user", postern.USER, "--password", postern.PASSWORD,
                           "--protocol", "tcp" if kind.blocked else "udp", "--json", prefix=net.alice.prefix)
    tap.equal(ended.status, 0, str(ended))


try:
    tap.main()
finally:
    tap.diag_table([("NAT", "host", "mapping", "filtering", "told mapping", "told filtering", "ports", "also known as", "time"),
                    *table])

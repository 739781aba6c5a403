# SPDX-License-Identifier: BSD-3-Clause
"""From names to servers: SRV, A and AAAA by a DNS server of the test's own, and what happens when DNS
does not help."""
import re

import client
import e2e
import postern
import tap
from client import A, AAAA, NAPTR, SRV

HAS_SRV = "SRV records: yes" in postern.client("--version").out


def need_srv():
    if not HAS_SRV:
        tap.skip("this build is without c-ares")


def good():
    """A server that answers everybody."""
    return client.Odd(lambda _, data, source: [client.binding(data, source)])


def only(records, name):
    """What was asked about that name."""
    return [kind for asked, kind in records.asked if asked == name]


@tap.test
def addresses():
    """A and AAAA records lead to the server; the port is the one that was given"""
    odd = good()
    dns = client.Dns({("stun.test.example", A): ["127.0.0.1"]})
    told = client.run_json(f"stun.test.example:{odd.port}", *dns.option)
    tap.equal(told["server_address"], f"127.0.0.1:{odd.port}")
    e2e.need_address("::1")
    odd = client.Odd(lambda _, data, source: [client.binding(data, source)], "::1")
    dns = client.Dns({("stun.test.example", AAAA): ["::1"]})
    tap.equal(client.run_json(f"stun.test.example:{odd.port}", *dns.option)["server_address"], f"[::1]:{odd.port}")


@tap.test
def both_families_are_tried():
    """when one family does not work, the other one is taken; --family takes one only"""
    e2e.need_address("::1")
    odd = good()
    dns = client.Dns({("dual.test.example", A): ["127.0.0.1"], ("dual.test.example", AAAA): ["::1"]})
    told, took = client.timed(client.run_json, f"dual.test.example:{odd.port}", *dns.option)
    tap.equal(told["server_address"], odd.name)
    tap.true(took < 4.9, f"a closed port costs no time, took {took}")
    told = client.run_json(f"dual.test.example:{odd.port}", *dns.option, "--family", "6", status=client.NO_REPLY)
    tap.equal([one["address"] for one in told["tried"]], [f"[::1]:{odd.port}"])
    told = client.run_json(f"dual.test.example:{odd.port}", *dns.option, "-4")
    tap.equal([one["address"] for one in told["tried"]], [odd.name])


@tap.test
def a_silent_address_does_not_stop_the_others():
    """an address that does not answer costs a quarter of a second"""
    odd = good()
    hole = client.Odd(lambda *_: [], "127.0.0.9", odd.port)
    dns = client.Dns({("two.test.example", A): ["127.0.0.9", "127.0.0.1"]})
    told, took = client.timed(client.run_json, f"two.test.example:{odd.port}", *dns.option)
    tap.equal(told["server_address"], odd.name)
    tap.true(took < 4.9, f"took {took}")
    if hole.received:  # the resolver may put the good one first
        tap.equal({one["address"]: one["outcome"] for one in told["tried"]}, {hole.name: "silent", odd.name: "answered"})


@tap.test
def srv_leads_to_host_and_port():
    """SRV records are asked for by transport and kind of URI, and followed by priority"""
    need_srv()
    udp, tcp = good(), client.OddTcp(lambda connection: connection.sendall(
        client.binding(connection.recv(4096), connection.getpeername())))
    dns = client.Dns({
        ("_stun._udp.srv.test.example", SRV): [(20, 0, 9, "b.test.example"), (10, 0, udp.port, "a.test.example")],
        ("_stun._tcp.srv.test.example", SRV): [(10, 0, tcp.port, "a.test.example")],
        ("_turn._udp.srv.test.example", SRV): [(10, 0, udp.port, "a.test.example")],
        ("a.test.example", A): ["127.0.0.1"], ("b.test.example", A): ["127.0.0.1"],
    })
    for words in (["srv.test.example"], ["stun:srv.test.example"], ["turn:srv.test.example"]):
        told = client.run_json(*words, *dns.option)
        tap.equal(told["tried"][0], {"address": udp.name, "outcome": "answered"})
    told = client.run_json("srv.test.example", "--protocol", "tcp", *dns.option)
    tap.equal(told["server_address"], tcp.name)


@tap.test
def nat_tests_have_a_service_of_their_own():
    """the verb nat asks for _stun-behavior, and for _stun where that is not there"""
    need_srv()
    odd = good()
    for service in ("stun-behavior", "stun"):
        dns = client.Dns({(f"_{service}._udp.srv.test.example", SRV): [(10, 0, odd.port, "a.test.example")],
                          ("srv.test.example", A): ["127.0.0.88"], ("a.test.example", A): ["127.0.0.1"]})
        told = client.run_json("nat", "srv.test.example", *dns.option, status=client.INCONCLUSIVE)
        tap.equal(told["server_address"], odd.name)
        tap.equal(only(dns, "_stun-behavior._udp.srv.test.example"), [SRV])


@tap.test
def a_relay_is_found_among_addresses():
    """the verb turn takes the address that answers"""
    _, port = e2e.serve()
    hole = client.Odd(lambda *_: [], "127.0.0.9", port)
    dns = client.Dns({("turn.test.example", A): [hole.address, "127.0.0.1"]})
    told = client.run_json("turn", f"turn.test.example:{port}", *dns.option, "--user", postern.USER, "--password",
                           postern.PASSWORD, "--count", "5")
    tap.equal(told["server_address"], f"127.0.0.1:{port}")


@tap.test
def srv_is_not_asked_for_where_a_port_is_given():
    """neither a port nor an IP address is looked up by SRV; an IP address is not looked up at all"""
    odd = good()
    dns = client.Dns({("plain.test.example", A): ["127.0.0.1"]})
    client.run(f"plain.test.example:{odd.port}", *dns.option)
    tap.equal(only(dns, "_stun._udp.plain.test.example"), [])
    dns.asked.clear()
    client.run(odd.name, *dns.option)
    tap.equal(dns.asked, [])


@tap.test
def no_srv_means_the_default_port():
    """without SRV records the address and port 3478 are taken"""
    dns = client.Dns({("plain.test.example", A): ["127.0.0.77"]})
    told = client.run_json("plain.test.example", *dns.option, "--timeout", "0.5", status=client.NO_REPLY)
    tap.equal(told["tried"][0]["address"], "127.0.0.77:3478")
    if HAS_SRV:
        tap.equal(only(dns, "_stun._udp.plain.test.example"), [SRV])


@tap.test
def srv_that_does_not_answer_costs_a_second():
    """a server that is silent about SRV does not hide the address"""
    need_srv()
    dns = client.Dns({("_stun._udp.slow.test.example", SRV): None, ("slow.test.example", A): ["127.0.0.77"]})
    told, took = client.timed(client.run_json, "slow.test.example", *dns.option, "--timeout", "3", status=client.NO_REPLY)
    tap.equal(told["tried"][0]["address"], "127.0.0.77:3478")
    tap.true(took < 4.9, f"took {took}")


@tap.test
def srv_may_say_that_there_is_no_service():
    """a target of "." ends with status 3"""
    need_srv()
    dns = client.Dns({("_stun._udp.no.test.example", SRV): [(0, 0, 0, ".")], ("no.test.example", A): ["127.0.0.1"]})
    told = client.run_json("no.test.example", *dns.option, status=client.NAME)
    tap.true("no such service" in told["error"]["text"], told["error"]["text"])


@tap.test
def srv_targets_without_address():
    """SRV targets that do not exist end with status 3"""
    need_srv()
    dns = client.Dns({("_stun._udp.gone.test.example", SRV): [(0, 0, 1, "nowhere.test.example")],
                      ("gone.test.example", A): ["127.0.0.1"]})
    client.run_json("gone.test.example", *dns.option, status=client.NAME)


@tap.test
def names_that_do_not_exist():
    """NXDOMAIN and a name without address of the family end at once with status 3"""
    dns = client.Dns({("four.test.example", A): ["127.0.0.1"]})
    told, took = client.timed(client.run_json, "nowhere.test.example", *dns.option, status=client.NAME)
    tap.true(took < 4.9, f"took {took}")
    tap.equal(told["server_address"], None)
    client.run_json("four.test.example", "--family", "6", *dns.option, status=client.NAME)
    result = client.run("nowhere.test.example", *dns.option, status=client.NAME)
    tap.true("nowhere.test.example does not exist" in result.err, result.err)
    client.run_json("nat", "nowhere.test.example", *dns.option, status=client.NAME)


@tap.test(timeout=30)
def silent_dns():
    """a DNS server that is silent or not there ends in time with status 3"""
    dns = client.Dns({("mute.test.example", kind): None for kind in (A, AAAA)} |
                     {("_stun._udp.mute.test.example", SRV): None})
    _, took = client.timed(client.run_json, "mute.test.example", *dns.option, "--timeout", "1", status=client.NAME)
    tap.true(took < 4.9, f"took {took}")
    gone = f"127.0.0.1:{postern.free_port()}"
    _, took = client.timed(client.run_json, "mute.test.example", "--dns", gone, "--timeout", "2", status=client.NAME)
    tap.true(took < 4.9, f"took {took}")


# ---- NAPTR (RFC 5928) ---------------------------------------------------------------------------

RELAY_NAME = "relay.test.example"
ALICE = ["--user", postern.USER, "--password", postern.PASSWORD, "--count", "3", "--interval", "5"]


def naptr(preference, tag, replacement, flag="S", order=100):
    return (order, preference, flag, f"RELAY:{tag}", "", replacement)


def ask_relay(records, target=RELAY_NAME, *words, status=client.OK):
    dns = client.Dns({("turn.test.example", A): ["127.0.0.1"], **records})
    return client.run_json("turn", target, *ALICE, *words, *dns.option, status=status), dns


@tap.test(way=["SRV", "address", "another name", "the next"])
def naptr_leads_to_a_relay(way):
    """the domain's NAPTR records say transport and server, by SRV, by address, or at another name"""
    need_srv()
    _, port = e2e.serve()
    tcp = {("_turn._tcp.test.example", SRV): [(1, 0, port, "turn.test.example")]}
    records = {
        "SRV": {(RELAY_NAME, NAPTR): [naptr(20, "turn.udp", "_none._udp.test.example"),
                                      naptr(10, "turn.tcp", "_turn._tcp.test.example")], **tcp},
        "address": {(RELAY_NAME, NAPTR): [naptr(10, "turn.tcp", "turn.test.example", "A")]},
        "another name": {(RELAY_NAME, NAPTR): [naptr(10, "turn.tcp", "other.test.example", "")],
                         ("other.test.example", NAPTR): [naptr(10, "turn.tcp", "_turn._tcp.test.example")], **tcp},
        "the next": {(RELAY_NAME, NAPTR): [naptr(1, "turn.udp", "_none._udp.test.example"),
                                           (1, 1, "U", "RELAY:turn.udp", "!.*!x!", "."), (1, 1, "S", "SIP+D2U", "", "a.b"),
                                           naptr(5, "turn.tcp", "_turn._tcp.test.example")], **tcp},
    }[way]
    told, _ = ask_relay(records, status=client.NO_REPLY if way == "address" else client.OK)
    expected = 3478 if way == "address" else port
    tap.equal((told["protocol"], told["server_address"]), ("tcp", f"127.0.0.1:{expected}"))


@tap.test
def naptr_gives_way():
    """port, --protocol, a URI's transport, or an IP address leave NAPTR alone; without records SRV and address count"""
    need_srv()
    _, port = e2e.serve()
    trap = {(RELAY_NAME, NAPTR): [naptr(10, "turn.tcp", "nobody.test.example", "A")], (RELAY_NAME, A): ["127.0.0.1"],
            (f"_turn._udp.{RELAY_NAME}", SRV): [(1, 0, port, "turn.test.example")]}
    for target, words in ((f"{RELAY_NAME}:{port}", []), (RELAY_NAME, ["--protocol", "udp"]),
                          (f"turn:{RELAY_NAME}?transport=udp", [])):
        told, dns = ask_relay(trap, target, *words)
        tap.equal(told["protocol"], "udp")
        tap.true(NAPTR not in only(dns, RELAY_NAME), target)
    told, dns = ask_relay(trap)  # its NAPTR record leads nowhere
    tap.true(NAPTR in only(dns, RELAY_NAME) and told["protocol"] == "udp", str(told))
    silent = dict(trap)
    silent[(RELAY_NAME, NAPTR)] = None
    (told, _), took = client.timed(ask_relay, silent)
    tap.true(told["protocol"] == "udp" and took < 4.9, f"a server that is silent about NAPTR costs a second: {took}")
    loop = {**trap, (RELAY_NAME, NAPTR): [naptr(10, "turn.udp", RELAY_NAME, "")]}
    tap.equal(ask_relay(loop)[0]["protocol"], "udp", "a circle ends")


def zone(text):
    """The records of a zone that the server printed, for the DNS server of the tests."""
    records = {}
    for line in text.splitlines():
        found = re.match(r"(\S+)\. IN (A|AAAA|SRV|NAPTR) (.*)", line)
        if found:
            name, kind, rest = found.group(1), found.group(2), found.group(3).split()
            value = {"A": lambda: rest[0], "AAAA": lambda: rest[0],
                     "SRV": lambda: (*map(int, rest[:3]), rest[3]),
                     "NAPTR": lambda: (int(rest[0]), int(rest[1]), *(word.strip('"') for word in rest[2:5]), rest[5])}[kind]()
            records.setdefault((name, getattr(client, kind)), []).append(value)
    return records


@tap.test
def the_servers_own_records_lead_to_it():
    """what turnserver --print-dns writes leads stunclient turn to that server"""
    need_srv()
    server, port = e2e.serve()
    printed = postern.run(postern.turnserver, "-c", server.file, "--print-dns")
    records = zone(printed.out)
    domain = next(name for name, kind in records if kind == NAPTR)
    dns = client.Dns(records)
    told = client.run_json("turn", domain, *ALICE, *dns.option)
    tap.equal((told["protocol"], told["server_address"]), ("udp", f"127.0.0.1:{port}"))


tap.main()

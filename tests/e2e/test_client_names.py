# SPDX-License-Identifier: BSD-3-Clause
"""From names to servers: SRV, A and AAAA by a DNS server of the test's own, and what happens when DNS
does not help."""
import client
import e2e
import postern
import tap
from client import A, AAAA, SRV

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
    tap.true(took < 1, f"a closed port costs no time, took {took}")
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
    tap.true(took < 1, f"took {took}")
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
    tap.true(took < 3.5, f"took {took}")


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
    tap.true(took < 1, f"took {took}")
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
    tap.true(took < 2, f"took {took}")
    gone = f"127.0.0.1:{postern.free_port()}"
    _, took = client.timed(client.run_json, "mute.test.example", "--dns", gone, "--timeout", "2", status=client.NAME)
    tap.true(took < 3, f"took {took}")


tap.main()

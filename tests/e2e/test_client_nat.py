# SPDX-License-Identifier: BSD-3-Clause
"""stunclient nat on loopback: against our server, and against servers that mislead. The NAT lab shows
it real NATs."""
import time

import client
import e2e
import postern
import stunwire as stun
import tap

OTHER = "127.0.0.2"


def behaving(workers=None, alternate_port=None):
    """A server with two addresses and two ports; its port."""
    e2e.need_address(OTHER)
    while True:
        second = alternate_port or postern.free_port()
        more = f'nat_behavior = {{ alternate_address = "{OTHER}"; alternate_port = {second}; }};\n'
        port = postern.free_port()
        if port != second:
            break
    postern.server(postern.config(port, workers, more=more))
    return port


@tap.test(workers=e2e.WORKERS)
def no_nat(workers):
    """on loopback there is no NAT and no filter, and that is known in no time"""
    port = behaving(workers)
    told, took = client.timed(client.run_json, "nat", f"127.0.0.1:{port}")
    tap.equal((told["mapping"], told["filtering"], told["type"]), ("none", "endpoint-independent", "open"))
    tap.equal((told["behind_nat"], told["ports"], told["hairpin"], told["lifetime"]), (False, "preserved", None, None))
    tap.equal(set(told["mapped_addresses"].values()), {told["local_address"]})
    tap.true(took < 4.9, f"took {took}")
    words = client.run("nat", "127.0.0.1", port).out
    for piece in ("mapping            none", "filtering          endpoint-independent", "is let in"):
        tap.true(piece in " ".join(words.split("\n")), words)


@tap.test
def modes():
    """stuntman's modes choose what is measured"""
    port = behaving()
    told = client.run_json("--mode", "behavior", f"127.0.0.1:{port}")
    tap.equal((told["mapping"], told["filtering"], told["filtering_doubt"]), ("none", "unknown", "not-measured"))
    told = client.run_json("--mode", "filtering", f"127.0.0.1:{port}")
    tap.equal((told["mapping_doubt"], told["filtering"]), ("not-measured", "endpoint-independent"))
    tap.true(not told["behind_nat"] and "is let in" in told["verdict"], told["verdict"])
    told = client.run_json("nat", "--mode", "full", f"127.0.0.1:{port}")
    tap.equal((told["mapping"], told["filtering"]), ("none", "endpoint-independent"))


@tap.test
def more_when_asked_for():
    """hairpinning and lifetime are measured when asked for"""
    port = behaving()
    told, took = client.timed(client.run_json, "nat", f"127.0.0.1:{port}", "--hairpin", "--lifetime", "5")
    tap.equal((told["hairpin"], told["lifetime"]), ("not-needed", {"doubt": None, "at_least_s": 5.0, "at_most_s": None}))
    tap.true(5 < took < 30, f"took {took}")
    words = client.run("nat", f"127.0.0.1:{port}", "--lifetime", "5")
    tap.true("mapping lifetime   more than 5 s" in words.out and "at least" in words.err, repr(words))


@tap.test
def local_port():
    """--localport holds for the socket of the mapping tests"""
    port, local = behaving(), postern.free_port()
    told = client.run_json("nat", f"127.0.0.1:{port}", "--localport", local)
    tap.equal(told["local_address"], f"127.0.0.1:{local}")


@tap.test
def one_address():
    """a server with one address leaves the filtering unknown, with status 8"""
    _, port = e2e.serve()
    told = client.run_json("nat", f"127.0.0.1:{port}", status=client.INCONCLUSIVE)
    tap.equal((told["mapping"], told["filtering"], told["filtering_doubt"]), ("none", "unknown", "no-other-address"))
    tap.equal(told["other_address"], None)


def lying(other, obey=False):
    """A server that tells of an address that is not there, and perhaps answers changes from here."""

    def answer(_, data, source):
        request = stun.parse(data)
        if stun.CHANGE_REQUEST in request and request.number(stun.CHANGE_REQUEST) and not obey:
            return []
        return [client.binding(data, source, ("198.51.100.7", 40000), [(stun.OTHER_ADDRESS, stun.pack_address(other))])]

    return client.Odd(answer)


@tap.test(timeout=30)
def nobody_at_the_other_address():
    """an other address that does not answer leaves both unknown"""
    odd = lying((OTHER, postern.free_port()))
    told = client.run_json("nat", odd.name, status=client.INCONCLUSIVE)
    tap.equal((told["mapping"], told["mapping_doubt"]), ("unknown", "other-address-silent"))
    tap.equal((told["filtering"], told["behind_nat"]), ("unknown", True))


@tap.test
def changes_that_are_ignored():
    """an answer to CHANGE-REQUEST from the wrong address is no evidence"""
    odd = lying((OTHER, postern.free_port()), obey=True)
    told = client.run_json("nat", odd.name, "--timeout", "3", status=client.INCONCLUSIVE)
    tap.equal((told["filtering"], told["filtering_doubt"]), ("unknown", "change-ignored"))


@tap.test
def lifetime_of_a_server_that_cannot():
    """a server that refuses RESPONSE-PORT leaves the lifetime unknown"""
    def answer(_, data, source):
        if stun.RESPONSE_PORT in stun.parse(data):
            return [client.binding(data, source, None, [(stun.ERROR_CODE, stun.pack_error(420))], stun.ERROR)]
        return [client.binding(data, source)]

    told = client.run_json("nat", client.Odd(answer).name, "--lifetime", "5", status=client.INCONCLUSIVE)
    tap.equal(told["lifetime"]["doubt"], "change-refused")


@tap.test(timeout=20)
def no_reply():
    """silence is status 4: blocked, as far as can be seen; a server that answers over TCP proves it"""
    odd = client.Odd(lambda *_: [])
    told, took = client.timed(client.run_json, "nat", odd.name, "--timeout", "2", status=client.NO_REPLY)
    tap.equal((told["mapping"], told["filtering"], told["tcp_answers"]), ("blocked", "blocked", False))
    tap.true(took < 4.9, f"took {took}")
    over_tcp = client.OddTcp(lambda connection: connection.sendall(
        client.binding(connection.recv(4096), connection.getpeername())))
    client.Odd(lambda *_: [], port=over_tcp.port)
    told = client.run_json("nat", over_tcp.name, "--timeout", "2", status=client.NO_REPLY)
    tap.equal((told["mapping"], told["tcp_answers"]), ("blocked", True))
    tap.true("UDP is blocked" in told["error"]["text"], told["error"]["text"])


@tap.test
def nothing_listens():
    """a closed port is status 4 at once, and not blocked"""
    told, took = client.timed(client.run_json, "nat", f"127.0.0.1:{postern.free_port()}", status=client.NO_REPLY)
    tap.equal((told["mapping"], told["tcp_answers"], told["verdict"]), ("unknown", None, None))
    tap.true(took < 4.9, f"took {took}")


@tap.test
def an_error_is_told():
    """an error of the server is status 7"""
    error = [(stun.ERROR_CODE, stun.pack_error(403, b"no"))]
    odd = client.Odd(lambda _, data, source: [client.binding(data, source, None, error, stun.ERROR)])
    told = client.run_json("nat", odd.name, status=client.REFUSED)
    tap.equal((told["behind_nat"], told["verdict"]), (None, None))


@tap.test
def a_server_that_stops_answering():
    """a server that answers once and then no more is not taken for a NAT"""
    odd = client.Odd(lambda odd, data, source: [client.binding(data, source)] if odd.received == 1 else [])
    began = time.monotonic()
    told = client.run_json("nat", odd.name, "--timeout", "2", status=client.NO_REPLY)
    tap.true(time.monotonic() - began < 4.9, "in time")
    tap.true("once" in told["error"]["text"], told["error"]["text"])


tap.main()

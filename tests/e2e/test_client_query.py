# SPDX-License-Identifier: BSD-3-Clause
"""stunclient query: against our server, and against servers that no good client trusts."""
import os
import pty
import signal
import socket
import subprocess
import time

import client
import e2e
import postern
import stunwire as stun
import tap


# ---- a good server ------------------------------------------------------------------------------


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS, protocol=["udp", "tcp"])
def tells_the_address(workers, address, protocol):
    """the mapped address is told"""
    _, port = e2e.serve(workers, (address,))
    host = f"[{address}]" if ":" in address else address
    told = client.run_json(f"{host}:{port}", "--protocol", protocol)
    tap.equal(told["mapped_address"], told["local_address"], "no NAT on loopback")
    tap.equal((told["behind_nat"], told["protocol"], told["requests_sent"]), (False, protocol, 1))
    tap.equal(told["server_address"], f"{host}:{port}")
    tap.true(0 < told["rtt_ms"] < 1000, f"rtt {told['rtt_ms']}")
    words = client.run(f"{host}:{port}", "--protocol", protocol).out
    tap.true(f"mapped address     {host}:" in words and "behind a NAT       no" in words, words)


@tap.test
def takes_every_way_to_name_a_server():
    """HOST:PORT, HOST PORT, URIs, the verb, stuntman's mode: all the same"""
    _, port = e2e.serve(addresses=("127.0.0.1", "::1"))
    for words in ([f"127.0.0.1:{port}"], ["127.0.0.1", port], [f"stun:127.0.0.1:{port}"], ["query", "127.0.0.1", port],
                  [f"turn:127.0.0.1:{port}?transport=tcp"], [f"turn:127.0.0.1:{port}?transport=udp"],
                  ["--mode", "basic", "127.0.0.1", port], ["127.0.0.1", port, "--mode=basic", "--verbosity", "3"],
                  ["::1", port], [f"[::1]:{port}"], [f"stun:[::1]:{port}"], ["--", "127.0.0.1", port],
                  ["localhost", port, "--family", "4"], ["-4", "localhost", port]):
        client.run(*words)


@tap.test(protocol=["udp", "tcp"])
def sends_from_where_it_is_told(protocol):
    """--localaddr and --localport are obeyed"""
    _, port = e2e.serve()
    local = postern.free_port()
    told = client.run_json(f"127.0.0.1:{port}", "--localaddr", "127.0.0.3", "--localport", local, "--protocol", protocol)
    tap.equal((told["mapped_address"], told["local_address"]), (f"127.0.0.3:{local}",) * 2)


@tap.test(host=["127.0.0.1", "::1"])
def sends_from_an_interface(host):
    """--localaddr takes an interface's name, for its address of the family that is used"""
    _, port = e2e.serve(addresses=("127.0.0.1", "::1"))
    local = postern.free_port()
    told = client.run_json(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "--localport", local,
                           "--localaddr", "lo")
    tap.equal(told["local_address"], f"[::1]:{local}" if ":" in host else f"127.0.0.1:{local}")


@tap.test
def a_local_address_that_is_none_is_told():
    """a --localaddr that this host does not have ends with status 4 and says so"""
    _, port = e2e.serve()
    told = client.run_json(f"127.0.0.1:{port}", "--localaddr", "192.0.2.77", status=client.NO_REPLY)
    tap.true("assign" in told["error"]["text"], told["error"]["text"])


# ---- odd servers --------------------------------------------------------------------------------


@tap.test
def knows_a_nat():
    """another mapped address means a NAT, another port too"""
    for mapped in (("198.51.100.7", 40000), ("127.0.0.1", 9)):
        odd = client.Odd(lambda _, data, source, mapped=mapped: [client.binding(data, source, mapped)])
        told = client.run_json(odd.name)
        tap.equal((told["behind_nat"], told["mapped_address"]), (True, "%s:%d" % mapped))
        tap.true("behind a NAT       yes" in client.run(odd.name).out, "words")


@tap.test
def old_servers_are_understood():
    """MAPPED-ADDRESS alone is good enough; SOFTWARE is shown without control characters"""
    def answer(_, data, source):
        request = stun.parse(data)
        return [stun.build(stun.BINDING, stun.SUCCESS, [(stun.MAPPED_ADDRESS, stun.pack_address(source[:2])),
                                                        (stun.SOFTWARE, b"old\x1b[31m\xff")], request.transaction)]

    told = client.run_json(client.Odd(answer).name)
    tap.equal((told["behind_nat"], told["software"]), (False, "old?[31m?"))


@tap.test
def sends_again():
    """lost requests are sent again; the round trip is then unknown"""
    odd = client.Odd(lambda odd, data, source: [client.binding(data, source)] if odd.received > 2 else [])
    told, took = client.timed(client.run_json, odd.name, "--rto", "300")
    tap.equal((told["requests_sent"], told["rtt_ms"]), (3, None))
    tap.true(0.8 < took < 4.9, f"took {took}")


@tap.test
def ignores_what_is_no_answer_to_it():
    """wrong ids, sources, fingerprints, classes and noise do not count, and the good answer does"""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.1", 0))
    tap.cleanup(other.close)
    lie = ("192.0.2.66", 666)

    def answer(_, data, source):
        request = stun.parse(data)
        good = client.binding(data, source, lie)
        wrong_print = stun.build(stun.BINDING, stun.SUCCESS, [
            (stun.XOR_MAPPED_ADDRESS, stun.pack_address(lie, request.transaction)),
            (stun.FINGERPRINT, bytes(4))], request.transaction)
        return [b"", b"\0", bytes(2000), b"\xff" * 64, data, client.binding(data, source, lie, transaction=bytes(12)),
                (good, other), good[:-4], wrong_print, stun.build(stun.ALLOCATE, stun.SUCCESS, [], request.transaction),
                client.binding(data, source, lie, klass=stun.INDICATION), client.binding(data, source)]

    told = client.run_json(client.Odd(answer).name)
    tap.equal(told["behind_nat"], False, str(told))


@tap.test
def late_duplicates_do_no_harm():
    """an answer that comes twice, and late, is taken once"""
    odd = client.Odd(lambda _, data, source: [client.binding(data, source)] * 3)
    tap.equal(client.run_json(odd.name, "--rto", "3000")["requests_sent"], 1)


@tap.test(timeout=20)
def gives_up_in_time():
    """silence ends with status 4 when --timeout says so, five seconds otherwise"""
    odd = client.Odd(lambda *_: [])
    told, took = client.timed(client.run_json, odd.name, "--timeout", "1.2", status=client.NO_REPLY)
    tap.true(1.1 < took < 4.5, f"took {took}")
    tap.equal(told["tried"], [{"address": odd.name, "outcome": "silent"}])
    tap.true("no reply" in told["error"]["text"] and "--protocol tcp" in told["error"]["advice"], str(told))
    _, took = client.timed(client.run, odd.name, status=client.NO_REPLY)
    tap.true(4.9 < took < 15, f"took {took}")


@tap.test(protocol=["udp", "tcp"])
def says_when_nothing_listens(protocol):
    """a closed port is told at once, with status 4"""
    port = postern.free_port()
    told, took = client.timed(client.run_json, f"127.0.0.1:{port}", "--protocol", protocol, status=client.NO_REPLY)
    tap.true(took < 4.9, f"took {took}")
    tap.true("nothing listens" in told["error"]["text"], told["error"]["text"])
    tap.equal(told["tried"][0]["outcome"], "refused")


@tap.test
def tells_an_error():
    """an error of the server ends with status 7, and is told"""
    error = [(stun.ERROR_CODE, stun.pack_error(500, b"Server \x07Error"))]
    odd = client.Odd(lambda _, data, source: [client.binding(data, source, None, error, stun.ERROR)])
    told = client.run_json(odd.name, status=client.REFUSED)
    tap.equal((told["stun_error"], told["mapped_address"]), (500, None))
    tap.true("500 Server ?Error" in client.run(odd.name, status=client.REFUSED).err, "words")


@tap.test
def an_answer_without_address_is_inconclusive():
    """success without a mapped address ends with status 8"""
    odd = client.Odd(lambda _, data, source: [stun.build(stun.BINDING, stun.SUCCESS, [], stun.parse(data).transaction)])
    tap.equal(client.run_json(odd.name, status=client.INCONCLUSIVE)["behind_nat"], None)


def _good_answer(connection):
    data = connection.recv(4096)
    return client.binding(data, connection.getpeername())


def _slow(connection):
    for byte in _good_answer(connection):
        connection.sendall(bytes([byte]))
        time.sleep(0.005)


TCP_TALKS = {
    "silent": (lambda connection: time.sleep(2), client.NO_REPLY),
    "closes at once": (lambda connection: None, client.NO_REPLY),
    "closes after half": (lambda connection: connection.sendall(_good_answer(connection)[:20]), client.NO_REPLY),
    "speaks something else": (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), client.NO_REPLY),
    "byte by byte": (_slow, client.OK),
    "two answers": (lambda connection: connection.sendall(_good_answer(connection) * 2), client.OK),
}


@tap.test(talk=list(TCP_TALKS))
def tcp_servers(talk):
    """a TCP server of every kind gets its status, in time"""
    function, status = TCP_TALKS[talk]
    odd = client.OddTcp(function)
    _, took = client.timed(client.run_json, odd.name, "--protocol", "tcp", "--timeout",
                           "4" if status == client.OK else "1", status=status)
    tap.true(took < 4.9, f"took {took}")


@tap.test(number=["SIGINT", "SIGTERM"])
def signals_end_it(number):
    """a signal ends it soon and in order, with a result"""
    odd = client.Odd(lambda *_: [])
    process = postern.Process([postern.stunclient, odd.name, "--json", "--timeout", "20"])
    while odd.received == 0:
        time.sleep(0.01)
    process.signal(signal.SIGWINCH)
    process.signal(getattr(signal, number))
    status = process.wait(15)
    client.check(postern.Result(status, process.stdout + "\n", process.stderr), client.NO_REPLY)


@tap.test
def a_closed_output_is_told():
    """standard output that takes nothing makes a status that is not 0"""
    odd = client.Odd(lambda _, data, source: [client.binding(data, source)])
    with open("/dev/full", "wb") as full:
        done = subprocess.run([postern.stunclient, odd.name], stdout=full, stderr=subprocess.DEVNULL, timeout=30)
    tap.equal(done.returncode, client.DEGRADED)


# ---- colour -------------------------------------------------------------------------------------


def _on_terminal(*arguments, **environment):
    """What it prints on a terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([postern.stunclient, *arguments], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
                             env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment})
    child.wait(10)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    return text


@tap.test
def colour_only_on_a_terminal():
    """colour is for terminals, unless NO_COLOR, a dumb terminal or --color say otherwise"""
    odd = client.Odd(lambda _, data, source: [client.binding(data, source)])
    tap.true("\033[" not in client.run(odd.name).out, "not in a pipe")
    tap.true("\033[" in client.run(odd.name, "--color", "always").out, "--color always")
    tap.true("\033[" in _on_terminal(odd.name), "on a terminal")
    tap.true("\033[" not in _on_terminal(odd.name, NO_COLOR="1"), "NO_COLOR")
    tap.true("\033[" not in _on_terminal(odd.name, TERM="dumb"), "TERM=dumb")
    tap.true("\033[" not in _on_terminal(odd.name, "--color", "never"), "--color never")
    tap.true("\033[" not in _on_terminal(odd.name, "--json", "--color", "always"), "JSON has none")


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""stunclient turn: through our relay, through a bad way to it, and at servers that refuse."""
import base64
import pathlib
import random
import re
import signal
import threading
import time

import client
import e2e
import postern
import stunwire as stun
import tap

CREDENTIALS = ["--user", postern.USER, "--password", postern.PASSWORD]
QUICK = ["--count", "10", "--interval", "5"]


def states(told):
    return [step["state"] for step in told["steps"]]


def failed_step(told):
    return next(step["step"] for step in told["steps"] if step["state"] == "failed")


# ---- a good relay -------------------------------------------------------------------------------


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS, protocol=["udp", "tcp"])
def relays(workers, address, protocol):
    """all steps succeed and nothing is lost"""
    _, port = e2e.serve(workers, (address,))
    host = f"[{address}]" if ":" in address else address
    family = ["--relay-family", "6"] if ":" in address else []
    told = client.run_json("turn", f"{host}:{port}", *CREDENTIALS, "--protocol", protocol, *family)
    tap.equal(states(told), ["ok"] * 7)
    echo = told["echo"]
    tap.equal((echo["sent"], echo["arrived"], echo["returned"], echo["loss_percent"]), (50, 50, 50, 0))
    tap.true(0 < echo["rtt_min_ms"] <= echo["rtt_mean_ms"] <= echo["rtt_max_ms"] < 1000, str(echo))
    tap.equal(len({one["relayed_address"] for one in told["allocations"]}), 2)
    tap.true(all(one["relayed_address"].startswith(f"{host}:") for one in told["allocations"]), str(told))


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS)
def relays_tcp(workers, address):
    """--tcp-relay: the relays connect, and bytes go there and back through data connections"""
    _, port = e2e.serve(workers, (address,))
    host = f"[{address}]" if ":" in address else address
    family = ["--relay-family", "6"] if ":" in address else []
    for more in (["--count", "200", "--interval", "1"], ["--size", "33", *QUICK], ["--size", "1200", *QUICK]):
        told = client.run_json("turn", f"{host}:{port}", *CREDENTIALS, "--protocol", "tcp", "--tcp-relay", *family, *more)
        tap.equal([step["step"] for step in told["steps"]], ["allocate", "permission", "connect", "echo", "private_peers",
                                                            "delete"])
        tap.equal(states(told), ["ok"] * 6)
        tap.equal(told["echo"]["returned"], told["echo"]["sent"])
    words = client.run("turn", f"{host}:{port}", *CREDENTIALS, "--protocol", "tcp", "--tcp-relay", *family, *QUICK).out
    tap.true("connect            ok" in words and "indication" not in words, words)


@tap.test
def tcp_relay_refused():
    """--tcp-relay at a server that relays no TCP: 442; over UDP: a wrong use"""
    port = postern.free_port()
    postern.server(postern.config(port).replace("relay = {", "relay = { tcp = false;"))
    told = client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--protocol", "tcp", "--tcp-relay",
                           status=client.REFUSED)
    tap.equal((failed_step(told), told["steps"][0]["stun_error"]), ("allocate", 442))
    ended = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--tcp-relay", status=2)
    tap.true("--protocol tcp" in ended.err, ended.err)


@tap.test
def tells_it_in_words():
    """the steps are told in words; count, size and interval are obeyed"""
    _, port = e2e.serve()
    words = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--count", "3", "--size", "1200", "--interval", "100").out
    for piece in ("allocate           ok", "permission         ok", "channel            ok", "delete             ok",
                  "3 of 3 packets of 1200 bytes came back", "round trip         min"):
        tap.true(piece in words, words)


@tap.test
def leaves_nothing_behind():
    """the allocations are gone afterwards: a quota of two is enough for run after run"""
    _, port = e2e.serve(more="quotas = { user = { allocations = 2; }; };\n")
    for _ in range(3):
        client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, *QUICK)


@tap.test
def uses_what_the_server_offers():
    """requests are signed with SHA-256 and hide the user's name, where the server offers that"""
    _, port = e2e.serve()
    seen = []

    def look(data, to_server):
        if to_server and not stun.is_channel(data):
            seen.append(stun.parse(data))
        return data

    client.run_json("turn", client.Way(port, look).name, *CREDENTIALS, *QUICK)
    signed = [one for one in seen if stun.NONCE in one]
    tap.true(signed and all(stun.MESSAGE_INTEGRITY not in one for one in signed), str(signed))
    key = stun.long_term_key(postern.USER, postern.REALM, postern.PASSWORD, "sha256")
    tap.true(all(one.verify256(key) for one in signed), "MESSAGE-INTEGRITY-SHA256 is right")
    features = int.from_bytes(base64.b64decode(signed[0].get(stun.NONCE)[9:13]), "big")
    for one in signed:
        tap.equal((stun.USERHASH in one, stun.USERNAME in one), (bool(features & 2), not features & 2), "user")


# ---- credentials --------------------------------------------------------------------------------


@tap.test
def every_source_of_credentials():
    """passwords and secrets come from options, files and the environment"""
    _, port = e2e.serve()
    folder = postern.temporary_folder()
    (folder / "password").write_text(postern.PASSWORD + "\nsecond line\n")
    (folder / "secret").write_text(postern.SECRET + "\r\n")
    server, user = f"127.0.0.1:{port}", ["--user", postern.USER]
    for words, env in (
        ([*user, "--password-file", folder / "password"], {}),
        ([*user], {"POSTERN_PASSWORD": postern.PASSWORD}),
        ([], {"POSTERN_USER": postern.USER, "POSTERN_PASSWORD": postern.PASSWORD}),
        (["--secret", postern.SECRET], {}),
        (["--secret", postern.SECRET, "--user", "alice"], {"POSTERN_PASSWORD": "not this one"}),
        (["--secret-file", folder / "secret"], {}),
        ([], {"POSTERN_SECRET": postern.SECRET}),
    ):
        client.run_json("turn", server, *words, *QUICK, env={**client.CLEAN, **env})
    result = postern.client("turn", server, *user, "--password-file", "-", *QUICK, input=postern.PASSWORD.encode())
    tap.equal(result.status, client.OK, str(result))


@tap.test
def credentials_that_cannot_be():
    """half credentials, two kinds at once and files that are not there are usage errors"""
    for words, text in (
        (["--user", "alice"], "no password"), (["--password", "secret"], "no --user"),
        (["--user", "a", "--password", "b", "--secret", "c"], "both"),
        (["--user", "a", "--password-file", "/nonexistent"], "cannot be read"),
        (["--user", "a", "--password-file", "/dev/null"], "holds no password"),
    ):
        told = client.run_json("turn", "127.0.0.1:1", *words, status=client.USAGE, env=client.CLEAN)
        tap.true(text in told["error"]["text"], told["error"]["text"])


@tap.test
def wrong_credentials():
    """a wrong password, secret or user, and none at all, are status 6"""
    _, port = e2e.serve()
    for words in (["--user", "alice", "--password", "wrong"], ["--user", "mallory", "--password", "secret"],
                  ["--secret", "wrong"], []):
        told = client.run_json("turn", f"127.0.0.1:{port}", *words, status=client.AUTHENTICATION, env=client.CLEAN)
        tap.equal((failed_step(told), told["allocations"], told["echo"]), ("allocate", [], None))


@tap.test
def secrets_do_not_show():
    """a secret on the command line is blotted out for ps"""
    odd = client.Odd(lambda *_: [])
    process = postern.Process([postern.stunclient, "turn", odd.name, "--secret", "hushhush", "--timeout", "10"])
    while odd.received == 0:
        time.sleep(0.01)
    line = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.stop()
    tap.true(b"hushhush" not in line and b"--secret\0********\0" in line, repr(line))


# ---- refusals -----------------------------------------------------------------------------------


@tap.test
def refusals_are_told_apart():
    """403, 440, 486 and 508 have their own words, and status 7"""
    for more, options, step, code, text in (
        ('peers = { deny = [ "127.0.0.0/8" ]; };\n', {"peers": False}, "permission", 403, "forbidden"),
        ("quotas = { user = { allocations = 1; }; };\n", {}, "allocate", 486, "quota"),
    ):
        _, port = e2e.serve(more=more, **options)
        told = client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, status=client.REFUSED)
        tap.equal((failed_step(told), [one["stun_error"] for one in told["steps"] if one["state"] == "failed"]), (step, [code]))
        tap.true(text in told["error"]["text"] and told["error"]["advice"], str(told["error"]))
    _, port = e2e.serve(relay=("127.0.0.1",))
    told = client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--relay-family", "6", status=client.REFUSED)
    tap.true("family" in told["error"]["text"], str(told["error"]))


@tap.test
def no_port_is_left():
    """a server without a free port is told from a used-up quota"""
    first = postern.free_port()
    text = postern.config(postern.free_port(), more="")
    text = re.sub(r"relay = \{", f"relay = {{ ports = {{ min = {first}; max = {first}; }};", text)
    port = re.search(r"port = (\d+)", text).group(1)
    postern.server(text)
    told = client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, status=client.REFUSED)
    tap.true("no relayed port left" in told["error"]["text"], str(told["error"]))


def challenge(data, code=401, attributes=()):
    request = stun.parse(data)
    return stun.build(request.method, stun.ERROR, [(stun.ERROR_CODE, stun.pack_error(code)), *attributes], request.transaction)


REALM = [(stun.REALM, b"example.org"), (stun.NONCE, b"nonce")]


@tap.test
def another_server():
    """300 before any challenge, as coturn gives it, is followed as well; what is said there counts"""
    there = client.Odd(lambda _, data, source: [challenge(data, 486)])
    alternate = [(stun.ALTERNATE_SERVER, stun.pack_address((there.address, there.port)))]
    odd = client.Odd(lambda _, data, source: [challenge(data, 300, alternate)])
    told = client.run_json("turn", odd.name, *CREDENTIALS, status=client.REFUSED)
    tap.equal((told["server_address"], told["redirected_from"]), (there.name, odd.name))
    tap.true("quota" in told["error"]["text"], str(told["error"]))


@tap.test
def a_weakened_challenge():
    """a challenge whose nonce promises algorithms that are not there is status 6, and nothing is signed"""
    seen = []

    def answer(_, data, source):
        seen.append(stun.parse(data))
        return [challenge(data, 401, [(stun.REALM, b"example.org"), (stun.NONCE, b"obMatJos2AAAB" + b"x" * 8)])]

    told = client.run_json("turn", client.Odd(answer).name, *CREDENTIALS, status=client.AUTHENTICATION)
    tap.true("weakened" in told["error"]["text"], str(told["error"]))
    tap.true(not any(stun.MESSAGE_INTEGRITY in one or stun.USERNAME in one for one in seen), "nothing is signed")


@tap.test
def answers_without_proof():
    """success that is not signed is not believed: status 6"""
    def answer(_, data, source):
        request = stun.parse(data)
        if stun.MESSAGE_INTEGRITY not in request:
            return [challenge(data, 401, REALM)]
        return [stun.build(request.method, stun.SUCCESS, [
            (stun.XOR_RELAYED_ADDRESS, stun.pack_address(("192.0.2.6", 6), request.transaction))], request.transaction)]

    told = client.run_json("turn", client.Odd(answer).name, *CREDENTIALS, "--timeout", "1", status=client.AUTHENTICATION)
    tap.true("proved" in told["error"]["text"], str(told["error"]))


@tap.test(protocol=["udp", "tcp"])
def nothing_listens(protocol):
    """a closed port is status 4 at once"""
    told, took = client.timed(client.run_json, "turn", f"127.0.0.1:{postern.free_port()}", "--protocol", protocol,
                              status=client.NO_REPLY)
    tap.true(took < 4.9 and "refused" in told["error"]["text"].lower(), f"{took} {told['error']}")


@tap.test
def silence():
    """silence is status 4 in time"""
    odd = client.Odd(lambda *_: [])
    told, took = client.timed(client.run_json, "turn", odd.name, "--timeout", "1", status=client.NO_REPLY)
    tap.true(0.9 < took < 4.9 and failed_step(told) == "allocate", f"{took} {told}")


@tap.test
def a_server_that_only_does_stun():
    """a server without TURN says so: status 7"""
    _, port = e2e.serve(users=False)
    told = client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, status=client.REFUSED)
    tap.equal(failed_step(told), "allocate")


# ---- a bad way ----------------------------------------------------------------------------------


@tap.test
def counts_loss():
    """lost packets are counted, and make status 1"""
    _, port = e2e.serve()
    chance = random.Random(1)

    def lose(data, to_server):
        return None if stun.is_channel(data) and chance.random() < 0.1 else data

    told = client.run_json("turn", client.Way(port, lose).name, *CREDENTIALS, status=client.DEGRADED)
    echo = told["echo"]
    tap.true(0 < echo["returned"] < 50 and echo["sent"] == 50 and echo["arrived"] < 50, str(echo))
    tap.equal(echo["loss_percent"], 2.0 * (50 - echo["returned"]))
    tap.true(f"{50 - echo['returned']} of 50 packets were lost" in told["error"]["text"], str(told["error"]))


@tap.test
def requests_survive_loss():
    """requests that are lost are sent again"""
    _, port = e2e.serve()
    chance = random.Random(2)

    def lose(data, to_server):
        return None if not stun.is_channel(data) and chance.random() < 0.25 else data

    told = client.run_json("turn", client.Way(port, lose).name, *CREDENTIALS, "--timeout", "15", "--rto", "100")
    tap.equal(states(told), ["ok"] * 7)


@tap.test
def notices_changed_packets():
    """contents that change on the way are noticed: status 1"""
    _, port = e2e.serve()

    def spoil(data, to_server):
        if to_server or not stun.is_channel(data):
            return data
        return data[:-1] + bytes([(data[-1] + 1) % 256])

    told = client.run_json("turn", client.Way(port, spoil).name, *CREDENTIALS, *QUICK, status=client.DEGRADED)
    tap.equal((told["echo"]["corrupted"], told["echo"]["returned"]), (10, 0))


@tap.test
def notices_doubled_packets():
    """packets that come twice are counted once"""
    _, port = e2e.serve()

    def double(data, to_server):
        return [data, data] if stun.is_channel(data) and not to_server else data

    told = client.run_json("turn", client.Way(port, double).name, *CREDENTIALS, *QUICK)
    tap.true(told["echo"]["returned"] == 10 and told["echo"]["duplicates"] > 0, str(told["echo"]))


@tap.test
def channels_that_carry_nothing():
    """indications that work and channels that do not are told: status 4"""
    _, port = e2e.serve()
    way = client.Way(port, lambda data, to_server: None if stun.is_channel(data) else data)
    told = client.run_json("turn", way.name, *CREDENTIALS, *QUICK, status=client.NO_REPLY)
    tap.equal((told["echo"]["returned"], told["echo"]["loss_percent"]), (0, 100))
    tap.true("none of 10" in told["error"]["text"], str(told["error"]))


@tap.test
def indications_that_carry_nothing():
    """a permission that lets nothing through is told: status 4"""
    _, port = e2e.serve()

    def lose(data, to_server):
        message = None if stun.is_channel(data) else stun.parse(data)
        return None if message and message.method in (stun.SEND, stun.DATA) else data

    told = client.run_json("turn", client.Way(port, lose).name, *CREDENTIALS, status=client.NO_REPLY)
    tap.equal(failed_step(told), "indication")
    tap.true("nothing came back" in told["error"]["text"], str(told["error"]))


@tap.test
def a_signal_ends_it_and_cleans_up():
    """a signal in the middle deletes the allocations: the quota is free again"""
    _, port = e2e.serve(more="quotas = { user = { allocations = 2; }; };\n")
    echoing = threading.Event()

    def look(data, to_server):
        if stun.is_channel(data):
            echoing.set()
        return data

    process = postern.Process([postern.stunclient, "turn", client.Way(port, look).name, *CREDENTIALS, "--count", "1000", "--json"])
    tap.true(echoing.wait(60), "it comes to the echo")
    process.signal(signal.SIGINT)
    status = process.wait(30)
    told = client.check(postern.Result(status, process.stdout + "\n", process.stderr), client.NO_REPLY)
    tap.equal(failed_step(told), "echo")
    client.run_json("turn", f"127.0.0.1:{port}", *CREDENTIALS, *QUICK)


tap.main()

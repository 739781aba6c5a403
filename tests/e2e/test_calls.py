# SPDX-License-Identifier: BSD-3-Clause
"""stunclient listen and call: two real programs on loopback, brought together by a real turnserver."""
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import client
import postern
import tap
from telephone import World

MIB = 1 << 20


def digest(data):
    return hashlib.sha256(data).hexdigest()


@tap.test(options=[(), ("--relay-only",), ("--no-relay",), ("--lite",), ("--family", "4")])
def joins_both_ways(options):
    """what one side reads the other writes, both ways, and both end with status 0"""
    world = World()
    there, back = os.urandom(300_000), os.urandom(200_000)
    bob = world.listen(*options, input=back)
    alice = world.call(input=there)
    one, other = alice.wait(), bob.wait()
    tap.equal(digest(bob.output), digest(there), "from alice to bob")
    tap.equal(digest(alice.output), digest(back), "from bob to alice")
    for told, role in ((one, "caller"), (other, "callee")):
        tap.equal(told["path"], "relay" if "--relay-only" in options else "direct", str(told))
        tap.equal(told["role"], role)
        tap.true(told["rtt_ms"] is None or told["rtt_ms"] >= 0, str(told))
        tap.true(told["ms_to_first_data"] > 0, str(told))
        tap.equal(told["peer_key_is"], "new")
    tap.equal((one["bytes_sent"], one["bytes_received"]), (len(there), len(back)))
    tap.equal((other["bytes_sent"], other["bytes_received"]), (len(back), len(there)))
    tap.true(one["rtt_ms"] >= 0, str(one))
    tap.true("round trip -" not in alice.errors + bob.errors, bob.errors)
    if "--relay-only" in options:
        tap.equal(other["why"], "only relays were to be used at this end")
    tap.equal((one["name"], one["peer"], other["name"], other["peer"]), ("alice", "bob", "bob", "alice"))


@tap.test(way=["tls", "ws", "wss"])
def over_tls_and_websocket(way):
    """the service is reached over TLS and WebSocket too, and its certificate is checked"""
    world = World(tls=True)
    world.uri = f"{way}://127.0.0.1:{world.port + 1}"
    trust = () if way == "ws" else ("--ca", str(world.authority.certificate))
    try:
        bob = world.listen(*trust, input=b"from bob")
    except AssertionError as problem:
        if "built without WebSocket" in str(problem):
            tap.skip("built without WebSocket")
        raise
    alice = world.call(*trust, input=b"from alice")
    alice.wait()
    bob.wait()
    tap.equal((alice.output, bob.output), (b"from bob", b"from alice"))
    if way != "ws":
        told = world.call().wait(client.TLS)
        tap.true("issuer" in told["reason"] or "self-signed" in told["reason"], told["reason"])


@tap.test(timeout=300)
def carries_much():
    """50 MB each way at once (10 under a sanitizer), by hash; memory stays small"""
    world = World()
    sanitized = b"__asan_init" in postern.stunclient.read_bytes()  # slow, and keeps what was freed
    data = os.urandom((10 if sanitized else 50) * MIB)
    source = world.folder / "data"
    source.write_bytes(data)
    bob = world.listen(input=source)
    alice = world.call(input=source)
    largest = 0
    while alice.child.poll() is None:
        try:
            status = open(f"/proc/{alice.child.pid}/status").read()
            largest = max(largest, int(status.partition("VmRSS:")[2].split()[0]) if "VmRSS:" in status else 0)
        except OSError:
            pass
        time.sleep(0.05)
    alice.wait(seconds=240)
    bob.wait()
    tap.equal(digest(alice.output), digest(data))
    tap.equal(digest(bob.output), digest(data))
    tap.diag(f"resident at most {largest} KiB")
    tap.true(largest < (800 if sanitized else 100) * 1024, f"{largest} KiB")


@tap.test
def without_standard_descriptors():
    """closed standard input and output are as /dev/null"""
    world = World()
    bob = world.listen(input=b"from bob")
    command = [postern.stunclient, "call", "bob", "--server", world.uri, "--user", "alice", "--password", "wonder"]
    shell = "exec " + " ".join(map(str, command)) + " --iface lo <&- >&-"
    result = postern.run("sh", "-c", shell, env={"XDG_CONFIG_HOME": str(world.folder)})
    tap.equal(result.status, 0, str(result))
    bob.wait()
    tap.equal(bob.output, b"")


@tap.test
def slow_reader_holds_the_writer():
    """what nobody reads is not read from the other side either: back pressure from end to end"""
    world = World()
    bob = world.listen(input=None, output=subprocess.PIPE)
    alice = world.call(input=subprocess.PIPE)
    written = [0]

    def write():
        block = bytes(MIB)
        try:
            for _ in range(40):
                alice.child.stdin.write(block)
                written[0] += MIB
            alice.child.stdin.close()
        except (OSError, ValueError):
            pass

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    tap.true(postern.until(lambda: written[0] >= MIB), alice.errors + bob.errors)
    held = 0
    while held < written[0]:  # until it stands still
        held = written[0]
        time.sleep(2)
    tap.true(MIB <= held <= 20 * MIB, f"{held} bytes went in though nobody read")
    tap.equal(len(bob.child.stdout.read()), 40 * MIB)
    writer.join()
    alice.wait()
    bob.wait()


@tap.test
def keeps_listening():
    """with --keep one call follows the other; without, listen ends"""
    world = World()
    bob = world.listen("--keep")
    for text in (b"first", b"second"):
        world.call(input=text).wait()
        tap.true(postern.until(lambda: text in bob.output), "it came")
    bob.child.send_signal(signal.SIGTERM)
    bob.wait()
    tap.equal(bob.output, b"firstsecond")


@tap.test
def calls_do_not_end_their_accounts_listen():
    """a caller has a name of its own: who listens by the same account goes on, and two calls at once do"""
    world = World()
    bob = world.listen("--keep", "--allow", "127.0.0.1:1")
    own = world.party("listen", "alice", "--trace", name="alice")
    own.wait_for("registered as")
    held = world.call(input=subprocess.PIPE)
    held.child.stdin.write(b"held ")
    held.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"held "), bob.errors)
    world.call("-L", f"{postern.free_port()}:127.0.0.1:1", "--trace").wait_for("the data channel stands")
    held.child.stdin.write(b"on")
    held.child.stdin.close()
    held.wait()
    tap.true(postern.until(lambda: bob.output == b"held on"), bob.errors)
    tap.true(own.child.poll() is None, own.errors)
    own.end()
    bob.end()


@tap.test
def nobody_there():
    """a call of nobody ends with status 9, a wrong password with 6, no server with 4, each in words"""
    world = World()
    told = world.call().wait(client.NO_CONNECTION)
    tap.true("nobody of that name" in told["reason"] and told["path"] is None, str(told))
    told = world.call(password="wrong").wait(client.AUTHENTICATION)
    tap.true("refuses us" in told["reason"], str(told))
    world.uri = f"tcp://127.0.0.1:{postern.free_port()}"
    told = world.call().wait(client.NO_REPLY)
    tap.true("refused" in told["reason"], str(told))


@tap.test(settings=["", 'callers = "listed";'])
def takes_calls_from(settings):
    """listen --from lets only those call who are named, and is how a listener is reached where the service lists callers"""
    world = World(settings=settings)
    for name, status in (("carol", client.NO_CONNECTION), ("alice", 0)):
        bob = world.listen("--from", "dave", "--from", name, "--keep")
        told = world.call().wait(status)
        tap.true(status == 0 or "whom you may call" in told["reason"], str(told))
        bob.end()


@tap.test(timeout=90)
def echoes():
    """an echo, which takes no more until it has sent what it has, brings back all of a long input"""
    world = World()
    data = os.urandom(16_000_000)
    for _ in range(2):
        reads, writes = os.pipe()
        bob = world.listen(input=reads, output=subprocess.PIPE)
        echo = subprocess.Popen(["cat"], stdin=bob.child.stdout, stdout=writes)
        tap.cleanup(echo.kill)
        os.close(reads)
        os.close(writes)
        alice = world.call(input=data)
        alice.wait(seconds=60)
        tap.true(alice.output == data, f"{len(alice.output)} bytes came back")
        bob.wait()


@tap.test(timeout=90)
def no_way():
    """where no pair can work the call ends with status 9 and says so"""
    world = World()
    bob = world.listen("--no-relay", "--family", "4")
    alice = world.call("--no-relay", "--trace", "--family", "6")
    told = alice.wait(client.NO_CONNECTION, seconds=55)
    tap.true(told["path"] is None and told["reason"], str(told))
    bob.end()


@tap.test
def another_key_is_refused():
    """a peer with another key than before is refused with status 10; a hint says what to do"""
    world = World()
    for known in ("new", "known"):
        bob = world.listen()
        alice = world.call()
        tap.equal(alice.wait()["peer_key_is"], known)
        bob.wait()
        for told in (alice.errors, bob.errors):
            tap.equal("shows a key that was not seen before: " in told, known == "new", told)
    other = world.listen(home=world.folder / "mallory")
    told = world.call().wait(client.IDENTITY)
    tap.true("another key" in told["reason"] and "key --trust bob=" in told["error"]["advice"], str(told))
    tap.equal(told["peer_key_is"], "changed")
    tap.true("alice does not accept our key" in other.wait(client.NO_CONNECTION)["reason"], other.errors)


def key_of(home, *options, **more):
    return client.run("key", *options, env={"XDG_CONFIG_HOME": str(home), "POSTERN_SERVER": ""}, **more).out


@tap.test
def names_beyond_ascii_have_keys_of_their_own():
    """names that are not ASCII are shown as they are, and each has the key that it showed"""
    world = World()
    for home, name, status in (("é", "é", 0), ("ü", "ü", 0), ("é", "é", 0), ("é", "ü", client.IDENTITY)):
        bob = world.party("listen", name, "--trace", name=name, home=world.folder / f"home of {home}")
        bob.wait_for(f"registered as {name}")
        told = world.party("call", "alice", name=name).wait(status)
        tap.equal(told["peer"], name)
        bob.end()


@tap.test
def a_caller_with_another_key_is_refused():
    """a caller's account is pinned as a callee's name is: another key is refused with words, trusted or forgotten by the key verb"""
    world = World()
    desk, laptop, home = (world.folder / name for name in ("desk", "laptop", "home.bob"))
    bob = world.listen("--keep", "--trace")
    tap.equal(world.call(home=desk).wait()["exit_status"], 0)
    told = world.call(home=laptop).wait(client.NO_CONNECTION)
    tap.true("does not accept our key" in told["reason"] and "stunclient key" in told["error"]["advice"], str(told))
    bob.wait_for("alice shows another key than before")
    public = key_of(laptop).split()[1]
    tap.true(f"`stunclient key --trust alice={public}`" in bob.errors, bob.errors)
    tap.equal(key_of(home, "--trust", f"alice={public}", "--server", world.uri), "1 key noted\n")
    for known in (laptop, desk):
        world.call(home=known).wait()
    tap.equal(len(key_of(home, "--list").splitlines()), 2)
    told = client.run_json("key", "--list", env={"XDG_CONFIG_HOME": str(home)})
    tap.equal([(line["service"], line["name"]) for line in told["peers"]], [(f"127.0.0.1:{world.port + 1}", "alice")] * 2)
    tap.equal(key_of(home, "--forget", "alice"), "2 keys forgotten\n")
    world.call(home=laptop).wait()
    world.call(home=desk).wait(client.NO_CONNECTION)
    bob.end()
    bob = world.listen("--any-key", "--keep")
    world.call(home=desk).wait()
    tap.true("alice shows a key that was not seen before" in bob.errors, bob.errors)
    bob.end()
    for wrong in (("--trust", "alice"), ("--trust", "alice=x"), ("--forget", ""), ("--list", "--forget", "alice"),
                  ("--trust", f"alice={public}")):
        key_of(home, *wrong, status=client.USAGE)


@tap.test
def tells_the_story():
    """--trace tells in words who registered from where, who was told, what was sent and heard, and the path"""
    world = World()
    bob = world.listen()
    alice = world.call("--trace", input=b"x")
    alice.wait()
    bob.wait()
    for text in ("registered as alice, from 127.0.0.1:", "calling bob", "the service tells bob of us", "bob takes the call",
                 "answers from 127.0.0.1:", "a way to bob works", "DTLS stands", "first data", "stunclient: direct, from"):
        tap.true(text in alice.errors, f"{text!r} in\n{alice.errors}")
    for text in ("we are told that alice calls", "alice's check from", "the peer has opened the channel"):
        tap.true(text in bob.errors, f"{text!r} in\n{bob.errors}")


@tap.test
def tells_programs():
    """with --json standard error is JSON, an object a line: events, and at the end what --report writes"""
    world = World()
    bob = world.listen()
    alice = world.call("--trace", "--json", input=b"x")
    told = alice.wait()
    bob.wait()
    lines = [json.loads(line) for line in alice.errors.splitlines()]
    tap.equal(lines[-1], told)
    bob = world.party("listen", "bob", "--trace", "--json", name="bob")
    bob.wait_for("registered as")
    world.server.finish()
    bob.wait_for("trying again")
    notes = [line for line in map(json.loads, bob.errors.splitlines()) if line["event"] == "note"]
    tap.true(notes[-1]["text"].startswith("the rendezvous service is lost: "), str(notes))
    events = [line["event"] for line in lines[:-1]]
    for event in ("registered", "call", "accepted", "path", "secured", "ready", "data"):
        tap.true(event in events, f"{event} in {events}")
    tap.equal(sorted(line["ms"] for line in lines[:-1]), [line["ms"] for line in lines[:-1]])


@tap.test
def interrupted():
    """SIGINT ends a call in order: the other side is told at once, and both say so"""
    world = World()
    bob = world.listen(input=subprocess.PIPE)
    alice = world.call(input=subprocess.PIPE)
    alice.child.stdin.write(b"so far")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"so far"), bob.errors)
    began = time.monotonic()
    alice.child.send_signal(signal.SIGINT)
    told = alice.wait(client.DEGRADED)
    tap.true("interrupted" in told["reason"], str(told))
    told = bob.wait(client.DEGRADED)
    tap.true("says: it was interrupted" in told["reason"], str(told))
    tap.true(time.monotonic() - began < 12, "at once")


@tap.test
def cut_short():
    """who has nothing to say himself learns that what he got is not all: the caller was interrupted before its input ended"""
    world = World()
    bob = world.listen()
    alice = world.call(input=subprocess.PIPE)
    alice.child.stdin.write(b"half of it")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"half of it"), bob.errors)
    alice.child.send_signal(signal.SIGINT)
    alice.wait(client.DEGRADED)
    tap.true("says: it was interrupted" in bob.wait(client.DEGRADED)["reason"], bob.errors)


@tap.test
def service_lost():
    """a call goes on when the rendezvous service is lost"""
    world = World()
    bob = world.listen(input=subprocess.PIPE)
    alice = world.call("--trace", input=subprocess.PIPE)
    alice.child.stdin.write(b"before ")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"before "), bob.errors)
    world.server.finish()
    alice.wait_for("the rendezvous service is lost")
    alice.child.stdin.write(b"after")
    alice.child.stdin.close()
    bob.child.stdin.close()
    tap.equal(alice.wait()["path"], "direct")
    bob.wait()
    tap.equal(bob.output, b"before after")


@tap.test
def service_restarted():
    """who listens comes back by itself when the service has been restarted, and can be called again"""
    world = World()
    bob = world.listen("--keep")
    world.server.finish()
    bob.wait_for("the rendezvous service is lost")
    postern.server(world.text)
    tap.true(postern.until(lambda: bob.errors.count("registered as bob") == 2), bob.errors)
    world.call(input=b"again").wait()
    tap.true(postern.until(lambda: bob.output == b"again"), bob.errors)
    bob.end()


# ---- files of the user ----------------------------------------------------------------------------


@tap.test
def prints_its_key():
    """stunclient key makes a key once, prints it in words and JSON, and keeps it from others"""
    folder = postern.temporary_folder()
    env = {"XDG_CONFIG_HOME": str(folder)}
    words = client.run("key", env=env).out.split()
    told = client.run_json("key", env=env)
    tap.equal(words, ["ed25519", told["public_key"]])
    tap.equal(told["file"], str(folder / "postern/key"))
    tap.equal((folder / "postern/key").stat().st_mode & 0o777, 0o600)
    tap.true(client.run("key", "--key", folder / "other", env=env).out.split()[1] != words[1], "another file, another key")
    (folder / "postern/key").chmod(0o644)
    told = client.run_json("key", status=client.USAGE, env=env)
    tap.true("can be read by others" in told["error"]["text"], str(told))


@tap.test
def account_from_file():
    """server, user and password come from ~/.config/postern/account, which others must not read; options go before it"""
    world = World()
    folder = world.folder / "config"
    account = folder / "postern/account"
    account.parent.mkdir(parents=True)
    account.write_text(f"# mine\nserver {world.uri}\nuser alice\npassword wonder\n")
    account.chmod(0o600)
    env = {**client.CLEAN, "POSTERN_SERVER": "", "XDG_CONFIG_HOME": str(folder)}
    call = ("call", "bob", "--iface", "lo")
    bob = world.listen("--keep")
    client.run(*call, env=env)
    client.run(*call, "--user", "bob", status=client.USAGE, env=env)  # the password is alice's
    client.run(*call, "--password", "wrong", status=client.AUTHENTICATION, env=env)
    client.run(*call, status=client.NO_REPLY, env={**env, "POSTERN_SERVER": f"tcp://127.0.0.1:{postern.free_port()}"})
    account.chmod(0o644)
    tap.true("chmod 600" in client.run(*call, status=client.USAGE, env=env).err, "told")
    account.chmod(0o600)
    account.write_text("sever x\n")
    tap.true("line 1" in client.run(*call, status=client.USAGE, env=env).err, "told")
    bob.end()


# ---- connections of TCP -------------------------------------------------------------------------


def echo_server():
    """A TCP server that gives back what it gets, in upper case, until the end. Its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data.upper())
            connection.shutdown(socket.SHUT_WR)

    tap.serve(listener, talk)
    return listener.getsockname()[1]


@tap.test
def connects_for_ssh():
    """call -W connects standard input and output to a target that --allow names, as ssh's ProxyCommand wants"""
    world = World()
    target = f"127.0.0.1:{echo_server()}"
    bob = world.listen("--keep", "--allow", target)
    data = bytes(range(128)) * 4096
    alice = world.call("-W", target, input=data)
    alice.wait()
    tap.equal(digest(alice.output), digest(data.upper()))
    told = world.call("-W", f"127.0.0.1:{echo_server()}", input=b"x").wait(client.DEGRADED)
    tap.true("did not connect" in told["reason"], str(told))
    bob.end()


@tap.test(ends=[False, True])
def listens_for_one_connection(ends):
    """listen --allow without --keep ends with status 0 after a call of forwards alone, ended by -W's input or -L's signal"""
    world = World()
    target = f"127.0.0.1:{echo_server()}"
    bob = world.listen("--allow", target)
    if ends:
        world.call("-W", target, input=b"x").wait()
    else:
        port = postern.free_port()
        alice = world.call("-L", f"{port}:{target}")
        tap.true(postern.until(lambda: ("tcp", port) in postern.listening(alice.child.pid)), alice.errors)
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"x")
            tap.equal(connection.recv(1), b"X")
        alice.child.send_signal(signal.SIGINT)
        alice.child.wait(30)
    bob.wait()


@tap.test
def forwards():
    """call -L forwards connections, several at once, each with its own end"""
    world = World()
    target = f"127.0.0.1:{echo_server()}"
    bob = world.listen("--keep", "--allow", target)
    port = postern.free_port()
    alice = world.call("-L", f"{port}:{target}")
    tap.true(postern.until(lambda: ("tcp", port) in postern.listening(alice.child.pid)), alice.errors)
    connections = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(5)]
    for number, connection in enumerate(connections):
        connection.sendall(f"connection {number} ".encode() * 1000)
        connection.shutdown(socket.SHUT_WR)
    for number, connection in enumerate(connections):
        with connection:
            got = b""
            while data := connection.recv(65536):
                got += data
            tap.equal(got, f"CONNECTION {number} ".encode() * 1000)
    alice.child.send_signal(signal.SIGINT)
    alice.child.wait(30)
    bob.end()


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""Why a call did not come about, in words: what happened, why, what to do next. Each told by the real programs."""
import socket
import subprocess

import client
import postern
import tap
from telephone import World, need_calls


def says(party, status, *words):
    """It ends with this status, and text and advice together have these words."""
    told = party.wait(status, seconds=55)
    text = f"{told['error']['text']} / {told['error']['advice']}"
    for word in words:
        tap.true(word in text, f"{word!r} in {text!r}")
    tap.true(told["error"]["advice"], f"an advice for {text!r}")
    return told


@tap.test
def not_let_in():
    """a wrong password, a name of somebody else, a name that is taken"""
    world = World()
    says(world.call(password="wrong"), client.AUTHENTICATION, "is not accepted", "--password")
    says(world.party("listen", "alice", name="bob"), client.AUTHENTICATION, "belongs to another account", "ACCOUNT/SOMETHING")
    first = world.listen()
    second = world.listen()
    says(first, client.REFUSED, "the same name has registered again", "a name of its own")
    second.end()


@tap.test
def not_there():
    """nobody of that name, somebody whom the callee does not name, somebody who is in a call"""
    world = World()
    says(world.call(), client.NO_CONNECTION, "bob cannot be called", "stunclient listen", "--from")
    bob = world.listen("--from", "carol")
    says(world.call(), client.NO_CONNECTION, "bob cannot be called", "stunclient listen", "--from")
    bob.end()
    bob = world.listen(input=subprocess.PIPE)
    alice = world.call(input=subprocess.PIPE)
    bob.wait_for("the data channel stands")
    says(world.call(), client.NO_CONNECTION, "bob is in a call already", "Try again")
    alice.end()
    bob.end()


def greeter(words):
    """A server that says so to whoever comes, and leaves."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection):
        with connection:
            connection.sendall(words)
            connection.settimeout(20)
            try:
                while connection.recv(4096):
                    pass
            except OSError:
                pass

    tap.serve(listener, talk)
    return listener.getsockname()[1]


@tap.test
def not_a_service():
    """what answers is no rendezvous service, speaks no TLS, or speaks TLS where it should not"""
    world = World()
    strange = greeter(b"SSH-2.0-OpenSSH_9.2\r\n")
    world.uri = f"tcp://127.0.0.1:{strange}"
    says(world.call(), client.REFUSED, "does not speak the rendezvous protocol", "--server")
    world.uri = f"tls://127.0.0.1:{strange}"
    says(world.call(), client.TLS, "does not speak TLS", "8443")
    world.uri = f"tls://127.0.0.1:{world.port + 1}"
    says(world.call(), client.NO_REPLY, f"127.0.0.1:{world.port + 1}", "tcp:// or ws://")


@tap.test
def certificates():
    """a certificate of an unknown issuer, and one for another name"""
    world = World(tls=True)
    world.uri = f"tls://127.0.0.1:{world.port + 1}"
    says(world.call(), client.TLS, "issuer that is not known", "--ca")
    says(world.call("--ca", str(world.authority.certificate), "--server-name", "other.test"), client.TLS,
         "the certificate is for another name", "--server-name")


@tap.test(timeout=90)
def relay_refuses():
    """a relay that may not send to the peer: its answer is told at one side, at the other that there is no way"""
    world = World(relay="127.0.0.3", peers="")
    bob = world.listen("--no-relay", "--family", "4")
    alice = world.call("--relay-only", "--trace", "--family", "4")
    says(alice, client.NO_CONNECTION, "our relay does not send to 127.0.0.1:", "403 Forbidden", "turnserver.conf")
    tap.true("the relay does not send from 127.0.0.3:" in alice.errors and "no answer from 127.0.0.1" not in alice.errors, alice.errors)
    told = bob.wait(client.NO_CONNECTION)
    tap.true("no way" in told["reason"], str(told))


@tap.test
def peer_of_a_relay_only_side():
    """who has a peer that tells of relays only hears so"""
    world = World()
    bob = world.listen("--relay-only")
    told = world.call().wait()
    tap.equal((told["path"], told["why"]), ("relay", "the peer told of no address but relays"))
    tap.equal(bob.wait()["why"], "only relays were to be used at this end")


@tap.test
def forwards_that_are_not_made():
    """a connection that is not allowed, or refused, is told at the side that should make it; a port that is taken at the other"""
    world = World()
    nobody = postern.free_port()
    bob = world.party("listen", "bob", "--keep", "--allow", f"127.0.0.1:{nobody}", name="bob")
    bob.wait_for("listening as bob")
    for target, why in ((f"127.0.0.1:{nobody + 1}", "--allow does not name it"), (f"127.0.0.1:{nobody}", "Connection refused")):
        told = world.call("-W", target).wait(client.DEGRADED)
        tap.true("did not connect us there" in told["reason"], str(told))
        bob.wait_for(f"the connection to {target} that the peer asked for was not made: ")
        bob.wait_for(why)
    says(world.call("-L", f"{world.port + 1}:127.0.0.1:{nobody}"), client.USAGE, f"127.0.0.1:{world.port + 1}", "already in use",
         "another port")
    bob.end()


@tap.test
def what_cannot_be_used_is_told_at_once():
    """a report that cannot be written, a password from the standard input that the call needs, no service, no name"""
    need_calls()
    folder = postern.temporary_folder()
    call = ("call", "bob", "--server", "tcp://127.0.0.1:1", "--user", "a")
    nowhere = str(folder / "none/x")
    for words, *wrong in ((f"the report cannot be written to {nowhere}", *call, "--password", "b", "--report", nowhere),
                          ("standard input is what the call carries", *call, "--password-file", "-"),
                          ("no rendezvous service is named", "listen"), ("nobody is named to be called", "call"),
                          ("PORT:HOST:PORT", *call, "-L", "80"), ("HOST:PORT", *call, "-W", "host"),
                          ("exclude each other", *call, "-W", "h:1", "-L", "1:h:1"), ("contradict", *call, "--relay-only", "--no-relay"),
                          ("a network interface of this host", *call, "--iface", "nowhere")):
        result = client.run(*wrong, status=client.USAGE, env={"XDG_CONFIG_HOME": str(folder / "config"), "POSTERN_SERVER": ""})
        tap.true(words in result.err, result.err)


tap.main()

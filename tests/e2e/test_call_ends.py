# SPDX-License-Identifier: BSD-3-Clause
"""How calls end: the table in stunclient(1), EXIT STATUS, row by row, with the real programs at both ends."""
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import client
import postern
import tap
from telephone import World

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def joined(world, *options, bob_input=subprocess.PIPE, alice_input=subprocess.PIPE, **bob_options):
    """Bob listens, Alice calls; a word of each that has an open input has arrived."""
    bob = world.listen(*options, input=bob_input, **bob_options)
    alice = world.call("--trace", input=alice_input)
    for speaker, hearer in ((alice, bob), (bob, alice)):
        if speaker.child.stdin:
            speaker.child.stdin.write(b"word")
            speaker.child.stdin.flush()
            tap.true(postern.until(lambda hearer=hearer: hearer.output == b"word"), hearer.errors)
    return alice, bob


def both_say(alice, bob, one, other, first=client.DEGRADED, second=client.DEGRADED):
    tap.true(one in alice.wait(first)["reason"], alice.errors)
    tap.true(other in bob.wait(second)["reason"], bob.errors)


@tap.test(number=SIGNALS)
def callee_is_interrupted(number):
    """all of the caller's input has arrived, then a signal ends the callee, whose input was still open: 1 at both, in words"""
    world = World()
    bob = world.listen(input=subprocess.PIPE)
    alice = world.call(input=b"all of it")
    tap.true(postern.until(lambda: bob.output == b"all of it"), bob.errors)
    began = time.monotonic()
    bob.child.send_signal(number)
    both_say(alice, bob, "ended the call and says: it was interrupted", "the call was interrupted")
    tap.true(time.monotonic() - began < 12, "at once")


@tap.test(number=SIGNALS)
def caller_is_interrupted(number):
    """the same the other way round; what the caller had sent by then arrives"""
    alice, bob = joined(World())
    alice.child.stdin.write(b" more")
    alice.child.stdin.flush()
    waiting = lambda: struct.unpack("i", fcntl.ioctl(alice.child.stdin, termios.FIONREAD, bytes(4)))[0]
    tap.true(postern.until(lambda: waiting() == 0), "it is read")
    alice.child.send_signal(number)
    both_say(alice, bob, "the call was interrupted", "ended the call and says: it was interrupted")
    tap.equal(bob.output, b"word more")


@tap.test
def ignored_hangup():
    """under nohup a call goes on when the terminal is gone"""
    world = World()
    bob = world.listen(input=subprocess.PIPE)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        alice = world.call(input=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    alice.child.stdin.write(b"word")
    alice.child.stdin.flush()
    tap.true(postern.until(lambda: bob.output == b"word"), bob.errors)
    alice.child.send_signal(signal.SIGHUP)
    alice.child.stdin.close()
    bob.child.stdin.close()
    alice.wait()
    bob.wait()


@tap.test(timeout=240)
def callee_is_killed():
    """the callee vanishes without a word: the caller notices by its silence, and ends with 1"""
    alice, bob = joined(World())
    alice.child.stdin.close()
    bob.child.kill()
    told = alice.wait(client.DEGRADED, seconds=120)
    reason = told["reason"]  # by whichever layer notices first
    tap.true("the way to the peer is gone" in reason or "no longer acknowledges" in reason, alice.errors)
    tap.equal((told["path"], told["why"]), ("direct", "checks passed both ways, until nothing came by it any more"), alice.errors)
    tap.true(told["local"]["type"] != "relay" and told["remote"]["type"] != "relay", str(told))


@tap.test
def keeper_is_interrupted():
    """listen --keep ends with 0 by a signal, in the middle of a call too; its caller with 1"""
    world = World()
    alice, bob = joined(world, "--keep")
    bob.child.send_signal(signal.SIGTERM)
    tap.true("says: it was interrupted" in alice.wait(client.DEGRADED)["reason"], alice.errors)
    tap.equal(bob.child.wait(60), 0, bob.errors)
    tap.true("the call was interrupted" in bob.errors, bob.errors)


@tap.test
def interrupted_before_there_is_a_way():
    """a signal before there is a connection: 9 at both, in words"""
    world = World()
    bob = world.listen()
    bob.child.send_signal(signal.SIGSTOP)
    alice = world.call("--trace")
    alice.wait_for("the service tells bob")
    alice.child.send_signal(signal.SIGINT)
    tap.true("interrupted before a connection" in alice.wait(client.NO_CONNECTION)["reason"], alice.errors)
    bob.child.send_signal(signal.SIGCONT)
    told = bob.wait(client.NO_CONNECTION)
    tap.true("was interrupted before a connection came about" in told["reason"], str(told))


@tap.test
def disk_is_full():
    """what was sent is not delivered when it cannot be written, however well it travelled: 1 at both, with the reason"""
    world = World()
    bob = world.listen(output="/dev/full")
    alice = world.call(input=b"all of it")
    both_say(alice, bob, "says: standard output cannot be written: No space left on device",
             "standard output cannot be written: No space left on device")


@tap.test
def nobody_reads():
    """the reader of standard output leaves: 1 at both, with the reason"""
    world = World()
    bob = world.listen(input=subprocess.PIPE, output=subprocess.PIPE)
    alice = world.call(input=subprocess.PIPE)
    alice.child.stdin.write(b"word")
    alice.child.stdin.flush()
    tap.equal(bob.child.stdout.read1(), b"word")
    bob.child.stdout.close()
    alice.child.stdin.write(b"more")
    alice.child.stdin.flush()
    both_say(alice, bob, "says: nobody reads standard output any more", "nobody reads standard output any more")


@tap.test
def input_cannot_be_read():
    """an error of reading is not taken for the end of the input: 1 with the reason; it comes before there is a connection"""
    world = World()
    bob = world.listen()
    folder = os.open(world.folder, os.O_RDONLY)
    tap.cleanup(os.close, folder)
    alice = world.call(input=folder)
    both_say(alice, bob, "standard input cannot be read: Is a directory", "gave up before a connection came about",
             second=client.NO_CONNECTION)


@tap.test
def waits_until_all_is_written():
    """the caller does not end before the callee has written all, though its host has had it for long"""
    world = World()
    bob = world.listen(output=subprocess.PIPE)
    data = os.urandom(3 << 20)
    alice = world.call(input=data)
    time.sleep(2)
    tap.true(alice.child.poll() is None, "nobody has read it yet: " + alice.errors)
    tap.equal(len(bob.child.stdout.read()), len(data))
    alice.wait()
    bob.wait()


@tap.test
def callee_dies_before_it_has_written():
    """a callee that is interrupted while its reader sleeps has not delivered: 1 at the caller"""
    world = World()
    bob = world.listen(output=subprocess.PIPE)
    alice = world.call(input=os.urandom(3 << 20))
    tap.true(select.select([bob.child.stdout], [], [], 60)[0], "some of it comes")
    bob.child.send_signal(signal.SIGINT)
    tap.true("it was interrupted" in alice.wait(client.DEGRADED)["reason"], alice.errors)
    bob.wait(client.DEGRADED)


@tap.test(number=SIGNALS)
def forwarder_is_interrupted(number):
    """call -L has no other end than a signal: 0 at both"""
    world = World()
    listener = socket.create_server(("127.0.0.1", 0))
    tap.cleanup(listener.close)
    target = f"127.0.0.1:{listener.getsockname()[1]}"
    bob = world.listen("--allow", target)
    port = postern.free_port()
    alice = world.call("-L", f"{port}:{target}", "--trace")
    alice.wait_for("the data channel stands")
    with socket.create_connection(("127.0.0.1", port), 10):
        with listener.accept()[0] as connection:
            alice.child.send_signal(number)
            alice.wait()
            connection.settimeout(30)
            tap.equal(connection.recv(1), b"")
    bob.wait()


@tap.test
def forwarding_listener_is_interrupted():
    """when the listener ends, a caller with -L ends with 1 and says why"""
    world = World()
    target = f"127.0.0.1:{postern.free_port()}"
    bob = world.listen("--allow", target)
    alice = world.call("-L", f"{postern.free_port()}:{target}", "--trace")
    alice.wait_for("the data channel stands")
    bob.child.send_signal(signal.SIGTERM)
    both_say(alice, bob, "says: it was interrupted", "the call was interrupted")


@tap.test
def second_pipe_is_refused():
    """standard input and output are one caller's at a time: the next one hears so, with 1"""
    world = World()
    alice, bob = joined(world, "--keep", "--allow", "127.0.0.1:1")
    second = world.call(input=b"lost")
    tap.true("says: standard input and output are joined with another call" in second.wait(client.DEGRADED)["reason"],
             second.errors)
    alice.child.stdin.close()
    bob.child.stdin.close()
    alice.wait()
    tap.equal(bob.output, b"word")
    bob.end()


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""ICE restarts in the middle of a call: from either side, from both at once, and offers that must not be taken. The other
side is stunclient, or is written out by hand here."""
import hashlib
import os
import re
import signal
import subprocess
import threading
import time

import messages
import tap
from telephone import World

FINGERPRINT = "sha-256 " + ":".join(["5A"] * 32)
OTHER = "sha-256 " + ":".join(["5B"] * 32)
LOOKS = "another way to"
COLLIDE = "both sides offered at once, and ours counts"


# ---- two programs ------------------------------------------------------------------------------------------------------

def feed(pipe, data, seconds):
    """Writes so slowly that it takes about so long."""
    step = max(1, len(data) * 20 // (1000 * int(seconds)))
    for at in range(0, len(data), step):
        pipe.write(data[at:at + step])
        pipe.flush()
        time.sleep(0.02)
    pipe.close()


@tap.test(who=["caller", "callee", "both"], options=[(), ("--relay-only",), ("--lite",)], timeout=120)
def restarts_in_mid_transfer(who, options):
    """SIGUSR1 makes a side look for a way anew: 10 MB each way arrive whole, however often and whoever does it"""
    world = World()
    data = [os.urandom(10_000_000) for _ in range(2)]
    bob = world.listen(*options, input=subprocess.PIPE)
    alice = world.call("--trace", *(() if "--lite" in options else options), input=subprocess.PIPE)
    feeders = [threading.Thread(target=feed, args=(side.child.stdin, what, 3)) for side, what in zip((alice, bob), data)]
    alice.wait_for("the data channel stands")
    bob.wait_for("the data channel stands")
    for feeder in feeders:
        feeder.start()
    sides = {"caller": [alice], "callee": [bob], "both": [alice, bob]}[who]
    for _ in range(4):
        time.sleep(0.6)
        for number in (signal.SIGSTOP, signal.SIGUSR1, signal.SIGCONT):  # so that both do it before they hear the other
            for side in sides:
                side.child.send_signal(number)
    for feeder in feeders:
        feeder.join()
    told = alice.wait(), bob.wait()
    tap.equal(hashlib.sha256(bob.output).digest(), hashlib.sha256(data[0]).digest(), "from alice to bob")
    tap.equal(hashlib.sha256(alice.output).digest(), hashlib.sha256(data[1]).digest(), "from bob to alice")
    for side in sides:
        tap.true(side.errors.count(LOOKS) >= 3, side.errors)
    if who == "both":
        tap.true(COLLIDE in alice.errors, alice.errors)
    tap.true(COLLIDE not in bob.errors, bob.errors)
    for side in (alice, bob):
        tap.equal(side.errors.count(LOOKS) > 0, side in sides, side.errors)
        tap.true("nothing is heard" not in side.errors, side.errors)
    for one in told:
        tap.equal(one["path"], "relay" if "--relay-only" in options else "direct", str(one))


@tap.test(timeout=120)
def a_vanished_peer_is_told_once():
    """the peer vanishes: that nothing is heard is told once, that another way is looked for once, and the end"""
    world = World()
    bob = world.listen(input=subprocess.PIPE)
    alice = world.call("--trace", input=subprocess.PIPE)
    alice.wait_for("the data channel stands")
    time.sleep(2)
    before = len(alice.errors)
    bob.child.kill()
    alice.wait(1, seconds=90)
    told = alice.errors[before:]
    for words, most in (("nothing is heard from bob", 1), (LOOKS, 1), ("no way to bob was found", 1), ("from now on", 1),
                        ("can be reached at", 0), ("a relay takes", 0)):
        tap.true(min(most, 1) <= told.count(words) + (words == "from now on") and told.count(words) <= most, f"{words}: {told}")
    tap.true(len(told.splitlines()) < 16, told)


# ---- the other side by hand ------------------------------------------------------------------------------------------

def sdp(ufrag, fingerprint=FINGERPRINT, version=1, setup="actpass", more=""):
    lines = ["v=0", f"o=- 77 {version} IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=ice-options:trickle",
             "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0", f"a=ice-ufrag:{ufrag}",
             f"a=ice-pwd:{ufrag}{'x' * 22}", f"a=setup:{setup}", "a=mid:0", "a=sctp-port:5000"]
    lines += [f"a=fingerprint:{fingerprint}"] if fingerprint else []
    return "\r\n".join([*lines, *more.split("\n")] if more else lines) + "\r\n"


class Told:
    """What an SDP says."""

    def __init__(self, description):
        self.type, text = description["type"], description["sdp"]
        self.text = text
        for name in ("ice-ufrag", "ice-pwd", "setup", "fingerprint", "mid"):
            found = re.search(rf"^a={name}:(.*)\r$", text, re.MULTILINE)
            setattr(self, name.replace("-", "_"), found[1] if found else None)

    @property
    def credentials(self):
        return self.ice_ufrag, self.ice_pwd


class Hand:
    """The other side of a call with a real stunclient: a session at the service, and nothing behind it."""

    def __init__(self, world, role):
        user, password = ("bob", "builder") if role == "callee" else ("alice", "wonder")
        self.session = messages.connect("tcp", ("127.0.0.1", world.port + 1))
        tap.cleanup(self.session.close)
        if role == "callee":
            self.session.register(user, password)
            self.program = world.call("--trace")
            incoming = self.next("incoming")
            self.call, self.first = incoming["call"], Told(incoming["description"])
            self.send("accept", description={"type": "answer", "sdp": sdp("hand", setup="active")})
        else:
            self.session.register(user, password)
            self.program = world.listen()
            self.session.send({"type": "call", "rid": "7", "to": "bob", "description": {"type": "offer", "sdp": sdp("hand")}})
            self.call = self.next("ok", rid="7")["call"]
            self.first = Told(self.next("accept")["description"])

    def next(self, kind, seconds=10, **members):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.session.receive(end - time.monotonic())
            if message["type"] == "ping":
                self.session.send({"type": "pong"})
            if message["type"] == kind and all(message.get(name) == value for name, value in members.items()):
                return message
        raise AssertionError(f"no {kind}:\n{self.program.errors}")

    def send(self, kind, **members):
        self.session.send({"type": kind, "call": self.call, **members})

    def offer(self, *arguments, **options):
        """What is answered to it: the description."""
        self.send("description", description={"type": "offer", "sdp": sdp(*arguments, **options)})
        return self.next("description")["description"]

    def goes_on(self):
        tap.true(self.program.child.poll() is None, self.program.errors)


@tap.test(role=["callee", "caller"])
def answers_new_offers(role):
    """in mid-call an offer is answered with new credentials, the same again with the same; certificate and roles stay"""
    hand = Hand(World(), role)
    one = Told(hand.offer("handtwo", version=2))
    tap.equal((one.type, one.mid), ("answer", "0"))
    tap.true(one.ice_ufrag != hand.first.ice_ufrag and one.ice_pwd != hand.first.ice_pwd, "new credentials")
    tap.equal(one.fingerprint, hand.first.fingerprint)
    tap.equal(one.setup, "passive" if role == "callee" else hand.first.setup, "the role in DTLS is kept")
    again = Told(hand.offer("handtwo", version=3))
    tap.equal(again.credentials, one.credentials)
    three = Told(hand.offer("handthree", version=4))
    tap.true(three.ice_ufrag not in (one.ice_ufrag, hand.first.ice_ufrag), "new credentials")
    hand.goes_on()


@tap.test(role=["callee", "caller"])
def refuses_another_certificate(role):
    """an offer with another certificate, with none, or without sense is refused in words, and the call goes on"""
    hand = Hand(World(), role)
    for number, options in enumerate(({"fingerprint": OTHER}, {"fingerprint": None},
                                      {"more": f"a=fingerprint:{OTHER}"}, {"more": "m=nonsense"})):
        told = hand.offer(f"other{number}", version=2 + number, **options)
        tap.equal((told["type"], "sdp" in told), ("rollback", False), str(options))
    hand.program.wait_for("names another certificate than the one that the call has; the call goes on")
    hand.program.wait_for("no a=fingerprint")
    tap.equal(hand.program.errors.count("is not taken"), 4, hand.program.errors)
    good = Told(hand.offer("handnine", version=9))
    tap.equal(good.type, "answer")
    hand.goes_on()


@tap.test
def refusals_are_told_without_trace():
    """who does not trace is told of a refused description as well"""
    world = World()
    hand = Hand.__new__(Hand)
    hand.session = messages.connect("tcp", ("127.0.0.1", world.port + 1))
    tap.cleanup(hand.session.close)
    hand.session.register("bob", "builder")
    hand.program = world.call()
    incoming = hand.next("incoming")
    hand.call = incoming["call"]
    hand.send("accept", description={"type": "answer", "sdp": sdp("hand", setup="active")})
    tap.equal(hand.offer("two", OTHER)["type"], "rollback")
    hand.program.wait_for("stunclient: a new description of bob is not taken")
    hand.goes_on()


@tap.test
def the_caller_does_not_yield():
    """an offer of the callee while the caller's waits for its answer is not used: the answer is"""
    world = World()
    session = messages.connect("tcp", ("127.0.0.1", world.port + 1))
    tap.cleanup(session.close)
    session.register("bob", "builder")
    hand = Hand.__new__(Hand)
    hand.session, hand.program = session, world.call("--trace")
    incoming = hand.next("incoming")
    hand.call, hand.first = incoming["call"], Told(incoming["description"])
    hand.send("description", description={"type": "offer", "sdp": sdp("crossing")})
    hand.program.wait_for(COLLIDE)
    hand.send("accept", description={"type": "answer", "sdp": sdp("hand", setup="active")})
    hand.program.wait_for("bob takes the call")
    tap.equal(Told(hand.offer("handtwo", version=2)).type, "answer")
    hand.send("description", description={"type": "answer", "sdp": sdp("stray")})
    hand.program.wait_for("it answers no offer of ours")
    hand.goes_on()


tap.main()

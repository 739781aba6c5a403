# SPDX-License-Identifier: BSD-3-Clause
"""./dev demo: Alice calls Bob, each behind a stateful firewall that does not translate, and the three
steps of the story stand beside the packets as both firewalls saw them. Ends with 1 when the story
does not hold."""
import os
import random
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "lib"))

import lab

lab.isolate(lambda reason: sys.exit(f"The demonstration needs network namespaces: {reason}"))
import calls
import capture
import nats

MILLISECONDS = 10  # one way, of each of the three links
ALICE, BOB = "192.0.2.66", "203.0.113.66"


class StoryBroken(Exception):
    pass


def need(condition, what):
    if not condition:
        raise StoryBroken(what)


def say(line=""):
    print(line, flush=True)


def drawing(port):
    say(f"""
    alice {ALICE:<14} --- firewall A ---+        +--- firewall B --- {BOB} bob
                                           |        |
                                      server 198.51.100.10
                            turnserver: rendezvous at {port}, STUN and TURN at {calls.PORT}

    Each firewall lets an inbound UDP packet pass only where an outbound one has gone before.
    Each of the three links takes {MILLISECONDS} ms one way.
""")


class Story:
    """What one firewall saw between the two peers' addresses."""

    def __init__(self, name, inside, packets):
        self.name, self.inside = name, inside
        between = [one for one in packets if {one.source[0], one.target[0]} == {ALICE, BOB}]
        self.inbound = [one for one in between if one.interface == "wan" and not one.outgoing]
        self.outbound = [one for one in between if one.interface == "wan" and one.outgoing]
        self.let_in = [one for one in packets if one.interface == "lan" and one.outgoing]
        came = [one for one in packets if one.interface == "wan" and not one.outgoing]
        self.through = self.pair(came)
        self.all_dropped = [one for one in came if not self.passed(one)]

    def pair(self, came):
        """Of the packets that came to the outside those that went on inside. The same may come twice: what goes on
        is the last that has come by then."""
        left, through = list(came), set()
        for inner in self.let_in:
            outer = [one for one in left if one.key == inner.key and one.what == inner.what
                     and one.source == inner.source and 0 <= inner.time - one.time < 0.5]
            if outer:
                left.remove(outer[-1])
                through.add(id(outer[-1]))
        return through

    def passed(self, packet):
        return id(packet) in self.through

    @property
    def dropped(self):
        return [one for one in self.inbound if not self.passed(one)]


def counted(box):
    """What the firewall's own counter says it dropped of inbound UDP."""
    words = box.run("nft", "list", "counter", "inet", "filter", "dropped_udp").split()
    return int(words[words.index("packets") + 1])


def need_counted(letter, drops, story, line=None):
    seen = len(story.all_dropped)
    need(drops == seen, f"firewall {letter} counted {drops} drops, {seen} were captured")
    relayed = seen - len(story.dropped)
    if line:
        say(line)
    say(f"               firewall {letter} counts {drops} dropped, as many as were captured outside and not inside"
        + (f" ({relayed} of them from relays)" if relayed else ""))


def send_unasked(target):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a stranger's packet", target)


def try_strangers(net):
    """Each sends the other a packet that nobody has asked for; returns what both firewalls counted."""
    say("0. Without a call, each firewall discards what comes from the other side.")
    for letter, box, host, source, target in (("B", net.nat_b, net.alice, ALICE, BOB),
                                              ("A", net.nat_a, net.bob, BOB, ALICE)):
        with capture.Capture(box, "wan", "lan") as tap:
            host.call(send_unasked, (target, random.randrange(30000, 60000)))
            until = time.monotonic() + 10
            while not counted(box) and time.monotonic() < until:
                time.sleep(0.02)
            story = Story(letter, target, tap.packets())
        came = [one for one in story.inbound if one.source[0] == source]
        need(came, f"a packet from {source} did not come to firewall {letter}")
        need(not story.let_in, f"firewall {letter} let a packet in that nobody had asked for")
        need_counted(letter, counted(box), story, f"   {came[0]}: DROPPED by firewall {letter}")
    say()
    return counted(net.nat_a), counted(net.nat_b)


def at(began, one):
    return f"{(one.time - began) * 1000:7.1f} ms"


def tell(net, before, listener, caller, story_a, story_b):
    began = caller.began
    say("1. The service gives Bob Alice's address; Bob sends a packet there. Alice's firewall discards it,")
    say("   but Bob's firewall now lets in what comes from Alice.")
    bobs = [one for one in story_b.outbound if one.what == "ICE check"]
    need(bobs, "no check of Bob's left his firewall")
    first = bobs[0]
    say(f"   {at(began, first)}  {first}: left through firewall B")
    arrived = [one for one in story_a.inbound if one.key == first.key]
    if arrived:
        need(not story_a.passed(arrived[0]), "Alice's firewall let Bob's first packet in")
        say(f"   {at(began, arrived[0])}  {arrived[0]}: DROPPED by firewall A")
    drops = counted(net.nat_a) - before[0]
    need(story_a.dropped, "no packet of Bob's was seen to be dropped by Alice's firewall")
    need_counted("A", drops, story_a)
    say()
    say("2. The service gives Alice Bob's address. Alice's packet goes through the hole; Bob's phone rings.")
    alices = [one for one in story_a.outbound if one.what == "ICE check"]
    need(alices, "no check of Alice's left her firewall")
    through = next((one for one in story_b.inbound if one.what == "ICE check" and story_b.passed(one)), None)
    need(through, "no check of Alice's passed Bob's firewall")
    need(first.time < through.time, "Bob's opener came after Alice's check")
    need(story_a.dropped[0].time < story_a.outbound[0].time + 0.2, "the drop came long after Alice's first packet")
    left = next(one for one in alices if one.key == through.key)
    say(f"   {at(began, left)}  {left}: left through firewall A")
    say(f"   {at(began, through)}  {through}: PASSED firewall B, through the hole")
    drops = counted(net.nat_b) - before[1]
    need_counted("B", drops, story_b)
    say()
    say("3. From then on they exchange data directly.")
    firsts = []
    for story, word in ((story_b, "into B"), (story_a, "into A")):
        data = [one for one in story.let_in if one.what == "DTLS" and one.source[0] in (ALICE, BOB)]
        need(data, f"no DTLS went {word}")
        firsts.append((data[0].time, f"   {at(began, data[0])}  {data[0]}: the first of {len(data)} {word}"))
    for _, line in sorted(firsts):
        say(line)
    need(caller.report["path"] == "direct" and listener.report["path"] == "direct", "the path was not direct")


def trace(program, name, began):
    say(f"\n--- what {name} said (--trace)")
    for when, line in program.errors:
        say(f"   {(when - began) * 1000:7.1f} ms  {line}")


def play(port):
    drawing(port)
    text = calls.server_text(port)
    delays = {"a": MILLISECONDS, "b": MILLISECONDS, "server": MILLISECONDS}
    there, back = b"Mr. Watson, come here.\n" * 40, b"I heard every word.\n" * 40
    with lab.Lab(nats.FIREWALL, nats.FIREWALL, delays=delays, ipv6=False) as net, \
            calls.postern.Server(text, prefix=net.server.prefix) as server:
        before = try_strangers(net)
        with capture.Capture(net.nat_a, "wan", "lan") as tap_a, capture.Capture(net.nat_b, "wan", "lan") as tap_b:
            uri = f"tcp://{lab.SERVER[0]}:{port}"
            listener = calls.Program(net.bob, "listen", "bob", ("--trace",), uri, back, "bob")
            need(listener.ready(), f"bob is not registered:\n{listener.stderr}")
            caller = calls.Program(net.alice, "call", "alice", ("--trace",), uri, there, "bob")
            statuses = caller.wait(30), listener.wait(30)
            story_a, story_b = Story("A", ALICE, tap_a.packets()), Story("B", BOB, tap_b.packets())
        try:
            need(statuses == (0, 0), f"call and listen ended with {statuses}")
            tell(net, before, listener, caller, story_a, story_b)
        finally:
            trace(listener, "bob", caller.began)
            trace(caller, "alice", caller.began)
        need((caller.received, listener.received) == (len(back), len(there)), "what arrived is not what was sent")
        report = caller.report
        say(f"\ndirect in {report['ms_to_first_data']} ms, round trip {report['rtt_ms']} ms: "
            f"{len(there)} bytes there, {len(back)} bytes back, all intact")
        del server


def main():
    try:
        play(random.randrange(20000, 30000))
    except (StoryBroken, AssertionError) as broken:
        say(f"\nThe story does not hold: {broken}")
        sys.exit(1)
    say("The story holds.")


main()

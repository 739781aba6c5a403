# SPDX-License-Identifier: BSD-3-Clause
"""Our DTLS, SCTP and data channel with aiortc's, over plain UDP on loopback: both DTLS roles, both directions, judged
by the hash that each end makes of what it received."""
import hashlib

from data_ends import AIORTC as THEIRS, OURS, End, has_aiortc, introduce, pattern
import tap

SIZE = 1_000_000

if not OURS[0].exists():
    tap.skip_all("this build is without libusrsctp")
if not has_aiortc():
    tap.skip_all("aiortc is not installed: ./dev deps peers")


def check(sender, echo):
    digest = hashlib.sha256(pattern(SIZE)).hexdigest()
    # The sender closes in order when all has come back, so it is asked first.
    back, there = sender.report(), echo.report()
    tap.equal((there["received"], there["sha256"]), (SIZE, digest), "what arrived")
    tap.equal((back["received"], back["sha256"]), (SIZE, digest), "what came back")
    tap.true(back["ok"], f"the sender's end: {back['text']}")
    tap.true(there["ok"], f"the echo's end: {there['text']}")


@tap.test(timeout=120, role=["client", "server"], sender=["ours", "theirs"])
def echo(role, sender):
    """1 MB is echoed; `role` is our end's in DTLS"""
    verbs = ("send", "echo") if sender == "ours" else ("echo", "send")
    ours = End(OURS, role, verbs[0], SIZE)
    theirs = End(THEIRS, "server" if role == "client" else "client", verbs[1], SIZE)
    introduce(ours, theirs)
    check(*((ours, theirs) if sender == "ours" else (theirs, ours)))


@tap.test(timeout=120, sender=["ours", "theirs"])
def loss(sender):
    """300 kB are echoed although 3% of the datagrams are lost"""
    global SIZE
    whole, SIZE = SIZE, 300_000
    try:
        verbs = ("send", "echo") if sender == "ours" else ("echo", "send")
        ours, theirs = End(OURS, "client", verbs[0], SIZE), End(THEIRS, "server", verbs[1], SIZE)
        way = introduce(ours, theirs, percent=3)
        check(*((ours, theirs) if sender == "ours" else (theirs, ours)))
        tap.true(way.lost > 0, "something was lost")
    finally:
        SIZE = whole


@tap.test(role=["client", "server"])
def stranger(role):
    """A certificate that is not the one of the description: no data, and the reason in words"""
    ours = End(OURS, role, "receive", SIZE)
    theirs = End(THEIRS, "server" if role == "client" else "client", "send", SIZE)
    ours.meet(theirs.port, ours.fingerprint)  # not theirs
    theirs.meet(ours.port, ours.fingerprint)
    report = ours.report()
    tap.true(not report["ok"] and "fingerprint differs" in report["text"], report["text"])
    tap.equal(report["received"], 0)


tap.main()

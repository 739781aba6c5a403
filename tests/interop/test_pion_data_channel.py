# SPDX-License-Identifier: BSD-3-Clause
"""Our DTLS, SCTP and data channel with pion's, over plain UDP on loopback: both DTLS roles, both directions."""
import hashlib

from data_ends import OURS, End, build_pion, introduce, pattern
import tap

SIZE = 3_000_000  # whole messages of 30,000 bytes: pion's program sends no others
MESSAGE = "message=30000"

if not OURS[0].exists():
    tap.skip_all("this build is without libusrsctp")
THEIRS = build_pion()
if THEIRS is None:
    tap.skip_all("pion is not installed: ./dev deps peers")


@tap.test(role=["client", "server"])
def receive(role):
    """3 MB from pion; `role` is our end's in DTLS"""
    ours = End(OURS, role, "receive", SIZE, MESSAGE)
    theirs = End(THEIRS, "server" if role == "client" else "client", "send", SIZE, MESSAGE)
    introduce(ours, theirs)
    report = ours.report()
    tap.true(report["ok"], report["text"])
    tap.equal((report["received"], report["sha256"]), (SIZE, hashlib.sha256(bytes(SIZE)).hexdigest()))


@tap.test(role=["client", "server"])
def send(role):
    """3 MB to pion; `role` is our end's in DTLS"""
    ours = End(OURS, role, "send", SIZE, MESSAGE)
    theirs = End(THEIRS, "server" if role == "client" else "client", "receive", SIZE, MESSAGE)
    introduce(ours, theirs)
    report, there = ours.report(), theirs.report()
    tap.true(report["ok"], report["text"])
    tap.equal((there["received"], there["sha256"]), (SIZE, hashlib.sha256(pattern(SIZE)).hexdigest()))


tap.main()

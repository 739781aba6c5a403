# SPDX-License-Identifier: BSD-3-Clause
"""Other whole stacks call `stunclient listen`, and are called by `stunclient call`, through our rendezvous service: aiortc
(aioice), GStreamer's webrtcbin (libnice) and pion, with our end full and lite, 1 MB there and back by hash."""
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "natlab"))

import go_program
import lab
import postern
import tap

lab.isolate()
import calls
import foreign_call

here = pathlib.Path(__file__).resolve().parent
SIZE = 1 << 20
PYTHON = "/usr/bin/python3"  # the modules are Debian's


def python_peer(script, modules):
    if subprocess.run([PYTHON, "-c", modules], capture_output=True).returncode != 0:
        return None
    return [PYTHON, "-B", here / script]


def pion_peer():
    built = go_program.build("pion_call", "webrtc")
    return built and [built]


_library = []


def nice_options(text):
    """An environment in which libnice's agents have other options: webrtcbin offers no choice."""
    if not _library:
        tools = shutil.which("pkg-config") and shutil.which("cc")
        found = tools and subprocess.run(["pkg-config", "--cflags", "nice"], capture_output=True, text=True)
        if not found or found.returncode != 0:
            tap.skip("libnice is not there to build with: ./dev deps peers")
        library = "/run/nice_options.so"  # the lab's own, gone with it
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", library, here / "nice_options.c",
                        *shlex.split(found.stdout), "-ldl"], check=True)
        _library.append(library)
    return {"LD_PRELOAD": _library[0], "NICE_OPTIONS": text}


FIND = {
    "aiortc": lambda: python_peer("aiortc_call.py", "import aiortc"),
    "webrtcbin": lambda: python_peer("webrtcbin_call.py", "import gi; gi.require_version('GstWebRTC', '1.0')"),
    "pion": pion_peer,
}
_found = {}


def program(stack):
    if stack not in _found:
        _found[stack] = FIND[stack]()
    if _found[stack] is None:
        tap.skip(f"{stack} is not installed: ./dev deps peers")
    return _found[stack]


def stranger(stack, box, user, to=None, **task):
    return foreign_call.Stranger(box, program(stack), user, to, SIZE, **task)


def they_call(net, stack, options=(), **task):
    """Bob's stack calls Alice's `listen`, which echoes. Returns the report of ours."""
    listener = calls.Program(net.alice, "listen", "alice", ("--trace", *options), name="alice", echo=True)
    tap.cleanup(listener.stop)
    tap.true(listener.ready(), f"it listens: {listener.stderr}")
    caller = stranger(stack, net.bob, "bob", "alice", **task)
    try:
        told = caller.wait()
        tap.equal((told["received"], told["sha256"]), (SIZE, told["sent"]), "the echo")
        # Who closes the channel in the place of an end by an empty message leaves the listener's input open.
        tap.equal((listener.wait(), listener.received), (stack == "webrtcbin", SIZE), "status and bytes")
    except AssertionError as problem:
        raise AssertionError(f"{problem}\n{listener.stderr}\n{caller}") from None
    return {**listener.report, "said": listener.stderr}


def we_call(net, stack, options=(), **task):
    """Alice's `call` reaches Bob's stack, which echoes."""
    called = stranger(stack, net.bob, "bob", **task)
    data = os.urandom(SIZE)
    digest = hashlib.sha256(data).hexdigest()
    caller = calls.Program(net.alice, "call", "alice", ("--trace", *options), feed=data)
    tap.cleanup(caller.stop)
    try:
        tap.equal(caller.wait(), 0, "the status")
        told = called.wait()
        tap.equal((told["received"], told["sha256"]), (SIZE, digest), "what the other stack got")
        tap.equal((caller.received, caller.digest.hexdigest()), (SIZE, digest), "the echo")
    except AssertionError as problem:
        raise AssertionError(f"{problem}\n{caller.stderr}\n{called}") from None
    return {**caller.report, "said": caller.stderr}


WAYS = {"they call": they_call, "we call": we_call}
CASES = {"way": list(WAYS), "mode": ["full", "lite"], "trickle": [True, False]}


def made(alice="open", bob="open"):
    return calls.make(calls.BY_NAME[alice], calls.BY_NAME[bob], ipv6=False)


def meet(stack, way, mode, net=None, **task):
    """A call in which our end, of whichever mode, is Alice's. The path is direct, but where aioice may choose: when it
    controls, it nominates every pair, and sends by the last that was answered, which may be a relay's."""
    chooses = stack == "aiortc" and (way == "they call" or "conflict" in task)
    report = WAYS[way](net or made(), stack, ["--lite"] * (mode == "lite"), **task)
    tap.true(report["path"] in (["direct", "relay"] if chooses else ["direct"]), f"the path: {report}\n{report['said']}")
    tap.diag(f"first data after {report['ms_to_first_data']:.0f} ms, {report['local']['type']} to {report['remote']['type']}")
    return report


@tap.test(**CASES)
def aiortc(way, mode, trickle):
    """aiortc, that is aioice"""
    meet("aiortc", way, mode, trickle=trickle)


@tap.test(**CASES)
def webrtcbin(way, mode, trickle):
    """webrtcbin, that is libnice, with regular nomination"""
    meet("webrtcbin", way, mode, trickle=trickle)


@tap.test(timeout=300, **CASES)
def pion(way, mode, trickle):
    """pion"""
    meet("pion", way, mode, trickle=trickle)


@tap.test(timeout=300, stack=list(FIND))
def symmetric(stack):
    """listen --lite on a public address is called from behind a symmetric NAT"""
    report = meet(stack, "they call", "lite", made(bob="symmetric"))
    expected = ["prflx", "relay"] if stack == "aiortc" else ["prflx"]
    tap.true(report["remote"]["type"] in expected, f"what the NAT made of its port: {report['remote']}")


@tap.test(way=list(WAYS), mode=["full", "lite"])
def aggressive(way, mode):
    """webrtcbin with libnice's aggressive nomination"""
    meet("webrtcbin", way, mode, env=nice_options("aggressive"))


@tap.test
def libnice_lite():
    """webrtcbin is called with a lite agent of libnice (as a caller it would be controlling)"""
    meet("webrtcbin", "we call", "full", lite=True, env=nice_options("lite"))


@tap.test(way=list(WAYS), timeout=300)
def pion_lite(way):
    """pion with a lite agent"""
    meet("pion", way, "full", lite=True)


@tap.test(timeout=300)
def both_lite():
    """a lite agent of pion calls listen --lite: one of both checks after all"""
    meet("pion", "they call", "lite", lite=True)


@tap.test(timeout=120, who=["aiortc, they call", "aiortc, we call", "webrtcbin, we call"])
def conflict(who):
    """both ends take the same role"""
    stack, way = who.split(", ")
    # The tie is broken by chance. When we give in, which says so, both have wanted the same.
    net = made()
    tap.true(any("wanted the same role" in meet(stack, way, "full", net, conflict=True)["said"] for _ in range(10)),
             "a call in which our role has changed")


tap.main()

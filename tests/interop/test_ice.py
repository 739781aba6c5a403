# SPDX-License-Identifier: BSD-3-Clause
"""Our ICE agent against those of others on loopback, each as caller and callee, full and lite, data both ways."""
import os
import pathlib
import shutil
import subprocess
import threading
import time

import go_program
import postern
import tap

here = pathlib.Path(__file__).resolve().parent
OURS = postern.build / "tests/interop/ice_peer"
FORMS = ("credentials ", "candidate:", "end")


class Agent:
    """A program that speaks the lines of ice_peer.c; `told` is what it says of itself."""

    def __init__(self, command):
        self.lines, self.peer = [], None
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1)
        self.errors = []
        self.description, self.complete = [], threading.Event()
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()
        tap.cleanup(self.end)

    def _read(self):
        for line in self.process.stdout:
            line = line.strip()
            if line.startswith(FORMS):
                self.description.append(line)
                if line == "end":
                    self.complete.set()
            else:
                self.lines.append(line)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    def learn(self, description):
        self.process.stdin.write("\n".join(description) + "\n")
        self.process.stdin.flush()

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(10)
        for reader in self.readers:
            reader.join(5)
        return status

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


def wait_for(what, condition, agents, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: " + " | ".join(f"{a.lines} {a.errors} {a.description}" for a in agents))
        time.sleep(0.005)


def call(ours, theirs, name, caller, again=0.5):
    """The caller's description reaches the callee first, as in a call. Returns how long ours took to connect."""
    us, them = Agent([OURS, *ours]), Agent(theirs)
    both = (us, them)
    for agent in both:
        wait_for("gathering", agent.complete.is_set, both)
    first, second = (us, them) if caller == "postern" else (them, us)
    begin = time.monotonic()
    second.learn(first.description)
    time.sleep(0.05)
    first.learn(second.description)
    wait_for("connected", lambda: any(line.startswith("connected") for line in us.lines), both)
    took = time.monotonic() - begin
    wait_for("our data at the peer", lambda: "data hello from postern" in them.lines, both)
    wait_for("the peer's data at ours", lambda: f"data hello from {name}" in us.lines, both)
    # And it stays so.
    us.lines.clear(), them.lines.clear()
    time.sleep(again)
    for agent, text in ((us, f"data hello from {name}"), (them, "data hello from postern")):
        tap.true(agent.lines.count(text) >= 5 * again, f"data go on: {agent.lines}")
        tap.true(not {"failed", "disconnected"} & set(agent.lines), f"no failure: {agent.lines}")
    tap.equal(us.close(), 0, "our exit status")
    tap.true(not postern.SANITIZER.search("\n".join(us.errors)), f"no sanitizer speaks: {us.errors}")
    them.close()
    tap.diag(f"connected in {1000 * took:.0f} ms, of which the test waits 50")


def roles(caller, conflict=False):
    """The arguments for us and for them: the caller is controlling, unless both take the same role."""
    ours = "controlling" if caller == "postern" else "controlled"
    theirs = "controlled" if caller == "postern" else "controlling"
    return (ours, ours) if conflict else (ours, theirs)


CALLERS = ["postern", "peer"]


def python_with_aioice():
    for python in ("/usr/bin/python3", shutil.which("python3")):
        if python and os.path.exists(python) and subprocess.run(
                [python, "-c", "import aioice"], capture_output=True).returncode == 0:
            return python
    tap.skip("aioice is not installed: ./dev deps peers")


def nice_peer():
    program = postern.build / "tests/interop/nice_peer"
    if not program.exists():
        tap.skip("built without libnice: ./dev deps peers, then configure again")
    return program


_built = []


def pion_peer():
    if not _built:
        _built.append(go_program.build("pion_peer", "ice"))
    if _built[0] is None:
        tap.skip("pion/ice and Go are not installed: ./dev deps peers")
    return _built[0]


@tap.test(caller=CALLERS, case=["full", "lite", "conflict"])
def aioice(caller, case):
    """aioice"""
    lite = case == "lite"
    ours, theirs = roles(caller, case == "conflict")
    if lite:
        ours, theirs = "controlled", "controlling"
    call([ours] + ["lite"] * lite, [python_with_aioice(), here / "aioice_peer.py", theirs], "aioice", caller)


@tap.test(caller=CALLERS, lite=["neither", "postern", "peer"], nomination=["regular", "aggressive"])
def libnice(caller, lite, nomination):
    """libnice"""
    ours, theirs = roles(caller)
    if lite == "postern":
        ours, theirs = "controlled", "controlling"
    if lite == "peer":
        ours, theirs = "controlling", "controlled"
    call([ours] + ["lite"] * (lite == "postern"),
         [nice_peer(), theirs] + ["lite"] * (lite == "peer") + ["aggressive"] * (nomination == "aggressive"),
         "libnice", caller)


@tap.test(caller=CALLERS)
def libnice_conflict(caller):
    """libnice, both with one role"""
    ours, theirs = roles(caller, conflict=True)
    call([ours], [nice_peer(), theirs], "libnice", caller)


@tap.test(caller=CALLERS, lite=["neither", "postern", "peer"], timeout=180)
def pion(caller, lite):
    """pion"""
    ours, theirs = roles(caller)
    if lite == "postern":
        ours, theirs = "controlled", "controlling"
    if lite == "peer":
        ours, theirs = "controlling", "controlled"
    call([ours] + ["lite"] * (lite == "postern"), [pion_peer(), theirs] + ["lite"] * (lite == "peer"), "pion", caller)


@tap.test(caller=CALLERS, lite=["neither", "caller", "callee", "both"])
def ourselves(caller, lite):
    """postern, as a control"""
    mine, other = roles(caller)
    mine_lite = lite == "both" or (lite == "caller") == (caller == "postern") and lite != "neither"
    other_lite = lite == "both" or (not mine_lite and lite != "neither")
    call([mine] + ["lite"] * mine_lite, [OURS, other] + ["lite"] * other_lite, "postern", caller)


tap.main()

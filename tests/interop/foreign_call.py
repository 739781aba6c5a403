# SPDX-License-Identifier: BSD-3-Clause
"""Leads the programs of other stacks (call_task.py) through our rendezvous service, as a browser's page would: they
know nothing of it but descriptions and candidates."""
import ctypes
import json
import os
import subprocess
import threading

import calls
import lab
import messages
import postern
import tap


def talk_from(box):
    """A connection to the service from inside a box: a thread may live in another network."""
    made = []

    def connect():
        with open(f"/run/netns/{box.name}", "rb") as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), lab.CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns to {box.name}")
        made.append(messages.connect("tcp", (lab.SERVER[0], calls.RENDEZVOUS_PORT)))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    return made[0]


def of_use(servers):
    """IPv4 and UDP: aiortc does not know other addresses in URIs, and pion asks all of them for its address by UDP,
    which takes five seconds where nothing answers."""
    left = [{**one, "urls": [url for url in one["urls"] if "[" not in url and "tcp" not in url]} for one in servers]
    return [one for one in left if one["urls"]]


class Stranger:
    """Another stack's program in a box, registered as `user`; it calls `to`, or is called.

    `trickle`: candidates one by one, in both directions; without it the other side's are withheld but for those of its
    description, as from a stack that does not know better."""

    def __init__(self, box, command, user, to=None, size=1 << 20, trickle=True, env=None, **more):
        self.to, self.trickle, self.call, self.accepted, self.unsent = to, trickle, None, False, []
        self.notes, self.errors, self.result = [], [], None
        self.lock = threading.Lock()
        self.process = subprocess.Popen([*box.prefix, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, bufsize=1, env={**os.environ, **(env or {})})
        tap.cleanup(self.stop)
        self.talk = talk_from(box)
        registered = self.talk.register(user, calls.PASSWORDS[user])
        self._lead({"caller": to is not None, "bytes": size, "lite": False, "conflict": False, "trickle": trickle,
                    "iceServers": of_use(registered["iceServers"]), **more})
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self._read_program, self._read_errors, self._read_service)]
        for thread in self.threads:
            thread.start()

    def _lead(self, message):
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
        except (BrokenPipeError, ValueError):
            pass  # it has ended

    def _tell_service(self, message):
        with self.lock:
            self.talk.send(message)

    def _say(self, message):
        """To the other side, once there is a call."""
        with self.lock:
            if self.call is None:
                self.unsent.append(message)
            else:
                self.talk.send({**message, "call": self.call})

    def _named(self, call):
        with self.lock:
            self.call = call
            for message in self.unsent:
                self.talk.send({**message, "call": call})
            self.unsent = []

    def _read_program(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "description" in told and told["description"]["type"] == "offer":
                self._tell_service({"type": "call", "rid": "call", "to": self.to, "description": told["description"]})
            elif "description" in told:
                self._say({"type": "description" if self.accepted else "accept", "description": told["description"]})
                self.accepted = True
            elif "candidate" in told:
                self._say({"type": "candidate", "candidate": told["candidate"]})
            elif "result" in told:
                self.result = told["result"]
            else:
                self.notes.append(told["note"])

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    def _read_service(self):
        try:
            while True:
                self._hear(self.talk.receive(120))
        except (messages.Closed, OSError):
            pass

    def _hear(self, message):
        kind = message["type"]
        if kind == "ping":
            self._tell_service({"type": "pong"})
        elif kind == "ok" and "call" in message or kind == "incoming":
            self._named(message["call"])
        elif kind == "candidate" and self.trickle:
            self._lead({"candidate": message["candidate"]})
        elif kind in ("bye", "reject", "error"):
            self.notes.append(f"the service says {message}")
        if message.get("description"):
            self._lead({"description": message["description"]})

    def wait(self, seconds=30):
        """What it says in the end; it has ended then."""
        postern.until(lambda: self.result or self.process.poll() is not None, seconds)
        tap.true(self.result, "a result of the other stack")
        return self.result

    def hang_up(self):
        if self.call is not None:
            self._say({"type": "bye", "reason": "done"})

    def __str__(self):
        for thread in self.threads[:2]:
            thread.join(1)
        return "\n".join([f"the other stack, which {'runs' if self.process.poll() is None else 'has ended'}:",
                          *self.notes, *self.errors])

    def stop(self):
        self.talk.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

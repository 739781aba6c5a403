# SPDX-License-Identifier: BSD-3-Clause
"""What programs of other stacks do in a call, and the JSON lines by which foreign_call.py leads them.

On standard input: first the task {caller, lite, trickle, bytes, iceServers, ...}; then, as the other side says them,
{description} and {candidate}, the browser's dictionaries. Its end hangs up. On standard output the same of our side,
{note: what happened}, and once {result: {received, sha256, sent}}.

The caller opens a data channel and sends random bytes and an empty message, the end of its direction. The one who is
called sends all back. The result is there when both directions have ended; then the caller closes the channel.
"""
import hashlib
import json
import os
import sys

CHUNK = 16384


def tell(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def read_task():
    """Takes no byte of the next line: others read that."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1)
    return json.loads(line)


class Talk:
    """One end of the data channel: `send` sends one message. A stack that cannot send empty ones does not, and closes."""

    def __init__(self, task, send, empties=True):
        self.caller, self.bytes, self.send, self.empties = task["caller"], task["bytes"], send, empties
        self.digest, self.received, self.sent, self.ended = hashlib.sha256(), 0, "", False

    def opened(self):
        tell(note="open")
        if self.caller:
            data = os.urandom(self.bytes)
            self.sent = hashlib.sha256(data).hexdigest()
            for at in range(0, self.bytes, CHUNK):
                self.send(data[at:at + CHUNK])
            if self.empties:
                self.send(b"")

    def message(self, data):
        """Whether both directions have ended, and it is for us to close the channel."""
        self.received += len(data)
        self.digest.update(data)
        if not self.caller and (data or self.empties):
            self.send(data)
        over = not data or self.caller and not self.empties and self.received == self.bytes
        if over and not self.ended:
            self.ended = True
            tell(result={"received": self.received, "sha256": self.digest.hexdigest(), "sent": self.sent})
        return self.ended and (self.caller or not self.empties)

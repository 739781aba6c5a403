# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of stunclient share: runs whose JSON is held to its schema, and servers that do
what no good server does."""
import json
import select
import socket
import struct
import threading
import time

import json_schema
import postern
import stunwire as stun
import tap

DOCS = postern.source / "docs"
(OK, DEGRADED, USAGE, NAME, NO_REPLY, TLS, AUTHENTICATION, REFUSED, INCONCLUSIVE, NO_CONNECTION,
 IDENTITY) = range(11)
# In a test's own environment nothing of the user's.
CLEAN = {"POSTERN_USER": "", "POSTERN_PASSWORD": "", "POSTERN_SECRET": ""}


def schema(verb):
    return json.loads((DOCS / f"stunclient-{verb}.schema.json").read_text())


def check(result, status):
    """One JSON object on stdout that follows its schema, nothing on stderr, and the status."""
    told = json.loads(result.out)
    tap.equal(result.out.count("\n"), 1, "lines of JSON")
    name, _, version = told["schema"].partition("/")
    tap.equal(version, "1", "version of the schema")
    json_schema.validate(told, schema(name.rpartition(".")[2]))
    tap.equal(told["exit_status"], result.status, "exit_status in JSON")
    tap.equal(result.status, status, str(result))
    tap.equal((told["error"] is None), status == OK, f"error: {told['error']}")
    return told


def run_json(*arguments, status=OK, **options):
    """stunclient --json ...; the object."""
    result = postern.client("--json", *arguments, **options)
    tap.equal(result.err, "", "standard error")
    return check(result, status)


def run(*arguments, status=OK, **options):
    """stunclient ...; the result."""
    result = postern.client(*arguments, **options)
    tap.equal(result.status, status, str(result))
    return result


def timed(function, *arguments, **options):
    began = time.monotonic()
    result = function(*arguments, **options)
    return result, time.monotonic() - began


# ---- odd servers --------------------------------------------------------------------------------


class Odd:
    """A UDP server in a thread. `answer(server, data, source)` yields bytes for `source`, or (bytes,
    socket) to send them from elsewhere. `received` counts what came."""

    def __init__(self, answer, address="127.0.0.1", port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.port = self.socket.getsockname()[1]
        self.address = address
        self.answer, self.ended, self.received = answer, False, 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        tap.cleanup(self.close)

    @property
    def name(self):
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def _serve(self):
        while not self.ended:
            if not select.select([self.socket], [], [], 0.05)[0]:
                continue
            data, source = self.socket.recvfrom(4096)
            self.received += 1
            for reply in self.answer(self, data, source) or ():
                reply, way = reply if isinstance(reply, tuple) else (reply, self.socket)
                way.sendto(reply, source)

    def close(self):
        self.ended = True
        self.thread.join()
        self.socket.close()


def binding(data, source, mapped=None, attributes=(), klass=stun.SUCCESS, transaction=None, **more):
    """The answer to a Binding request; everything may be changed."""
    request = stun.parse(data)
    transaction = transaction or request.transaction
    if klass == stun.SUCCESS:
        attributes = [(stun.XOR_MAPPED_ADDRESS, stun.pack_address(mapped or source[:2], transaction)), *attributes]
    return stun.build(request.method, klass, attributes, transaction, **more)


class OddTcp:
    """A TCP server in a thread; `talk(connection)` has each connection for itself."""

    def __init__(self, talk):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.name = f"127.0.0.1:{self.port}"
        self.talk, self.ended = talk, False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        tap.cleanup(self.close)

    def _serve(self):
        while not self.ended:
            if select.select([self.socket], [], [], 0.05)[0]:
                connection, _ = self.socket.accept()
                with connection:
                    connection.settimeout(5)
                    try:
                        self.talk(connection)
                    except OSError:
                        pass

    def close(self):
        self.ended = True
        self.thread.join()
        self.socket.close()


# ---- DNS ----------------------------------------------------------------------------------------

A, AAAA, SRV, NAPTR = 1, 28, 33, 35


def _name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.rstrip(".").split(".") if label) + b"\0"


def _data(kind, value):
    if kind == A:
        return socket.inet_pton(socket.AF_INET, value)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == NAPTR:
        order, preference, *texts, replacement = value
        strings = b"".join(bytes([len(text)]) + text.encode() for text in texts)
        return struct.pack("!HH", order, preference) + strings + _name(replacement)
    priority, weight, port, target = value
    return struct.pack("!HHH", priority, weight, port) + _name(target)


class Dns(Odd):
    """A DNS server with `records`: {(name, type): [values]}. A name that has no record of any type
    does not exist; a value of None: no answer at all. `asked` lists the questions."""

    def __init__(self, records):
        self.records, self.asked = records, []
        super().__init__(Dns._answer)

    def _answer(self, data, _source):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name, (kind, _) = ".".join(labels).lower(), struct.unpack("!HH", data[at + 1 : at + 5])
        self.asked.append((name, kind))
        values = self.records.get((name, kind), [])
        if values is None:
            return
        known = any(have == name for have, _ in self.records)
        head = data[:2] + struct.pack("!HHHHH", 0x8180 | (0 if known else 3), 1, len(values), 0, 0)
        answers = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(_data(kind, value))) + _data(kind, value)
                           for value in values)
        yield head + data[12 : at + 5] + answers

    @property
    def option(self):
        return ["--dns", self.name]


# ---- on the way ---------------------------------------------------------------------------------


class Way:
    """A UDP forwarder in front of a server on loopback. `change(data, to_server)` returns the bytes to
    pass on, a list of them, or None to lose them."""

    def __init__(self, port, change):
        self.target, self.change = ("127.0.0.1", port), change
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.name = f"127.0.0.1:{self.port}"
        self.backs, self.ended = {}, False
        self.thread = threading.Thread(target=self._forward, daemon=True)
        self.thread.start()
        tap.cleanup(self.close)

    def _back(self, source):
        if source not in self.backs:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.connect(self.target)
            self.backs[source] = made
        return self.backs[source]

    def _forward(self):
        while not self.ended:
            owners = {back: source for source, back in self.backs.items()}
            for ready in select.select([self.front, *owners], [], [], 0.05)[0]:
                to_server = ready is self.front
                data, source = ready.recvfrom(4096)
                changed = self.change(data, to_server)
                for one in changed if isinstance(changed, list) else [changed] if changed else []:
                    if to_server:
                        self._back(source).send(one)
                    else:
                        self.front.sendto(one, owners[ready])

    def close(self):
        self.ended = True
        self.thread.join()
        for made in (self.front, *self.backs.values()):
            made.close()

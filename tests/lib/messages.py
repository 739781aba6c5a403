# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the rendezvous service, written by hand from docs/rendezvous.md and RFC 6455: JSON a line over TCP and
TLS, or one a frame over WebSocket on either. Nothing of our own code is used.

    with messages.connect("wss", ("127.0.0.1", port), context=authority.context()) as alice:
        alice.register("alice", "secret")
        alice.send({"type": "call", "to": "bob"})
        incoming = alice.expect("incoming")
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import time

import json_schema
import postern

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# What the service sends is held to this, whoever asks.
SCHEMA = json.loads((postern.source / "docs/rendezvous.schema.json").read_text())
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Closed(Exception):
    """The other end has closed; `code` is that of WebSocket's Close frame, or None."""

    def __init__(self, code=None):
        super().__init__(f"closed ({code})")
        self.code = code


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def proof(key, method, nonce, realm, user, name="", resume=""):
    """What a hello shows instead of a password."""
    texts = ("postern-rendezvous-1", method, nonce, realm, user, name, resume)
    return base64url(hmac.new(key, b"".join(text.encode() + b"\0" for text in texts), hashlib.sha256).digest())


def password_key(user, realm, password, method):
    return hashlib.new({"SHA-256": "sha256", "MD5": "md5"}[method], f"{user}:{realm}:{password}".encode()).digest()


def tcp(remote, context=None, server_name="server.test", local=None, timeout=20):
    connection = socket.create_connection(remote, timeout, local)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context:
        connection = context.wrap_socket(connection, server_hostname=server_name)
    return connection


class Bytes:
    """A connection of bytes, read with deadlines."""

    def __init__(self, connection, timeout=20):
        self.socket, self.buffer, self.timeout = connection, b"", timeout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data)

    def more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            data = b""
        if not data:
            raise Closed()
        self.buffer += data

    def take(self, size, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        while len(self.buffer) < size:
            self.more(deadline)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take_until(self, end, timeout=None):
        deadline = time.monotonic() + (timeout or self.timeout)
        while end not in self.buffer:
            self.more(deadline)
        data, _, self.buffer = self.buffer.partition(end)
        return data

    def rest(self, timeout=20):
        """All that comes until the other end closes."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                self.more(deadline)
        except Closed:
            data, self.buffer = self.buffer, b""
            return data


class Talk:
    """What lines and frames have in common: messages by type, and registering."""

    def send(self, message):
        self.send_text(json.dumps(message))

    def receive(self, timeout=None):
        message = json.loads(self.receive_text(timeout))
        json_schema.validate(message, SCHEMA)
        return message

    def expect(self, kind, timeout=None, **members):
        """The next message, which is of this type; pings are answered on the way."""
        while True:
            message = self.receive(timeout)
            if message["type"] == "ping" and kind != "ping":
                self.send({"type": "pong"})
                continue
            break
        if message["type"] != kind or any(message.get(name) != value for name, value in members.items()):
            raise AssertionError(f"expected {kind} {members}, got {message}")
        return message

    def ask(self, message, kind, rid="1", **members):
        self.send({**message, "rid": rid})
        return self.expect(kind, rid=rid, **members)

    def open(self):
        self.send({"type": "open", "v": 1})
        self.welcome = self.expect("welcome")
        return self.welcome

    def hello(self, user, password, method="SHA-256", name=None, resume=None, **more):
        welcome = self.welcome
        key = password_key(user, welcome["realm"], password, method)
        message = {"type": "hello", "v": 1, "auth": method, "user": user,
                   "proof": proof(key, method, welcome["nonce"], welcome["realm"], user, name or "", resume or "")}
        if name is not None:
            message["name"] = name
        if resume is not None:
            message["resume"] = resume
        self.send({**message, **more})

    def register(self, user, password, **options):
        self.open()
        self.hello(user, password, **options)
        self.registered = self.expect("registered")
        return self.registered


class Lines(Bytes, Talk):
    def send_text(self, text):
        self.write(text.encode() + b"\n")

    def receive_text(self, timeout=None):
        return self.take_until(b"\n", timeout).decode()


def frame(opcode, payload=b"", fin=True, masked=True, mask=None):
    """One frame (RFC 6455 5.2); clients mask."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not masked:
        return head + payload
    mask = mask or os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def request(path="/", method="GET", host="server.test", **headers):
    """An HTTP request's head; names of headers with _ in the place of -."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def parse_response(head):
    """Status and headers, names in small letters."""
    first, *lines = head.decode().split("\r\n")
    version, status, *_ = first.split(" ", 2)
    assert version == "HTTP/1.1", first
    return int(status), {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def http(remote, data, context=None, timeout=20):
    """Sends a request; returns status, headers and body, once the server has closed."""
    with Bytes(tcp(remote, context), timeout) as connection:
        connection.write(data)
        head, _, body = connection.rest(timeout).partition(b"\r\n\r\n")
        status, headers = parse_response(head)
        assert len(body) == int(headers["content-length"]), (headers, body)
        return status, headers, body


class WebSocket(Bytes, Talk):
    def __init__(self, connection, timeout=20, origin=None, path="/", **headers):
        super().__init__(connection, timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        wanted = {"Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec-WebSocket-Key": key,
                  "Sec-WebSocket-Version": "13", "Origin": origin}
        self.write(request(path, **{**wanted, **headers}))
        self.status, self.headers = parse_response(self.take_until(b"\r\n\r\n"))
        if self.status == 101:
            accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            assert self.headers["sec-websocket-accept"] == accept, self.headers

    def send_text(self, text):
        self.write(frame(TEXT, text))

    def receive_frame(self, timeout=None):
        """First byte and payload. A server does not mask (RFC 6455 5.1)."""
        first, size = self.take(2, timeout)
        assert size < 0x80, "the server masks"
        if size == 126:
            size, = struct.unpack("!H", self.take(2, timeout))
        elif size == 127:
            size, = struct.unpack("!Q", self.take(8, timeout))
        return first, self.take(size, timeout)

    def receive_text(self, timeout=None):
        while True:
            first, payload = self.receive_frame(timeout)
            if first == 0x80 | CLOSE:
                raise Closed(struct.unpack("!H", payload[:2])[0] if payload else None)
            if first == 0x80 | PING:
                self.write(frame(PONG, payload))
                continue
            assert first == 0x80 | TEXT, f"a frame that begins with {first:#x}"
            return payload.decode()


def connect(way, remote, context=None, origin=None, local=None, timeout=20):
    """A client by "tcp", "tls", "ws" or "wss"."""
    connection = tcp(remote, context if way in ("tls", "wss") else None, local=local, timeout=timeout)
    if way in ("tcp", "tls"):
        return Lines(connection, timeout)
    return WebSocket(connection, timeout, origin)

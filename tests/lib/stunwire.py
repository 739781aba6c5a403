# SPDX-License-Identifier: BSD-3-Clause
"""STUN, TURN and ChannelData in Python, written from the RFCs and not from our C codec, so that
the two check each other. Lax where a test must say wrong things: any attribute, any bytes.

    message = parse(build(BINDING, REQUEST))
    client = Client(Udp(("127.0.0.1", 3478)), "alice", "secret")
    client.allocate(); client.permit(peer); client.send(peer, b"hello")
"""
import base64
import hashlib
import hmac
import ipaddress
import os
import select
import socket
import ssl
import struct
import time
import zlib

MAGIC = 0x2112A442

# Classes (RFC 8489 5) and methods (RFC 8489 18.2, RFC 8656 17, RFC 6062 6.1).
REQUEST, INDICATION, SUCCESS, ERROR = range(4)
BINDING, ALLOCATE, REFRESH, SEND, DATA = 1, 3, 4, 6, 7
CREATE_PERMISSION, CHANNEL_BIND, CONNECT, CONNECTION_BIND, CONNECTION_ATTEMPT = 8, 9, 10, 11, 12

# Attributes.
MAPPED_ADDRESS, RESPONSE_ADDRESS, CHANGE_REQUEST, SOURCE_ADDRESS, CHANGED_ADDRESS = range(1, 6)
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0006, 0x0008, 0x0009, 0x000A
CHANNEL_NUMBER, LIFETIME, XOR_PEER_ADDRESS, DATA_ATTRIBUTE = 0x000C, 0x000D, 0x0012, 0x0013
REALM, NONCE, XOR_RELAYED_ADDRESS, REQUESTED_ADDRESS_FAMILY = 0x0014, 0x0015, 0x0016, 0x0017
EVEN_PORT, REQUESTED_TRANSPORT, DONT_FRAGMENT, ACCESS_TOKEN = 0x0018, 0x0019, 0x001A, 0x001B
MESSAGE_INTEGRITY_SHA256, PASSWORD_ALGORITHM, USERHASH = 0x001C, 0x001D, 0x001E
XOR_MAPPED_ADDRESS, RESERVATION_TOKEN, PRIORITY, USE_CANDIDATE = 0x0020, 0x0022, 0x0024, 0x0025
PADDING, RESPONSE_PORT, CONNECTION_ID = 0x0026, 0x0027, 0x002A
ADDITIONAL_ADDRESS_FAMILY, ADDRESS_ERROR_CODE, PASSWORD_ALGORITHMS = 0x8000, 0x8001, 0x8002
ALTERNATE_DOMAIN, ICMP, SOFTWARE, ALTERNATE_SERVER = 0x8003, 0x8004, 0x8022, 0x8023
TRANSACTION_TRANSMIT_COUNTER, CACHE_TIMEOUT, FINGERPRINT = 0x8025, 0x8027, 0x8028
ICE_CONTROLLED, ICE_CONTROLLING, RESPONSE_ORIGIN, OTHER_ADDRESS = 0x8029, 0x802A, 0x802B, 0x802C
THIRD_PARTY_AUTHORIZATION, MOBILITY_TICKET = 0x802E, 0x8030

CHANGE_IP, CHANGE_PORT = 4, 2
UDP, TCP = 17, 6


class Malformed(Exception):
    """Bytes that are no STUN message or ChannelData."""


class Refused(Exception):
    """An error response; `code` and `reason` say which."""

    def __init__(self, message):
        self.message = message
        self.code, self.reason = message.error()
        super().__init__(f"{self.code} {self.reason}")


# ---- attribute values ---------------------------------------------------------------------------


def _canonical(host):
    return ipaddress.ip_address(host.split("%")[0])


def pack_address(address, transaction=None):
    """(host, port) as a value; with a transaction id it is XORed (RFC 8489 14.1, 14.2)."""
    host, port = _canonical(address[0]), address[1]
    raw = host.packed
    if transaction is not None:
        mask = struct.pack("!I", MAGIC) + transaction
        port ^= MAGIC >> 16
        raw = bytes(a ^ b for a, b in zip(raw, mask))
    return struct.pack("!BBH", 0, 1 if host.version == 4 else 2, port) + raw


def unpack_address(value, transaction=None):
    if len(value) not in (8, 20) or value[1] != {8: 1, 20: 2}[len(value)]:
        raise Malformed(f"address of {len(value)} bytes")
    port = struct.unpack("!H", value[2:4])[0]
    raw = value[4:]
    if transaction is not None:
        mask = struct.pack("!I", MAGIC) + transaction
        port ^= MAGIC >> 16
        raw = bytes(a ^ b for a, b in zip(raw, mask))
    return str(ipaddress.ip_address(raw)), port


def pack_error(code, reason=b""):
    return struct.pack("!HBB", 0, code // 100, code % 100) + reason


def u32(number):
    return struct.pack("!I", number)


def requested_transport(protocol=UDP):
    return (REQUESTED_TRANSPORT, bytes([protocol, 0, 0, 0]))


# ---- messages -----------------------------------------------------------------------------------


def type_of(method, klass):
    """Method and class interleaved (RFC 8489 5)."""
    return (method & 0xF80) << 2 | (method & 0x70) << 1 | method & 0xF | (klass & 2) << 7 | (klass & 1) << 4


def _attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _head(kind, length, transaction, magic=MAGIC):
    return struct.pack("!HHI", kind, length, magic) + transaction


def append(message, kind, value):
    """A finished message with one more attribute: its length set, nothing else recomputed."""
    message += _attribute(kind, value)
    return message[:2] + struct.pack("!H", len(message) - 20) + message[4:]


def _digest_over(message, end, size, key, algorithm):
    """The HMAC that an integrity attribute of `size` bytes at `end` has to hold."""
    covered = message[:2] + struct.pack("!H", end - 20 + 4 + size) + message[4:end]
    return hmac.new(key, covered, algorithm).digest()


def build(method, klass, attributes=(), transaction=None, key=None, key256=None, fingerprint=False):
    """`attributes` are (type, bytes). `key` adds MESSAGE-INTEGRITY, `key256` the SHA-256 one."""
    transaction = os.urandom(12) if transaction is None else transaction
    message = _head(type_of(method, klass), 0, transaction)
    for kind, value in attributes:
        message = append(message, kind, value)
    if key is not None:
        message = append(message, MESSAGE_INTEGRITY, _digest_over(message, len(message), 20, key, "sha1"))
    if key256 is not None:
        value = _digest_over(message, len(message), 32, key256, "sha256")
        message = append(message, MESSAGE_INTEGRITY_SHA256, value)
    if fingerprint:
        grown = append(message, FINGERPRINT, bytes(4))
        message = append(message, FINGERPRINT, u32(zlib.crc32(grown[: len(message)]) ^ 0x5354554E))
    return message


class Message:
    """A parsed message. `attributes` holds all of them in order, also those after the integrity."""

    def __init__(self, raw):
        if len(raw) < 20 or raw[0] & 0xC0:
            raise Malformed("no STUN header")
        kind, length, magic = struct.unpack("!HHI", raw[:8])
        if magic != MAGIC or length % 4 or length != len(raw) - 20:
            raise Malformed(f"magic {magic:#x}, length {length} of {len(raw) - 20}")
        self.raw, self.transaction = bytes(raw), bytes(raw[8:20])
        self.method = (kind & 0x3E00) >> 2 | (kind & 0xE0) >> 1 | kind & 0xF
        self.klass = (kind & 0x100) >> 7 | (kind & 0x10) >> 4
        self.attributes, self._offsets = [], []
        at = 20
        while at < len(raw):
            kind, size = struct.unpack("!HH", raw[at : at + 4])
            if at + 4 + size > len(raw):
                raise Malformed(f"attribute {kind:#x} runs past the end")
            self.attributes.append((kind, bytes(raw[at + 4 : at + 4 + size])))
            self._offsets.append(at)
            at += 4 + size + -size % 4

    def __repr__(self):
        names = " ".join(f"{kind:#06x}[{len(value)}]" for kind, value in self.attributes)
        return f"<method {self.method} class {self.klass} {names}>"

    def all(self, kind):
        return [value for have, value in self.attributes if have == kind]

    def get(self, kind):
        """The first value of that type, or None."""
        return next(iter(self.all(kind)), None)

    def __contains__(self, kind):
        return self.get(kind) is not None

    def number(self, kind):
        value = self.get(kind)
        return None if value is None else int.from_bytes(value, "big")

    def address(self, kind):
        """(host, port) or None; XORed kinds are recognised."""
        value = self.get(kind)
        if value is None:
            return None
        xored = kind in (XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS)
        return unpack_address(value, self.transaction if xored else None)

    def addresses(self, kind):
        return [unpack_address(value, self.transaction) for value in self.all(kind)]

    @property
    def mapped(self):
        return self.address(XOR_MAPPED_ADDRESS) or self.address(MAPPED_ADDRESS)

    def error(self):
        """(code, reason), or None when there is no ERROR-CODE."""
        value = self.get(ERROR_CODE)
        if value is None:
            return None
        return (value[2] & 7) * 100 + value[3], value[4:].decode("utf-8", "replace")

    def _offset_of(self, kind):
        for (have, _), offset in zip(self.attributes, self._offsets):
            if have == kind:
                return offset
        return None

    def _verify(self, kind, key, algorithm):
        offset = self._offset_of(kind)
        if offset is None:
            return False
        value = self.get(kind)
        return hmac.compare_digest(value, _digest_over(self.raw, offset, len(value), key, algorithm)[: len(value)])

    def verify(self, key):
        """True if MESSAGE-INTEGRITY is there and right."""
        return self._verify(MESSAGE_INTEGRITY, key, "sha1")

    def verify256(self, key):
        return self._verify(MESSAGE_INTEGRITY_SHA256, key, "sha256")

    def fingerprint_right(self):
        offset = self._offset_of(FINGERPRINT)
        if offset is None or offset != len(self.raw) - 8:
            return False
        return self.number(FINGERPRINT) == zlib.crc32(self.raw[:offset]) ^ 0x5354554E


def parse(raw):
    return Message(raw)


def channel_data(channel, payload, stream=False):
    """ChannelData (RFC 8656 12.4); padded to four bytes over a stream."""
    return struct.pack("!HH", channel, len(payload)) + payload + bytes(-len(payload) % 4 if stream else 0)


def parse_channel(raw):
    """(channel, payload) of a ChannelData message; padding behind it is allowed."""
    if len(raw) < 4 or raw[0] & 0xC0 != 0x40:
        raise Malformed("no ChannelData")
    channel, length = struct.unpack("!HH", raw[:4])
    if len(raw) < 4 + length:
        raise Malformed(f"ChannelData of {length} bytes in {len(raw) - 4}")
    return channel, bytes(raw[4 : 4 + length])


def is_channel(raw):
    return len(raw) >= 4 and raw[0] & 0xC0 == 0x40


# ---- credentials --------------------------------------------------------------------------------


def long_term_key(user, realm, password, algorithm="md5"):
    """The long-term credential's key (RFC 8489 9.2.2); "md5" or "sha256"."""
    return hashlib.new(algorithm, f"{user}:{realm}:{password}".encode()).digest()


def rest_credential(secret, name="", lifetime=3600, digest="sha1", now=None):
    """(user, password) of a time-limited credential: expiry:name and the base64 HMAC of it."""
    expiry = int(time.time() if now is None else now) + lifetime
    user = f"{expiry}:{name}" if name else str(expiry)
    return user, base64.b64encode(hmac.new(secret.encode(), user.encode(), digest).digest()).decode()


# ---- transports: send(bytes), receive(timeout) -> bytes or None, one message each -----------------


def is_readable(ready, timeout):
    """Whether it is within that time; select() would take no descriptor above 1023."""
    poll = select.poll()
    poll.register(ready, select.POLLIN)
    return bool(poll.poll(max(timeout, 0) * 1000))


class Udp:
    """A socket of its own. `connected=False` hears whatever address answers (RFC 5780)."""

    stream = False

    def __init__(self, remote, local=None, connected=True):
        family = socket.getaddrinfo(*remote, type=socket.SOCK_DGRAM)[0][0]
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.remote, self.source, self.connected = remote, None, connected
        if local:
            self.socket.bind(local)
        if connected:
            self.socket.connect(remote)

    @property
    def local(self):
        return self.socket.getsockname()[:2]

    def send(self, data, remote=None):
        try:
            self.socket.sendto(data, remote or self.remote) if not self.connected else self.socket.send(data)
        except ConnectionRefusedError:
            pass  # the ICMP answer to an earlier datagram

    def receive(self, timeout):
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            if not is_readable(self.socket, left):
                return None
            try:
                data, source = self.socket.recvfrom(65536)
                self.source = source[:2]
                return data
            except ConnectionRefusedError:
                continue

    def close(self):
        self.socket.close()


class Tcp:
    """Stream framing (RFC 8489 6.2.2, RFC 8656 12.5); with `context` it is TLS."""

    stream = True

    def __init__(self, remote, local=None, context=None, server_name=None, timeout=20, session=None):
        self.socket = socket.create_connection(remote, timeout, source_address=local)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=server_name, session=session)
        self.remote = self.source = remote
        self.buffer = b""
        self.closed = False

    @property
    def local(self):
        return self.socket.getsockname()[:2]

    def send(self, data, remote=None):
        self.socket.settimeout(10)
        self.socket.sendall(data)

    def _size(self):
        """Bytes of the first message in the buffer, or None while that is not known."""
        if len(self.buffer) < 4:
            return None
        length = struct.unpack("!H", self.buffer[2:4])[0]
        return 4 + length + -length % 4 if self.buffer[0] & 0xC0 == 0x40 else 20 + length

    def receive(self, timeout):
        """None after `timeout` or when the other side has closed (`closed` is then True)."""
        deadline = time.monotonic() + timeout
        while True:
            size = self._size()
            if size is not None and len(self.buffer) >= size:
                data, self.buffer = self.buffer[:size], self.buffer[size:]
                return data
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                more = self.socket.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError):
                return None
            except ConnectionResetError:
                more = b""
            if not more:
                self.closed = True
                return None
            self.buffer += more

    def close(self):
        self.socket.close()


# ---- a client -----------------------------------------------------------------------------------


class Client:
    """A TURN client, good enough to test with: long-term credentials, one allocation.

    `credential(user, realm)` may stand in for a password: a function that returns the key.
    """

    def __init__(self, transport, user=None, password=None, sha256=False):
        self.transport, self.user, self.password, self.sha256 = transport, user, password, sha256
        self.realm = self.nonce = self.key = None
        self.relayed = self.mapped = self.lifetime = None
        self.channels, self.pending = {}, []
        self.challenges = 0

    def close(self):
        self.transport.close()

    # Transactions.

    def exchange(self, message, timeout=20):
        """Sends bytes (again after 2, 4, 8 s over UDP); the answer as Message, or None."""
        transaction = message[8:20]
        deadline, wait = time.monotonic() + timeout, 2
        while time.monotonic() < deadline:
            self.transport.send(message)
            until = deadline if self.transport.stream else min(deadline, time.monotonic() + wait)
            while time.monotonic() < until:
                data = self.transport.receive(until - time.monotonic())
                if data is None:
                    break
                if data[0] & 0xC0 == 0 and data[8:20] == transaction:
                    return parse(data)
                self.pending.append(data)
            if self.transport.stream:
                return None
            wait *= 2
        return None

    def credentials(self):
        """The attributes that authenticate the next request."""
        if self.nonce is None:
            return []
        return [(USERNAME, self.user.encode()), (REALM, self.realm), (NONCE, self.nonce)]

    def _learn(self, answer):
        self.realm, self.nonce = answer.get(REALM) or self.realm, answer.get(NONCE)
        self.key = long_term_key(self.user, self.realm.decode(), self.password)

    def signed(self, method, attributes=(), klass=REQUEST):
        attributes = list(attributes) + self.credentials()
        if self.sha256:
            return build(method, klass, attributes, key256=self.key)
        return build(method, klass, attributes, key=self.key)

    def try_request(self, method, attributes=(), timeout=20):
        """The answer, whatever it is, after the challenge (401) and a stale nonce (438)."""
        for _ in range(3):
            answer = self.exchange(self.signed(method, attributes), timeout)
            if answer is None:
                raise TimeoutError(f"no answer to method {method}")
            code = answer.error()[0] if answer.klass == ERROR else 0
            if self.user is None or code != 438 and not (code == 401 and self.nonce is None):
                return answer
            self.challenges += 1
            self._learn(answer)
        return answer

    def request(self, method, attributes=(), timeout=20):
        """The success response; Refused otherwise, AssertionError when it is not authentic."""
        answer = self.try_request(method, attributes, timeout)
        if answer.klass == ERROR:
            raise Refused(answer)
        if self.key is not None and method != BINDING:
            good = answer.verify256(self.key) if self.sha256 else answer.verify(self.key)
            if not good:
                raise AssertionError(f"response without right integrity: {answer}")
        return answer

    # What a TURN client does.

    def binding(self, attributes=(), timeout=20):
        answer = self.exchange(build(BINDING, REQUEST, attributes), timeout)
        if answer is None:
            raise TimeoutError("no answer to Binding")
        return answer

    def allocate(self, attributes=(), protocol=UDP):
        answer = self.request(ALLOCATE, [requested_transport(protocol), *attributes])
        self.relayed, self.mapped = answer.address(XOR_RELAYED_ADDRESS), answer.mapped
        self.lifetime = answer.number(LIFETIME)
        return answer

    def refresh(self, lifetime=None, attributes=()):
        first = [] if lifetime is None else [(LIFETIME, u32(lifetime))]
        return self.request(REFRESH, [*first, *attributes])

    def _peer(self, address, transaction):
        return (XOR_PEER_ADDRESS, pack_address(address, transaction))

    def _peer_request(self, method, peers, first=()):
        """XOR-PEER-ADDRESS depends on the transaction id for IPv6: rebuilt at each try."""
        for _ in range(3):
            transaction = os.urandom(12)
            attributes = [*first, *(self._peer(peer, transaction) for peer in peers), *self.credentials()]
            kind = "key256" if self.sha256 else "key"
            answer = self.exchange(build(method, REQUEST, attributes, transaction, **{kind: self.key}))
            if answer is None:
                raise TimeoutError(f"no answer to method {method}")
            code = answer.error()[0] if answer.klass == ERROR else 0
            if code != 438 and not (code == 401 and self.nonce is None):
                break
            self._learn(answer)
        if answer.klass == ERROR:
            raise Refused(answer)
        return answer

    def permit(self, *peers):
        return self._peer_request(CREATE_PERMISSION, peers)

    def bind_channel(self, peer, channel=0x4000):
        answer = self._peer_request(CHANNEL_BIND, [peer], [(CHANNEL_NUMBER, struct.pack("!HH", channel, 0))])
        self.channels[channel] = peer
        return answer

    def send(self, peer, payload, attributes=()):
        transaction = os.urandom(12)
        fields = [self._peer(peer, transaction), (DATA_ATTRIBUTE, payload), *attributes]
        self.transport.send(build(SEND, INDICATION, fields, transaction))

    def send_channel(self, payload, channel=0x4000):
        self.transport.send(channel_data(channel, payload, self.transport.stream))

    def receive(self, timeout=20):
        """(peer, payload) of the next Data indication or ChannelData, or None."""
        deadline = time.monotonic() + timeout
        while True:
            data = self.pending.pop(0) if self.pending else self.transport.receive(max(deadline - time.monotonic(), 0))
            if data is None:
                return None
            if is_channel(data):
                channel, payload = parse_channel(data)
                return self.channels.get(channel, channel), payload
            message = parse(data)
            if message.method == DATA and message.klass == INDICATION and DATA_ATTRIBUTE in message:
                return message.address(XOR_PEER_ADDRESS), message.get(DATA_ATTRIBUTE)

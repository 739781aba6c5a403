# SPDX-License-Identifier: BSD-3-Clause
"""What a router saw of UDP at its outside and its inside, by packet sockets: a packet that came in at
one and did not leave by the other was dropped there."""
import dataclasses
import ipaddress
import os
import select
import signal
import socket
import struct
import time

import stunwire as stun

SO_TIMESTAMPNS = 35
ETH_P_ALL = 3


@dataclasses.dataclass
class Seen:
    time: float  # seconds of the wall clock
    interface: str
    outgoing: bool  # as the router sees it
    source: tuple
    target: tuple
    hops: int
    what: str
    key: bytes  # equal for the same packet at several places

    def __str__(self):
        return f"{text(self.source)} -> {text(self.target)} {self.what}"


def text(address):
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def describe(payload):
    """(words, transaction or None)"""
    if not payload:
        return "empty datagram", None
    if payload[0] < 4 and len(payload) >= 20 and payload[4:8] == b"\x21\x12\xa4\x42":
        kind, = struct.unpack("!H", payload[:2])
        method, klass = kind & 0x0F | (kind >> 1) & 0x70, (kind >> 4 & 1) | (kind >> 7 & 2)
        name = {1: "Binding", 3: "Allocate", 4: "Refresh", 6: "Send", 7: "Data", 8: "CreatePermission",
                9: "ChannelBind"}.get(method, f"method {method}")
        word = {0: "request", 1: "indication", 2: "answer", 3: "error"}[klass]
        try:
            view = stun.parse(payload)
            check = view.get(0x0024) is not None or (klass == 0 and view.get(0x0025) is not None)
        except stun.Malformed:
            check = False
        return ("ICE check" if check else f"STUN {name} {word}"), payload[8:20]
    if 20 <= payload[0] <= 63:
        return "DTLS", None
    if 64 <= payload[0] <= 79:
        return "TURN channel data", None
    return "data", None


def parse(frame, link_header):
    """Seen without time and place, or None for what is not UDP."""
    packet = frame[link_header:]
    if not packet:
        return None
    if packet[0] >> 4 == 4:
        header, protocol, hops = (packet[0] & 15) * 4, packet[9], packet[8]
        fragment = struct.unpack("!H", packet[6:8])[0] & 0x1FFF
        source, target = (str(ipaddress.ip_address(packet[at:at + 4])) for at in (12, 16))
    elif packet[0] >> 4 == 6:
        header, protocol, hops, fragment = 40, packet[6], packet[7], 0
        source, target = (str(ipaddress.ip_address(packet[at:at + 16])) for at in (8, 24))
    else:
        return None
    if protocol != 17 or fragment or len(packet) < header + 8:
        return None
    ports = struct.unpack("!HH", packet[header:header + 4])
    payload = packet[header + 8:]
    what, transaction = describe(payload)
    return Seen(0, "", False, (source, ports[0]), (target, ports[1]), hops, what, transaction or payload[:64])


class Capture:
    """A tap at interfaces of one box: `with Capture(box, "wan", "lan") as tap: … tap.packets()`."""

    def __init__(self, box, *interfaces):
        self.box, self.interfaces = box, interfaces

    def __enter__(self):
        self.read, write = os.pipe()
        ready, told = os.pipe()
        self.child = self.box._fork(_tap, (self.interfaces, write, told, (self.read, ready)), None)
        os.close(write)
        os.close(told)
        os.read(ready, 1)
        os.close(ready)
        return self

    def packets(self):
        """Ends the capture; all that was seen, oldest first."""
        import pickle

        if self.child is None:
            return self.seen
        os.kill(self.child, signal.SIGTERM)
        with os.fdopen(self.read, "rb") as stream:
            data = stream.read()
        os.waitpid(self.child, 0)
        self.child, self.seen = None, sorted(pickle.loads(data), key=lambda one: one.time)
        return self.seen

    def __exit__(self, *_):
        if self.child is not None:
            self.packets()


def _tap(interfaces, write, told, unused):
    import pickle

    ended, begun = [], time.time()
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    for descriptor in unused:
        os.close(descriptor)
    taps = []
    for name in interfaces:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        tap.bind((name, 0))
        tap.setblocking(False)
        taps.append((name, tap))
    os.write(told, b"1")
    os.close(told)
    seen = []
    while not ended:
        ready = select.select([tap for _, tap in taps], [], [], 0.05)[0]
        for name, tap in taps:
            if tap in ready:
                _drain(name, tap, begun, seen)
    for name, tap in taps:
        _drain(name, tap, begun, seen)
    with os.fdopen(write, "wb") as stream:
        pickle.dump(seen, stream)


def _drain(name, tap, begun, seen, most=20000):
    try:
        while True:
            frame, ancillary, _, address = tap.recvmsg(2048, 64)
            one = parse(frame, 0)
            if one is None or len(seen) >= most:
                continue
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = struct.unpack("qq", data[:16])
                    one.time = max(begun, seconds + nanoseconds / 1e9)
            one.interface, one.outgoing = name, address[2] == socket.PACKET_OUTGOING
            seen.append(one)
    except BlockingIOError:
        pass

# SPDX-License-Identifier: BSD-3-Clause
"""aiortc's DTLS, SCTP and data channel over a plain UDP socket, without ICE: the same words as data_peer.

    aiortc_peer.py client|server echo|receive|send BYTES [message=SIZE] [nohash]
"""
import asyncio
import hashlib
import json
import resource
import sys
import time

from aiortc import (RTCCertificate, RTCDataChannel, RTCDataChannelParameters, RTCDtlsFingerprint, RTCDtlsParameters,
                    RTCDtlsTransport, RTCSctpCapabilities, RTCSctpTransport)

LOW, HIGH = 1 << 19, 1 << 20  # bytes that wait in aiortc: it has no bound of its own


class Socket(asyncio.DatagramProtocol):
    """What aiortc takes for its ICE transport."""

    def __init__(self, role):
        self.role, self.state = role, "completed"
        self.queue, self.transport, self.remote = asyncio.Queue(), None, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, _):
        self.queue.put_nowait(data)

    async def _recv(self):
        return await self.queue.get()

    async def _send(self, data):
        self.transport.sendto(data, self.remote)


def pattern(place, size):
    return bytes((at * 131 + (at >> 8)) & 255 for at in range(place, place + size))


class Peer:
    def __init__(self, role, verb, wanted, message_size, hashing):
        self.role, self.verb, self.wanted, self.message_size = role, verb, wanted, message_size
        self.hashing = hashing
        self.sent = self.received = self.messages = 0
        self.hash, self.channel = hashlib.sha256(), None
        self.begin = self.end = 0.0
        self.closed, self.low, self.opened = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def use(self, channel):
        self.channel, self.begin = channel, time.monotonic()
        channel.bufferedAmountLowThreshold = LOW
        channel.on("message", self.on_message)
        channel.on("close", self.closed.set)
        channel.on("bufferedamountlow", self.low.set)
        self.opened.set()

    def on_message(self, message):
        data = message.encode() if isinstance(message, str) else message
        self.messages, self.received = self.messages + 1, self.received + len(data)
        if self.hashing:
            self.hash.update(data)
        if self.verb == "echo":
            self.channel.send(message)
            self.sent += len(data)
        elif self.received >= self.wanted:
            self.end = time.monotonic()
            self.channel.close()

    async def send(self):
        await self.opened.wait()
        data = pattern(0, self.message_size + 65536)  # the pattern repeats after 64 KiB
        while self.sent < self.wanted:
            size, start = min(self.message_size, self.wanted - self.sent), self.sent % 65536
            self.channel.send(data[start:start + size])
            self.sent += size
            if self.channel.bufferedAmount > HIGH:
                self.low.clear()
                await self.low.wait()

    async def run(self):
        loop = asyncio.get_running_loop()
        # The SCTP end that begins is the one whose ICE "controls"; ours begins from either end.
        _, link = await loop.create_datagram_endpoint(
            lambda: Socket("controlling" if self.role == "client" else "controlled"), local_addr=("127.0.0.1", 0))
        certificate = RTCCertificate.generateCertificate()
        mine = certificate.getFingerprints()[0]
        print("local", link.transport.get_extra_info("sockname")[1], mine.algorithm, mine.value, flush=True)
        word, port, algorithm, value = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        assert word == "remote"
        link.remote = ("127.0.0.1", int(port))
        dtls = RTCDtlsTransport(link, [certificate])
        dtls._set_role(self.role)
        sctp = RTCSctpTransport(dtls)
        sctp.on("datachannel", self.use)
        await dtls.start(RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint(algorithm=algorithm, value=value)]))
        if dtls.state != "connected":
            return f"DTLS is {dtls.state}"
        await sctp.start(RTCSctpCapabilities(maxMessageSize=262144), 5000)
        if self.verb == "send":
            channel = RTCDataChannel(sctp, RTCDataChannelParameters(label="pipe"))
            channel.on("open", lambda: self.use(channel))
            await self.send()
        await self.closed.wait()
        self.end = self.end or time.monotonic()
        for _ in range(100):  # the other end hangs up in order
            if sctp.state == "closed" or dtls.state == "closed":
                break
            if self.verb == "send":
                await sctp.stop()
                await dtls.stop()
            await asyncio.sleep(0.05)
        return "" if "closed" in (sctp.state, dtls.state) else f"SCTP is {sctp.state}, DTLS is {dtls.state}"


def main():
    words = sys.argv[1:]
    options = dict(word.split("=") for word in words[3:] if "=" in word)
    peer = Peer(words[0], words[1], int(words[2]) if len(words) > 2 else 1 << 62, int(options.get("message", 65536)),
                "nohash" not in words)
    text = asyncio.run(asyncio.wait_for(peer.run(), 600))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"ok": not text, "text": text, "sent": peer.sent, "received": peer.received,
                      "messages": peer.messages, "seconds": peer.end - peer.begin,
                      "cpu_seconds": usage.ru_utime + usage.ru_stime, "rss_kib": usage.ru_maxrss,
                      "sha256": peer.hash.hexdigest()}))


main()

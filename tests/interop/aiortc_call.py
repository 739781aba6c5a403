# SPDX-License-Identifier: BSD-3-Clause
"""A call by aiortc's whole stack (aioice, OpenSSL, its own SCTP), led as call_task.py tells."""
import asyncio
import json
import sys

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

import call_task


def configuration(servers):
    return RTCConfiguration([RTCIceServer(one["urls"], one.get("username"), one.get("credential")) for one in servers])


async def read_lines(queue):
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await queue.put(json.loads(line))
    await queue.put(None)


class Call:
    def __init__(self, task):
        self.task, self.early, self.over = task, [], asyncio.Event()
        self.connection = RTCPeerConnection(configuration(task["iceServers"]))
        self.connection.on("datachannel", self.use)
        self.connection.on("connectionstatechange", self.on_state)
        if task["caller"]:
            self.use(self.connection.createDataChannel("echo"))

    def on_state(self):
        call_task.tell(note=self.connection.connectionState)
        if self.connection.connectionState in ("failed", "closed"):
            self.over.set()

    def use(self, channel):
        talk = call_task.Talk(self.task, channel.send)
        channel.on("message", lambda data: talk.message(data) and channel.close())
        channel.on("close", self.over.set)
        if channel.readyState == "open":
            talk.opened()
        else:
            channel.on("open", talk.opened)

    def take_role(self):
        """Both ends take the same role where the test wants a conflict."""
        if self.task["conflict"]:
            self.connection.sctp.transport.transport._connection.ice_controlling = not self.task["caller"]

    async def describe(self, description):
        await self.connection.setLocalDescription(description)
        mine = self.connection.localDescription
        lines = mine.sdp.splitlines(keepends=True)
        apart = [line for line in lines if self.task["trickle"] and line.startswith("a=candidate:")]
        if apart:  # aiortc knows all of its candidates by now, and tells them at once
            lines = [line for line in lines if line not in apart and not line.startswith("a=end-of-candidates")]
        call_task.tell(description={"type": mine.type, "sdp": "".join(lines)})
        for line in apart:
            call_task.tell(candidate={"candidate": line[2:].strip(), "sdpMid": "0", "sdpMLineIndex": 0})
        if apart:
            call_task.tell(candidate={"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0})

    async def take_description(self, description):
        await self.connection.setRemoteDescription(RTCSessionDescription(**description))
        self.take_role()
        if not self.task["caller"]:
            await self.describe(await self.connection.createAnswer())
        for candidate in self.early:
            await self.take_candidate(candidate)

    async def take_candidate(self, told):
        if self.connection.remoteDescription is None:
            self.early.append(told)
        elif told and told["candidate"]:  # this release of aiortc takes no end of candidates
            candidate = candidate_from_sdp(told["candidate"].partition(":")[2])
            candidate.sdpMid, candidate.sdpMLineIndex = told.get("sdpMid"), told.get("sdpMLineIndex")
            await self.connection.addIceCandidate(candidate)

    async def listen(self):
        queue = asyncio.Queue()
        reading = asyncio.create_task(read_lines(queue))
        while (message := await queue.get()) is not None:
            if "description" in message:
                await self.take_description(message["description"])
            else:
                await self.take_candidate(message["candidate"])
        await reading
        self.over.set()

    async def run(self):
        listening = asyncio.create_task(self.listen())
        if self.task["caller"]:
            await self.describe(await self.connection.createOffer())
        over = asyncio.create_task(self.over.wait())
        done, _ = await asyncio.wait({listening, over}, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
        await self.connection.close()


async def main():
    await Call(call_task.read_task()).run()


asyncio.run(main())

# SPDX-License-Identifier: BSD-3-Clause
"""aioice behind the lines of tests/interop/ice_peer.c: controlling|controlled."""
import asyncio
import sys

import aioice
import aioice.ice


def tell(text):
    print(text, flush=True)


async def read_lines(queue):
    reader = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await queue.put(line.decode().strip())
    await queue.put(None)


async def hello(connection):
    while True:
        await connection.send(b"hello from aioice")
        await asyncio.sleep(0.1)


async def receive(connection):
    while True:
        tell(f"data {(await connection.recv()).decode()}")


async def main():
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    connection = aioice.Connection(ice_controlling=sys.argv[1] == "controlling", use_ipv6=False)
    queue, tasks = asyncio.Queue(), []
    tasks.append(asyncio.create_task(read_lines(queue)))
    tell(f"credentials {connection.local_username} {connection.local_password} full")
    await connection.gather_candidates()
    for candidate in connection.local_candidates:
        tell(f"candidate:{candidate.to_sdp()}")
    tell("end")
    while (line := await queue.get()) != "end":
        words = line.split()
        if words[0] == "credentials":
            connection.remote_username, connection.remote_password = words[1:3]
            connection.remote_is_lite = words[3] == "lite"
        else:
            await connection.add_remote_candidate(aioice.Candidate.from_sdp(line.partition(":")[2]))
    await connection.add_remote_candidate(None)
    await connection.connect()
    tell("connected host host")
    tasks += [asyncio.create_task(hello(connection)), asyncio.create_task(receive(connection))]
    while await queue.get() is not None:
        pass
    await connection.close()


asyncio.run(main())

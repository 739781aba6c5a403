# SPDX-License-Identifier: BSD-3-Clause
"""aioice, a third stack (Debian's python3-aioice): its TURN client over UDP, TCP and TLS, and two ICE agents of it
that have nothing but our relay between them."""
import asyncio
import os
import sys

SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's module is for Debian's Python

try:
    import aioice
    import aioice.turn
except ImportError:
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON) and os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, "-B", *sys.argv])
    aioice = None

import foreign
import postern
import tap

if aioice is None:
    tap.skip_all(f"{SYSTEM_PYTHON} has no aioice: ./dev deps peers")

BOTH = {"workers": [1, 3]}
SIZES = [1, 3, 4, 100, 1200]


class Inbox(asyncio.DatagramProtocol):
    """What came through the relay."""

    def __init__(self):
        self.packets = asyncio.Queue()

    def datagram_received(self, data, source):
        self.packets.put_nowait((data, source))


async def relayed(port, transport, authority):
    """(aioice's transport through a relay, what comes there)"""
    secure = False
    if authority is not None:
        import ssl
        secure = ssl.create_default_context(cafile=str(authority.certificate))
    return await aioice.turn.create_turn_endpoint(
        Inbox, server_addr=("127.0.0.1", port), username=postern.USER, password=postern.PASSWORD,
        ssl=secure, transport=transport)


async def echoes(port, transport, authority, peer):
    """Every size goes to the echoing peer and comes back."""
    relay, inbox = await relayed(port, transport, authority)
    try:
        for size in SIZES:
            payload = os.urandom(size)
            relay.sendto(payload, peer.address)
            got = await asyncio.wait_for(inbox.packets.get(), 5)
            tap.equal(got, (payload, peer.address), f"{size} bytes there and back")
        tap.equal(set(peer.seen), {relay.get_extra_info("sockname")}, "the peer saw the relayed address")
    finally:
        relay.close()
        await asyncio.sleep(0.1)


def serve(workers, transport):
    """(port, authority or None)"""
    port = postern.free_port()
    if transport != "tls":
        foreign.server(port, workers)
        return port, None
    _, authority = foreign.server_tls(port, workers, transports=("tls",))
    return port, authority


@tap.test(transport=["udp", "tcp", "tls"], **BOTH)
def turn(transport, workers):
    """aioice's TURN client: payloads of every size there and back through a channel"""
    port, authority = serve(workers, transport)
    asyncio.run(echoes(port, "udp" if transport == "udp" else "tcp", authority, foreign.Peer()))


async def meet(port, transport):
    """Two agents that know only each other's relays."""
    agents = [aioice.Connection(ice_controlling=controlling, components=1, turn_server=("127.0.0.1", port),
                                turn_username=postern.USER, turn_password=postern.PASSWORD, turn_transport=transport)
              for controlling in (True, False)]
    for agent in agents:
        await agent.gather_candidates()
    for agent, other in (agents, agents[::-1]):
        relays = [one for one in other.local_candidates if one.type == "relay"]
        tap.equal(len(relays), 1, "a relayed candidate")
        await agent.add_remote_candidate(relays[0])
        await agent.add_remote_candidate(None)
        agent.remote_username, agent.remote_password = other.local_username, other.local_password
    await asyncio.wait_for(asyncio.gather(*(agent.connect() for agent in agents)), 20)
    for sender, receiver in (agents, agents[::-1]):
        for size in SIZES:
            payload = os.urandom(size)
            await sender.send(payload)
            tap.equal(await asyncio.wait_for(receiver.recv(), 5), payload, f"{size} bytes")
    for agent in agents:
        await agent.close()


@tap.test(transport=["udp", "tcp"], **BOTH)
def ice(transport, workers):
    """two ICE agents of aioice meet through their relays on our server"""
    port = postern.free_port()
    server = foreign.server(port, workers)
    asyncio.run(meet(port, transport))
    tap.true(any("allocation made" in line for line in server.errors), "they used the relay")


@tap.test
def wrong_password():
    """aioice with a wrong password gets no relay"""
    port, _ = serve(1, "udp")

    async def ask():
        return await aioice.turn.create_turn_endpoint(Inbox, server_addr=("127.0.0.1", port), username=postern.USER,
                                                      password="wrong", transport="udp")

    tap.raises(aioice.stun.TransactionFailed, lambda: asyncio.run(asyncio.wait_for(ask(), 10)))


tap.main()

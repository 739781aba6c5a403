# SPDX-License-Identifier: BSD-3-Clause
"""Debian's coturn tools against our server, judged by the payloads that each end counted."""
import foreign
import postern
import tap

foreign.need_coturn()

CLIENTS, MESSAGES = 12, 25
BOTH = {"workers": [1, 3]}


def relay_by_peer(workers, *flags, length=160, more="", address="127.0.0.1", peer_address="127.0.0.1"):
    """`uclient` sends to a peer that echoes: as many there, and as many back. Returns the server."""
    port, peer = postern.free_port(), foreign.Peer(peer_address)
    server = foreign.server(port, workers, more, addresses=sorted({address, peer_address}))
    sent, received, lost = foreign.uclient(port, *flags, "-c", "-e", peer.address[0], "-r", peer.address[1],
                                           clients=CLIENTS, messages=MESSAGES, length=length, address=address)
    tap.equal(sent, CLIENTS * MESSAGES, "sent by the clients")
    tap.equal(peer.count, sent, "counted by the peer")
    tap.equal((received, lost), (sent, 0), "returned to the clients, and lost")
    tap.equal(len(peer.seen), CLIENTS, "relayed addresses that the peer saw")
    for payloads in peer.seen.values():
        tap.equal((len(payloads), len(set(payloads)), {len(one) for one in payloads}), (MESSAGES, MESSAGES, {length}))
    return server


@tap.test(timeout=120, **BOTH)
def channel_udp(workers):
    """turnutils_uclient, UDP, channels"""
    relay_by_peer(workers)


@tap.test(timeout=120, **BOTH)
def send_udp(workers):
    """turnutils_uclient, UDP, Send and Data indications"""
    relay_by_peer(workers, "-s")


@tap.test(timeout=120, **BOTH)
def channel_tcp(workers):
    """turnutils_uclient, TCP, channels"""
    relay_by_peer(workers, "-t")


@tap.test(timeout=120, **BOTH)
def send_tcp(workers):
    """turnutils_uclient, TCP, Send and Data indications, payloads that need padding"""
    relay_by_peer(workers, "-t", "-s", length=133)


@tap.test(timeout=120, transport=["", "-t"], client=["127.0.0.1", "::1"], peer=["127.0.0.1", "::1"], **BOTH)
def families(workers, transport, client, peer):
    """turnutils_uclient -x or -X: clients of either family with relays of either family"""
    relay_by_peer(workers, "-x" if peer == "::1" else "-X", *transport.split(), address=client, peer_address=peer)


@tap.test(timeout=120, flags=["-M", "-M -t", "-M -s"], **BOTH)
def mobility(workers, flags):
    """turnutils_uclient -M: each client goes to another port with its ticket, and its relay goes with it"""
    server = relay_by_peer(workers, *flags.split())
    moved = sum("allocation moved" in line for line in server.errors)
    tap.true(moved >= CLIENTS, f"{moved} moves")


@tap.test(timeout=120, flags=["-g", "-g -s", "-g -t"], **BOTH)
def unfragmented(workers, flags):
    """turnutils_uclient -g: DONT-FRAGMENT in Allocate, and in every Send indication"""
    relay_by_peer(workers, *flags.split(), length=1200)


@tap.test(timeout=120, flags=["-G", "-D -t", "-G -t -s"], **BOTH)
def extras(workers, flags):
    """turnutils_uclient -G (more requests than it needs), -D (padding of ChannelData even over UDP)"""
    relay_by_peer(workers, *flags.split())


# The keys that turnutils_uclient -J has in it.
TOKEN_KEYS = """oauth = { server_name = "turn.example.org"; keys = (
  { kid = "north"; key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEK"; },
  { kid = "union"; key = "MTIzNDU2Nzg5MDEyMzQ1Ngo="; algorithm = "A128GCM"; },
  { kid = "oldempire"; key = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIK"; } ); };
"""


@tap.test(timeout=120, **BOTH)
def tokens_udp(workers):
    """turnutils_uclient -J, OAuth tokens of three keys, UDP"""
    relay_by_peer(workers, "-J", more=TOKEN_KEYS)


@tap.test(timeout=120, **BOTH)
def tokens_tcp(workers):
    """turnutils_uclient -J, OAuth tokens of three keys, TCP, Send and Data indications"""
    relay_by_peer(workers, "-J", "-t", "-s", more=TOKEN_KEYS)


@tap.test(timeout=120, flags=["", "-s"], **BOTH)
def tls(workers, flags):
    """turnutils_uclient, TLS, channels or indications, the certificate verified

    It takes a record of TLS for a message, so that it also sees that frames are not joined."""
    port, peer = postern.free_port(), foreign.Peer()
    _, authority = foreign.server_tls(port, workers, transports=("tls",))
    sent, received, lost = foreign.uclient(port, "-t", "-S", "-E", authority.certificate, *flags.split(), "-c",
                                           "-e", peer.address[0], "-r", peer.address[1], clients=4, messages=50)
    tap.equal((sent, peer.count), (200, 200), "sent, and counted by the peer")
    tap.equal({len(payloads) for payloads in peer.seen.values()}, {50})
    tap.equal((received, lost), (200, 0), "returned, and lost")


@tap.test(timeout=120, **BOTH)
def large_udp(workers):
    """turnutils_uclient, UDP, channels, payloads of 1,400 bytes"""
    relay_by_peer(workers, length=1400)


@tap.test(timeout=120, **BOTH)
def between_relays(workers):
    """turnutils_uclient, relay to relay on this server"""
    port = postern.free_port()
    foreign.server(port, workers)
    for flags in (["-y"], ["-y", "-s"], ["-y", "-t"]):
        sent, received, lost = foreign.uclient(port, *flags, "-c", clients=4, messages=20)
        tap.equal((sent, received, lost), (80, 80, 0), f"sent, received, lost with {flags}")


@tap.test(timeout=120, **BOTH)
def tcp_relays(workers):
    """turnutils_uclient -T: TCP from relay to relay (RFC 6062), each client with a data connection to every other"""
    port = postern.free_port()
    foreign.server(port, workers)
    for flags in (["-y", "-T"], ["-y", "-t", "-T"]):
        sent, received, lost = foreign.uclient(port, *flags, "-c", clients=4, messages=20)
        tap.equal((sent, received, lost), (80, 80, 0), f"sent, received, lost with {flags}")


@tap.test(timeout=120, **BOTH)
def tcp_relays_passive(workers):
    """turnutils_uclient -P: peers connect to the relay (ConnectionAttempt); it counts one direction only, also at coturn"""
    port = postern.free_port()
    foreign.server(port, workers)
    sent, received, _ = foreign.uclient(port, "-y", "-P", "-c", clients=4, messages=20)
    tap.equal((sent, received), (80, 40), "sent, received")


@tap.test(timeout=120, **BOTH)
def tcp_relays_tls(workers):
    """turnutils_uclient -T -S: the same with control and data connections over TLS"""
    port = postern.free_port()
    _, authority = foreign.server_tls(port, workers, transports=("tls",))
    sent, received, lost = foreign.uclient(port, "-y", "-t", "-T", "-S", "-E", authority.certificate, "-c", clients=4,
                                           messages=20)
    tap.equal((sent, received, lost), (80, 80, 0), "sent, received, lost")


@tap.test(timeout=120, **BOTH)
def pairs_of_ports(workers):
    """turnutils_uclient without -c: an even port, and the next one by its reservation token"""
    port = postern.free_port()
    foreign.server(port, workers)
    for flags in (["-y"], ["-y", "-s"], ["-y", "-t"]):
        sent, received, lost = foreign.uclient(port, *flags, clients=4, messages=20)
        tap.equal((sent, received, lost), (80, 80, 0), f"sent, received, lost with {flags}")


@tap.test(timeout=120, flags=["", "-s", "-t"], **BOTH)
def dual_allocations(workers, flags):
    """turnutils_uclient -Z, its attribute's number put right: relays of both families in one allocation"""
    program, port = foreign.uclient_of_rfc8656(), postern.free_port()
    server = foreign.server(port, workers, addresses=("127.0.0.1", "::1"))
    sent, received, lost = foreign.uclient(port, "-Z", "-y", *flags.split(), clients=6, messages=20, program=program)
    tap.equal((sent, received, lost), (120, 120, 0), "sent, received, lost")
    tap.true(sum("relayed_ipv6=[::1]" in line for line in server.errors) >= 6, "dual allocations in the log")


@tap.test(timeout=120, flags=["-c", "-c -s", "-t -c", "-T"], **BOTH)
def damaged(workers, flags):
    """turnutils_uclient -R damages one message of ten, and then waits for ever; the server goes on serving others"""
    port = postern.free_port()
    server = foreign.server(port, workers)
    command = [foreign.coturn / "turnutils_uclient", "-R", "-y", "-u", postern.USER, "-w", postern.PASSWORD, "-p", port,
               "-m", 4, "-n", 50, "-z", 5, *flags.split(), "127.0.0.1"]
    clients = [postern.Process(command) for _ in range(8)]
    for client in clients:
        tap.cleanup(client.stop)
    postern.until(lambda: not any(client.running() for client in clients), 2)
    sent, received, lost = foreign.uclient(port, "-y", "-c", clients=4, messages=20)
    tap.equal((sent, received, lost), (80, 80, 0), "sent, received, lost by others")
    tap.true(any("allocation made" in line for line in server.errors), "the damaging ones got somewhere")


@tap.test(**BOTH)
def rest_credentials(workers):
    """turnutils_uclient with a secret makes time-limited credentials of its own"""
    port, peer = postern.free_port(), foreign.Peer()
    foreign.server(port, workers)
    sent, received, lost = foreign.uclient(port, "-c", "-W", postern.SECRET, "-e", peer.address[0],
                                           "-r", peer.address[1], clients=2, messages=10)
    tap.equal((sent, peer.count, received, lost), (20, 20, 20, 0))


@tap.test(**BOTH)
def wrong_password(workers):
    """turnutils_uclient with a wrong password gets nothing through"""
    port, peer = postern.free_port(), foreign.Peer()
    foreign.server(port, workers)
    ended = postern.run(foreign.coturn / "turnutils_uclient", "-u", postern.USER, "-w", "wrong", "-p", port, "-c", "-m", 1,
                        "-n", 3, "-e", peer.address[0], "-r", peer.address[1], "127.0.0.1", timeout=30)
    tap.equal(peer.count, 0, "datagrams at the peer")
    tap.true(ended.status != 0 and "Cannot complete Allocation" in ended.out + ended.err, f"refused: {ended}")


@tap.test(**BOTH)
def stunclient(workers):
    """turnutils_stunclient learns its own address"""
    port = postern.free_port()
    foreign.server(port, workers)
    ended = postern.run(foreign.coturn / "turnutils_stunclient", "-p", port, "127.0.0.1")
    tap.true("UDP reflexive addr: 127.0.0.1:" in ended.out + ended.err, f"it printed it: {ended}")


@tap.test(**BOTH)
def natdiscovery(workers):
    """turnutils_natdiscovery finds no NAT on loopback by our two addresses and ports"""
    port = postern.free_port()
    alternate = f'nat_behavior = {{ alternate_address = "127.0.0.2"; alternate_port = {port + 1}; }};\n'
    foreign.server(port, workers, alternate)
    ended = postern.run(foreign.coturn / "turnutils_natdiscovery", "-m", "-f", "-p", port, "127.0.0.1")
    told = ended.out + ended.err
    tap.equal(told.count("RFC 5780 response"), 4, f"responses in: {told}")
    tap.true("Endpoint Independent Mapping" in told and "Endpoint Independent Filtering" in told, told)


tap.main()

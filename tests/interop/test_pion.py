# SPDX-License-Identifier: BSD-3-Clause
"""pion/turn, from Debian's packages of its source: its client through our relay. The program is built here."""
import foreign
import go_program
import postern
import tap

PROGRAM = go_program.build("pion_echo", "turn/v2")
if PROGRAM is None:
    tap.skip_all("Go or pion's source is not there: ./dev deps peers")


@tap.test(transport=["udp", "tcp"], workers=[1, 3])
def echoes(transport, workers):
    """pion's client allocates over UDP and TCP, and payloads come back through the relay"""
    port, peer = postern.free_port(), foreign.Peer()
    foreign.server(port, workers)
    ended = postern.run(PROGRAM, port, transport, postern.USER, postern.PASSWORD, f"127.0.0.1:{peer.address[1]}")
    tap.equal(ended.status, 0, str(ended))
    tap.true("5 of 5 came back" in ended.out, str(ended))
    tap.equal(peer.count, 5)


@tap.test
def wrong_password():
    """pion's client with a wrong password gets no relay"""
    port = postern.free_port()
    foreign.server(port, 1)
    ended = postern.run(PROGRAM, port, "udp", postern.USER, "wrong", "127.0.0.1:9")
    tap.true(ended.status != 0 and "relay" not in ended.out, str(ended))


tap.main()

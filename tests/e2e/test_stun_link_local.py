# SPDX-License-Identifier: BSD-3-Clause
"""Clients on the server's own link, by their link-local addresses: the answer goes out where they are."""
import socket

import own_network
import postern
import stunwire
import tap

OURS, THEIRS = "fe80::1", "fe80::2"

if own_network.enter():
    own_network.ip("link", "add", "near", "type", "veth", "peer", "name", "far")
    for link, address in (("near", OURS), ("far", THEIRS)):
        own_network.ip("link", "set", link, "up")
        own_network.ip("address", "add", f"{address}/64", "dev", link, "nodad")


@tap.test(workers=[1, 3])
def answers_on_the_link(workers):
    """A Binding from a link-local address is answered from where it was asked"""
    own_network.need()
    port = postern.free_port()
    postern.server(postern.config(port, workers, addresses=("::",), relay=["::1"]))
    way = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    tap.cleanup(way.close)
    way.settimeout(5)
    zone = socket.if_nametoindex("near")
    way.bind((OURS, 0, 0, zone))
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    way.sendto(request, (OURS, port, 0, zone))
    data, source = way.recvfrom(2048)
    tap.equal((source[0].partition("%")[0], source[1]), (OURS, port))
    tap.equal(stunwire.parse(data).mapped, (OURS, way.getsockname()[1]))


tap.main()

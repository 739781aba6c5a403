# SPDX-License-Identifier: BSD-3-Clause
"""A STUN server with two addresses and two ports (RFC 5780) in Python: it tests the lab's NATs, and
stunclient, without our own server."""
import select
import socket
import struct

import stunwire as stun


def serve(addresses, ports=(3478, 3479)):
    """Answers Binding requests at each address and port, for ever."""
    sockets = {}
    for address in addresses:
        for port in ports:
            made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((address, port))
            sockets[address, port] = made
    while True:
        for ready in select.select(list(sockets.values()), [], [])[0]:
            data, source = ready.recvfrom(2048)
            try:
                _answer(sockets, addresses, ports, ready.getsockname()[:2], data, source[:2])
            except stun.Malformed:
                pass


def _answer(sockets, addresses, ports, local, data, source):
    request = stun.parse(data)
    if (request.method, request.klass) != (stun.BINDING, stun.REQUEST):
        return
    change = request.number(stun.CHANGE_REQUEST) or 0
    other = addresses[1 - addresses.index(local[0])], ports[1 - ports.index(local[1])]
    origin = (other[0] if change & stun.CHANGE_IP else local[0], other[1] if change & stun.CHANGE_PORT else local[1])
    response_port = request.get(stun.RESPONSE_PORT)
    target = (source[0], struct.unpack("!H", response_port[:2])[0]) if response_port else source
    answer = stun.build(stun.BINDING, stun.SUCCESS, [
        (stun.XOR_MAPPED_ADDRESS, stun.pack_address(source, request.transaction)),
        (stun.RESPONSE_ORIGIN, stun.pack_address(origin)),
        (stun.OTHER_ADDRESS, stun.pack_address(other)),
    ], request.transaction, fingerprint=True)
    sockets[origin].sendto(answer, target)

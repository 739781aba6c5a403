# SPDX-License-Identifier: BSD-3-Clause
"""What a NAT does, measured with RFC 5780's tests and none of our C code."""
import nats
import stunwire as stun


def binding(local, server, change=0, wait=0.25, tries=2):
    """(answer, source) from an unconnected socket at `local` = (address, port); (None, None) without one."""
    transport = stun.Udp(server, local, connected=False)
    fields = [(stun.CHANGE_REQUEST, stun.u32(change))] if change else []
    request = stun.build(stun.BINDING, stun.REQUEST, fields)
    try:
        for _ in range(tries):
            transport.send(request)
            data = transport.receive(wait)
            if data is not None and data[8:20] == request[8:20]:
                return stun.parse(data), transport.source
        return None, None
    finally:
        transport.close()


def mapping(local, servers):
    """The mapped addresses of one socket towards (A1,P1), (A2,P1), (A2,P2), (A1,P2)."""
    (a1, a2), p1, p2 = servers, 3478, 3479
    transport = stun.Udp((a1, p1), local, connected=False)
    mapped = []
    for server in ((a1, p1), (a2, p1), (a2, p2), (a1, p2)):
        transport.remote = server
        answer = stun.Client(transport).exchange(stun.build(stun.BINDING, stun.REQUEST), 0.7)
        mapped.append(answer.mapped if answer else None)
        if answer is None:
            return transport.local, [None]
    return transport.local, mapped


def classify_mapping(local, mapped):
    """One of nats.NONE, EI, AD, APD; None without an answer."""
    if None in mapped:
        return None
    first, second, third, fourth = mapped
    if set(mapped) == {local}:
        return nats.NONE
    if len(set(mapped)) == 1:
        return nats.EI
    if second == third and first == fourth:
        return nats.AD
    return nats.APD


def filtering(address, server):
    """One of nats.EI, AD, APD; None without an answer. Each test has a socket of its own."""
    if binding((address, 0), server)[0] is None:
        return None
    if binding((address, 0), server, stun.CHANGE_IP | stun.CHANGE_PORT)[0]:
        return nats.EI
    if binding((address, 0), server, stun.CHANGE_PORT)[0]:
        return nats.AD
    return nats.APD


def measure(address, servers):
    """(mapping, filtering, whether the port is preserved, mapped addresses) seen from `address`."""
    local, mapped = mapping((address, 0), servers)
    kept = None if None in mapped else all(port == local[1] for _, port in mapped)
    return classify_mapping(local, mapped), filtering(address, (servers[0], 3478)), kept, mapped

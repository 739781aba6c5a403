# SPDX-License-Identifier: BSD-3-Clause
"""RFC 3489 clients over the wire: no cookie, 128 bits of transaction id."""
import os
import struct

import e2e
import stunwire
import tap


def ask(transport, attributes=b"", method=1, timeout=20):
    """The attributes of the answer as {type: value}, or None; its id must be ours."""
    identity = b"\x01" + os.urandom(15)
    transport.send(struct.pack("!HH", method, len(attributes)) + identity + attributes)
    data = transport.receive(timeout)
    if data is None:
        return None
    kind, length = struct.unpack("!HH", data[:4])
    tap.equal((kind, length, data[4:20]), (0x0101 if kind == 0x0101 else 0x0111, len(data) - 20, identity))
    found, at = {"class": kind}, 20
    while at < len(data):
        name, size = struct.unpack("!HH", data[at : at + 4])
        tap.equal(size % 4, 0, f"RFC 3489 knows no padding: attribute {name:#06x}")
        found[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS)
def answers(workers, address):
    """A Binding request without cookie hears its address"""
    _, port = e2e.serve(workers, addresses=(address,), more='classic_stun = true; software = "odd";\n')
    transport = e2e.udp(port, address)
    for _ in range(5):
        found = ask(transport)
        tap.equal(stunwire.unpack_address(found[stunwire.MAPPED_ADDRESS]), transport.local)
        tap.equal(stunwire.unpack_address(found[stunwire.SOURCE_ADDRESS]), (address, port))
        tap.true(stunwire.XOR_MAPPED_ADDRESS not in found, "no word that RFC 3489 does not have")
    e2e.still_answers(port, address)


@tap.test
def refuses_to_reflect():
    """RESPONSE-ADDRESS gets 420, at the sender's own address"""
    _, port = e2e.serve(more="classic_stun = true;\n")
    victim = e2e.peer()
    value = stunwire.pack_address(victim.local)
    found = ask(e2e.udp(port), struct.pack("!HH", stunwire.RESPONSE_ADDRESS, len(value)) + value)
    tap.equal((found["class"], found[stunwire.ERROR_CODE][2:4]), (0x0111, b"\x04\x14"))
    tap.equal(victim.receive(0.2), None)


@tap.test
def lists_unknown_attributes():
    """420 names what is unknown; of an odd number of types one stands there twice, so that nothing needs padding"""
    _, port = e2e.serve(more="classic_stun = true;\n")
    for types, listed in (((0x7001,), [0x7001] * 2), ((0x7001, 0x7002), [0x7001, 0x7002]),
                          ((0x7001, 0x7002, 0x7003), [0x7001, 0x7002, 0x7003, 0x7003])):
        found = ask(e2e.udp(port), b"".join(struct.pack("!HHI", kind, 4, 0) for kind in types))
        tap.equal(found[stunwire.ERROR_CODE], b"\0\0\x04\x14Unknown Attribute   ")
        tap.equal(list(struct.unpack(f"!{len(listed)}H", found[stunwire.UNKNOWN_ATTRIBUTES])), listed)


@tap.test
def knows_that_no_change_is_wished():
    """CHANGE-REQUEST without flags, which many of these clients send, is answered; a change cannot be made: 420"""
    _, port = e2e.serve(more="classic_stun = true;\n")
    for flags, kind in ((0, 0x0101), (stunwire.CHANGE_PORT, 0x0111), (stunwire.CHANGE_IP | stunwire.CHANGE_PORT, 0x0111)):
        found = ask(e2e.udp(port), struct.pack("!HHI", stunwire.CHANGE_REQUEST, 4, flags))
        tap.equal(found["class"], kind, f"flags {flags}")
    answer = stunwire.Client(e2e.udp(port)).binding([(stunwire.CHANGE_REQUEST, stunwire.u32(0))])
    tap.equal(answer.error()[0], 420, "of RFC 5780 there is nothing here")


@tap.test
def is_off_by_default():
    """Silence"""
    _, port = e2e.serve()
    tap.equal(ask(e2e.udp(port), timeout=0.3), None)
    e2e.still_answers(port)


tap.main()

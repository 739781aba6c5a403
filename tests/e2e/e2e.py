# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the server over the wire share."""
import os
import select
import socket
import time

import postern
import stunwire
import tap

LOOPBACKS = ["127.0.0.1", "::1"]
WORKERS = [1, 3]


def need_address(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        tap.skip(f"this host has no {address}")


def serve(workers=None, addresses=("127.0.0.1",), **options):
    """A server with a user on a free port, for the length of the test; (server, port)."""
    for address in addresses:
        need_address(address)
    port = postern.free_port()
    return postern.server(postern.config(port, workers=workers, addresses=addresses, **options)), port


def udp(port, address="127.0.0.1", local=None):
    transport = stunwire.Udp((address, port), local=local)
    tap.cleanup(transport.close)
    return transport


def tcp(port, address="127.0.0.1", local=None):
    transport = stunwire.Tcp((address, port), local=local)
    tap.cleanup(transport.close)
    return transport


def connect(transport, port, address="127.0.0.1", local=None):
    return {"udp": udp, "tcp": tcp}[transport](port, address, local)


def client(port, transport="udp", address="127.0.0.1", user=postern.USER, password=postern.PASSWORD, local=None):
    return stunwire.Client(connect(transport, port, address, local), user, password)


def family_of(address):
    """REQUESTED-ADDRESS-FAMILY for a relay beside that address."""
    return (stunwire.REQUESTED_ADDRESS_FAMILY, bytes([2 if ":" in address else 1, 0, 0, 0]))


def allocated(port, transport="udp", address="127.0.0.1", **options):
    """A client with an allocation in the family of `address`."""
    one = client(port, transport, address, **options)
    one.allocate([family_of(address)])
    return one


def peer(address="127.0.0.1"):
    """A UDP socket that talks to anyone; its `local` is its address."""
    transport = stunwire.Udp((address, 9), local=(address, 0), connected=False)
    transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    tap.cleanup(transport.close)
    return transport


def receive_all(transport, count, timeout=20):
    """So many datagrams, or as many as come before `timeout` passes without one."""
    received = []
    while len(received) < count:
        data = transport.receive(timeout)
        if data is None:
            break
        received.append(data)
    return received


def receive_until_quiet(transport, least=1, quiet=0.5):
    """At least so many datagrams, however long they take, and what comes until none has come for `quiet` seconds."""
    received = receive_all(transport, least)
    while len(received) >= least and (data := transport.receive(quiet)) is not None:
        received.append(data)
    return received


def read_until(child, data, wanted):
    """What a child says on standard output that is given `data` on standard input, and the end once it has said
    `wanted`. Fails by its caller's look at what it said."""
    child.stdin.write(data)
    child.stdin.flush()
    out, deadline = b"", time.monotonic() + 30
    while wanted not in out and select.select([child.stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
        more = os.read(child.stdout.fileno(), 65536)
        if not more:
            break
        out += more
    child.stdin.close()
    out += child.stdout.read()
    child.wait(30)
    return out


def ended(connection, timeout=20):
    """Whether the other end closes the socket in that time, whatever it says before."""
    connection.settimeout(timeout)
    try:
        while connection.recv(4096):
            pass
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def is_free(address):
    """Whether no UDP socket of this host is bound there."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(address)
            return True
    except OSError:
        return False


def code_of(call, *arguments):
    """The code of the error with which a client's method is refused, or 0."""
    try:
        call(*arguments)
    except stunwire.Refused as refused:
        return refused.code
    return 0


def still_answers(port, address="127.0.0.1"):
    """The server answers Binding, with the address that asked."""
    transport = udp(port, address)
    answer = stunwire.Client(transport).binding()
    tap.equal(answer.mapped, transport.local, "mapped address")

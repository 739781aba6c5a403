# SPDX-License-Identifier: BSD-3-Clause
"""Binding over the wire, and what must not be answered."""
import os
import struct
import time

import e2e
import postern
import stunwire
import tap


def binding(attributes=()):
    return stunwire.build(stunwire.BINDING, stunwire.REQUEST, attributes)


@tap.test(workers=e2e.WORKERS, address=e2e.LOOPBACKS, transport=["udp", "tcp"])
def tells_each_client_its_address(workers, address, transport):
    """Each client hears its own address"""
    _, port = e2e.serve(workers, addresses=(address,))
    for _ in range(20):
        way = e2e.connect(transport, port, address)
        answer = stunwire.Client(way).binding()
        tap.equal(answer.klass, stunwire.SUCCESS)
        tap.equal(answer.address(stunwire.XOR_MAPPED_ADDRESS), way.local)


@tap.test(workers=e2e.WORKERS)
def answers_byte_by_byte(workers):
    """A TCP client that sends one byte at a time is answered"""
    _, port = e2e.serve(workers)
    way = e2e.tcp(port)
    for _ in range(3):
        request = binding()
        for byte in request:
            way.send(bytes([byte]))
        answer = stunwire.parse(way.receive(20))
        tap.equal(answer.transaction, request[8:20])


@tap.test(workers=e2e.WORKERS)
def answers_pipelined_requests(workers):
    """Requests sent at once over TCP are all answered, in order"""
    _, port = e2e.serve(workers)
    way = e2e.tcp(port)
    requests = [binding() for _ in range(200)]
    stream = b"".join(requests)
    for start in range(0, len(stream), 777):
        way.send(stream[start : start + 777])
    answers = [stunwire.parse(data).transaction for data in e2e.receive_all(way, len(requests))]
    tap.equal(answers, [request[8:20] for request in requests])


@tap.test(address=["127.0.0.2", "127.0.0.3"])
def answers_from_where_it_was_asked(address):
    """A listener on all addresses answers from the one that was asked"""
    port = postern.free_port()
    postern.server(postern.config(port, addresses=("0.0.0.0",), relay=("127.0.0.1",)))
    way = e2e.udp(port, address)  # connected: hears that address only
    tap.equal(stunwire.Client(way).binding().mapped, way.local)


@tap.test
def serves_several_listeners():
    """Every configured listener answers, of both families"""
    e2e.need_address("::1")
    first, second = postern.free_port(), postern.free_port()
    text = postern.config(first, addresses=("127.0.0.1", "::1"))
    listeners = [postern.listener(first, "127.0.0.1"), postern.listener(first, "::1"),
                 postern.listener(second, "127.0.0.1", ("udp",)), postern.listener(second, "127.0.0.9", ("tcp",))]
    text = text.replace(text.split("\n")[0], "listeners = ( " + ", ".join(listeners) + " );")
    postern.server(text)
    for transport, port, address in (("udp", first, "127.0.0.1"), ("tcp", first, "::1"), ("udp", first, "::1"),
                                     ("udp", second, "127.0.0.1"), ("tcp", second, "127.0.0.9")):
        way = e2e.connect(transport, port, address)
        tap.equal(stunwire.Client(way).binding().mapped, way.local, f"{transport} {address} {port}")


@tap.test
def lists_unknown_attributes():
    """An unknown attribute that must be understood gets 420 and is named"""
    _, port = e2e.serve()
    answer = stunwire.Client(e2e.udp(port)).binding([(0x7FF0, b"abcd"), (0xC001, b"ignored")])
    tap.equal(answer.error()[0], 420)
    tap.equal(answer.get(stunwire.UNKNOWN_ATTRIBUTES), struct.pack("!H", 0x7FF0))


def silent(way, messages):
    """None of the messages is answered: the next answer is the one to a Binding behind them."""
    for message in messages:
        way.send(message)
    last = binding()
    way.send(last)
    answer = way.receive(20)
    tap.true(answer is not None, "the Binding behind them is answered")
    tap.equal(stunwire.parse(answer).transaction, last[8:20], "first answer's transaction")


@tap.test(workers=e2e.WORKERS)
def answers_no_rubbish(workers):
    """Datagrams that are no request are not answered and do no harm"""
    _, port = e2e.serve(workers)
    whole = binding([(stunwire.SOFTWARE, b"x" * 20)])
    rubbish = [b"", b"\0", os.urandom(3), b"\0" * 19, b"GET / HTTP/1.0\r\n\r\n", b"\x16\xfe\xff" + os.urandom(60),
               whole[:-1], whole + b"\0", whole[:2] + b"\xff\xff" + whole[4:], b"\x40\0\0\0", b"\x40\0\xff\xff",
               b"\x80" + os.urandom(200), b"\xff" * 65507, os.urandom(1200)]
    rubbish += [whole[:size] for size in range(len(whole))]
    e2e_way = e2e.udp(port)
    for _ in range(3):
        silent(e2e_way, rubbish)


@tap.test
def answers_no_answers():
    """Success and error responses and indications are not answered"""
    _, port = e2e.serve()
    messages = [stunwire.build(method, klass) for klass in (stunwire.SUCCESS, stunwire.ERROR, stunwire.INDICATION)
                for method in (stunwire.BINDING, stunwire.ALLOCATE, stunwire.SEND, stunwire.DATA, 0x0FF)]
    silent(e2e.udp(port), messages)
    silent(e2e.tcp(port), messages)


@tap.test(rubbish=["http", "random", "half a frame and an end"])
def closes_a_stream_of_rubbish(rubbish):
    """A TCP client that does not speak STUN is cut off, others go on"""
    _, port = e2e.serve()
    other = stunwire.Client(e2e.tcp(port))
    way = e2e.tcp(port)
    if rubbish == "half a frame and an end":
        way.send(binding([(stunwire.SOFTWARE, b"x" * 40)])[:30])
        way.socket.shutdown(1)
    else:
        way.send(b"GET / HTTP/1.0\r\n\r\n" if rubbish == "http" else b"\xff" + os.urandom(500))
    tap.equal(way.receive(20), None)
    tap.true(way.closed, "the server closes")
    tap.equal(other.binding().klass, stunwire.SUCCESS)
    e2e.still_answers(port)


@tap.test(workers=e2e.WORKERS)
def stands_a_flood(workers):
    """After a flood from many ports the server answers as before"""
    _, port = e2e.serve(workers)
    flooders = [e2e.udp(port) for _ in range(200)]
    request = binding()
    allocate = stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [stunwire.requested_transport()])
    for way in flooders:
        for message in (request, allocate, os.urandom(40), b"\0" * 1400) * 10:
            way.send(message)
    e2e.still_answers(port)
    for way in flooders[:5]:
        while way.receive(0) is not None:
            pass
        tap.equal(stunwire.Client(way).binding().mapped, way.local)


@tap.test(workers=e2e.WORKERS)
def stops_when_told(workers):
    """SIGTERM ends the server with status 0, connections or not"""
    server, port = e2e.serve(workers)
    ways = [e2e.tcp(port) for _ in range(5)] + [e2e.udp(port)]
    for way in ways:
        stunwire.Client(way).binding()
    server.finish()
    tap.equal(ways[0].receive(20), None)
    tap.true(ways[0].closed, "its connections are closed")


@tap.test
def refuses_a_port_that_is_taken():
    """A second server on the same port says so and ends"""
    _, port = e2e.serve()
    second = postern.Server(postern.config(port), wait=False)
    status = second.wait(20)
    second.finished = True
    tap.true(status not in (0, None) and status > 0, f"exit status {status}")
    tap.true(f"127.0.0.1:{port}" in second.stderr and "in use" in second.stderr, second.stderr)
    e2e.still_answers(port)


@tap.test(workers=e2e.WORKERS)
def bounds_a_source_whatever_its_ports(workers):
    """The limit of answers to a source holds over all its ports, and over all workers"""
    port = postern.free_port()
    text = postern.config(port, workers=workers, users=False)
    postern.server(text.replace("unauthenticated_per_source = 0;", "unauthenticated_per_source = 20;"))
    ways = [e2e.udp(port) for _ in range(90)]
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    begun, answered = time.monotonic(), 0
    for way in ways:
        way.send(request)

    def count():
        nonlocal answered
        answered += sum(way.receive(0.001) is not None for way in ways)
        return answered >= 20

    postern.until(count)
    time.sleep(0.3)
    count()
    most = 30 + 20 * (time.monotonic() - begun)
    tap.true(20 <= answered <= most, f"{answered} of {len(ways)}, {most} at most")


tap.main()

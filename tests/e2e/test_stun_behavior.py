# SPDX-License-Identifier: BSD-3-Clause
"""RFC 5780: the four endpoints, and answers that come from the one that was asked for."""
import itertools
import struct

import client
import e2e
import own_network
import postern
import stunwire
import tap

PRIMARY, ALTERNATE = "127.0.0.1", "127.0.0.2"
CHANGES = [0, stunwire.CHANGE_PORT, stunwire.CHANGE_IP, stunwire.CHANGE_IP | stunwire.CHANGE_PORT]


def behavior(alternate_port):
    return f'nat_behavior = {{ alternate_address = "{ALTERNATE}"; alternate_port = {alternate_port}; }};\n'


SECOND = ("::1", "::2")  # of the other family

if own_network.enter():
    own_network.ip("address", "add", f"{SECOND[1]}/128", "dev", "lo")


def serve(workers=None):
    ports = (postern.free_port(), postern.free_port())
    postern.server(postern.config(ports[0], workers=workers, users=False, more=behavior(ports[1])))
    return ports


def ask(way, endpoint, attributes=()):
    """Sends a Binding to that endpoint; (answer, where it came from)."""
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST, attributes)
    for _ in range(3):
        way.send(request, endpoint)
        data = way.receive(2)
        if data is not None and data[8:20] == request[8:20]:
            return stunwire.parse(data), way.source
    raise AssertionError(f"no answer from {endpoint} to {attributes}")


def change(flags):
    return (stunwire.CHANGE_REQUEST, stunwire.u32(flags))


@tap.test(workers=e2e.WORKERS)
def answers_from_the_endpoint_asked_for(workers):
    """CHANGE-REQUEST is answered from that endpoint, wherever it was sent to"""
    ports = serve(workers)
    for _ in range(4 if workers > 1 else 1):  # several client ports: several workers
        way = e2e.peer("127.0.0.1")
        for address, port, flags in itertools.product((0, 1), (0, 1), CHANGES):
            here = ((PRIMARY, ALTERNATE)[address], ports[port])
            answer, source = ask(way, here, [change(flags)])
            wanted = ((PRIMARY, ALTERNATE)[address ^ bool(flags & stunwire.CHANGE_IP)],
                      ports[port ^ bool(flags & stunwire.CHANGE_PORT)])
            what = f"asked at {here} with {flags}"
            tap.equal(source, wanted, what)
            tap.equal(answer.address(stunwire.RESPONSE_ORIGIN), wanted, what)
            other = ((PRIMARY, ALTERNATE)[1 - address], ports[1 - port])
            tap.equal(answer.address(stunwire.OTHER_ADDRESS), other, what)
            tap.equal(answer.mapped, way.local, what)


@tap.test(workers=e2e.WORKERS)
def serves_both_families(workers):
    """Each family has its four endpoints, and an answer names and uses those of its own"""
    own_network.need()
    ports = (postern.free_port(), postern.free_port())
    more = (f'nat_behavior = {{ alternate_addresses = [ "{SECOND[1]}", "{ALTERNATE}" ]; '
            f'alternate_port = {ports[1]}; }};\n')
    postern.server(postern.config(ports[0], workers=workers, addresses=(PRIMARY, SECOND[0]), users=False, more=more))
    for addresses in ((PRIMARY, ALTERNATE), SECOND):
        way = e2e.peer(addresses[0])
        for address, port, flags in itertools.product((0, 1), (0, 1), CHANGES):
            answer, source = ask(way, (addresses[address], ports[port]), [change(flags)])
            wanted = (addresses[address ^ bool(flags & stunwire.CHANGE_IP)],
                      ports[port ^ bool(flags & stunwire.CHANGE_PORT)])
            tap.equal((source, answer.address(stunwire.RESPONSE_ORIGIN)), (wanted, wanted))
            tap.equal(answer.address(stunwire.OTHER_ADDRESS), (addresses[1 - address], ports[1 - port]))
            tap.equal(answer.mapped, way.local)
        told = client.run_json("nat", f"{addresses[0]}:{ports[0]}" if addresses is not SECOND else
                               f"[{addresses[0]}]:{ports[0]}", status=client.OK)
        tap.true(told["mapping"] != "unknown", str(told))


@tap.test
def binds_a_configured_alternate_once():
    """An alternate endpoint may be a configured listener as well"""
    ports = (postern.free_port(), postern.free_port())
    text = postern.config(ports[0], users=False, more=behavior(ports[1]))
    listeners = [postern.listener(ports[0], PRIMARY), postern.listener(ports[1], ALTERNATE),
                 postern.listener(ports[1], PRIMARY, ("udp",))]
    postern.server(text.replace(text.split("\n")[0], "listeners = ( " + ", ".join(listeners) + " );"))
    way = e2e.peer("127.0.0.1")
    _, source = ask(way, (PRIMARY, ports[0]), [change(stunwire.CHANGE_IP | stunwire.CHANGE_PORT)])
    tap.equal(source, (ALTERNATE, ports[1]))
    tap.equal(stunwire.Client(e2e.tcp(ports[1], ALTERNATE)).binding().klass, stunwire.SUCCESS)


@tap.test
def answers_to_another_port():
    """RESPONSE-PORT sends the answer to another port of the same host"""
    ports = serve()
    asking, listening = e2e.peer(), e2e.peer()
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST,
                             [(stunwire.RESPONSE_PORT, struct.pack("!HH", listening.local[1], 0))])
    asking.send(request, (PRIMARY, ports[0]))
    answer = stunwire.parse(listening.receive(20))
    tap.equal((answer.transaction, answer.mapped), (request[8:20], asking.local))


@tap.test
def pads_no_more_than_was_sent():
    """PADDING is answered with no more padding than came"""
    ports = serve()
    for size in (4, 500, 1400):
        answer, _ = ask(e2e.peer(), (PRIMARY, ports[0]), [(stunwire.PADDING, bytes(size))])
        tap.true(0 < len(answer.get(stunwire.PADDING)) <= size, f"{len(answer.get(stunwire.PADDING))} of {size}")


@tap.test
def is_no_reflector():
    """No other host is answered, no padding goes to another port, and what goes there counts in the limit of its source"""
    ports = (postern.free_port(), postern.free_port())
    text = postern.config(ports[0], users=False, more=behavior(ports[1]))
    postern.server(text.replace("unauthenticated_per_source = 0", "unauthenticated_per_source = 20"))
    asking, victim, elsewhere = e2e.peer(), e2e.peer(), e2e.peer("127.0.0.3")
    at, port = (PRIMARY, ports[0]), (stunwire.RESPONSE_PORT, struct.pack("!HH", victim.local[1], 0))

    def refused(*attributes):
        return ask(asking, at, attributes)[0].error()[0]

    tap.equal(refused((stunwire.RESPONSE_ADDRESS, stunwire.pack_address(elsewhere.local))), 420, "RFC 3489's way to do it")
    tap.equal(refused(port, (stunwire.PADDING, bytes(400))), 400)
    tap.equal(refused(port, (stunwire.PADDING, b"")), 400)
    for way in (victim, elsewhere):
        tap.equal(way.receive(0.3), None)
    for _ in range(500):
        asking.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST, [port]), at)
    told = len(e2e.receive_all(victim, 500, 0.5))
    tap.true(1 <= told <= 100, f"{told} answers for 500 requests")


PUBLIC = ("11.0.0.1", "11.0.0.2")


@tap.test
def is_on_with_two_public_addresses():
    """Two public addresses with the same port are enough; nat_behavior.enabled says no"""
    own_network.need()
    for address in PUBLIC:
        own_network.ip("address", "add", f"{address}/32", "dev", "lo")
    for more, on in (("", True), ("nat_behavior = { enabled = false; };\n", False)):
        port = postern.free_port()
        with postern.Server(postern.config(port, addresses=PUBLIC, users=False, more=more)):
            way = e2e.peer("0.0.0.0")
            flags = stunwire.CHANGE_IP | stunwire.CHANGE_PORT
            answer, source = ask(way, (PUBLIC[0], port), [change(flags)])
            if on:
                tap.equal((source, answer.address(stunwire.RESPONSE_ORIGIN)), ((PUBLIC[1], 3479),) * 2)
            else:
                tap.equal(answer.error()[0], 420)


@tap.test
def is_off_without_a_second_address():
    """Without nat_behavior there is no OTHER-ADDRESS, and CHANGE-REQUEST is refused"""
    _, port = e2e.serve(users=False)
    one = stunwire.Client(e2e.udp(port))
    answer = one.binding()
    tap.true(stunwire.OTHER_ADDRESS not in answer and stunwire.RESPONSE_ORIGIN not in answer, str(answer))
    answer = one.binding([change(stunwire.CHANGE_PORT)])
    tap.equal(answer.error()[0], 420)
    tap.equal(answer.get(stunwire.UNKNOWN_ATTRIBUTES), struct.pack("!H", stunwire.CHANGE_REQUEST))


tap.main()

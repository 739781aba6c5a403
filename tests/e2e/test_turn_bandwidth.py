# SPDX-License-Identifier: BSD-3-Clause
"""Bandwidth quotas over the wire: what is above is dropped, and nothing else happens."""
import time

import e2e
import postern
import stunwire
import tap

SIZE = 1000  # bytes of a datagram; the quotas below are 100 of them a second


def pour(ones, peer, count):
    """Each sends so many datagrams; how many arrive in all, and in how many seconds."""
    begun = time.monotonic()
    for number in range(count):
        for one in ones:
            one.send_channel(bytes(SIZE))
        if number % 20 == 19:
            time.sleep(0.005)
    arrived = len(e2e.receive_all(peer, len(ones) * count, 0.5))
    return arrived, time.monotonic() - begun


def ready(port, peer, **options):
    one = e2e.allocated(port, **options)
    one.bind_channel(peer.local)
    return one


@tap.test(workers=e2e.WORKERS)
def bounds_an_account(workers):
    """Four allocations of one user share the user's bandwidth; another user has its own"""
    _, port = e2e.serve(workers, more='quotas = { user = { bandwidth = "800 kbit/s"; }; };\n')
    peer = e2e.peer()
    ones = [ready(port, peer) for _ in range(4)]
    arrived, seconds = pour(ones, peer, 150)
    tap.true(90 <= arrived <= 110 + 100 * seconds, f"{arrived} of 600 in {seconds:.2f} s")
    user, password = stunwire.rest_credential(postern.SECRET, "bob")
    arrived, seconds = pour([ready(port, peer, user=user, password=password)], peer, 90)
    tap.true(arrived == 90, f"{arrived} of 90")
    time.sleep(0.5)
    ones[0].send_channel(b"goes on")
    tap.equal(peer.receive(20), b"goes on")


@tap.test(workers=e2e.WORKERS)
def bounds_the_server(workers):
    """The total holds for all users together, and a reload lifts it; the log tells why"""
    more = 'quotas = { total = { bandwidth = "800 kbit/s"; }; };\n'
    port = postern.free_port()
    config = postern.config(port, workers=workers)
    server = postern.server(config + more)
    user, password = stunwire.rest_credential(postern.SECRET, "bob")
    peer = e2e.peer()
    ones = [ready(port, peer), ready(port, peer, user=user, password=password)]
    arrived, seconds = pour(ones, peer, 200)
    tap.true(90 <= arrived <= 110 + 100 * seconds, f"{arrived} of 400 in {seconds:.2f} s")
    tap.true(postern.until(lambda: any("bandwidth quota is reached" in line for line in server.errors)),
             "a line in the log")
    server.rewrite(config)
    server.reload()
    tap.true(postern.until(lambda: pour(ones, peer, 150)[0] == 300, 10), "no limit after the reload")


@tap.test(workers=e2e.WORKERS)
def bounds_a_realm(workers):
    """Users of one realm share its bandwidth, those of the first realm do not; a reload changes it"""
    realm = 'realms = ( { name = "example.net"; %s secrets = [ "a secret of the other realm" ]; } );\n'
    port, extra = postern.free_port(), postern.free_port()
    listener = f'{{ address = "127.0.0.1"; port = {extra}; transports = [ "udp", "tcp" ]; realm = "example.net"; }}'
    config = postern.config(port, workers=workers).replace("listeners = ( ", f"listeners = ( {listener}, ", 1)
    server = postern.server(config + realm % 'bandwidth = "800 kbit/s";')
    peer = e2e.peer()
    names = [stunwire.rest_credential("a secret of the other realm", name) for name in ("bob", "carol")]
    ones = [ready(extra, peer, user=user, password=password) for user, password in names]
    arrived, seconds = pour(ones, peer, 200)
    tap.true(90 <= arrived <= 110 + 100 * seconds, f"{arrived} of 400 in {seconds:.2f} s")
    tap.equal(pour([ready(port, peer)], peer, 150)[0], 150, "the first realm")
    server.rewrite(config + realm % "")
    server.reload()
    tap.true(postern.until(lambda: pour(ones, peer, 150)[0] == 300, 10), "no limit after the reload")


tap.main()

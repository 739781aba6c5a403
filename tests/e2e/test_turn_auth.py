# SPDX-License-Identifier: BSD-3-Clause
"""Who may allocate: the challenge, credentials of both kinds, nonces, over the wire."""
import time

import e2e
import postern
import stunwire
import tap


def allocate(one, attributes=()):
    """The raw answer to one signed or unsigned Allocate."""
    return one.exchange(one.signed(stunwire.ALLOCATE, [stunwire.requested_transport(), *attributes]))


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"])
def challenges_strangers(workers, transport):
    """Without credentials: 401 with realm and nonce, and no integrity"""
    _, port = e2e.serve(workers)
    answer = allocate(e2e.client(port, transport))
    tap.equal(answer.error()[0], 401)
    tap.equal(answer.get(stunwire.REALM), postern.REALM.encode())
    tap.true(len(answer.get(stunwire.NONCE)) >= 16, "a nonce")
    tap.true(stunwire.MESSAGE_INTEGRITY not in answer, "no integrity")


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"], address=e2e.LOOPBACKS)
def lets_users_in(workers, transport, address):
    """A user of the configuration allocates after one challenge"""
    _, port = e2e.serve(workers, addresses=(address,))
    one = e2e.allocated(port, transport, address)
    tap.equal(one.challenges, 1)
    tap.equal(one.mapped, one.transport.local)
    tap.equal(one.relayed[0], address)
    tap.equal(one.lifetime, 600)


@tap.test(digest=["sha1", "sha256"])
def lets_time_limited_names_in(digest):
    """A time-limited name with HMAC of either kind allocates"""
    _, port = e2e.serve()
    user, password = stunwire.rest_credential(postern.SECRET, "bob", digest=digest)
    one = e2e.client(port, user=user, password=password)
    one.allocate()
    tap.equal(one.refresh(0).number(stunwire.LIFETIME), 0)


@tap.test
def turns_others_away():
    """Unknown user, wrong password and expired name look alike: 401"""
    _, port = e2e.serve()
    expired, password = stunwire.rest_credential(postern.SECRET, "bob", lifetime=-60)
    sizes = set()
    for user, word in (("alice", "wrong"), ("mallory", "secret"), (expired, password), ("", "")):
        answer = e2e.client(port, user=user, password=word).try_request(
            stunwire.ALLOCATE, [stunwire.requested_transport()])
        tap.equal(answer.error()[0], 401, f"user {user!r}")
        sizes.add(len(answer.raw))
    tap.equal(len(sizes), 1, "sizes of the answers")


@tap.test(workers=e2e.WORKERS)
def takes_any_workers_nonce(workers):
    """A nonce serves every port of its client's host, whichever worker made it"""
    _, port = e2e.serve(workers)
    first = e2e.allocated(port)
    for _ in range(12):
        other = e2e.client(port)
        other.realm, other.nonce, other.key = first.realm, first.nonce, first.key
        other.allocate()
        tap.equal(other.challenges, 0)


@tap.test
def refuses_foreign_nonces():
    """A nonce of another address, or one made up, gets 438 and a fresh one"""
    _, port = e2e.serve(addresses=("0.0.0.0",), relay=("127.0.0.1",))
    first = e2e.allocated(port)
    for nonce, local in ((first.nonce, ("127.0.0.5", 0)), (b"x" * len(first.nonce), None)):
        other = e2e.client(port, local=local)
        other.realm, other.nonce, other.key = first.realm, nonce, first.key
        answer = allocate(other)
        tap.equal(answer.error()[0], 438)
        tap.true(answer.get(stunwire.NONCE) not in (None, nonce), "a fresh nonce")
        other.allocate()


@tap.test
def ends_nonces():
    """A nonce older than limits.nonce_lifetime gets 438; the fresh one in the answer goes on"""
    port = postern.free_port()
    postern.server(postern.config(port).replace("limits = { ", 'limits = { nonce_lifetime = "3s"; '))
    one = e2e.allocated(port)
    tap.equal(one.exchange(one.signed(stunwire.REFRESH)).klass, stunwire.SUCCESS)
    time.sleep(4.1)
    answer = one.exchange(one.signed(stunwire.REFRESH))
    tap.equal(answer.error()[0], 438)
    one._learn(answer)
    tap.equal(one.exchange(one.signed(stunwire.REFRESH)).klass, stunwire.SUCCESS)


@tap.test(workers=e2e.WORKERS)
def expiry_ends_no_allocation(workers):
    """A time-limited name begins no allocation after its expiry, but keeps the one that it has"""
    _, port = e2e.serve(workers)
    user, password = stunwire.rest_credential(postern.SECRET, "bob", lifetime=4)
    one, peer = e2e.client(port, user=user, password=password), e2e.peer()
    one.allocate()
    time.sleep(5.1)
    tap.equal(one.refresh(900).number(stunwire.LIFETIME), 900)
    one.permit(peer.local)
    one.bind_channel(peer.local)
    late = e2e.client(port, user=user, password=password)
    tap.equal(late.try_request(stunwire.ALLOCATE, [stunwire.requested_transport()]).error()[0], 401)


@tap.test(transport=["udp", "tcp"])
def keeps_owners_apart(transport):
    """Another user's requests on an allocation's flow get 441"""
    _, port = e2e.serve()
    one = e2e.allocated(port, transport)
    one.user, one.password = stunwire.rest_credential(postern.SECRET, "bob")
    one._learn(allocate_anew(one))
    for method, attributes in ((stunwire.REFRESH, []), (stunwire.ALLOCATE, [stunwire.requested_transport()])):
        answer = one.try_request(method, attributes)
        tap.true(answer.error()[0] in (437, 441), f"method {method}: {answer.error()}")
    tap.equal(one.try_request(stunwire.REFRESH).error()[0], 441)


def allocate_anew(one):
    """A challenge for the name that `one` has now."""
    message = stunwire.build(stunwire.REFRESH, stunwire.REQUEST)
    return one.exchange(message)


@tap.test
def serves_stun_only_without_credentials():
    """Without users and secrets there is Binding, and no relaying"""
    server, port = e2e.serve(users=False)
    e2e.still_answers(port)
    answer = allocate(stunwire.Client(e2e.udp(port)))
    tap.true(answer is None or answer.error()[0] in (400, 403), str(answer and answer.error()))


tap.main()

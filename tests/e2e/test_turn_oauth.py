# SPDX-License-Identifier: BSD-3-Clause
"""OAuth (RFC 7635): tokens that Python made, over the wire."""
import base64
import os
import time

import e2e
import oauth_token
import postern
import service
import stunwire
import tap

SERVER = "turn.example.org"
KEYS = {"north": (os.urandom(32), "A256GCM"), "south": (os.urandom(16), "A128GCM")}


def entry(kid, key, algorithm, more=""):
    return f'{{ kid = "{kid}"; key = "{base64.b64encode(key).decode()}"; algorithm = "{algorithm}"; {more} }}'


def serve(keys=None, **options):
    entries = keys or [entry(kid, *key) for kid, key in KEYS.items()]
    group = f'oauth = {{ server_name = "{SERVER}"; keys = ( {", ".join(entries)} ); }};\n'
    return e2e.serve(more=group, **options)


class Holder(oauth_token.Holder):
    def __init__(self, transport, kid="north", size=20, sha256=False, key=None, server=SERVER, **token):
        super().__init__(transport, kid, key or KEYS[kid][0], server, size, sha256, **token)


@tap.test(kid=["north", "south"], transport=["udp", "tcp"], size=[20, 32])
def lets_holders_in(kid, transport, size):
    """A token of each algorithm, with session keys for SHA-1 and SHA-256, allocates and relays"""
    _, port = serve()
    one = Holder(e2e.connect(transport, port), kid, size, sha256=size == 32)
    one.allocate()
    tap.equal(one.told, SERVER.encode())
    peer = e2e.peer()
    one.permit(peer.local)
    one.send(peer.local, b"by token")
    tap.equal(peer.receive(20), b"by token")
    tap.equal(one.refresh(0).number(stunwire.LIFETIME), 0)


@tap.test
def goes_on_without_the_token():
    """After Allocate the session key is enough; a new token brings a new key, and ends the old one's"""
    _, port = serve()
    one = Holder(e2e.udp(port))
    one.allocate()
    one.always = False
    peer = e2e.peer()
    one.permit(peer.local)
    one.bind_channel(peer.local)
    one.refresh()
    old, one.always = one.key, True
    one.session_key = one.key = os.urandom(20)
    one.user, one.encryption = "south", KEYS["south"][0]
    one.renew()
    one.refresh()
    one.always = False
    one.refresh()
    one.key = one.session_key = old
    tap.equal(one.try_request(stunwire.REFRESH).error()[0], 401, "the old key")


@tap.test
def bounds_lifetimes():
    """No allocation outlives its token"""
    _, port = serve()
    one = Holder(e2e.udp(port), lifetime=120)
    one.allocate()
    # Five seconds are granted to clocks that differ, and the server's counts whole ones.
    tap.true(110 < one.lifetime <= 126, one.lifetime)
    tap.true(110 < one.refresh(3000).number(stunwire.LIFETIME) <= 126, "the same for Refresh")
    one.renew(lifetime=4000)
    tap.equal(one.refresh(3000).number(stunwire.LIFETIME), 3000)


@tap.test
def turns_others_away():
    """Expired, early, foreign, broken and missing tokens look alike: 401, with the server to ask"""
    now = int(time.time())
    _, port = serve([entry("north", *KEYS["north"]), entry("old", os.urandom(32), "A256GCM", 'not_after = "2020-01-01";'),
                     entry("young", KEYS["north"][0], "A256GCM", 'not_before = "2999-01-01T00:00:00Z";')])
    bad = {
        "expired": dict(lifetime=60, issued=now - 70), "from tomorrow": dict(lifetime=60, issued=now + 70),
        "another server": dict(server="turn.example.com"), "another key": dict(key=os.urandom(32)),
        "a key that is not yet": dict(kid="young", key=KEYS["north"][0]),
        "unknown key": dict(kid="nowhere", key=os.urandom(32)),
    }
    seen = set()
    for name, options in bad.items():
        one = Holder(e2e.udp(port), **options)
        answer = one.try_request(stunwire.ALLOCATE, [stunwire.requested_transport()])
        tap.equal(answer.error()[0], 401, name)
        tap.equal(answer.get(stunwire.THIRD_PARTY_AUTHORIZATION), SERVER.encode())
        seen.add(len(answer.raw))
    for token in (b"", b"\0", b"\0\x0c", b"\xff" * 64, b"\0\x0c" + bytes(60), bytes(2000)):
        one = Holder(e2e.udp(port))
        one.token = token
        answer = one.try_request(stunwire.ALLOCATE, [stunwire.requested_transport()])
        tap.equal(answer.error()[0], 401, repr(token[:4]))
        seen.add(len(answer.raw))
    tap.equal(len(seen), 1, "sizes")
    one = Holder(e2e.udp(port))
    one.always = False
    tap.equal(e2e.code_of(one.allocate), 401, "no token")
    e2e.allocated(port)  # a user beside them


@tap.test
def keeps_owners_apart():
    """A user of the configuration gets 441 on a holder's allocation"""
    _, port = serve()
    one = Holder(e2e.udp(port))
    one.allocate()
    other = stunwire.Client(one.transport, postern.USER, postern.PASSWORD)
    other.nonce, other.realm = one.nonce, one.realm
    other.key = stunwire.long_term_key(postern.USER, postern.REALM, postern.PASSWORD)
    tap.equal(other.try_request(stunwire.REFRESH).error()[0], 441)


@tap.test
def does_not_know_tokens_when_off():
    """Without keys no server is named, and a token is an attribute that nobody knows: 420"""
    _, port = e2e.serve()
    one = e2e.client(port)
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST))
    tap.true(stunwire.THIRD_PARTY_AUTHORIZATION not in answer, "no server named")
    answer = one.try_request(stunwire.ALLOCATE, [stunwire.requested_transport(), (stunwire.ACCESS_TOKEN, bytes(64))])
    tap.equal(answer.error()[0], 420)
    tap.equal(answer.get(stunwire.UNKNOWN_ATTRIBUTES)[:2], b"\0\x1b")


@tap.test
def changes_keys_by_reload():
    """A new key opens tokens after a reload, an old one no more"""
    server, port = serve([entry("north", *KEYS["north"])])
    tap.equal(e2e.code_of(Holder(e2e.udp(port), "south").allocate), 401)
    text = postern.config(port, more=f'oauth = {{ server_name = "{SERVER}"; keys = ( {entry("south", *KEYS["south"])} ); }};\n')
    server.rewrite(text)
    service.reload(server)
    tap.equal(e2e.code_of(Holder(e2e.udp(port), "south").allocate), 0)
    tap.equal(e2e.code_of(Holder(e2e.udp(port), "north").allocate), 401)


@tap.test
def checks_the_configuration():
    """What is wrong with keys is told, and no key is shown"""
    secret = base64.b64encode(os.urandom(24)).decode()
    for keys, words in (("", "expected keys"), (f'{{ kid = "a"; key = "{secret}"; }}', "at least 32 bytes"),
                        (f'{{ kid = "a"; key = "!{secret}"; algorithm = "A128GCM"; }}', "base64"),
                        (f'{{ kid = "a"; key = "{secret}"; algorithm = "A128GCM"; not_after = "tomorrow"; }}', "UTC"),
                        (f'{{ kid = "a"; key = "{secret}"; algorithm = "AES"; }}', "A256GCM"),
                        (f'{{ kid = "a"; key = "{secret}"; algorithm = "A128GCM"; }},' * 2, "each kid once"),
                        (f'{{ key = "{secret}"; }}', "kid")):
        done = service.check(postern.config(3478, more=f"oauth = {{ keys = ( {keys.rstrip(',')} ); }};\n"))
        tap.equal(done.status, 2, f"{keys}: {done.err}")
        tap.true(words in done.err and secret not in done.err, done.err)


@tap.test
def challenges_have_room():
    """The longest realm and server name that are accepted still reach a client over UDP in a challenge"""
    keys = f'keys = ( {entry("north", *KEYS["north"])} );'
    realm = len(postern.REALM) + -len(postern.REALM) % 4
    for size, good in ((160 - realm, True), (160 - realm + 1, False), (255, False)):
        more = f'oauth = {{ server_name = "{"x" * size}"; {keys} }};\n'
        if good:
            _, port = e2e.serve(more=more)
            message = stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [stunwire.requested_transport()])
            answer = stunwire.Client(e2e.udp(port)).exchange(message)
            tap.equal(answer.get(stunwire.THIRD_PARTY_AUTHORIZATION), b"x" * size)
        done = service.check(postern.config(3478, more=more))
        tap.equal((done.status, "at most 160 bytes" in done.err), (0, False) if good else (2, True), done.err)


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""Several realms on one server, by ORIGIN, server name and listener, and quotas of a realm and of all."""
import ssl

import dtls
import e2e
import pki
import postern
import service
import stunwire
import tap

ORIGIN = 0x802F
OTHER, SECRET = "example.net", "a secret of the other realm"
REALMS = f"""realms = ( {{ name = "{OTHER}"; origins = [ "https://example.net" ]; secrets = [ "{SECRET}" ];
  users = ( {{ name = "alice"; password = "another word"; }}, {{ name = "carol"; password = "word"; }} ); %s }} );
"""


def serve(more="", realm="", **options):
    return e2e.serve(more=REALMS % realm + more, **options)


class Client(stunwire.Client):
    origin = None

    def credentials(self):
        origin = [(ORIGIN, self.origin)] if self.origin else []
        return origin + super().credentials()


def client(port, user, password, origin=b"https://example.net"):
    one = Client(e2e.udp(port), user, password)
    one.origin = origin
    return one


@tap.test(workers=e2e.WORKERS)
def by_origin(workers):
    """Who comes from a realm's origin is challenged for it, and its users are others' namesakes"""
    server, port = serve(workers=workers)
    one = client(port, "alice", "another word")
    one.allocate()
    tap.equal(one.realm, OTHER.encode())
    one.origin = None  # later requests need not say it again
    one.refresh()
    service.logged(server, 'user="alice\\\\example.net"')
    tap.equal(e2e.code_of(client(port, "alice", "secret").allocate), 401)
    tap.equal(e2e.code_of(client(port, "alice", "secret", None).allocate), 0)
    tap.equal(e2e.code_of(client(port, "alice", "another word", None).allocate), 401)
    tap.equal(e2e.code_of(client(port, "alice", "secret", b"https://example.org").allocate), 0)
    name, password = stunwire.rest_credential(SECRET, "eve")
    tap.equal(e2e.code_of(client(port, name, password).allocate), 0)
    tap.equal(e2e.code_of(client(port, name, password, None).allocate), 401)


@tap.test
def owners_are_of_realms():
    """A namesake of another realm gets 441 on an allocation"""
    _, port = serve()
    one = client(port, "alice", "another word")
    one.allocate()
    other = stunwire.Client(one.transport, "alice", "secret")
    other.realm, other.nonce = postern.REALM.encode(), one.nonce
    other.key = stunwire.long_term_key("alice", postern.REALM, "secret")
    tap.equal(other.try_request(stunwire.REFRESH).error()[0], 441)


@tap.test(transport=["udp", "tcp"])
def by_listener(transport):
    """A listener's realm is told to who comes in there"""
    first, second = postern.free_port(), postern.free_port()
    text = postern.config(first, more=REALMS % "")
    extra = f'{{ address = "127.0.0.1"; port = {second}; transports = [ "udp", "tcp" ]; realm = "{OTHER}"; }}'
    text = text.replace("listeners = ( ", f"listeners = ( {extra}, ", 1)
    postern.server(text)
    for port, realm, password in ((first, postern.REALM, "secret"), (second, OTHER, "another word")):
        one = e2e.client(port, transport, password=password)
        one.allocate()
        tap.equal(one.realm, realm.encode())


@tap.test(transport=["tls", "dtls"], workers=e2e.WORKERS)
def by_server_name(transport, workers):
    """The host that a client names in its handshake leads to a realm, also when it resumes a session"""
    authority = pki.Authority(postern.temporary_folder())
    certificate = authority.issue("turn.example.org", "turn.example.net", "eu.example.net", "127.0.0.1")
    _, port = serve(workers=workers, more=certificate.settings(), transports=("tls", "dtls"),
                    realm='server_names = [ "turn.example.net", "*.example.net" ];')
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose tickets come within the handshake
    secure = dtls.Context(authority.certificate, ["stun.turn"])
    for name, realm, password in (("turn.example.org", postern.REALM, "secret"),
                                  ("turn.example.net", OTHER, "another word"), ("EU.example.net", OTHER, "another word")):
        session = None
        for again in (False, True):
            if transport == "tls":
                way = stunwire.Tcp(("127.0.0.1", port), context=context, server_name=name, session=session)
                tap.equal(way.socket.session_reused, again)
                session = way.socket.session
            else:
                way = dtls.Dtls(("127.0.0.1", port), secure, name=name, session=session)
                tap.equal(way.resumed, again)
                session = way.session
            tap.cleanup(way.close)
            one = stunwire.Client(way, "alice", password)
            one.allocate()
            tap.equal(one.realm, realm.encode(), name)
            one.refresh(0)


@tap.test
def quota_of_a_realm():
    """A realm's quota counts all its users, and nobody else's"""
    _, port = serve(realm="allocations = 2;")
    first = client(port, "alice", "another word")
    first.allocate()
    client(port, "carol", "word").allocate()
    tap.equal(e2e.code_of(client(port, "carol", "word").allocate), 486)
    for _ in range(3):
        e2e.allocated(port)
    first.refresh(0)
    tap.equal(e2e.code_of(client(port, "carol", "word").allocate), 0)


@tap.test(workers=e2e.WORKERS)
def quota_of_all(workers):
    """quotas.total.allocations counts everybody over all workers; a reload changes it; more is 508"""
    server, port = serve("quotas = { total = { allocations = 4; }; };\n", workers=workers)
    ones = [e2e.allocated(port) for _ in range(3)]
    client(port, "carol", "word").allocate()
    tap.equal(e2e.code_of(e2e.client(port).allocate), 508)
    tap.equal(e2e.code_of(client(port, "carol", "word").allocate), 508)
    ones[0].refresh(0)
    tap.equal(e2e.code_of(e2e.client(port).allocate), 0)
    tap.equal(e2e.code_of(e2e.client(port).allocate), 508)
    server.rewrite(postern.config(port, workers=workers, more=REALMS % "" + "quotas = { total = { allocations = 5; }; };\n"))
    service.reload(server)
    tap.equal(e2e.code_of(e2e.client(port).allocate), 0)
    tap.equal(e2e.code_of(e2e.client(port).allocate), 508)


@tap.test
def looks_users_up_in_their_realm():
    """Users of an SQLite file belong to the realm with which they were added"""
    path = postern.temporary_folder() / "users.db"
    for realm in (postern.REALM, OTHER):
        done = postern.run(postern.turnserver, "user", "add", "dora", "--database", path, "--realm", realm,
                           input=f"word of {realm}\n".encode())
        if "without SQLite" in done.err:
            tap.skip("built without SQLite")
        tap.equal(done.status, 0, done.err)
    _, port = serve(f'users_database = {{ sqlite = "{path}"; }};\n')
    for realm, origin in ((postern.REALM, None), (OTHER, b"https://example.net")):
        tap.equal(e2e.code_of(client(port, "dora", f"word of {realm}", origin).allocate), 0, realm)
        tap.equal(e2e.code_of(client(port, "dora", "word of another", origin).allocate), 401, realm)


@tap.test
def checks_the_configuration():
    """A realm twice, or a listener's realm that is not there, is told"""
    for text, words in ((f'realms = ( {{ name = "{postern.REALM}"; }} );', "each realm once"),
                        ('realms = ( { name = "a"; }, { name = "a"; } );', "each realm once"),
                        ('realms = ( { name = "a\\\\b"; } );', "without quotes and backslashes"),
                        ('realms = ( { users = ( { name = "x"; password = "y"; } ); } );', "required"),
                        ('realms = ( { name = "b"; users = ( { name = "x"; } ); } );', "either password or key")):
        done = service.check(postern.config(3478, more=text + "\n"))
        tap.equal(done.status, 2, text)
        tap.true(words in done.err, done.err)
    text = postern.config(3478).replace("port = 3478;", 'port = 3478; realm = "nowhere";', 1)
    done = service.check(text)
    tap.equal((done.status, '"nowhere"' in done.err), (2, True), done.err)


@tap.test(workers=e2e.WORKERS)
def quotas_of_ports(workers):
    """Ports of a user, a realm and all are bounded; a pair that EVEN-PORT reserves is two; the log names the key"""
    limits = "quotas = { user = { ports = 2; }; total = { ports = 4; }; };\n"
    server, port = serve(more=limits, realm="ports = 3;", workers=workers)
    even = [(stunwire.EVEN_PORT, b"\x80\0\0\0")]
    first = client(port, "alice", "another word")
    first.allocate(even)
    tap.equal(e2e.code_of(client(port, "alice", "another word").allocate), 486)
    service.logged(server, 'key=quotas.user.ports')
    second = client(port, "carol", "word")
    tap.equal(second.try_request(stunwire.ALLOCATE, [stunwire.requested_transport()] + even).error()[0], 486)
    service.logged(server, 'realms[].ports')
    second.allocate()
    e2e.allocated(port)
    tap.equal(e2e.code_of(client(port, "alice", "secret", None).allocate), 508)
    service.logged(server, 'key=quotas.total.ports')
    first.refresh(0)
    tap.equal(e2e.code_of(client(port, "alice", "secret", None).allocate), 0)


tap.main()

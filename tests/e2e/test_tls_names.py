# SPDX-License-Identifier: BSD-3-Clause
"""Several certificates of one server: which one a client gets is decided by the name that it asks for."""
import ssl

import dtls
import e2e
import messages
import pki
import postern
import service
import stunwire
import tap

NAME = "turn.example.org"
WAYS = ["tls1.2", "tls1.3", "dtls", "rendezvous"]


class World:
    """A certificate for NAME, and in a list one of RSA with a wildcard and another of EC."""

    def __init__(self, ways=("tls", "dtls"), workers=1, first=True, rendezvous=False):
        self.folder = postern.temporary_folder()
        self.authority = pki.Authority(self.folder)
        issue = lambda *names, **options: pki.Live(self.new_folder(), self.authority.issue(*names, **options))
        self.first = issue(NAME, "127.0.0.1")
        self.list = [issue("example.net", "*.example.net", key="rsa:2048"), issue("turn.example.com"), issue("last.example.net")]
        self.port, self.workers = postern.free_port(), workers
        text = postern.config(self.port, workers, transports=ways, more=self.settings(first))
        if rendezvous:
            text += f'rendezvous = {{ listeners = ( {{ address = "127.0.0.1"; port = {self.port + 1}; tls = true; }} ); }};\n'
            if "reads no JSON" in service.check(text, self.new_folder()).err:
                tap.skip("built without jansson")
        self.server = postern.server(text)

    def new_folder(self):
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        return folder

    def settings(self, first):
        pair = lambda one: f'certificate = "{one.certificate}"; key = "{one.key}"; '
        elements = ", ".join(f"{{ {pair(one)} }}" for one in self.list)
        return f"tls = {{ {pair(self.first) if first else ''} certificates = ( {elements} ); }};\n"

    def context(self, way):
        if way == "dtls":
            if not dtls.available:
                tap.skip("the system's OpenSSL cannot be asked for DTLS")
            return dtls.Context(self.authority.certificate)
        context = self.authority.context(check_hostname=False)
        if way != "rendezvous":
            context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, "TLSv1_2" if way == "tls1.2" else "TLSv1_3")
        return context

    def connect(self, way, name, context=None, session=None):
        """A connection that has asked for that name."""
        context = context or self.context(way)
        if way == "dtls":
            transport = dtls.Dtls(("127.0.0.1", self.port), context, name=name, session=session)
        elif way == "rendezvous":
            transport = messages.tcp(("127.0.0.1", self.port + 1), context, server_name=name)
        else:
            transport = stunwire.Tcp(("127.0.0.1", self.port), context=context, server_name=name, session=session)
        tap.cleanup(transport.close)
        return transport

    def seen(self, way, name):
        """The certificate that this client gets, verified, DER."""
        one = self.connect(way, name)
        return one.certificate if way == "dtls" else getattr(one, "socket", one).getpeercert(binary_form=True)


@tap.test(way=WAYS)
def chosen_by_name(way):
    """By TLS 1.2 and 1.3, DTLS and at the rendezvous service: its own, by wildcard, in any case; else the first"""
    world = World(rendezvous=way == "rendezvous")
    net, com, _ = world.list
    for name, expected in ((NAME, world.first), ("example.net", net), ("a.example.net", net), ("A.Example.NET", net),
                           ("turn.example.com", com), ("b.a.example.net", world.first), ("other.test", world.first),
                           ("last.example.net", net), ("xexample.net", world.first), (None, world.first)):
        tap.equal(world.seen(way, name), expected.der, f"for {name}")


@tap.test(way=["tls1.2", "tls1.3", "dtls"])
def serves_each(way):
    """A client that asks for another name relays as any does"""
    world = World()
    one = stunwire.Client(world.connect(way, "a.example.net"), postern.USER, postern.PASSWORD)
    peer = e2e.peer()
    one.allocate()
    one.permit(peer.local)
    one.send(peer.local, b"hello")
    tap.equal(peer.receive(5), b"hello")


@tap.test
def first_of_the_list():
    """Without tls.certificate the first of the list is for those who ask for nobody that is known"""
    world = World(first=False)
    tap.equal(world.seen("tls1.3", "other.test"), world.list[0].der)
    tap.equal(world.seen("tls1.3", None), world.list[0].der)
    tap.equal(world.seen("tls1.3", "turn.example.com"), world.list[1].der)
    tap.equal(world.seen("tls1.3", "last.example.net"), world.list[0].der)


@tap.test(workers=e2e.WORKERS, way=["tls1.3", "dtls"])
def reloads(workers, way):
    """A reload reads the list again; connections in being go on; a bad file in it changes nothing"""
    world = World(workers=workers)
    old = stunwire.Client(world.connect(way, "turn.example.com"), postern.USER, postern.PASSWORD)
    old.allocate()
    renewed = world.authority.issue("turn.example.com")
    world.list[1].install(renewed)
    service.reload(world.server)
    seen = lambda: world.seen(way, "turn.example.com")
    tap.true(postern.until(lambda: all(seen() == renewed.der for _ in range(4 * workers))), "the new certificate")
    tap.equal(world.seen(way, NAME), world.first.der)
    old.refresh()
    world.list[1].key.write_text("nonsense")
    lines = service.reload(world.server, good=False)
    tap.true(any("tls.certificates[1]: expected a private key in PEM form" in line for line in lines), str(lines))
    tap.equal(seen(), renewed.der)


@tap.test
def problems_are_told():
    """A key that is another's, one that is missing, one file that is not there: by the element"""
    world = World()
    pem, key = (world.list[0].certificate, world.list[1].key)
    weak = world.authority.issue("weak.example", key="rsa:1024")
    pair = lambda one: f'certificate = "{one.certificate}"; key = "{one.key}";'
    good, too_weak = pair(world.list[0]), "too weak: CN=weak.example"
    for elements, words in (([f'certificate = "{pem}"; key = "{key}";'], "tls.certificates[0]: expected the private key of"),
                            ([good, f'certificate = "{pem}";'], "tls.certificates[1].key: "),
                            ([f'key = "{key}";'], "tls.certificates[0].certificate: "),
                            ([f'certificate = "none.pem"; key = "{key}";'], "none.pem cannot be read"),
                            ([pair(weak), good], too_weak), ([good, pair(weak)], too_weak)):
        text = ", ".join(f"{{ {element} }}" for element in elements)
        result = service.check(postern.config(world.port, transports=["tls"], more=f"tls = {{ certificates = ( {text} ); }};\n"))
        tap.equal(result.status, 2)
        tap.true(words in result.err, f"{words}: {result.err}")


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""DTLS with Debian's coturn: its tool against our server, judged by the payloads that each end counted, and our
client against its server."""
import foreign
import pki
import postern
import tap

foreign.need_coturn()

MESSAGES = 25
BOTH = {"workers": [1, 3]}
CREDENTIALS = ("--user", postern.USER, "--password", postern.PASSWORD)


def serve(workers, transports, address="127.0.0.1"):
    """(port, authority)"""
    port, authority = postern.free_port(), pki.Authority(postern.temporary_folder())
    postern.server(postern.config(port, workers, addresses=(address,), transports=transports,
                                  more=authority.issue(address).settings()))
    return port, authority


def relay(workers, *flags, length=160, clients=12, transports=("dtls",)):
    port, authority = serve(workers, transports)
    peer = foreign.Peer()
    sent, received, lost = foreign.uclient(port, "-S", "-E", authority.certificate, *flags, "-c", "-e", peer.address[0],
                                           "-r", peer.address[1], clients=clients, messages=MESSAGES, length=length)
    tap.equal(sent, clients * MESSAGES, "sent by the clients")
    tap.equal(peer.count, sent, "counted by the peer")
    tap.equal((received, lost), (sent, 0), "returned to the clients, and lost")
    tap.equal(len(peer.seen), clients, "relayed addresses that the peer saw")
    for payloads in peer.seen.values():
        tap.equal((len(payloads), {len(one) for one in payloads}), (MESSAGES, {length}))


@tap.test(timeout=120, **BOTH)
def channels(workers):
    """turnutils_uclient, DTLS, channels, the certificate verified"""
    relay(workers)


@tap.test(timeout=120, **BOTH)
def indications(workers):
    """turnutils_uclient, DTLS, Send and Data indications, beside plain UDP on one port"""
    relay(workers, "-s", transports=("udp", "dtls"))


@tap.test(timeout=120, **BOTH)
def large(workers):
    """turnutils_uclient, DTLS, channels, payloads of 1,200 bytes"""
    relay(workers, length=1200)


@tap.test(timeout=120, **BOTH)
def between_relays(workers):
    """turnutils_uclient, DTLS, relay to relay on this server"""
    port, _ = serve(workers, ("dtls",))
    sent, received, lost = foreign.uclient(port, "-S", "-y", "-c", clients=4, messages=20)
    tap.equal((sent, received, lost), (80, 80, 0), "sent, received, lost")


class Coturn(postern.Process):
    """Debian's coturn server with a certificate: TLS and DTLS on `port`, plain TCP and UDP on the next one."""

    def __init__(self, port, certificate):
        folder = postern.temporary_folder()
        super().__init__([
            foreign.coturn / "turnserver", "-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "--tls-listening-port", port, "-p",
            port + 1, "--cert", certificate.certificate, "--pkey", certificate.key, "--no-cli", "--allow-loopback-peers",
            "-a", "-u", f"{postern.USER}:{postern.PASSWORD}", "-r", postern.REALM, "--pidfile", f"{folder}/pid", "-b",
            f"{folder}/turndb", "--log-file", "stdout", "--simple-log"], cwd=folder)
        tap.cleanup(self.stop)
        tap.true(postern.until(lambda: {("udp", port), ("tcp", port)} <= postern.listening(self.pid), 10),
                 f"coturn starts: {self.stdout}{self.stderr}")


@tap.test(verb=["query", "turn"])
def our_client(verb):
    """stunclient over DTLS against coturn's server: the certificate is verified, payloads come back"""
    authority, port = pki.Authority(postern.temporary_folder()), postern.free_port()
    Coturn(port, authority.issue("127.0.0.1"))
    more = (*CREDENTIALS, "--interval", "2") if verb == "turn" else ()
    told = postern.client(verb, f"127.0.0.1:{port}", "--protocol", "dtls", "--ca", authority.certificate, "--json", *more)
    tap.equal(told.status, 0, str(told))
    tap.equal((told.json["protocol"], told.json["tls"]["version"]), ("dtls", "DTLSv1.2"), str(told))
    if verb == "turn":
        tap.equal(told.json["echo"]["returned"], told.json["echo"]["sent"])


tap.main()

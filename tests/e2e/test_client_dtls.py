# SPDX-License-Identifier: BSD-3-Clause
"""stunclient over DTLS: against our server, by way of a lossy one, and against certificates that are wrong."""
import hashlib
import socket
import threading

import client
import postern
import secure
import tap



def serve(ours, *names, workers=1, transports=("udp", "dtls"), **options):
    """A server over DTLS with a certificate for these names; (port, certificate)."""
    certificate = ours.issue(*names, **options)
    port = postern.free_port()
    postern.server(postern.config(port, workers, transports=transports, more=certificate.settings()))
    return port, certificate


class Forwarder:
    """Carries datagrams to a server and back for one client; loses those whose number is told."""

    def __init__(self, port, lost_out=(), lost_in=()):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.server, self.lost, self.clients = ("127.0.0.1", port), (set(lost_out), set(lost_in)), {}
        self.threads = [threading.Thread(target=self._from_clients, daemon=True)]
        self.threads[0].start()
        tap.cleanup(self.socket.close)

    def _from_clients(self):
        while True:
            try:
                data, source = self.socket.recvfrom(65536)
            except OSError:
                return
            if source not in self.clients:
                one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                one.connect(self.server)
                self.clients[source] = [one, 0]
                threading.Thread(target=self._to_client, args=(source, one), daemon=True).start()
            entry = self.clients[source]
            entry[1] += 1
            if entry[1] - 1 not in self.lost[0]:
                entry[0].send(data)

    def _to_client(self, source, one):
        for number in range(1 << 30):
            try:
                data = one.recv(65536)
                if number not in self.lost[1]:
                    self.socket.sendto(data, source)
            except OSError:
                return


@tap.test(target=["--protocol dtls 127.0.0.1:{port}", "--protocol dtls stuns:127.0.0.1:{port}"], workers=[1, 3])
def asks_over_dtls(target, workers):
    """query over DTLS tells version, ALPN and certificate"""
    ours = secure.authority()
    port, certificate = serve(ours, "127.0.0.1", workers=workers)
    told = client.run_json("query", *target.format(port=port).split(), "--ca", ours.certificate)
    tap.equal(told["protocol"], "dtls")
    tap.true(told["mapped_address"].startswith("127.0.0.1:"), str(told))
    tls = told["tls"]
    tap.equal((tls["version"], tls["alpn"], tls["problem"]), ("DTLSv1.2", "stun.nat-discovery", None))
    tap.equal(tls["sha256"], hashlib.sha256(certificate.der).hexdigest())
    words = client.run("query", *target.format(port=port).split(), "--ca", ours.certificate).out
    tap.true("DTLSv1.2" in words and "over DTLS" in words and "CN=127.0.0.1" in words, words)


@tap.test(workers=[1, 3])
def relays_over_dtls(workers):
    """turn over DTLS: all steps, ALPN stun.turn"""
    ours = secure.authority()
    port, _ = serve(ours, "127.0.0.1", workers=workers)
    told = client.run_json("turn", f"turns:127.0.0.1:{port}?transport=udp", "--ca", ours.certificate, "--user",
                           postern.USER, "--count", "20", "--interval", "1",
                           env={"POSTERN_PASSWORD": postern.PASSWORD})
    tap.equal([step["state"] for step in told["steps"]], ["ok"] * 7)
    tap.equal(told["echo"]["returned"], 20)
    tap.equal((told["protocol"], told["tls"]["alpn"]), ("dtls", "stun.turn"))


@tap.test(timeout=90)
def survives_loss():
    """Any one datagram of the first four each way may be lost"""
    ours = secure.authority()
    port, _ = serve(ours, "127.0.0.1")
    for number in range(4):
        for lost in ({"lost_out": [number]}, {"lost_in": [number]}):
            way = Forwarder(port, **lost)
            told = client.run_json("query", "--protocol", "dtls", f"127.0.0.1:{way.port}", "--ca", ours.certificate)
            tap.equal(told["tls"]["version"], "DTLSv1.2", str(lost))


@tap.test
def tells_why_a_certificate_is_wrong():
    """Expired, from nobody we know, for another name or address: status 5, in words"""
    secure.tells_why_a_certificate_is_wrong("dtls", serve)


@tap.test
def tells_that_there_is_no_dtls():
    """A port where nothing listens, and one that does not answer ClientHellos: status 4, in time"""
    told = client.run_json("query", "--protocol", "dtls", f"127.0.0.1:{postern.free_port()}", status=client.NO_REPLY)
    tap.true("refused (DTLS)" in told["error"]["text"], str(told))
    port = postern.free_port()
    postern.server(postern.config(port))
    for verb, *more in (("query",), ("turn", "--user", "x", "--password", "x")):
        told, took = client.timed(client.run_json, verb, "--protocol", "dtls", f"127.0.0.1:{port}", "--timeout", "1",
                                  *more, status=client.NO_REPLY)
        tap.true(took < 4.9, f"{took} s")


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""stunclient over TLS: against our server, against Python's ssl, and against certificates that are wrong."""
import socket
import ssl
import threading

import client
import pki
import postern
import secure
import stunwire
import tap



def serve(authority, *names, more="", **options):
    """A server over TLS with a certificate for these names; (port, certificate)."""
    certificate = authority.issue(*names, **options)
    port = postern.free_port()
    postern.server(postern.config(port, transports=["tls"], more=certificate.settings() + more))
    return port, certificate


class Foreign:
    """A STUN server on Python's ssl: answers one Binding a connection."""

    def __init__(self, certificate, alpn=("stun.nat-discovery",), version=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.certificate, certificate.key)
        self.context.set_alpn_protocols(list(alpn))
        if version:
            self.context.maximum_version = version
        self.offered = []
        self.context.sni_callback = lambda _socket, name, _context: self.offered.append(name)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        tap.serve(self.socket, self._talk, at_once=False)

    def _talk(self, raw):
        try:
            remote = raw.getpeername()
            with self.context.wrap_socket(raw, server_side=True) as connection:
                request = connection.recv(4096)
                transaction = request[8:20]
                mapped = stunwire.pack_address(remote, transaction)
                connection.sendall(stunwire.build(stunwire.BINDING, stunwire.SUCCESS,
                                                  [(stunwire.XOR_MAPPED_ADDRESS, mapped)], transaction))
                connection.recv(4096)
        except OSError:
            pass


@tap.test
def trusts_what_the_system_trusts():
    """without --ca: the file of SSL_CERT_FILE, or the folder of SSL_CERT_DIR, hashed"""
    folder = postern.temporary_folder()
    authority = pki.Authority(folder)
    port, _ = serve(authority, "127.0.0.1")
    hashed = folder / "hashed"
    hashed.mkdir()
    name = pki.openssl("x509", "-hash", "-noout", "-in", authority.certificate).decode().strip()
    (hashed / f"{name}.0").symlink_to(authority.certificate)
    other = folder / "other"
    other.mkdir()
    (other / "00000000.0").write_bytes(b"")
    for env, status in (({"SSL_CERT_FILE": str(authority.certificate)}, client.OK), ({"SSL_CERT_DIR": str(hashed)}, client.OK),
                        ({"SSL_CERT_DIR": str(other)}, client.TLS), ({}, client.TLS),
                        ({"SSL_CERT_FILE": str(authority.certificate), "SSL_CERT_DIR": str(other)}, client.OK)):
        client.run("query", "--protocol", "tls", f"127.0.0.1:{port}", status=status, env={**client.CLEAN, **env})


@tap.test(target=["--protocol tls 127.0.0.1:{port}", "stuns:127.0.0.1:{port}"])
def asks_over_tls(target):
    """query over TLS tells version, ALPN and certificate"""
    ours = secure.authority()
    port, certificate = serve(ours, "127.0.0.1")
    told = client.run_json("query", *target.format(port=port).split(), "--ca", ours.certificate)
    tap.equal(told["protocol"], "tls")
    tap.true(told["mapped_address"].startswith("127.0.0.1:"), str(told))
    tls = told["tls"]
    tap.equal((tls["version"], tls["alpn"], tls["problem"]), ("TLSv1.3", "stun.nat-discovery", None))
    tap.equal(tls["subject"], "CN=127.0.0.1")
    tap.equal(tls["issuer"], "CN=Test ca")
    import hashlib

    tap.equal(tls["sha256"], hashlib.sha256(certificate.der).hexdigest())
    words = client.run("query", *target.format(port=port).split(), "--ca", ours.certificate).out
    tap.true("TLSv1.3" in words and "ALPN stun.nat-discovery" in words and "CN=127.0.0.1" in words, words)


@tap.test
def relays_over_tls():
    """turn over TLS: all steps, ALPN stun.turn"""
    ours = secure.authority()
    port, _ = serve(ours, "127.0.0.1")
    arguments = ["turn", f"turns:127.0.0.1:{port}?transport=tcp", "--ca", ours.certificate, "--user", postern.USER,
                 "--count", "20", "--interval", "1"]
    told = client.run_json(*arguments, env={"POSTERN_PASSWORD": postern.PASSWORD})
    tap.equal([step["state"] for step in told["steps"]], ["ok"] * 7)
    tap.equal(told["echo"]["returned"], 20)
    tap.equal((told["protocol"], told["tls"]["alpn"]), ("tls", "stun.turn"))
    told = client.run_json(*arguments, "--tcp-relay", env={"POSTERN_PASSWORD": postern.PASSWORD})
    tap.equal([step["state"] for step in told["steps"]], ["ok"] * 6, "a relay of TCP")
    tap.equal(told["echo"]["returned"], 20)


@tap.test(version=["TLSv1_2", "TLSv1_3"])
def understands_foreign_servers(version):
    """A server on Python's ssl is asked, and sees the name that we expect (SNI)"""
    ours = secure.authority()
    server = Foreign(ours.issue(secure.NAME), version=ssl.TLSVersion[version])
    told = client.run_json("query", "--protocol", "tls", f"127.0.0.1:{server.port}", "--server-name", secure.NAME + ".",
                           "--ca", ours.certificate)
    tap.equal(told["tls"]["version"], version.replace("_", "."))
    tap.equal(told["tls"]["alpn"], "stun.nat-discovery")
    tap.equal(server.offered, [secure.NAME])


@tap.test
def tells_why_a_certificate_is_wrong():
    """Expired, from nobody we know, for another name or address: status 5, in words"""
    secure.tells_why_a_certificate_is_wrong("tls", serve)


@tap.test
def tells_that_there_is_no_tls():
    """A server that does not speak TLS there, refuses our ALPN, or is not there at all"""
    ours = secure.authority()
    port = postern.free_port()
    postern.server(postern.config(port))
    secure.refused("tls", port, "--ca", ours.certificate, words="TLS with 127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def answer():
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        threading.Thread(target=answer, daemon=True).start()
        secure.refused("tls", listening.getsockname()[1], words="does not speak TLS", verbs=["query"])
    told = client.run_json("query", "--protocol", "tls", f"127.0.0.1:{postern.free_port()}", status=client.NO_REPLY)
    tap.true("refused" in told["error"]["text"], str(told))
    folder = postern.temporary_folder()
    (folder / "empty.pem").write_text("")
    for name in (folder / "empty.pem", folder / "none.pem"):
        told = client.run_json("query", "--protocol", "tls", "127.0.0.1:9", "--ca", name, status=client.USAGE)
        tap.true(str(name) in told["error"]["text"], str(told))


@tap.test
def gives_up_in_time():
    """A server that accepts and says nothing: no reply, by the time limit"""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        told, took = client.timed(client.run_json, "query", "--protocol", "tls", f"127.0.0.1:{port}", "--timeout", "1",
                                  status=client.NO_REPLY)
        tap.true(took < 4.9, f"{took} s")


tap.main()

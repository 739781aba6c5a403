# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of TLS and of DTLS share: a certificate that is renewed, one that is wrong, openssl's client."""
import subprocess

import client
import e2e
import pki
import postern
import stunwire
import tap

NAME = "turn.example.org"


def authority():
    return pki.Authority(postern.temporary_folder())


def ask(transport, timeout=20):
    """A Binding request; its answer, or None."""
    transport.send(stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    raw = transport.receive(timeout)
    if raw is not None:
        tap.equal(stunwire.parse(raw).mapped, transport.local)
    return raw


def asks_with_openssl(port, ours, *options):
    """openssl s_client verifies the server's certificate and gets an answer; what it printed."""
    request = stunwire.build(stunwire.BINDING, stunwire.REQUEST)
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", NAME, "-CAfile", ours.certificate,
               "-verify_return_error", "-verify_hostname", NAME, "-alpn", "stun.turn", *options]
    with subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as child:
        out = e2e.read_until(child, request, request[8:20])  # the ticket of 1.3 comes before the answer
    tap.true(b"Verify return code: 0 (ok)" in out or b"Verification: OK" in out, out.decode("utf-8", "replace"))
    tap.true(b"ALPN protocol: stun.turn" in out, "ALPN")
    tap.true(request[8:20] in out, "the Binding request is answered")
    return out


def reloads_the_certificate(protocol, workers, client_of, certificate_of):
    """After SIGHUP new handshakes see the new certificate; who was there before goes on.

    `client_of` and `certificate_of` connect, given a port and an authority.
    """
    folder = postern.temporary_folder()
    ours = pki.Authority(folder)
    first, second = ours.issue(NAME), ours.issue(NAME)
    live = pki.Live(folder, first)
    port = postern.free_port()
    server = postern.server(postern.config(port, workers, transports=[protocol], more=live.settings()))
    one, peer = client_of(port, ours), e2e.peer()
    one.allocate()
    one.permit(peer.local)
    seen = lambda: certificate_of(port, ours)
    tap.equal(seen(), first.der)
    live.install(second)
    server.reload()
    tap.true(postern.until(lambda: all(seen() == second.der for _ in range(4 * workers))), "the new certificate")
    one.send(peer.local, b"still here")
    tap.equal(peer.receive(20), b"still here")
    one.refresh()
    live.key.write_text("nonsense")  # a bad reload changes nothing
    server.reload()
    tap.true(postern.until(lambda: "not reloaded" in server.stderr), "the reload is refused")
    tap.equal(seen(), second.der)


def refused(protocol, port, *arguments, words, verbs=("query", "turn")):
    """stunclient ends with the status for TLS, and says why."""
    for verb in verbs:
        more = ["--user", "x", "--password", "x"] if verb == "turn" else []
        told = client.run_json(verb, "--protocol", protocol, f"127.0.0.1:{port}", *arguments, *more, status=client.TLS)
        tap.true(words in told["error"]["text"] and told["error"]["code"] == "tls", str(told["error"]))
        tap.true(told["error"]["text"].startswith(f"{protocol.upper()} with"), str(told["error"]))
        tap.true(told["error"]["advice"], "an advice")


def tells_why_a_certificate_is_wrong(protocol, serve):
    """`serve(authority, *names, days)` gives a port and a certificate."""
    ours, others = authority(), authority()
    query = lambda run, port, *more: run("query", "--protocol", protocol, f"127.0.0.1:{port}", *more)
    trust = ("--ca", ours.certificate)
    expired, _ = serve(ours, "127.0.0.1", days=-1)
    refused(protocol, expired, *trust, words="expired")
    port, _ = serve(ours, "127.0.0.1")
    refused(protocol, port, "--ca", others.certificate, words="issuer that is not known")
    refused(protocol, port, words="issuer that is not known")
    refused(protocol, port, *trust, "--server-name", "other.example.org", words="for another name")
    named, _ = serve(ours, NAME)
    refused(protocol, named, *trust, words="does not name this IP address")
    query(client.run_json, named, "--server-name", NAME, *trust)
    told = query(client.run_json, named, "--insecure")
    tap.true("issuer" in told["tls"]["problem"] or "name" in told["tls"]["problem"], str(told["tls"]))
    told = query(client.run_json, expired, *trust, "--insecure")
    tap.equal(told["tls"]["problem"], "the certificate has expired")
    words = query(client.run, expired, *trust, "--insecure").out
    tap.true("not to be trusted: the certificate has expired" in words, words)

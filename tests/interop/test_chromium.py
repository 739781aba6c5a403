# SPDX-License-Identifier: BSD-3-Clause
"""Headless Chromium relays 1 MB through our server, there and back."""
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal

import foreign
import pki
import postern
import stunwire
import tap

SIZE = 1 << 20
CHROMIUM = shutil.which("chromium")
MODULES = foreign.place / "browser/node_modules"

if not CHROMIUM or not shutil.which("node") or not (MODULES / "playwright-core").exists():
    tap.skip_all(f"Chromium, node or {MODULES}/playwright-core is not there: ./dev deps browser")


def echo(port, transport, user, password, scheme="turn", arguments=(), timeout=60000):
    """What the page has to tell after echoing SIZE random bytes, which it has to bring back unharmed."""
    data = os.urandom(SIZE)
    task = {"modules": str(MODULES), "chromium": CHROMIUM, "bytes": base64.b64encode(data).decode(), "timeout": timeout,
            "arguments": list(arguments),
            "ice": {"urls": [f"{scheme}:127.0.0.1:{port}?transport={transport}"], "username": user, "credential": password}}
    script = pathlib.Path(__file__).with_name("chromium_echo.js")
    ended = postern.run("node", script, input=json.dumps(task).encode(), timeout=120)
    tap.true(ended.status == 0 and ended.out, f"the browser ran: {ended}")
    told = ended.json
    tap.true("error" not in told, "\n".join([told.get("error", ""), *told["log"]]))
    back = base64.b64decode(told["echo"])
    tap.equal((len(back), hashlib.sha256(back).hexdigest()), (SIZE, hashlib.sha256(data).hexdigest()), "what came back")
    tap.equal(len(told["pairs"]), 2, "nominated pairs")
    for pair in told["pairs"]:
        tap.equal((pair["local"], pair["remote"], pair["protocol"]),
                  ("relay", "relay", "tls" if scheme == "turns" else transport), "the path")
        tap.true(min(pair["sent"], pair["received"]) > SIZE, f"the path carried it both ways: {pair}")
    tap.diag(f"{transport}: sent {[pair['sent'] for pair in told['pairs']]}, {told['ms']:.0f} ms from the first call to the last byte")
    return told


def counted(server):
    """The server's own account: bytes relayed to peers, and to clients."""
    told = len(server.errors)
    server.signal(signal.SIGUSR1)
    numbers = r"relayed_to_peer_bytes=(\d+).*relayed_to_client_bytes=(\d+)"
    tap.true(postern.until(lambda: re.search(numbers, "\n".join(server.errors[told:]))), "SIGUSR1 is answered")
    return tuple(map(int, re.search(numbers, "\n".join(server.errors[told:])).groups()))


@tap.test(timeout=180, transport=["udp", "tcp"], workers=[1, 3])
def relays(transport, workers):
    """Chromium, iceTransportPolicy relay: 1 MB through a data channel, echoed, same hash"""
    port = postern.free_port()
    server = foreign.server(port, workers)
    echo(port, transport, postern.USER, postern.PASSWORD)
    if isinstance(server, postern.Server):  # a worker publishes its counters each second
        postern.until(lambda: min(counted(server)) > 2 * SIZE)
        to_peers, to_clients = counted(server)
        tap.true(min(to_peers, to_clients) > 2 * SIZE, f"carried there and back: {to_peers}, {to_clients} bytes")
        tap.diag(f"the server counted {to_peers} bytes to peers, {to_clients} to clients")


@tap.test(timeout=180, workers=[1, 3], transports=[["tls"], ["tcp", "tls"]])
def relays_over_tls(workers, transports):
    """Chromium over turns:, on a port of its own and on one that plain TCP has too"""
    port = postern.free_port()
    authority = pki.Authority(postern.temporary_folder())
    certificate = authority.issue("127.0.0.1")
    postern.server(postern.config(port, workers, transports=transports, more=certificate.settings()))
    public = pki.openssl("x509", "-in", certificate.certificate, "-pubkey", "-noout")
    pin = base64.b64encode(hashlib.sha256(pki.openssl("pkey", "-pubin", "-outform", "DER", input=public)).digest())
    echo(port, "tcp", postern.USER, postern.PASSWORD, "turns",
         [f"--ignore-certificate-errors-spki-list={pin.decode()}"])


@tap.test(timeout=180)
def refuses_an_unknown_certificate():
    """Chromium over turns: without knowing our authority gets no relay, so its checks are on"""
    port = postern.free_port()
    authority = pki.Authority(postern.temporary_folder())
    postern.server(postern.config(port, transports=["tls"], more=authority.issue("127.0.0.1").settings()))
    tap.raises(AssertionError, echo, port, "tcp", postern.USER, postern.PASSWORD, "turns", (), 10000)


@tap.test(timeout=180, workers=[1, 3])
def relays_by_default_rules(workers):
    """Chromium with a time-limited credential, where the peer rules allow nothing but relays of this server"""
    port = postern.free_port()
    postern.server(postern.config(port, workers, peers=False))
    echo(port, "udp", *stunwire.rest_credential(postern.SECRET, "browser"))


@tap.test(timeout=180, transport=["udp", "tcp"])
def relays_by_printed_servers(transport):
    """Chromium with the iceServers that turnserver --try prints for a web page"""
    trial = postern.Trial(postern.temporary_folder() / "try")
    relay = next(entry for entry in trial.ice_servers if "credential" in entry)
    tap.true(f"turn:127.0.0.1:{trial.port}?transport={transport}" in relay["urls"], f"{relay['urls']}")
    echo(trial.port, transport, relay["username"], relay["credential"])


tap.main()

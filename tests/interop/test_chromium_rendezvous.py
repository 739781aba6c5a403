# SPDX-License-Identifier: BSD-3-Clause
"""Two headless Chromiums on loopback, with the page's end of examples/browser: they register over WebSocket, plain and
TLS, and one calls the other through our rendezvous service."""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "e2e"))

import pki
import postern
import service
import tap

CHROMIUM = shutil.which("chromium")
FILES = {"/": (pathlib.Path(__file__).with_name("rendezvous_page.html"), "text/html"),
         "/postern.js": (postern.source / "examples/browser/postern.js", "text/javascript")}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]

if not CHROMIUM:
    tap.skip_all("Chromium is not there: ./dev deps browser")


class Site:
    """Serves the page, and takes what it tells: results.get()."""

    def __init__(self):
        results = self.results = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                file, kind = FILES.get(self.path.partition("?")[0], (None, "text/plain"))
                self.send_response(200 if file else 404)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(file.read_bytes() if file else b"")

            def do_POST(self):
                results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        tap.cleanup(self.server.shutdown)

    def result(self, timeout=60):
        told = self.results.get(timeout=timeout)
        tap.true("error" not in told, "\n".join([f"{told.get('user')}: {told.get('error')}", *told["log"]]))
        return told


def browse(site, flags=(), **parameters):
    profile = postern.temporary_folder()
    child = subprocess.Popen(
        [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", f"{site.origin}/?{urllib.parse.urlencode(parameters)}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def end():
        os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    tap.cleanup(end)


def serve(origin, tls):
    port = postern.free_port()
    folder = postern.temporary_folder()
    certificate = pki.Authority(folder).issue("127.0.0.1")
    public = pki.openssl("x509", "-in", certificate.certificate, "-pubkey", "-noout")
    pin = base64.b64encode(hashlib.sha256(pki.openssl("pkey", "-pubin", "-outform", "DER", input=public)).digest())
    text = postern.config(port, users=False) + certificate.settings() + (
        'users = ( { name = "alice"; password = "wonder"; }, { name = "bob"; password = "builder"; } );\n'
        'peers = { allow = [ "127.0.0.0/8" ]; };\nrelay = { addresses = [ "127.0.0.1" ]; };\n'
        f'rendezvous = {{ listeners = ( {{ address = "127.0.0.1"; port = {port + 1}; tls = true; }} ); '
        f'origins = [ "{origin}" ]; }};\n')
    told = service.check(text).err
    if "without WebSocket" in told or "reads no JSON" in told:
        tap.skip("this build is without WebSocket")
    server = postern.server(text)
    flags = [f"--ignore-certificate-errors-spki-list={pin.decode()}"] if tls else []
    return server, f"{'wss' if tls else 'ws'}://127.0.0.1:{port + 1}", flags


@tap.test(timeout=180, tls=[False, True])
def calls(tls):
    """One page calls the other over WebSocket, with the TURN credentials that each was given, and bytes come back"""
    site = Site()
    server, url, flags = serve(site.origin, tls)
    browse(site, flags, server=url, user="bob", password="builder")
    tap.equal(site.result()["registered"], "bob")
    browse(site, flags, server=url, user="alice", password="wonder", call="bob")
    told = {result["user"]: result for result in (site.result(), site.result())}
    tap.equal({user: result["received"] for user, result in told.items()}, {"alice": 65536, "bob": 65536})
    tap.equal([told["alice"]["path"][side] for side in ("path", "local", "remote")], ["relay", "relay", "relay"])
    tap.diag(f"alice: {told['alice']['ms']:.0f} ms from the page's begin to the last byte")
    service.logged(server, "from=alice to=bob reason=done")


@tap.test(timeout=90)
def strange_origin():
    """A page of another origin does not get in"""
    site = Site()
    server, url, flags = serve("https://elsewhere.test", False)
    browse(site, flags, server=url, user="bob", password="builder")
    told = site.results.get(timeout=60)
    tap.true("does not let this page in" in told["error"], told)
    tap.true("registered" not in server.stderr, server.stderr)


tap.main()

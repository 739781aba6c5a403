# SPDX-License-Identifier: BSD-3-Clause
"""SIGHUP: users, secrets, peer rules, certificate, limits and log change; a bad file changes nothing."""
import json
import os
import pathlib
import re

import e2e
import postern
import service
import stunwire
import tap


def serve(workers=None, **options):
    """A server whose file may be rewritten: (server, port, text)."""
    port = postern.free_port()
    text = postern.config(port, workers=workers, **options)
    return postern.server(text), port, text


def refused(port, **options):
    """The error code that an Allocate gets."""
    return tap.raises(stunwire.Refused, e2e.client(port, **options).allocate).code


def becomes_refused(port, **options):
    """Waits until an Allocate gets 401: a worker hears of the new policy a moment after the log."""
    def now_refused():
        try:
            e2e.allocated(port, **options)
        except stunwire.Refused as error:
            return error.code == 401
        return False

    service.wait_for(now_refused, f"401 for {options}")


def becomes_allowed(port, **options):
    def now_allowed():
        try:
            return e2e.allocated(port, **options)
        except stunwire.Refused:
            return None

    return service.wait_for(now_allowed, f"an allocation for {options}")


@tap.test(workers=e2e.WORKERS)
def swaps_users(workers):
    """A new user gets in, a removed one does not; an allocation that stands goes on"""
    server, port, text = serve(workers)
    one, two = e2e.allocated(port), e2e.allocated(port)
    one.permit(two.relayed)
    two.permit(one.relayed)
    tap.equal(refused(port, user="bob", password="pass"), 401)
    server.rewrite(text.replace('{ name = "alice"; password = "secret"; }', '{ name = "bob"; password = "pass"; }'))
    service.reload(server)
    for _ in range(4 * workers):  # each worker has heard of it
        becomes_allowed(port, user="bob", password="pass")
        becomes_refused(port)
    one.send(two.relayed, b"still here")
    tap.equal(two.receive(), (one.relayed, b"still here"))


@tap.test(workers=e2e.WORKERS)
def swaps_secrets(workers):
    """Secrets rotate: old and new beside each other, then the new one alone"""
    server, port, text = serve(workers)
    old, new = (stunwire.rest_credential(secret, "bob", 100) for secret in (postern.SECRET, "another secret"))
    e2e.allocated(port, user=old[0], password=old[1])
    tap.equal(refused(port, user=new[0], password=new[1]), 401)
    server.rewrite(text.replace('"s3cret"', '"s3cret", "another secret"'))
    service.reload(server)
    for user, password in (old, new):
        becomes_allowed(port, user=user, password=password)
    server.rewrite(text.replace('"s3cret"', '"another secret"'))
    service.reload(server)
    becomes_allowed(port, user=new[0], password=new[1])
    becomes_refused(port, user=old[0], password=old[1])


@tap.test
def swaps_the_realm():
    """A new realm is in the next challenge"""
    server, port, text = serve()
    server.rewrite(text.replace('realm = "example.org"', 'realm = "example.net"'))
    service.reload(server)
    service.wait_for(lambda: e2e.allocated(port).realm == b"example.net", "the new realm")


@tap.test(workers=e2e.WORKERS)
def swaps_peer_rules(workers):
    """What peers.allow and deny say holds at once, for allocations that stand as well"""
    server, port, text = serve(workers, peers=False)
    one = e2e.allocated(port)
    tap.equal(tap.raises(stunwire.Refused, one.permit, ("10.0.0.1", 9)).code, 403)
    one.permit(("8.8.8.8", 9))
    server.rewrite(text + 'peers = { allow = [ "10.0.0.0/8" ]; deny = [ "8.8.8.0/24" ]; };\n')
    service.reload(server)
    service.wait_for(lambda: permits(one, ("10.0.0.1", 9)), "10.0.0.1 is allowed")
    tap.true(not permits(one, ("8.8.8.8", 9)), "8.8.8.8 is refused")


def permits(one, peer):
    try:
        one.permit(peer)
    except stunwire.Refused:
        return False
    return True


@tap.test
def swaps_quotas():
    """A quota that was raised lets in, one that was lowered refuses"""
    server, port, text = serve(more="quotas = { user = { allocations = 1; }; };")
    e2e.allocated(port)
    tap.equal(refused(port), 486)
    server.rewrite(text.replace("allocations = 1", "allocations = 2"))
    service.reload(server)
    becomes_allowed(port)
    server.rewrite(text)
    service.reload(server)
    tap.equal(refused(port), 486)


@tap.test
def becomes_a_turn_server():
    """Credentials that come with a reload switch TURN on, and gone again off"""
    server, port, text = serve()
    server.rewrite(postern.config(port, users=False))
    service.reload(server)
    service.logged(server, "serving STUN only")
    one = stunwire.Client(e2e.udp(port))
    request = stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [stunwire.requested_transport()])
    service.wait_for(lambda: one.exchange(request).error()[0] != 401, "no challenge any more")
    server.rewrite(text)
    service.reload(server)
    service.wait_for(lambda: one.exchange(request).error()[0] == 401, "a challenge")
    e2e.allocated(port)


@tap.test
def swaps_certificates():
    """A renewed certificate is read; one that does not fit its key changes nothing"""
    folder = postern.temporary_folder()
    port = postern.free_port()
    first = service.make_certificate(folder, "first.example")
    text = postern.config(port, more='tls = { certificate = "cert.pem"; key = "key.pem"; };')
    server = postern.server(text, folder=folder)
    tap.true(first in service.logged(server, " certificate "), "the first certificate's fingerprint")
    second = service.make_certificate(folder, "second.example")
    lines = service.reload(server)
    tap.true(any(second in line and "CN=second.example" in line for line in lines), f"{lines}")
    service.make_certificate(folder, "third.example", key="other.pem")
    lines = service.reload(server, good=False)
    tap.true(any("tls.key" in line and "got another" in line for line in lines), f"{lines}")
    e2e.still_answers(port)


@tap.test(bad=["realm = 5;", "realm = ", "users = ( { name = \\\"x\\\"; } );", 'wokers = 1;'])
def bad_files_change_nothing(bad):
    """A file with a problem: nothing changes, and the log tells file, line and key"""
    server, port, text = serve()
    bad = bad.replace("\\", "")
    changed = text.replace('name = "alice"', 'name = "bob"').replace('password = "secret"', 'password = "pass"')
    key = bad.split()[0]
    changed = "\n".join(line for line in changed.splitlines() if not line.startswith(key)) + f"\n{bad}\n"
    server.rewrite(changed)
    lines = service.reload(server, good=False)
    tap.true(any(f"{server.file}:{len(changed.splitlines())}: {key}" in line for line in lines), f"{lines}")
    tap.equal(refused(port, user="bob", password="pass"), 401)
    tap.equal(e2e.allocated(port).realm, postern.REALM.encode())
    server.rewrite(text)
    service.reload(server)


@tap.test
def a_missing_file_changes_nothing():
    """A file that has gone: nothing changes"""
    server, port, _ = serve()
    server.file.unlink()
    lines = service.reload(server, good=False)
    tap.true(any("No such file" in line for line in lines), f"{lines}")
    e2e.allocated(port)


@tap.test
def names_what_needs_a_restart():
    """A changed key that needs a restart is named in a warning, and the rest holds"""
    server, port, text = serve()
    server.rewrite(re.sub(r"workers = \d+", "workers = 2", text).replace(f"port = {port}", "port = 1")
                   .replace('name = "alice"', 'name = "bob"'))
    lines = service.reload(server)
    named = {line.rpartition("key=")[2] for line in lines if "needs a restart" in line}
    tap.equal(named, {"workers", "listeners"})
    becomes_allowed(port, user="bob")


@tap.test
def reopens_the_log():
    """A rotated log goes on in a new file of the same name, with a bad configuration, too"""
    for good in (True, False):
        folder = postern.temporary_folder()
        port = postern.free_port()
        text = postern.config(port, more='log = { file = "server.log"; };')
        server = postern.server(text, folder=folder)
        log, rotated = folder / "server.log", folder / "server.log.1"
        service.wait_for(lambda: "ready" in log.read_text(), "a first line")
        tap.equal(oct(log.stat().st_mode & 0o777), "0o640")
        log.rename(rotated)
        if not good:
            server.rewrite("realm = 5;")
        before = rotated.read_text()
        server.reload()
        wanted = "configuration reloaded" if good else "configuration not reloaded"
        service.wait_for(lambda: log.exists() and wanted in log.read_text(), "a line in the new file")
        tap.equal(rotated.read_text(), before, "the old file")
        server.finish()


@tap.test
def moves_the_log():
    """log.file, level and json change; a file that cannot be made changes nothing"""
    folder = postern.temporary_folder()
    port = postern.free_port()
    text = postern.config(port)
    server = postern.server(text, folder=folder)
    server.rewrite(text + 'log = { file = "new.log"; json = true; level = "debug"; };')
    server.reload()
    log = folder / "new.log"
    service.wait_for(lambda: log.exists() and "configuration reloaded" in log.read_text(), "the new file")
    one = e2e.allocated(port)
    one.refresh(600)
    service.wait_for(lambda: "allocation refreshed" in log.read_text(), "a debug line")
    for line in log.read_text().splitlines():
        json.loads(line)
    server.rewrite(text + 'log = { file = "no/such/folder.log"; };')
    server.reload()
    service.wait_for(lambda: "configuration not reloaded" in log.read_text(), "a refusal in the old file")


@tap.test(workers=e2e.WORKERS, timeout=90)
def stands_many_reloads(workers):
    """A hundred reloads in a row, with traffic: nothing is lost, no descriptor leaks"""
    server, port, text = serve(workers)
    one, two = e2e.allocated(port), e2e.allocated(port, "tcp")
    one.permit(two.relayed)
    two.permit(one.relayed)
    service.reload(server)
    descriptors = pathlib.Path(f"/proc/{server.pid}/fd")
    before = len(os.listdir(descriptors))
    for number in range(100):
        server.rewrite(text + f'software = "{number}";\n')
        server.reload()
        payload = b"%d" % number
        one.send(two.relayed, payload)
        tap.equal(two.receive(), (one.relayed, payload))
    service.reload(server)
    service.wait_for(lambda: len(os.listdir(descriptors)) <= before, "as many descriptors as before")


tap.main()

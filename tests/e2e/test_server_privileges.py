# SPDX-License-Identifier: BSD-3-Clause
"""Started as root: it binds, becomes nobody for good, and still reloads what only root may read."""
import os
import pathlib
import signal
import socket

import e2e
import postern
import service
import stunwire
import tap

PAIR = 'tls = { certificate = "cert.pem"; key = "key.pem"; };'


def closed_folder():
    """A folder that only root may enter, on a path that only root can change."""
    folder = postern.temporary_folder()
    inner = folder / "closed"
    inner.mkdir(mode=0o700)
    return inner


class Server(postern.Server):
    """As root, with the key user = "nobody"; the folder stays closed."""

    def __init__(self, text, folder):
        super().__init__(text + 'user = "nobody";\n', folder=folder, wait=False)
        folder.chmod(0o700)
        tap.cleanup(self.finish)
        service.logged(self, " ready ")

    def rewrite(self, text):
        super().rewrite(text + 'user = "nobody";\n')
        self.file.chmod(0o600)


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def monitor_of(server):
    """The pid of the privileged monitor, a child of the server."""
    children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    tap.equal(len(children), 1, "children")
    return int(children[0])


def privileged_port():
    """A free port below 1024."""
    for port in range(1023, 600, -1):
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue
    tap.skip("no port below 1024 is free")


@tap.test
def becomes_somebody_else():
    """Ids, groups and capabilities are gone, of every thread, and there is no way back"""
    service.need_root()
    port = privileged_port()
    server = Server(postern.config(port, workers=3), closed_folder())
    for thread in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
        status = status_of(f"{server.pid}/task/{thread.name}")
        tap.equal(status["Uid"].split(), [str(service.NOBODY)] * 4)
        tap.equal(status["Gid"].split(), [str(service.NOBODY)] * 4)
        tap.true(set(status["Groups"].split()) <= {str(service.NOBODY)}, status["Groups"])
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            tap.equal(int(status[kind], 16), 0, kind)
        tap.equal(status["NoNewPrivs"], "1")
    e2e.allocated(port)
    e2e.allocated(port, "tcp")


@tap.test
def reloads_what_only_root_may_read():
    """Configuration, include, certificate and key that only root may read are read again"""
    service.need_root()
    folder = closed_folder()
    (folder / "users.conf").write_text('users = ( { name = "carol"; password = "pass"; } );')
    first = service.make_certificate(folder, "first.example")
    port = postern.free_port()
    text = postern.config(port, users=False) + '@include "users.conf"\n' + PAIR
    server = Server(text, folder)
    tap.true(first in service.logged(server, " certificate "), "the first certificate")
    e2e.allocated(port, user="carol", password="pass")

    second = service.make_certificate(folder, "second.example")
    (folder / "users.conf").write_text('users = ( { name = "dave"; password = "pass"; } );')
    (folder / "extra.conf").write_text('rest = { secrets = [ "0123456789abcdef" ]; };')
    server.rewrite(text + '\n@include "extra.conf"\n')
    for name in ("users.conf", "extra.conf", "key.pem"):
        (folder / name).chmod(0o600)
    lines = service.reload(server)
    tap.true(any(second in line for line in lines), f"{lines}")
    service.wait_for(lambda: e2e.allocated(port, user="dave", password="pass"), "dave")
    user, password = stunwire.rest_credential("0123456789abcdef", "x", 100)
    e2e.allocated(port, user=user, password=password)

    elements = ", ".join(['{ certificate = "cert.pem"; key = "key.pem"; }'] * 64)
    server.rewrite(text.replace(PAIR, f"tls = {{ certificates = ( {elements} ); }};"))
    lines = service.reload(server)
    tap.equal(sum(" certificate " in line for line in lines), 64, "as many as there may be")

    server.rewrite(text + "\nrealm = 5;\n")
    lines = service.reload(server, good=False)
    tap.true(any(f"{server.file}:" in line and "realm" in line for line in lines), f"{lines}")
    e2e.allocated(port, user="dave", password="pass")


@tap.test
def rotates_a_log_of_roots():
    """A log in a folder that only root may write to goes on after a rotation, and can move"""
    service.need_root()
    folder = closed_folder()
    port = postern.free_port()
    log = folder / "server.log"
    text = postern.config(port)
    server = postern.Server(text + 'user = "nobody"; log = { file = "server.log"; };', folder=folder, wait=False)
    folder.chmod(0o700)
    tap.cleanup(server.finish)
    service.wait_for(lambda: log.exists() and " ready " in log.read_text(), "a first line")
    for good in (True, False, True):
        log.rename(folder / "rotated.log")
        server.rewrite(text + f'user = "nobody"; log = {{ file = "server.log"; }}; {"" if good else "oops"}')
        server.reload()
        wanted = "configuration reloaded" if good else "configuration not reloaded"
        service.wait_for(lambda: log.exists() and wanted in log.read_text(), wanted)
    server.rewrite(text + 'user = "nobody"; log = { file = "other.log"; };')
    server.reload()
    other = folder / "other.log"
    service.wait_for(lambda: other.exists() and "configuration reloaded" in other.read_text(), "the other log")


@tap.test
def keeps_a_pid_file():
    """pid_file in a folder of root's is written, and removed at the end"""
    service.need_root()
    folder = closed_folder()
    server = Server(postern.config(postern.free_port(), more='pid_file = "pid";'), folder)
    tap.equal((folder / "pid").read_text(), f"{server.pid}\n")
    server.finish()
    tap.true(not (folder / "pid").exists(), "the file is gone")


@tap.test
def monitor_ends_with_the_server():
    """The monitor holds no port, and ends when the server does, even by a crash"""
    service.need_root()
    folder = closed_folder()
    port = postern.free_port()
    server = Server(postern.config(port, more='pid_file = "pid";'), folder)
    monitor = monitor_of(server)
    tap.equal(status_of(monitor)["Uid"].split(), ["0"] * 4)
    links = [os.readlink(link) for link in pathlib.Path(f"/proc/{monitor}/fd").iterdir()]
    tap.equal(sum("socket:" in link for link in links), 1, f"{links}")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(monitor, number)
    service.reload(server)
    server.signal(signal.SIGKILL)
    server.wait()
    server.finished = True
    service.wait_for(lambda: not pathlib.Path(f"/proc/{monitor}").exists() or
                     "Z" in status_of(monitor)["State"], "the monitor ends")
    tap.true(not (folder / "pid").exists(), "the pid file is gone")


@tap.test
def trusts_only_paths_of_roots():
    """A file behind a folder or link that the server's user can change is not read as root"""
    service.need_root()
    folder = closed_folder()
    service.make_certificate(folder, "secret.example", "secret-cert.pem", "secret-key.pem")
    loose = folder.parent / "loose"
    loose.mkdir()
    os.chown(loose, service.NOBODY, service.NOBODY)
    service.make_certificate(loose, "good.example")
    for name in ("cert.pem", "key.pem"):
        os.chown(loose / name, service.NOBODY, service.NOBODY)
    folder.chmod(0o700)
    text = postern.config(postern.free_port())
    server = Server(text + f'tls = {{ certificate = "{loose}/cert.pem"; key = "{loose}/key.pem"; }};\n', folder)
    service.reload(server)  # its user may read these itself
    for name in ("cert.pem", "key.pem"):
        (loose / name).unlink()
        (loose / name).symlink_to(folder / f"secret-{name}")
    lines = service.reload(server, good=False)
    tap.true(any("not read as root" in line and str(loose) in line for line in lines), f"{lines}")
    tap.true("secret.example" not in server.stderr, "nothing of the file is shown")
    for name in ("cert.pem", "key.pem"):  # a link of root's, in a folder of root's, is fine
        (folder / name).symlink_to(f"secret-{name}")
    server.rewrite(text + PAIR)
    lines = service.reload(server)
    tap.true(any("secret.example" in line for line in lines), f"{lines}")


@tap.test
def tells_when_it_cannot_change():
    """An unknown user, root, and a change of user without being root: told, status 1"""
    service.need_root()
    folder = postern.temporary_folder()
    text = postern.config(postern.free_port())
    for user, told in (("no-such-user", "no-such-user"), ("root", "other than root")):
        result = service.check(text + f'user = "{user}";', folder, arguments=())
        tap.equal(result.status, 1, str(result))
        tap.true(told in result.err, result.err)
    file = folder / "turnserver.conf"
    file.write_text(text + 'user = "daemon";')
    file.chmod(0o644)
    result = postern.run(postern.turnserver, "-c", file, prefix=service.unprivileged())
    tap.equal(result.status, 1, str(result))
    tap.true('cannot become "daemon"' in result.err, result.err)


@tap.test
def stays_who_it_is():
    """Started as the configured user already, it just serves"""
    service.need_root()
    port = postern.free_port()
    with postern.Server(postern.config(port, more='user = "nobody";'), prefix=service.unprivileged()) as server:
        e2e.allocated(port)
        os.chmod(server.file, 0o644)
        service.reload(server)


tap.main()

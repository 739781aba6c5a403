# SPDX-License-Identifier: BSD-3-Clause
"""ssh by way of a call: `stunclient call -W` as its ProxyCommand, with OpenSSH's own client and server on loopback.

The server is Debian's, installed or unpacked (./dev deps peers); POSTERN_SSHD names another."""
import os
import pathlib
import shutil
import subprocess
import sys

import postern
import tap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "e2e"))
from telephone import World  # noqa: E402  (it stands in the folder of the tests on loopback)

PLACE = pathlib.Path(os.environ.get("POSTERN_FOREIGN") or postern.source / "build-test") / "openssh"


def find_sshd():
    for path in (os.environ.get("POSTERN_SSHD"), "/usr/sbin/sshd", PLACE / "usr/sbin/sshd"):
        if path and os.access(path, os.X_OK):
            return pathlib.Path(path)
    return None


SSHD = find_sshd()
if not shutil.which("ssh") or not SSHD:
    tap.skip_all("OpenSSH's client or server is not there: ./dev deps peers")


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def as_root(folder):
    """Root's sshd wants a user of its own and a folder; where Debian's package was only unpacked, a list of users that nothing
    else sees has that user."""
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    users = pathlib.Path("/etc/passwd").read_text()
    if "\nsshd:" in users:
        return []
    (folder / "passwd").write_text(users.rstrip("\n") + "\nsshd:x:65532:65534::/run/sshd:/usr/sbin/nologin\n")
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/passwd && shift && exec "$@"', "sshd", folder / "passwd"]


def serve(folder):
    """sshd on a port of loopback, for the user who runs the test and a key of the test's own. The port, and options for ssh."""
    port = postern.free_port()
    host, user = make_key(folder / "host"), make_key(folder / "user")
    authorized = folder / "authorized"
    shutil.copy(f"{user}.pub", authorized)
    authorized.chmod(0o600)
    settings = folder / "sshd_config"
    settings.write_text(f"ListenAddress 127.0.0.1:{port}\nHostKey {host}\nAuthorizedKeysFile {authorized}\nPidFile none\n"
                        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n")
    head = as_root(folder) if os.geteuid() == 0 else []
    libraries = ":".join(str(path) for path in SSHD.parents[1].glob("lib/*-linux-gnu"))
    errors = open(folder / "sshd.err", "wb")
    child = subprocess.Popen([*head, SSHD, "-D", "-e", "-f", settings], stderr=errors, env={**os.environ, "LD_LIBRARY_PATH": libraries})
    tap.cleanup(child.wait)
    tap.cleanup(child.terminate)
    tap.true(postern.until(lambda: ("tcp", port) in postern.listening(child.pid) or child.poll() is not None), "sshd starts")
    if child.poll() is not None:
        raise AssertionError((folder / "sshd.err").read_text())
    known = folder / "known_hosts"
    known.write_text(f"home {' '.join((folder / 'host.pub').read_text().split()[:2])}\n")
    return port, ["-i", user, "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes",
                  "-F", "none"]


def ssh(world, port, options, *command, input=b""):
    call = [postern.stunclient, "call", "bob", "--server", world.uri, "--user", "alice", "--password-file", world.folder / "password",
            "--iface", "lo", "-W", f"localhost:{port}"]
    proxy = " ".join(f"'{word}'" for word in call)
    return subprocess.run(["ssh", *options, "-o", f"ProxyCommand={proxy}", "home", *command], input=input, capture_output=True,
                          timeout=50, env={**os.environ, "XDG_CONFIG_HOME": str(world.folder / "home.alice")})


@tap.test
def logs_in():
    """ssh runs commands by way of a call, one after the other, with their input, output and status"""
    world = World()
    (world.folder / "password").write_text("wonder\n")
    (world.folder / "password").chmod(0o600)
    port, options = serve(world.folder)
    bob = world.listen("--keep", "--allow", f"localhost:{port}")
    done = ssh(world, port, options, "cat; exit 3", input=b"x" * 300_000)
    tap.equal((done.returncode, len(done.stdout)), (3, 300_000), done.stderr.decode() + bob.errors)
    done = ssh(world, port, options, "echo again")
    tap.equal((done.returncode, done.stdout), (0, b"again\n"), done.stderr.decode())
    tap.true(postern.until(lambda: bob.errors.count("stunclient: direct") == 2), bob.errors)
    bob.end()


tap.main()

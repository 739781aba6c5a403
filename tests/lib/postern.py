# SPDX-License-Identifier: BSD-3-Clause
"""Starts the programs under test, and sees to it that they end well.

    port = postern.free_port()
    with postern.Server(postern.config(port, workers=3)) as server: ...

A server that crashed, ended by itself, or made a sanitizer speak fails the test that used it.
"""
import errno
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

source = pathlib.Path(os.environ.get("POSTERN_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
build = pathlib.Path(os.environ.get("POSTERN_BUILD") or source / "build")
turnserver = pathlib.Path(os.environ.get("POSTERN_TURNSERVER") or build / "turnserver/turnserver")
stunclient = pathlib.Path(os.environ.get("POSTERN_STUNCLIENT") or build / "stunclient/stunclient")

REALM, USER, PASSWORD, SECRET = "example.org", "alice", "secret", "s3cret"

READY = re.compile(r'\bready workers=|"message":"ready"')
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:")


class _Ports:
    """Ports that this process has for itself among all that run tests in this network: blocks of numbers, each held by
    the name of a socket, which is free again when the process ends. No other program is given such a port by
    the system: they are below its range for that, and below the relayed one."""

    FIRST, BLOCK, BLOCKS, MOST = 20000, 200, 60, 5

    def __init__(self):
        self.network, self.held, self.left = None, [], range(0)

    def hold(self):
        """Another block, if there is one."""
        start = int.from_bytes(os.urandom(2), "big")
        for number in ((start + step) % self.BLOCKS for step in range(self.BLOCKS)):
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                name.bind(f"\0postern-test-ports-{number}")
            except OSError:
                name.close()
                continue
            first = self.FIRST + number * self.BLOCK
            self.held.append((name, range(first, first + self.BLOCK)))
            return

    def take(self, count):
        count += count % 2  # so that the first is even
        network = os.readlink("/proc/self/ns/net")
        if network != self.network:
            self.network, self.held, self.left = network, [], range(0)
        if len(self.left) < count:
            if len(self.held) < self.MOST:
                self.hold()
            if not self.held:
                raise AssertionError("other tests have all ports")
            self.held.insert(0, self.held.pop())  # the newest, or the one that was used longest ago
            self.left = self.held[0][1]
        ports, self.left = self.left[:count], self.left[count:]
        return ports


_ports = _Ports()


def free_port(count=2):
    """The first, an even one, of so many ports in a row that are free for UDP and TCP at any address, and that no
    other test takes."""
    # A socket of IPv6 takes IPv4's ports in as well, unless the system is set otherwise.
    family = socket.AF_INET6 if os.path.exists("/proc/net/if_inet6") else socket.AF_INET
    while True:
        ports = _ports.take(count)
        try:
            for port in ports:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(family, kind) as probe:
                        probe.bind(("", port))
            return ports[0]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise


def temporary_folder():
    """A new folder that goes away when the test ends."""
    import tap

    folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-"))
    folder.chmod(0o755)
    tap.cleanup(shutil.rmtree, folder)
    return folder


def listener(port, address="127.0.0.1", transports=("udp", "tcp")):
    told = ", ".join(f'"{transport}"' for transport in transports)
    return f'{{ address = "{address}"; port = {port}; transports = [ {told} ]; }}'


def config(port, workers=None, addresses=("127.0.0.1",), more="", relay=None, users=True, peers=True,
           transports=("udp", "tcp")):
    """A loopback server with a user, a REST secret, and no limits; `more` is appended as it is.

    A test that does not care how many workers there are runs with POSTERN_WORKERS of them, or one.
    """
    workers = workers or int(os.environ.get("POSTERN_WORKERS") or 1)
    quoted = lambda items: ", ".join(f'"{item}"' for item in items)
    text = "listeners = ( " + ", ".join(listener(port, address, transports) for address in addresses) + " );\n"
    text += f'realm = "{REALM}";\nworkers = {workers};\n'
    if users:
        text += f'users = ( {{ name = "{USER}"; password = "{PASSWORD}"; }} );\n'
        text += f'rest = {{ secrets = [ "{SECRET}" ]; }};\n'
        text += f"relay = {{ addresses = [ {quoted(relay or addresses)} ]; }};\n"
    if users and peers:
        text += 'peers = { allow = [ "127.0.0.0/8", "::1/128" ]; };\n'
    text += "limits = { unauthenticated_per_source = 0; };\n"
    return text + more


def listening(pid):
    """Ports that are bound (UDP) or listened at (TCP) in the namespace of that process."""
    ports = set()
    for name in ("udp", "udp6", "tcp", "tcp6"):
        try:
            lines = pathlib.Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if name.startswith("udp") or fields[3] == "0A":
                ports.add((name[:3], int(fields[1].rpartition(":")[2], 16)))
    return ports


def until(condition, seconds=30):
    """True as soon as the condition holds, False when it does not in that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


class _Reader(threading.Thread):
    """Collects a child's lines. Whoever asks for them gets all that was written before he asked."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.collected, self.part, self.lock = stream, [], b"", threading.Lock()
        os.set_blocking(stream.fileno(), False)
        self.start()

    def run(self):
        poll = select.poll()
        poll.register(self.stream, select.POLLIN)
        while self._take():
            poll.poll()
        if self.part:
            self._add(self.part)

    def _take(self):
        """All that is there; False at the end of the stream."""
        with self.lock:
            try:
                while data := os.read(self.stream.fileno(), 65536):
                    *whole, self.part = (self.part + data).split(b"\n")
                    for line in whole:
                        self._add(line)
            except BlockingIOError:
                return True
            return False

    def _add(self, line):
        self.collected.append(line.decode("utf-8", "replace"))

    @property
    def lines(self):
        if self.is_alive():
            self._take()
        return self.collected


class Process:
    """A child with its output collected. `prefix` runs it elsewhere: ["ip", "netns", "exec", N]."""

    def __init__(self, arguments, prefix=(), env=None, cwd=None, input=None):
        self.arguments = [*map(str, prefix), *map(str, arguments)]
        self.child = subprocess.Popen(
            self.arguments, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env={**os.environ, **(env or {})})
        if input is not None:
            self.child.stdin.write(input)
            self.child.stdin.close()
        self.readers = _Reader(self.child.stdout), _Reader(self.child.stderr)

    @property
    def pid(self):
        return self.child.pid

    @property
    def output(self):
        """Lines that it has written until now."""
        return self.readers[0].lines

    @property
    def errors(self):
        return self.readers[1].lines

    @property
    def stdout(self):
        return "\n".join(self.output)

    @property
    def stderr(self):
        return "\n".join(self.errors)

    @property
    def resident(self):
        """Bytes of memory that it uses."""
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def sanitized(self):
        """Whether it was built with AddressSanitizer, which keeps what was freed: its size says nothing then."""
        return "libasan" in pathlib.Path(f"/proc/{self.pid}/maps").read_text()

    def running(self):
        return self.child.poll() is None

    def wait(self, timeout=60):
        """The exit status (negative: the signal); TimeoutExpired when it goes on running."""
        status = self.child.wait(timeout)
        for reader in self.readers:
            reader.join(10)
        return status

    def signal(self, number):
        self.child.send_signal(number)

    def stop(self, timeout=60):
        """SIGTERM, then SIGKILL; the exit status."""
        if self.running():
            self.child.terminate()
            try:
                return self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.child.kill()
        return self.wait(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Server(Process):
    """turnserver -c FILE, ready when it serves. `folder` keeps the file, if given."""

    def __init__(self, text, prefix=(), folder=None, arguments=(), wait=True, env=None):
        self.own_folder = None if folder else tempfile.mkdtemp(prefix="postern-")
        self.folder = pathlib.Path(folder or self.own_folder)
        self.folder.chmod(0o755)
        self.file = self.folder / "turnserver.conf"
        self.file.write_text(text)
        super().__init__([turnserver, "-c", self.file, *arguments], prefix, env)
        self.finished = False
        if wait:
            self._wait_until_ready(text)

    def _wait_until_ready(self, text):
        """It tries each port before it binds it for good, so that a bound port is no sign; but it has bound
        all of them when its workers begin. Most logs tell when all is said that there is to say at the start."""
        silent = re.search(r'\blog\s*=\s*\{[^}]*\b(file|level\s*=\s*"(warning|error))', text)
        deadline = time.monotonic() + 60
        while len(os.listdir(f"/proc/{self.pid}/task")) < 2 or not silent and not self._said_ready():
            if not self.running():
                self.wait()
                raise AssertionError(f"turnserver ended with {self.child.returncode} at start:\n{self.stderr}")
            if time.monotonic() > deadline:
                self.finish()
                raise AssertionError(f"turnserver does not begin to serve:\n{self.stderr}")
            time.sleep(0.01)

    def _said_ready(self):
        return any(READY.search(line) for line in self.errors)

    def reload(self):
        self.signal(signal.SIGHUP)

    def rewrite(self, text):
        self.file.write_text(text)

    def finish(self):
        """Stops it. AssertionError if it had not run until now, or did not end cleanly."""
        if self.finished:
            return
        self.finished = True
        alive = self.running()
        status = self.stop()
        if self.own_folder:
            shutil.rmtree(self.own_folder, ignore_errors=True)
        if SANITIZER.search(self.stderr):
            raise AssertionError(f"a sanitizer spoke:\n{self.stderr}")
        if not alive or status != 0:
            raise AssertionError(f"turnserver {'ended' if alive else 'had ended'} with {status}:\n{self.stderr}")

    def __exit__(self, kind, error, trace):
        try:
            self.finish()
        except AssertionError as problem:
            if error is None:
                raise
            raise problem from error
        if error is not None:
            import tap

            tap.diag("turnserver said:\n" + "\n".join(self.errors[-40:]))


def server(text, **options):
    """A server that lives until the test ends."""
    import tap

    started = Server(text, **options)
    tap.cleanup(started.finish)
    return started


class Result:
    """What a finished program left: status, out, err."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"status {self.status}\nstdout:\n{self.out}\nstderr:\n{self.err}"


def run(*arguments, prefix=(), timeout=60, env=None, input=None):
    """Runs a program to its end. A sanitizer's word, a signal or a timeout is an AssertionError."""
    try:
        done = subprocess.run([*map(str, prefix), *map(str, arguments)], capture_output=True, timeout=timeout,
                              env={**os.environ, **(env or {})}, input=input,
                              **({"stdin": subprocess.DEVNULL} if input is None else {}))
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{arguments} still ran after {timeout} s: {late.stdout} {late.stderr}") from None
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if SANITIZER.search(err) or done.returncode < 0:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{err}")
    return Result(done.returncode, out, err)


def client(*arguments, **options):
    """Runs stunclient."""
    return run(stunclient, *arguments, **options)


class Trial(Process):
    """turnserver --try on loopback: what `./dev run` starts. Ended with the test."""

    def __init__(self, folder, port=None):
        import tap

        self.port = port or free_port()
        super().__init__([turnserver, f"--try={folder}", "--listen", f"127.0.0.1:{self.port}"])
        tap.cleanup(self.finish)
        tap.true(until(lambda: ("udp", self.port) in listening(self.pid) and "iceServers" in self.stdout),
                 f"it starts: {self.stdout}\n{self.stderr}")

    @property
    def commands(self):
        """The command lines of stunclient that it printed."""
        return [shlex.split(line) for line in self.output if line.strip().startswith(str(stunclient))]

    @property
    def ice_servers(self):
        """What it printed for a web page."""
        return json.loads(next(line for line in self.output if "iceServers" in line))["iceServers"]

    def finish(self):
        status = self.stop()
        if SANITIZER.search(self.stderr) or status != 0:
            raise AssertionError(f"turnserver --try ended with {status}:\n{self.stderr}")

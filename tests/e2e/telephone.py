# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of stunclient listen and call share: a server with rendezvous on loopback, two accounts, and the two
programs with their standard input and output as files or pipes."""
import json
import os
import pathlib
import subprocess

import client
import json_schema
import pki
import postern
import service
import tap

PASSWORDS = {"alice": "wonder", "bob": "builder", "é": "acute", "ü": "umlaut"}
SCHEMA = client.schema("call")


def need_calls():
    """Skips where this build makes no calls."""
    told = postern.client("call", "x", "--server", "tcp://127.0.0.1:1", "--user", "a", "--password", "b", "--iface", "lo",
                          env={"XDG_CONFIG_HOME": str(postern.temporary_folder())})
    if "makes no calls" in told.err:
        tap.skip("built without usrsctp")


class World:
    """A server with STUN and TURN at `port` and rendezvous at the next one. Each party has a folder of its own for its key."""

    def __init__(self, tls=False, settings="", relay="127.0.0.1", peers='peers = { allow = [ "127.0.0.0/8" ]; };'):
        need_calls()
        self.folder = postern.temporary_folder()
        self.port = postern.free_port()
        self.authority = pki.Authority(self.folder) if tls else None
        head = self.authority.issue("server.test", "127.0.0.1").settings() if tls else ""
        users = ", ".join(f'{{ name = "{name}"; password = "{password}"; }}' for name, password in PASSWORDS.items())
        text = postern.config(self.port, users=False) + head + f"users = ( {users} );\n"
        text += f'relay = {{ addresses = [ "{relay}" ]; }};\n{peers}\n'
        text += (f'rendezvous = {{ listeners = ( {{ address = "127.0.0.1"; port = {self.port + 1}; '
                 f'{"tls = true;" if tls else ""} }} ); {settings} }};\n')
        self.text = text
        checked = service.check(text, self.folder)
        if "without" in checked.err:
            tap.skip("built without jansson")
        self.server = postern.server(text)
        tap.true(postern.until(lambda: ("tcp", self.port + 1) in postern.listening(self.server.pid)), "rendezvous listens")
        self.uri = f"tcp://127.0.0.1:{self.port + 1}"

    def party(self, verb, user, *arguments, name=None, input=None, output=None, password=None, home=None, env=None,
              iface=True):
        """stunclient `verb`, started. `input`: a path, bytes, a descriptor, or None: at its end already."""
        arguments = (*(("--iface", "lo") if iface else ()), *arguments)
        return Party(self, verb, user, name, arguments, input, output, password, home, env)

    def listen(self, *arguments, **options):
        """Bob, once he is registered."""
        bob = self.party("listen", "bob", "--trace", *arguments, name="bob", **options)
        bob.wait_for("registered as")
        return bob

    def call(self, *arguments, **options):
        return self.party("call", "alice", *arguments, name="bob", **options)


class Party:
    def __init__(self, world, verb, user, name, arguments, input, output, password, home, env):
        self.world, self.verb = world, verb
        self.home = pathlib.Path(home or world.folder / f"home.{user}")
        self.number = len(list(world.folder.iterdir()))
        self.report_file = world.folder / f"{self.number}.{user}.json"
        self.error_file = world.folder / f"{self.number}.{user}.err"
        self.output_file = pathlib.Path(output if output and output != subprocess.PIPE else world.folder / f"{self.number}.{user}.out")
        if isinstance(input, bytes):
            data, input = input, world.folder / f"{self.number}.{user}.in"
            input.write_bytes(data)
        stdin = input if isinstance(input, int) else open(input or os.devnull, "rb")
        command = [postern.stunclient, verb, *([name] if name else []), "--server", world.uri, "--user", user, "--password",
                   password or PASSWORDS[user], "--report", self.report_file, *arguments]
        environment = {**os.environ, **client.CLEAN, "POSTERN_SERVER": "", "XDG_CONFIG_HOME": str(self.home), **(env or {})}
        with open(self.error_file, "wb") as errors:
            if output == subprocess.PIPE:
                self.child = subprocess.Popen([*map(str, command)], stdin=stdin, stdout=subprocess.PIPE, stderr=errors, env=environment)
            else:
                with open(self.output_file, "wb") as out:
                    self.child = subprocess.Popen([*map(str, command)], stdin=stdin, stdout=out, stderr=errors, env=environment)
        if stdin is not input:
            stdin.close()
        tap.cleanup(self.end)

    @property
    def errors(self):
        return self.error_file.read_text("utf-8", "replace")

    @property
    def output(self):
        return self.output_file.read_bytes()

    def wait_for(self, text, seconds=30):
        if not postern.until(lambda: text in self.errors or self.child.poll() is not None, seconds) or text not in self.errors:
            raise AssertionError(f"{self.verb} does not say {text!r}:\n{self.errors}")

    def wait(self, status=0, seconds=60):
        """Its exit status must be this one; the report, held to its schema."""
        try:
            found = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.verb} still runs:\n{self.errors}") from None
        tap.true(not postern.SANITIZER.search(self.errors), self.errors)
        tap.equal(found, status, f"status of {self.verb}:\n{self.errors}")
        told = json.loads(self.report_file.read_text())
        json_schema.validate(told, SCHEMA)
        tap.equal(told["exit_status"], status, "exit_status in the report")
        tap.equal(told["error"] is None, status == 0, f"error: {told['error']}")
        return told

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()

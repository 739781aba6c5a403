# SPDX-License-Identifier: BSD-3-Clause
"""turnserver --try: safe without a configuration, and what it prints can be pasted."""
import base64
import hashlib
import hmac
import json
import os
import re
import shlex
import shutil
import subprocess

import e2e
import postern
import service
import stunwire
import tap


class Trial(postern.Process):
    """A server by --try, ready. `text` is what it told on standard output."""

    def __init__(self, folder, *arguments, prefix=()):
        super().__init__([postern.turnserver, f"--try={folder}", *arguments], prefix)
        tap.cleanup(self.finish)
        try:
            service.wait_for(lambda: "Ctrl-C" in self.stdout and postern.READY.search(self.stderr) or not self.running(), "its words")
        finally:
            tap.true(self.running(), self.stderr)
        self.text = self.stdout

    def finish(self):
        if self.running():
            tap.equal(self.stop(), 0, "exit status")
        tap.true(not postern.SANITIZER.search(self.stderr), self.stderr)

    @property
    def ice_servers(self):
        line = next(line for line in self.text.splitlines() if "iceServers" in line)
        return json.loads(line)["iceServers"]


def start(*addresses, folder=None):
    """A trial on these loopback addresses: (trial, folder, port)."""
    folder = folder or postern.temporary_folder() / "state"
    port = postern.free_port()
    listen = [argument for address in addresses or ("127.0.0.1",)
              for argument in ("--listen", f"[{address}]:{port}" if ":" in address else f"{address}:{port}")]
    return Trial(folder, *listen), folder, port


@tap.test
def keeps_its_secret():
    """Secret, key and folder are closed to others, and the same at the next start"""
    trial, folder, _ = start()
    files = {name: (folder / name).read_bytes() for name in ("secret", "key.pem", "certificate.pem")}
    tap.equal(oct(folder.stat().st_mode & 0o777), "0o700")
    for name in files:
        tap.equal(oct((folder / name).stat().st_mode & 0o777), "0o600", name)
    tap.true(re.fullmatch(rb"[0-9a-f]{64}\n", files["secret"]), "the secret's form")
    tap.true(str(folder) in trial.text, "the folder is told")
    tap.true(files["secret"].decode().strip() not in trial.text + trial.stderr, "the secret is not told")
    trial.finish()
    start(folder=folder)
    for name, content in files.items():
        tap.equal((folder / name).read_bytes(), content, name)


@tap.test
def makes_a_certificate():
    """The certificate is for the addresses it listens at, and its key fits"""
    if not shutil.which("openssl"):
        tap.skip("the openssl program is not there")
    _, folder, _ = start("127.0.0.1", "127.0.0.3")
    text = subprocess.run(["openssl", "x509", "-in", folder / "certificate.pem", "-noout", "-text"],
                          capture_output=True, text=True, check=True).stdout
    for name in ("DNS:postern.local", "IP Address:127.0.0.1", "IP Address:127.0.0.3"):
        tap.true(name in text, text)
    keys = [subprocess.run(["openssl", *arguments], capture_output=True, check=True, cwd=folder).stdout for arguments in
            (["x509", "-in", "certificate.pem", "-noout", "-pubkey"], ["pkey", "-in", "key.pem", "-pubout"])]
    tap.equal(keys[0], keys[1])


@tap.test
def credentials_work():
    """The iceServers that it prints let a client relay, for 24 hours"""
    trial, folder, port = start()
    stun, turn = trial.ice_servers
    tap.equal(stun, {"urls": [f"stun:127.0.0.1:{port}"]})
    tap.equal(turn["urls"], [f"turn:127.0.0.1:{port}?transport=udp", f"turn:127.0.0.1:{port}?transport=tcp"])
    secret = (folder / "secret").read_text().strip()
    digest = hmac.new(secret.encode(), turn["username"].encode(), hashlib.sha1).digest()
    tap.equal(turn["credential"], base64.b64encode(digest).decode())
    left = int(turn["username"].partition(":")[0]) - int(os.stat(folder).st_ctime)
    tap.true(86400 - 60 < left < 86400 + 60, f"{left} s")
    for transport in ("udp", "tcp"):
        one, two = (e2e.allocated(port, transport, user=turn["username"], password=turn["credential"]) for _ in "ab")
        one.permit(two.relayed)
        two.permit(one.relayed)
        one.send(two.relayed, b"hello")
        tap.equal(two.receive(), (one.relayed, b"hello"))


@tap.test(protocol=["tls", "dtls"])
def relays_over_tls(protocol):
    """The printed commands relay over TLS and DTLS on the same port, and check the certificate"""
    trial, _, port = start()
    command = next(shlex.split(line) for line in trial.text.splitlines() if f"--protocol {protocol} " in line)
    done = postern.client("--json", *command[1:], "--count", "5")
    tap.equal(done.status, 0, str(done))
    tap.equal(json.loads(done.out)["server_address"], f"127.0.0.1:{port}")


@tap.test
def is_no_open_relay():
    """Without the credential there is no relay; with it, none to private addresses or its own listener"""
    trial, _, port = start()
    one = stunwire.Client(e2e.udp(port))
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [stunwire.requested_transport()]))
    tap.equal(answer.error()[0], 401)
    tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate).code, 401)
    turn = trial.ice_servers[1]
    one = e2e.allocated(port, user=turn["username"], password=turn["credential"])
    for peer in ("10.0.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.9"):
        tap.equal(tap.raises(stunwire.Refused, one.permit, (peer, 80)).code, 403, peer)
    one.permit(("127.0.0.1", port))
    one.send(("127.0.0.1", port), stunwire.build(stunwire.BINDING, stunwire.REQUEST))
    tap.equal(one.receive(0.3), None)


@tap.test
def two_addresses_measure_nats():
    """Two addresses of a family switch RFC 5780 on, and its command is printed"""
    trial, _, port = start("127.0.0.1", "127.0.0.2")
    answer = stunwire.Client(e2e.udp(port)).binding()
    tap.equal(answer.address(stunwire.OTHER_ADDRESS), ("127.0.0.2", port + 1))
    tap.true(re.search(rf"stunclient nat 127\.0\.0\.1:{port}$", trial.text, re.M), trial.text)
    trial, _, port = start("127.0.0.1")
    tap.true(stunwire.OTHER_ADDRESS not in stunwire.Client(e2e.udp(port)).binding(), "no OTHER-ADDRESS")
    tap.true(" nat " not in trial.text, trial.text)


@tap.test
def prints_commands_of_this_build():
    """A stunclient command for each listener and service, with the program that was built beside it"""
    trial, _, port = start("127.0.0.1", "127.0.0.2")
    commands = [shlex.split(line) for line in trial.text.splitlines() if re.match(r"  \S*stunclient ", line)]
    calls = [command[1:3] for command in commands if command[1] in ("listen", "call")]
    tap.true(calls in ([], [["listen", "bob"], ["call", "bob"]]), calls)  # none: built without jansson
    commands = [command for command in commands if command[1] not in ("listen", "call")]
    verbs = [command[1:3] if command[1] in ("nat", "turn") else ["query", command[1]] for command in commands]
    tap.equal(verbs, [["query", f"127.0.0.1:{port}"], ["query", f"127.0.0.2:{port}"], ["nat", f"127.0.0.1:{port}"],
                      *[["turn", f"127.0.0.2:{port}"]] * 4])
    if postern.stunclient.exists():
        for command in commands:
            tap.equal(os.path.realpath(command[0]), os.path.realpath(postern.stunclient))


@tap.test
def its_calls_work():
    """The two commands of stunclient that it prints for a call make one"""
    trial, _, _ = start()
    commands = [shlex.split(line) for line in trial.text.splitlines() if re.match(r"  \S*stunclient (listen|call) ", line)]
    if not commands:
        tap.skip("built without jansson")
    if not postern.stunclient.exists():
        tap.skip("stunclient is not built")
    home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME"), str(postern.temporary_folder()))
    bob, alice = ([*command, "--no-relay"] for command in commands)
    listening = postern.Process(bob, env=home, input=b"from bob\n")
    tap.cleanup(listening.stop)
    service.wait_for(lambda: "registered name=bob" in trial.stderr or not listening.running(), "bob registers")
    called = postern.run(*alice, env=home, input=b"from alice\n")
    if "makes no calls" in called.err:
        tap.skip("built without usrsctp")
    tap.equal((called.status, called.out), (0, "from bob\n"), called.err)
    tap.equal(listening.wait(), 0)
    tap.equal(listening.stdout, "from alice")


@tap.test
def drops_root():
    """Started as root it becomes nobody, and goes on serving after SIGHUP"""
    service.need_root()
    trial, _, port = start()
    status = open(f"/proc/{trial.pid}/status").read()
    tap.true(f"Uid:\t{service.NOBODY}\t" in status and "NoNewPrivs:\t1" in status, status)
    trial.signal(1)
    service.logged(trial, "configuration reloaded")
    e2e.still_answers(port)


@tap.test
def runs_as_anybody():
    """An unprivileged user with nothing but a folder can run it"""
    service.need_root()
    folder = postern.temporary_folder() / "home"
    folder.mkdir()
    os.chown(folder, service.NOBODY, service.NOBODY)
    port = postern.free_port()
    # setpriv goes last: what it starts may lie in a folder that is closed to nobody, such as /root.
    prefix = ["env", "-u", "XDG_STATE_HOME", f"HOME={folder}", *service.unprivileged()]
    server = postern.Process([postern.turnserver, "--try", "--listen", f"127.0.0.1:{port}"], prefix)
    tap.cleanup(server.stop)
    service.wait_for(lambda: "Ctrl-C" in server.stdout or not server.running(), "its words")
    tap.true((folder / ".local/state/postern/secret").exists(), server.stderr)
    e2e.still_answers(port)


@tap.test
def finds_addresses_by_itself():
    """Without --listen: loopback and the host's own address, port 3478, in a network of its own"""
    service.need_root()
    if not shutil.which("unshare") or not shutil.which("ip"):
        tap.skip("unshare and ip are not there")
    script = ("ip link set lo up && ip link add wan0 type veth peer name wan1 && ip link set wan1 up && "
              "ip address add 10.9.8.7/24 dev wan0 && ip link set wan0 up && ip route add default via 10.9.8.1 && "
              'exec "$@"')
    prefix = ["unshare", "--net", "sh", "-c", script, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        tap.skip("a network namespace cannot be made")
    trial = Trial(postern.temporary_folder() / "state", prefix=prefix)
    for address in ("127.0.0.1:3478", "10.9.8.7:3478", "127.0.0.2, port 3479"):
        tap.true(f"  {address}" in trial.text, trial.text)
    tap.equal(trial.ice_servers[0]["urls"], ["stun:10.9.8.7:3478"], "what other hosts are told")
    tap.true("relaying address=10.9.8.7" in trial.stderr and "relaying address=127" not in trial.stderr, trial.stderr)


@tap.test
def tells_what_is_wrong():
    """A taken port, a bad address, a folder or secret of somebody else's: told"""
    _, port = e2e.serve()
    folder = postern.temporary_folder()

    def run(listen, where="state", status=1):
        result = postern.run(postern.turnserver, f"--try={folder / where}", "--listen", listen)
        tap.equal(result.status, status, str(result))
        tap.equal(result.out, "")
        return result.err

    tap.true(f"127.0.0.1:{port}" in run(f"127.0.0.1:{port}"), "the taken port")
    for listen in ("localhost", "127.0.0.1:0", "127.0.0.1:70000", "1.2.3", "[::1"):
        tap.true("--listen" in run(listen, status=2), listen)
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    tap.true("nobody else can write to" in run("127.0.0.1:1", "open"), "an open folder")
    (folder / "odd").mkdir(0o700)
    (folder / "odd/secret").write_text("short\n")
    (folder / "odd/secret").chmod(0o600)
    tap.true("Remove it" in run("127.0.0.1:1", "odd"), "an odd secret")
    (folder / "state/secret").chmod(0o644)
    tap.true("only you may read" in run("127.0.0.1:1"), "a secret that others may read")


tap.main()

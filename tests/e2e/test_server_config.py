# SPDX-License-Identifier: BSD-3-Clause
"""The configuration, seen from outside: what is told, exit statuses, what keys do on the wire."""
import hashlib
import json
import signal
import socket

import e2e
import postern
import service
import stunwire
import tap

# As the project's plan has it.
EXAMPLE = """
listeners = ( { address = "127.0.0.1"; port = 3478; transports = [ "udp", "tcp" ]; },
              { address = "127.0.0.1"; port = 5349; transports = [ "tls", "dtls" ]; } );
tls = { certificate = "cert.pem"; key = "key.pem"; };
realm = "example.org";
users = ( { name = "alice"; password = "secret"; } );
rest = { secrets = [ "s3cret" ]; };                          # beside users, not instead of them
relay = { addresses = [ "127.0.0.1", "::1" ]; ports = { min = 49152; max = 65535; }; };
peers = { allow = [ "127.0.0.0/8", "::1/128" ]; deny = [ "10.0.0.0/8" ]; };
nat_behavior = { alternate_address = "127.0.0.2"; alternate_port = 3479; };
quotas = { user = { allocations = 0; }; };                   # 0: no limit
limits = { unauthenticated_per_source = 0; };                # answers a second; 0: no limit
workers = 1;                                                 # default: one a core
datapath = "auto";                                           # socket | steer | offload
"""


@tap.test
def accepts_the_example():
    """A configuration with every well-known key is good, and --check-config says so"""
    folder = postern.temporary_folder()
    service.make_certificate(folder, "example.org")
    result = service.check(EXAMPLE, folder)
    tap.equal(result.status, 0, str(result))
    tap.equal(result.out, f"{result.file}: the configuration is good\n")
    tap.true("error" not in result.err, result.err)


@tap.test
def refuses_what_is_not_built():
    """Datapaths that are not in this version are refused by name"""
    for datapath in ("steer", "offload"):
        result = service.check(f'datapath = "{datapath}";')
        tap.equal(result.status, 2)
        tap.true("datapath" in result.err and "not in this version" in result.err, result.err)


@tap.test(arguments=[("--check-config",), ()])
def tells_all_problems(arguments):
    """Each problem is a line with file, line and key; the exit status is 2"""
    result = service.check('realm = "";\nworkers = 4294967297;\nwokers = 1;\nusers = 5;\n', arguments=arguments)
    tap.equal(result.status, 2)
    tap.equal(result.out, "")
    tap.equal([line.replace(str(result.file), "F") for line in result.err.splitlines()], [
        'F:1: realm: expected a string of 1 to 127 bytes, got ""',
        "F:2: workers: expected a number from 1 to 256, got 4294967297",
        'F:3: wokers: expected a known key, got "wokers": did you mean "workers"?',
        "F:4: users: expected a list of at most 1000000 groups ( { ... }, { ... } ), got 5"])


@tap.test
def tells_of_missing_files():
    """A file that is not there: its name, the reason, status 2"""
    result = postern.run(postern.turnserver, "-c", "/nowhere/turnserver.conf")
    tap.equal((result.status, result.err), (2, "/nowhere/turnserver.conf: cannot be read: No such file or directory\n"))


@tap.test
def refuses_bad_command_lines():
    """An unusable command line: a reason, a hint, status 2"""
    for arguments in (["--no-such-option"], ["-c"], ["file"], ["--check-config", "--try"], ["--realm", "x"],
                      ["--listen", "127.0.0.1"], ["--try", "-c", "x"], ["--make-key"], ["-x"]):
        result = postern.run(postern.turnserver, *arguments)
        tap.equal(result.status, 2, f"status of {arguments}")
        tap.equal(result.out, "")
        tap.true(result.err.startswith("turnserver: ") and "--help" in result.err, result.err)


@tap.test
def helps():
    """--help and --version write to standard output and end with 0"""
    for option, text in (("--help", "Usage: turnserver"), ("-h", "Usage: turnserver"),
                         ("--version", "Postern"), ("-V", "Postern")):
        result = postern.run(postern.turnserver, option)
        tap.equal((result.status, result.err), (0, ""), option)
        tap.true(text in result.out, result.out)


@tap.test(kind=["udp", "tcp"])
def tells_of_taken_ports(kind):
    """A port that somebody else has: an error that names it, status 1"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        result = service.check(postern.config(port), arguments=())
    tap.equal(result.status, 1, str(result))
    tap.true(f"127.0.0.1:{port}" in result.err, result.err)


@tap.test
def tells_of_a_second_server():
    """Two servers do not share a port by mistake"""
    _, port = e2e.serve()
    result = service.check(postern.config(port), arguments=())
    tap.equal(result.status, 1, str(result))
    tap.true(f"127.0.0.1:{port}" in result.err, result.err)


@tap.test
def tells_of_foreign_addresses():
    """A listener or relay address that is not the host's: warned of, and an error at start"""
    port = postern.free_port()
    text = postern.config(port, relay=["192.0.2.1"])
    tap.equal(service.check(text).status, 0)
    result = service.check(text, arguments=())
    tap.equal(result.status, 1)
    tap.true("cannot relay on 192.0.2.1" in result.err and "relay.addresses" in result.err, result.err)
    result = service.check(postern.config(port, addresses=["192.0.2.1"], relay=["127.0.0.1"]), arguments=())
    tap.equal(result.status, 1)
    tap.true("192.0.2.1" in result.err, result.err)


@tap.test
def serves_stun_only():
    """Without credentials it serves STUN, refuses TURN, and says so"""
    server, port = e2e.serve(users=False)
    e2e.still_answers(port)
    one = stunwire.Client(e2e.udp(port))
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [stunwire.requested_transport()]))
    tap.equal(answer.klass, stunwire.ERROR)
    tap.true(answer.error()[0] != 401, "no challenge, since nobody could answer it")
    service.logged(server, "serving STUN only")
    result = service.check(postern.config(port, users=False))
    tap.true("it serves STUN only" in result.out, result.out)


@tap.test(workers=e2e.WORKERS)
def limits_allocations(workers):
    """quotas.user.allocations: one more is refused with 486, another user is not"""
    _, port = e2e.serve(workers, more="quotas = { user = { allocations = 2; }; };")
    first = e2e.allocated(port)
    e2e.allocated(port)
    tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate).code, 486)
    user, password = stunwire.rest_credential(postern.SECRET, "bob", 100)
    e2e.allocated(port, user=user, password=password)
    first.refresh(0)
    e2e.allocated(port)


@tap.test
def keeps_to_relayed_ports():
    """Relayed ports lie between relay.ports.min and max, and run out"""
    low = postern.free_port(4)
    port = postern.free_port()
    text = postern.config(port).replace(
        'relay = { addresses = [ "127.0.0.1" ]; };',
        f'relay = {{ addresses = [ "127.0.0.1" ]; ports = {{ min = {low}; max = {low + 3}; }}; }};')
    postern.server(text)
    got = set()
    for _ in range(4):
        one = e2e.client(port)
        try:
            one.allocate()
        except stunwire.Refused as refused:  # another program has one of the ports
            tap.equal(refused.code, 508)
            continue
        got.add(one.relayed[1])
    tap.true(got and got <= set(range(low, low + 4)), f"{got}")
    tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate).code, 508)


@tap.test
def follows_the_clients_family():
    """relay.default_family = "client": a client that came by IPv6 gets an IPv6 relay"""
    e2e.need_address("::1")
    for family, expected in (("ipv4", "127.0.0.1"), ("client", "::1")):
        port = postern.free_port()
        text = postern.config(port, addresses=e2e.LOOPBACKS).replace(
            "relay = {", f'relay = {{ default_family = "{family}";')
        with postern.Server(text):
            one = e2e.client(port, address="::1")
            one.allocate()
            tap.equal(one.relayed[0], expected, family)


@tap.test
def tells_its_software():
    """software: told when it is given, and not otherwise"""
    _, port = e2e.serve()
    tap.true(stunwire.SOFTWARE not in stunwire.Client(e2e.udp(port)).binding(), "no SOFTWARE by default")
    _, port = e2e.serve(more='software = "Postern test";')
    tap.equal(stunwire.Client(e2e.udp(port)).binding().get(stunwire.SOFTWARE), b"Postern test")


@tap.test
def clamps_lifetimes():
    """limits.lifetime_default and lifetime_max hold"""
    _, port = e2e.serve()
    one = e2e.allocated(port)
    tap.equal(one.lifetime, 600)
    tap.equal(one.refresh(100000).number(stunwire.LIFETIME), 3600)
    port = postern.free_port()
    postern.server(postern.config(port).replace(
        "limits = {", 'limits = { lifetime_default = "2m"; lifetime_max = "5m";'))
    one = e2e.allocated(port)
    tap.equal(one.lifetime, 120)
    tap.equal(one.refresh(100000).number(stunwire.LIFETIME), 300)


@tap.test
def logs_an_allocations_life():
    """The log tells of an allocation's beginning, a refused peer in words, and its end with counts"""
    server, port = e2e.serve(peers=False, more='log = { json = true; };')
    one = e2e.allocated(port)
    tap.equal(tap.raises(stunwire.Refused, one.permit, ("10.0.0.1", 1)).code, 403)
    two = e2e.allocated(port)
    one.permit(two.relayed)
    two.permit(one.relayed)
    one.send(two.relayed, b"hello")
    tap.equal(two.receive(), (one.relayed, b"hello"))
    one.refresh(0)
    service.logged(server, "allocation ended")
    lines = [json.loads(line) for line in server.errors if line.startswith("{")]
    client, relayed = "%s:%d" % one.transport.local, "%s:%d" % one.relayed

    def line(message):
        return next(line for line in lines if line["message"] == message and line["client"] == client)

    made, refused, ended = line("allocation made"), line("peer refused"), line("allocation ended")
    tap.equal((made["user"], made["relayed"], made["lifetime_s"]), (postern.USER, relayed, 600))
    tap.equal(refused["peer"].partition(":")[0], "10.0.0.1")
    tap.true("private" in refused["reason"], refused["reason"])
    tap.equal((ended["sent_bytes"], ended["sent_packets"], ended["received_bytes"]), (5, 1, 0))
    tap.true(ended["duration_s"] > 0 and ended["relayed"] == relayed, f"{ended}")


@tap.test
def counts():
    """SIGUSR1 writes the counters to the log"""
    server, port = e2e.serve()
    e2e.still_answers(port)
    e2e.allocated(port)

    def counters():
        since = len(server.errors)
        server.signal(signal.SIGUSR1)
        line = service.logged(server, " counters ", since)
        return dict(field.split("=") for field in line.split(" counters ")[1].split())

    # A worker's counters are up to a second old.
    wanted = {"allocations_now": "1", "binding_requests": "1", "allocations_made": "1"}
    service.wait_for(lambda: wanted.items() <= counters().items(), f"{wanted}")


def allocate_by_sha256(one, password):
    """Whether Allocate succeeds with PASSWORD-ALGORITHM SHA-256 (RFC 8489 9.2)."""
    challenge = one.exchange(one.signed(stunwire.ALLOCATE, [stunwire.requested_transport()]))
    offered = challenge.get(stunwire.PASSWORD_ALGORITHMS)
    tap.true(offered and b"\0\2\0\0" in offered, "SHA-256 is offered")
    key = hashlib.sha256(f"{one.user}:{postern.REALM}:{password}".encode()).digest()
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [
        stunwire.requested_transport(), (stunwire.USERNAME, one.user.encode()),
        (stunwire.REALM, challenge.get(stunwire.REALM)), (stunwire.NONCE, challenge.get(stunwire.NONCE)),
        (stunwire.PASSWORD_ALGORITHMS, offered), (stunwire.PASSWORD_ALGORITHM, b"\0\2\0\0")], key256=key))
    return answer.klass == stunwire.SUCCESS and answer.verify256(key)


@tap.test
def makes_keys():
    """--make-key writes entries that let the user in, by MD5 and by SHA-256"""
    made = postern.run(postern.turnserver, "--make-key", "bob", "--realm", postern.REALM, input=b"open sesame\n")
    tap.equal((made.status, made.err), (0, ""))
    md5, sha256 = made.out.strip().split(",\n")
    tap.true(stunwire.long_term_key("bob", postern.REALM, "open sesame").hex() in md5, md5)
    for entries in ([md5], [sha256], [md5, sha256]):
        port = postern.free_port()
        text = postern.config(port).replace("users = ( ", "users = ( " + ", ".join(entries) + ", ")
        with postern.Server(text):
            for password, right in (("open sesame", True), ("wrong", False)):
                one = e2e.client(port, user="bob", password=password)
                if md5 in entries:
                    tap.equal(one.try_request(stunwire.ALLOCATE, [stunwire.requested_transport()]).klass,
                              stunwire.SUCCESS if right else stunwire.ERROR, f"MD5, {entries}")
                if sha256 in entries:
                    tap.equal(allocate_by_sha256(e2e.client(port, user="bob"), password), right, f"{entries}")


@tap.test
def makes_keys_for_the_configured_realm():
    """--make-key takes the realm from the configuration, and refuses what cannot be"""
    folder = postern.temporary_folder()
    file = folder / "turnserver.conf"
    file.write_text('realm = "turn.example.net";')
    made = postern.run(postern.turnserver, "--make-key", "bob", "-c", file, input=b"open sesame\n")
    tap.true(stunwire.long_term_key("bob", "turn.example.net", "open sesame").hex() in made.out, made.out)
    for user, password in (("bob", b""), ("bob", b"\n"), ("bob", b"a\tb\n"), ("a\nb", b"x\n"), ("bob", b"x" * 600)):
        tap.equal(postern.run(postern.turnserver, "--make-key", user, "-c", file, input=password).status, 2)


@tap.test(number=[signal.SIGTERM, signal.SIGINT])
def ends_in_order(number):
    """SIGTERM and SIGINT end it with status 0, allocations included"""
    server, port = e2e.serve(3)
    e2e.allocated(port)
    e2e.allocated(port, "tcp")
    server.signal(number)
    tap.equal(server.wait(), 0)
    tap.true(server.stderr.count("the server stops") == 2 and "stopped" in server.stderr, server.stderr)
    server.finished = True


tap.main()

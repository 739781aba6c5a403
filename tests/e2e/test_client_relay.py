# SPDX-License-Identifier: BSD-3-Clause
"""stunclient turn: what else a relay may have: two families, mobility, tokens, another server; and what it should not have."""
import base64
import os

import client
import e2e
import oauth_token
import pki
import postern
import stunwire as stun
import tap

CREDENTIALS = ["--user", postern.USER, "--password", postern.PASSWORD]
QUICK = ["--count", "5", "--interval", "5"]
NAME = "turn.example.org"


def states(told):
    return {step["step"]: step["state"] for step in told["steps"]}


def run(port, *words, status=client.OK, **options):
    return client.run_json("turn", f"127.0.0.1:{port}", *words, *QUICK, status=status, **options)


def serve_secure(workers, kind):
    authority = pki.Authority(postern.temporary_folder())
    port = postern.free_port()
    postern.server(postern.config(port, workers, transports=(kind,), more=authority.issue("127.0.0.1", NAME).settings()))
    return port, authority


# ---- both families ------------------------------------------------------------------------------


@tap.test(workers=e2e.WORKERS, protocol=["udp", "tcp"])
def both_families(workers, protocol):
    """--dual-stack: each allocation has a relay of each family, and both carry"""
    _, port = e2e.serve(workers, relay=("127.0.0.1", "::1"))
    told = run(port, *CREDENTIALS, "--protocol", protocol, "--dual-stack")
    tap.equal(states(told)["second_family"], "ok")
    for one in told["allocations"]:
        tap.true(one["relayed_address"].startswith("127.0.0.1:"), str(one))
        tap.true(one["second_relayed_address"].startswith("[::1]:"), str(one))
    words = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, *QUICK, "--dual-stack").out
    tap.true("second family      ok" in words and "and [::1]:" in words, words)


@tap.test
def both_by_the_rfc():
    """The bytes of a dual allocation, read by another codec: ADDITIONAL-ADDRESS-FAMILY alone, and requests in both families"""
    _, port = e2e.serve(relay=("127.0.0.1", "::1"))
    seen = []

    def look(data, to_server):
        if to_server and not stun.is_channel(data):
            seen.append(stun.parse(data))
        return data

    client.run_json("turn", client.Way(port, look).name, *CREDENTIALS, *QUICK, "--dual-stack")
    asked = [one for one in seen if one.method == stun.ALLOCATE]
    tap.true(asked and all(one.get(stun.ADDITIONAL_ADDRESS_FAMILY) == b"\2\0\0\0" for one in asked), "for IPv6")
    tap.true(all(stun.REQUESTED_ADDRESS_FAMILY not in one for one in asked), "the other attribute excludes it")
    sent = {one.address(stun.XOR_PEER_ADDRESS)[0] for one in seen if one.method == stun.SEND}
    tap.equal(sent, {"127.0.0.1", "::1"}, "peers of Send indications")


@tap.test
def one_family_only():
    """--dual-stack at a server with relays of one family: status 7, and why"""
    _, port = e2e.serve()
    told = run(port, *CREDENTIALS, "--dual-stack", status=client.REFUSED)
    tap.equal(states(told)["second_family"], "failed")
    tap.true("one family only (440)" in told["error"]["text"], str(told["error"]))
    tap.equal(states(told)["delete"], "ok", "and nothing is left behind")
    ended = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--dual-stack", "--relay-family", "4", status=2)
    tap.true("both families" in ended.err, ended.err)


# ---- mobility -----------------------------------------------------------------------------------


@tap.test(workers=e2e.WORKERS, protocol=["udp", "tcp", "tls", "dtls"])
def moves(workers, protocol):
    """--mobility: the allocation goes to another flow, and carries on there"""
    more = []
    if protocol in ("tls", "dtls"):
        port, authority = serve_secure(workers, protocol)
        more = ["--ca", authority.certificate]
    else:
        _, port = e2e.serve(workers)
    told = run(port, *CREDENTIALS, "--protocol", protocol, "--mobility", *more)
    tap.equal(states(told)["move"], "ok")
    tap.equal(states(told)["delete"], "ok", "from where it is now")


@tap.test
def moves_by_the_rfc():
    """The bytes of a move, read by another codec: Allocate asks for a ticket, Refresh from another port shows it"""
    _, port = e2e.serve()
    seen = []

    def look(data, to_server):
        if not stun.is_channel(data):
            seen.append((to_server, stun.parse(data)))
        return data

    client.run_json("turn", client.Way(port, look).name, *CREDENTIALS, *QUICK, "--mobility")
    asked = [one for to_server, one in seen if to_server and one.method == stun.ALLOCATE]
    tap.true(asked and all(one.get(stun.MOBILITY_TICKET) == b"" for one in asked), "an empty MOBILITY-TICKET")
    tickets = {one.get(stun.MOBILITY_TICKET) for to_server, one in seen
               if not to_server and one.method == stun.ALLOCATE and one.klass == stun.SUCCESS}
    shown = [one.get(stun.MOBILITY_TICKET) for to_server, one in seen
             if to_server and one.method == stun.REFRESH and stun.MOBILITY_TICKET in one]
    tap.true(shown and set(shown) <= tickets, "Refresh shows a ticket that Allocate brought")


@tap.test
def cannot_move():
    """--mobility where it is switched off (405), where no ticket comes, and with --tcp-relay"""
    _, port = e2e.serve(more="mobility = false;\n")
    told = run(port, *CREDENTIALS, "--mobility", status=client.REFUSED)
    tap.equal((states(told)["allocate"], told["steps"][0]["stun_error"]), ("failed", 405))
    _, port = e2e.serve()

    def forget(data, to_server):
        return data if to_server or stun.is_channel(data) else without_ticket(data)

    told = client.run_json("turn", client.Way(port, forget).name, *CREDENTIALS, *QUICK, "--mobility", status=client.REFUSED)
    tap.true("no ticket" in told["error"]["text"], str(told["error"]))
    ended = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--protocol", "tcp", "--tcp-relay", "--mobility", status=2)
    tap.true("--mobility" in ended.err, ended.err)


def without_ticket(data):
    """An answer as a server without mobility gives it: signed anew."""
    message = stun.parse(data)
    if stun.MOBILITY_TICKET not in message:
        return data
    fields = [(kind, value) for kind, value in message.attributes
              if kind not in (stun.MOBILITY_TICKET, stun.MESSAGE_INTEGRITY_SHA256, stun.FINGERPRINT)]
    key = stun.long_term_key(postern.USER, postern.REALM, postern.PASSWORD, "sha256")
    return stun.build(message.method, message.klass, fields, message.transaction, key256=key)


# ---- tokens -------------------------------------------------------------------------------------

KEY = os.urandom(32)


def serve_tokens(workers=None):
    group = f'oauth = {{ server_name = "{NAME}"; keys = ( {{ kid = "north"; key = "{base64.b64encode(KEY).decode()}"; }} ); }};\n'
    return e2e.serve(workers, more=group)[1]


def token_file(size=32, kid="north", key=KEY, session=None, **options):
    session = session or os.urandom(size)
    lines = (kid, base64.b64encode(session).decode(), base64.b64encode(oauth_token.make(key, NAME, session, **options)).decode())
    file = postern.temporary_folder() / "token"
    file.write_text("\n".join(lines) + "\n")
    return file


@tap.test(workers=e2e.WORKERS, protocol=["udp", "tcp"], size=[20, 32])
def holds_a_token(workers, protocol, size):
    """--access-token-file: a token of RFC 7635 in place of a password, its key of either size"""
    port = serve_tokens(workers)
    told = run(port, "--access-token-file", token_file(size), "--protocol", protocol, "--mobility")
    tap.equal(told["signing"], {"integrity": "sha256" if size == 32 else "sha1", "user": "token"})
    tap.equal(set(states(told).values()), {"ok"})


@tap.test
def tokens_that_are_not_good():
    """An expired or foreign token is status 6; a file that holds none is a usage error"""
    port = serve_tokens()
    for file in (token_file(issued=1000000000), token_file(key=bytes(32)), token_file(kid="south")):
        told = run(port, "--access-token-file", file, status=client.AUTHENTICATION)
        tap.equal(states(told)["allocate"], "failed")
    folder = postern.temporary_folder()
    for number, text in enumerate(("", "north\n", "north\n!!!!\n!!!!\n", "north\nAAAA\n", "\nAAAA\nAAAA\n", "a\n" + "A" * 2000 + "\nAAAA\n")):
        file = folder / f"bad{number}"
        file.write_text(text)
        told = run(port, "--access-token-file", file, status=client.USAGE)
        tap.true("access token" in told["error"]["text"] and "kid" in told["error"]["advice"], str(told["error"]))
    told = run(port, "--access-token-file", folder / "not there", status=client.USAGE)
    tap.true("cannot be read" in told["error"]["text"], str(told["error"]))


@tap.test
def tells_how_it_signs():
    """SHA-256 and a hidden name where the server offers them, SHA-1 and a name in clear where it does not"""
    _, port = e2e.serve(more="username_anonymity = true;\n")
    tap.equal(run(port, *CREDENTIALS)["signing"], {"integrity": "sha256", "user": "hidden"})
    words = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, *QUICK).out
    tap.true("with SHA-256, the user name hidden" in words, words)

    def old(_, data, source):
        """A server of RFC 5389 that challenges and then refuses."""
        request = stun.parse(data)
        code = 486 if stun.MESSAGE_INTEGRITY in request else 401
        key = stun.long_term_key(postern.USER, "old", postern.PASSWORD) if code == 486 else None
        fields = [(stun.ERROR_CODE, stun.pack_error(code)), (stun.REALM, b"old"), (stun.NONCE, b"nonce")]
        return [stun.build(request.method, stun.ERROR, fields, request.transaction, key=key)]

    told = client.run_json("turn", client.Odd(old).name, *CREDENTIALS, status=client.REFUSED)
    tap.equal(told["signing"], {"integrity": "sha1", "user": "clear"})


# ---- another server -----------------------------------------------------------------------------


def sends_to(port, host="127.0.0.1"):
    return f'alternate_servers = ( {{ address = "{host}"; port = {port}; }} );\n'


@tap.test(workers=e2e.WORKERS, protocol=["udp", "tcp"])
def follows(workers, protocol):
    """Error 300 is followed, once, and told"""
    _, second = e2e.serve(workers)
    _, first = e2e.serve(workers, more=sends_to(second))
    told = run(first, *CREDENTIALS, "--protocol", protocol)
    tap.equal((told["server_address"], told["redirected_from"]), (f"127.0.0.1:{second}", f"127.0.0.1:{first}"))
    words = client.run("turn", f"127.0.0.1:{first}", *CREDENTIALS, *QUICK, "--protocol", protocol).out
    tap.true(f"sent there by 127.0.0.1:{first}" in words, words)


@tap.test
def goes_in_no_circles():
    """A second redirection, and one to the server itself, end with status 7"""
    ports = [postern.free_port() for _ in range(3)]
    for at, port in enumerate(ports[:2]):
        postern.server(postern.config(port, more=sends_to(ports[1 - at])))
    told = run(ports[0], *CREDENTIALS, status=client.REFUSED)
    tap.true(f"yet another one: 127.0.0.1:{ports[0]}" in told["error"]["text"], str(told["error"]))
    postern.server(postern.config(ports[2], more=sends_to(ports[2])))
    told = run(ports[2], *CREDENTIALS, status=client.REFUSED)
    tap.true(f"127.0.0.1:{ports[2]}" in told["error"]["text"], str(told["error"]))


@tap.test(domain=["right", "wrong", "not told"])
def expects_the_domain(domain):
    """Over TLS the certificate there must be for ALTERNATE-DOMAIN, or else for the name that was asked for"""
    authority = pki.Authority(postern.temporary_folder())
    first, second = postern.free_port(), postern.free_port()
    there = authority.issue(NAME if domain != "not told" else "127.0.0.1").settings()
    postern.server(postern.config(second, transports=("tls",), more=there))
    name = {"right": NAME, "wrong": "other.example.org", "not told": ""}[domain]
    entry = sends_to(second).replace("; } )", f'; domain = "{name}"; }} )') if name else sends_to(second)
    postern.server(postern.config(first, transports=("tls",), more=authority.issue("127.0.0.1").settings() + entry))
    told = run(first, *CREDENTIALS, "--protocol", "tls", "--ca", authority.certificate,
               status=client.TLS if domain == "wrong" else client.OK)
    if domain == "wrong":
        tap.true(f"127.0.0.1:{second}" in told["error"]["text"], str(told["error"]))
    else:
        tap.equal(told["server_address"], f"127.0.0.1:{second}")
        tap.true(NAME in told["tls"]["subject"] if domain == "right" else "127.0.0.1" in told["tls"]["subject"], str(told["tls"]))


@tap.test
def a_redirection_needs_proof():
    """An unsigned 300 from somebody on the way leads nowhere"""
    def answer(_, data, source):
        request = stun.parse(data)
        if stun.NONCE not in request:
            fields = [(stun.ERROR_CODE, stun.pack_error(401)), (stun.REALM, b"example.org"), (stun.NONCE, b"nonce")]
        else:
            fields = [(stun.ERROR_CODE, stun.pack_error(300)), (stun.ALTERNATE_SERVER, stun.pack_address(trap.socket.getsockname()))]
        return [stun.build(request.method, stun.ERROR, fields, request.transaction)]

    trap = client.Odd(lambda *_: [])
    told = client.run_json("turn", client.Odd(answer).name, *CREDENTIALS, "--timeout", "1", status=client.AUTHENTICATION)
    tap.equal((trap.received, told["redirected_from"]), (0, None))


# ---- private addresses --------------------------------------------------------------------------


@tap.test(protocol=["udp", "tcp"])
def private_peers_refused(protocol):
    """A server with our default rules relays to no private address"""
    _, port = e2e.serve(peers=False)
    told = run(port, *CREDENTIALS, "--protocol", protocol)
    tap.equal(told["private_peers"], [])
    words = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, *QUICK).out
    tap.true("private peers      refused" in words, words)


@tap.test
def private_peers_allowed():
    """A server that relays to private addresses is told of, with the addresses; that is no failure"""
    _, port = e2e.serve(peers=False, more='peers = { allow = [ "10.0.0.0/8", "169.254.169.254" ]; };\n')
    told = run(port, *CREDENTIALS)
    tap.equal(told["private_peers"], ["10.0.0.1", "169.254.169.254"])
    words = client.run("turn", f"127.0.0.1:{port}", *CREDENTIALS, *QUICK).out
    tap.true("this server relays to private addresses" in words and "10.0.0.1, 169.254.169.254" in words, words)
    _, port = e2e.serve(peers=False, relay=("::1",), more='peers = { allow = [ "fc00::/7" ]; };\n')
    tap.equal(run(port, *CREDENTIALS, "--relay-family", "6")["private_peers"], ["fd00::1"])


@tap.test
def asks_and_sends_nothing():
    """For private addresses permissions are asked for, and nothing is sent to them"""
    _, port = e2e.serve(more='quotas = { };\n', peers=True)
    seen = []

    def look(data, to_server):
        if to_server and not stun.is_channel(data):
            seen.append(stun.parse(data))
        return data

    told = client.run_json("turn", client.Way(port, look).name, *CREDENTIALS, *QUICK)
    tap.equal(told["private_peers"], ["127.0.0.2"], "next to where the relays stand")
    sent = {one.address(stun.XOR_PEER_ADDRESS)[0] for one in seen if one.method == stun.SEND}
    tap.equal(sent, {"127.0.0.1"})


tap.main()

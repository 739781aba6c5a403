# SPDX-License-Identifier: BSD-3-Clause
"""The rendezvous service over the wire: lines and WebSocket, plain and TLS, on one port. Every byte here is made by
hand (tests/lib/messages.py)."""
import json
import os
import signal
import socket
import struct
import time
import urllib.parse

import messages
import pki
import postern
import service
import stunwire
import tap

WAYS = ["tcp", "tls", "ws", "wss"]
GOOD = "https://good.test"
TOKEN = "0123456789abcdef-token"
SDP = {"type": "offer", "sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}
CANDIDATE = {"candidate": "candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host", "sdpMid": "0", "sdpMLineIndex": 0,
             "usernameFragment": "abcd"}


def need(result):
    for absent in ("reads no JSON", "without WebSocket"):
        if absent in result:
            tap.skip(f"this build {absent if absent.startswith('reads') else 'is ' + absent}")


class World:
    """A server with TURN at `port` and rendezvous at the next one; alice and bob have passwords."""

    def __init__(self, settings="", listener="tls = true;", more="", port=None):
        folder = postern.temporary_folder()
        self.authority = pki.Authority(folder)
        self.port = postern.free_port()
        self.remote = ("127.0.0.1", port or self.port + 1)
        certificate = self.authority.issue("server.test", "127.0.0.1")
        self.head = postern.config(self.port, users=False, more="") + certificate.settings() + more
        self.head += 'users = ( { name = "alice"; password = "wonder"; }, { name = "bob"; password = "builder"; } );\n'
        self.head += 'peers = { allow = [ "127.0.0.0/8" ]; };\nrelay = { addresses = [ "127.0.0.1" ]; };\n'
        self.listener = listener
        need(service.check(self.text(settings), folder).err)
        self.server = postern.server(self.text(settings))

    def text(self, settings=""):
        return (self.head + f'rendezvous = {{ listeners = ( {{ address = "127.0.0.1"; port = {self.remote[1]}; '
                f'{self.listener} }} ); origins = [ "{GOOD}" ]; {settings} }};\n')

    def connect(self, way="tcp", **options):
        if way in ("ws", "wss") and "websocket=no" in self.server.stderr:
            tap.skip("this build is without WebSocket")
        client = messages.connect(way, self.remote, self.authority.context(), **options)
        tap.cleanup(client.close)
        return client

    def alice(self, way="tcp", **options):
        client = self.connect(way)
        client.register("alice", "wonder", **options)
        return client

    def bob(self, way="tcp", **options):
        client = self.connect(way)
        client.register("bob", "builder", **options)
        return client

    def raw(self, tls=False, **options):
        connection = messages.Bytes(messages.tcp(self.remote, self.authority.context() if tls else None, **options))
        tap.cleanup(connection.close)
        return connection


def expect_closed(client, timeout=20):
    try:
        message = client.receive(timeout)
    except messages.Closed as closed:
        return closed.code
    raise AssertionError(f"still open: {message}")


def relayed_by(ice_servers, port):
    """Allocates with the credentials of an answer, as a browser would."""
    turn = next(server for server in ice_servers if "credential" in server)
    tap.true(f"turn:127.0.0.1:{port}?transport=udp" in turn["urls"], turn["urls"])
    transport = stunwire.Udp(("127.0.0.1", port))
    tap.cleanup(transport.close)
    client = stunwire.Client(transport, turn["username"], turn["credential"])
    return client.allocate()


# ---- who comes in ----------------------------------------------------------------------------------------------------

@tap.test(way=WAYS)
def registers(way):
    """One port takes lines and WebSocket, plain and TLS; what `registered` tells lets the client relay"""
    world = World()
    client = world.connect(way)
    welcome = client.open()
    tap.equal(welcome["v"], 1)
    tap.true("SHA-256" in welcome["auth"], welcome)
    tap.equal(welcome["ping"], 25)
    tap.equal(welcome["server"], "Postern")
    client.hello("alice", "wonder")
    registered = client.expect("registered", name="alice")
    host, port = client.socket.getsockname()
    tap.equal(registered["reflexive"], f"{host}:{port}")
    stun = next(server for server in registered["iceServers"] if "credential" not in server)
    tap.equal(stun["urls"], [f"stun:127.0.0.1:{world.port}"])
    tap.true(0 < registered["ttl"] <= 3600, registered)
    relayed_by(registered["iceServers"], world.port)
    service.logged(world.server, f"registered name=alice account=alice client={host}:{port} transport={way}")


@tap.test(method=["SHA-256", "MD5"], way=["tcp", "ws"])
def wrong_passwords(method, way):
    """A wrong password and an unknown user are refused alike"""
    world = World()
    answers = []
    for user, password in (("alice", "wrong"), ("nobody", "wonder")):
        client = world.connect(way)
        client.open()
        client.hello(user, password, method=method)
        error = client.expect("error", code="unauthorized")
        answers.append(error)
    tap.equal(answers[0], answers[1])


@tap.test
def refusals_flood_no_log():
    """Strangers who are refused again and again, for one reason or for coming too often: a line for each reason"""
    world = World()
    for _ in range(40):
        client = world.connect()
        client.open()
        client.hello("alice", "wrong")
        client.expect("error")
        client.close()
    time.sleep(0.3)
    lines = [line for line in world.server.errors if "rendezvous refused" in line]
    reasons = [line.split("reason=")[1].split()[0] for line in lines]
    tap.equal(sorted(set(reasons)), sorted(reasons), "\n".join(lines))
    tap.true("unauthorized" in reasons, str(reasons))


@tap.test
def another_s_name():
    """A name belongs to its account"""
    world = World()
    bob = world.connect()
    bob.open()
    bob.hello("bob", "builder", name="alice")
    bob.expect("error", code="forbidden-name")


@tap.test(way=["tcp", "ws"])
def byte_by_byte(way):
    """Bytes may come one at a time"""
    world = World()
    client = world.connect(way)
    whole = client.write
    client.write = lambda data: [whole(data[i:i + 1]) for i in range(len(data))]
    client.register("alice", "wonder")


@tap.test
def opening_byte_by_byte():
    """The opening of WebSocket too, and TLS records in two pieces"""
    world = World()
    world.connect("ws")
    raw = world.raw()
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    head = messages.request(Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Key=key, Sec_WebSocket_Version="13")
    for byte in head:
        raw.write(bytes([byte]))
    status, headers = messages.parse_response(raw.take_until(b"\r\n\r\n"))
    tap.equal((status, headers["sec-websocket-accept"]), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))


@tap.test(way=WAYS)
def two_in_one_segment(way):
    """Two messages in one segment are two messages, with CR LF too"""
    world = World()
    client = world.alice(way)
    pings = ['{"type":"ping","rid":"1"}', '{"type":"ping","rid":"2"}']
    if way in ("tcp", "tls"):
        client.write("\r\n".join(pings).encode() + b"\r\n")
    else:
        client.write(b"".join(messages.frame(messages.TEXT, ping) for ping in pings))
    for rid in ("1", "2"):
        client.expect("pong", rid=rid)


@tap.test(way=["ws", "wss"])
def fragments(way):
    """A message in fragments, with a Ping between them"""
    world = World()
    client = world.alice(way)
    text = b'{"type":"ping","rid":"1"}'
    client.write(messages.frame(messages.TEXT, text[:5], fin=False) + messages.frame(messages.PING, b"there?") +
                 messages.frame(messages.CONTINUATION, b"", fin=False) + messages.frame(messages.CONTINUATION, text[5:]))
    frames = [client.receive_frame() for _ in range(2)]
    tap.equal(frames[0], (0x80 | messages.PONG, b"there?"))
    tap.equal(json.loads(frames[1][1]), {"type": "pong", "rid": "1"})


@tap.test
def origins():
    """Browsers come in from the origins on the list only, as it is after a reload"""
    world = World()
    world.connect("ws")
    statuses = lambda: [messages.WebSocket(messages.tcp(world.remote), origin=origin).status
                        for origin in (None, GOOD, "https://evil.test", "null", GOOD + ".evil.test")]
    tap.equal(statuses(), [101, 101, 403, 403, 403])
    world.server.rewrite(world.text().replace(GOOD, "https://evil.test"))
    service.reload(world.server)
    tap.equal(statuses(), [101, 403, 101, 403, 403])


# ---- what is refused -------------------------------------------------------------------------------------------------

@tap.test(way=WAYS)
def too_long(way):
    """A message of 16 KiB is read; of one byte more the client is told, and the connection ends"""
    world = World()
    client = world.alice(way)
    message = '{"type":"ping","rid":"1","pad":"' + "a" * 16384
    client.send_text(message[:16382] + '"}')
    client.expect("pong", rid="1")
    client.send_text(message[:16383] + '"}')
    if way in ("tcp", "tls"):
        client.expect("error", code="too-large")
        tap.equal(expect_closed(client), None)
    else:
        tap.equal(expect_closed(client), 1009)


@tap.test
def neither():
    """What is neither a line, nor HTTP, nor TLS is closed without a word"""
    world = World()
    for data in (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), b"[]\n", b"\n", b"\x16\x03\x01\x00\x05hello"):
        raw = world.raw()
        raw.write(data)
        tap.true(raw.rest(20)[:1] in (b"", b"\x15"), data)  # TLS may send an alert
    service.wait_for(lambda: world.server.running(), "the server")


@tap.test
def bad_json():
    """What is not JSON, or not an object of ours, is answered"""
    world = World()
    for text in ("{]", '{"type":7}', '{"type":"open","v":1,"v":1}', '{"type":"open","v":1}{}', '{"a":' * 500):
        client = world.connect()
        client.send_text(text)
        client.expect("error", code="bad-message")


@tap.test(timeout=30)
def half_open():
    """Connections that say nothing, half a head, half a TLS handshake, or no hello, end by hello_timeout"""
    world = World('hello_timeout = "1s";')
    beginnings = [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01", b'{"type":']
    raws = [world.raw() for _ in beginnings]
    began = time.monotonic()
    for raw, beginning in zip(raws, beginnings):
        raw.write(beginning)
    client = world.connect()
    client.open()
    for raw in raws:
        raw.rest(20)
    client.expect("error", code="timed-out")
    expect_closed(client)
    tap.true(0.8 < time.monotonic() - began < 9, f"{time.monotonic() - began} s")


@tap.test(timeout=30, way=["tcp", "ws"])
def missed_pings(way):
    """Who leaves two pings without an answer is ended; who answers stays"""
    world = World('ping_interval = "1s";')
    silent = world.alice(way)
    silent.expect("ping", 20)
    silent.expect("ping", 20)
    silent.expect("error", 20, code="timed-out")
    expect_closed(silent)
    lively = world.bob(way)
    for _ in range(3):
        lively.expect("ping", 20)
        lively.send({"type": "pong"})
    lively.ask({"type": "ping"}, "pong")


@tap.test
def http():
    """Requests that are not ours get the status that HTTP has for them"""
    world = World(f'turn_token = "{TOKEN}";')
    status = lambda data: messages.http(world.remote, data)[0]
    tap.equal(status(messages.request("/")), 426)
    tap.equal(status(messages.request("/", method="POST", Content_Length="0")), 405)
    tap.equal(status(messages.request("/favicon.ico")), 404)
    tap.equal(status(messages.request("/turn", method="POST")), 405)
    tap.equal(status(b"GET / HTTP/1.1\r\n\r\n"), 400)
    tap.equal(status(b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400)
    tap.equal(status(b"GET / HTTP/1.1\r\nHost: a\r\nA" + b"a" * 9000 + b"\r\n\r\n"), 431)
    tap.equal(status(messages.request("/", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="8",
                                      Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")), 426)
    # A form of a web page cannot smuggle a message in.
    tap.equal(status(messages.request("/", method="POST", Content_Type="text/plain") + b'\n{"type":"open","v":1}\n'), 405)


@tap.test(tls=[False, True])
def turn_for_back_ends(tls):
    """GET /turn gives credentials that relay to who shows the token, and to nobody else"""
    world = World(f'turn_token = "{TOKEN}";')
    context = world.authority.context() if tls else None
    get = lambda path="/turn", **headers: messages.http(world.remote, messages.request(path, **headers), context)
    tap.equal(get()[0], 401)
    tap.equal(get(Authorization="Bearer wrong")[0], 401)
    tap.equal(get(Authorization=f"Bearer {TOKEN}x")[0], 401)
    tap.equal(get(Authorization="Basic YTpi")[0], 401)
    status, headers, body = get("/turn?x=1&user=" + urllib.parse.quote("carol ä"), Authorization=f"Bearer {TOKEN}")
    tap.equal((status, headers["content-type"], headers["cache-control"]), (200, "application/json", "no-store"))
    answer = json.loads(body)
    tap.true(answer["iceServers"][-1]["username"].endswith(":carol ä"), answer)
    relayed_by(answer["iceServers"], world.port)
    tap.equal(get("/turn?user=%zz", Authorization=f"Bearer {TOKEN}")[0], 400)


@tap.test
def guessed_tokens():
    """Who shows bad tokens without end hears 429 and is told to the operator; who shows the good one is served"""
    world = World(f'turn_token = "{TOKEN}"; hellos_per_source = 5;')
    get = lambda token: messages.http(world.remote, messages.request("/turn", Authorization=f"Bearer {token}"))
    answers = [get(f"guess-{number}")[:2] for number in range(40)]
    statuses = [status for status, _ in answers]
    tap.equal((statuses[:5], set(statuses)), ([401] * 5, {401, 429}))
    tap.equal(next(headers for status, headers in answers if status == 429)["retry-after"], "1")
    tap.equal(get(TOKEN)[0], 200)
    service.logged(world.server, "rendezvous refused")
    tap.true("reason=unauthorized" in world.server.stderr, world.server.stderr)


@tap.test
def no_token_no_turn():
    """Without a token in the configuration there is no GET /turn"""
    world = World()
    tap.equal(messages.http(world.remote, messages.request("/turn", Authorization="Bearer x"))[0], 404)


# ---- calls -----------------------------------------------------------------------------------------------------------

def set_up(alice, bob, to="bob"):
    """Alice calls, Bob accepts; returns the call's id."""
    call = alice.ask({"type": "call", "to": to, "description": SDP}, "ok")["call"]
    incoming = bob.expect("incoming", call=call)
    tap.equal((incoming["from"], incoming["description"]), ("alice", SDP))
    bob.send({"type": "ringing", "call": call})
    alice.expect("ringing", call=call)
    bob.send({"type": "accept", "call": call, "description": {**SDP, "type": "answer"}})
    tap.equal(alice.expect("accept", call=call)["description"]["type"], "answer")
    return call


@tap.test(caller=WAYS, callee=["tcp", "wss"])
def call(caller, callee):
    """A call from each way to each, with descriptions and candidates both ways, and its end"""
    world = World()
    alice, bob = world.alice(caller), world.bob(callee)
    number = set_up(alice, bob)
    for one, other in ((alice, bob), (bob, alice)):
        one.send({"type": "candidate", "call": number, "candidate": CANDIDATE, "from": "mallory", "extra": [1]})
        got = other.expect("candidate", call=number)
        tap.equal(got["candidate"], CANDIDATE)
        tap.true(got.get("from") != "mallory" and "extra" not in got, got)
    alice.ask({"type": "report", "call": number, "path": "direct", "ms": 31, "rtt": 4}, "ok")
    bob.send({"type": "bye", "call": number, "reason": "done"})
    alice.expect("bye", call=number, reason="done")
    service.logged(world.server, f"call call={number} from=alice to=bob")
    service.logged(world.server, f"call reported call={number} by=alice path=direct ms=31")
    service.logged(world.server, f"call ended call={number} from=alice to=bob reason=done")


@tap.test
def absent():
    """Nobody of that name: the caller hears `unavailable`"""
    world = World()
    world.alice().ask({"type": "call", "to": "nobody"}, "error", code="unavailable")


@tap.test(way=WAYS)
def resumes(way):
    """A session whose connection breaks keeps its name, its calls, and what was sent to it meanwhile"""
    world = World()
    alice, bob = world.alice(), world.bob(way)
    number = set_up(alice, bob)
    bob.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    descriptors = lambda: len(os.listdir(f"/proc/{world.server.pid}/fd"))
    before = descriptors()
    bob.close()
    tap.true(postern.until(lambda: descriptors() < before), "the service knows")
    alice.send({"type": "candidate", "call": number, "candidate": CANDIDATE})
    again = world.connect(way)
    again.open()
    again.hello("bob", "builder", resume=bob.registered["resume"])
    registered = again.expect("registered", name="bob")
    tap.equal((registered["resumed"], registered["session"]), (True, bob.registered["session"]))
    tap.equal(again.expect("candidate", call=number)["candidate"], CANDIDATE)
    again.send({"type": "bye", "call": number})
    alice.expect("bye", call=number)


@tap.test
def slow_reader():
    """Who does not read is bounded and ended, and the others go on"""
    world = World("messages_per_account = 0; queue_bytes = 65536;")
    alice, bob = world.alice(), world.connect()
    bob.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    bob.register("bob", "builder")
    number = set_up(alice, bob)
    big = {"type": "description", "call": number, "description": {"type": "offer", "sdp": "a" * 15000}}
    alice.socket.settimeout(20)
    refused = None
    for i in range(2000):
        alice.send({**big, "rid": str(i)})
        answer = alice.receive()
        if answer["type"] != "ok":
            refused = answer
            break
    tap.true(refused and refused["type"] in ("error", "bye"), refused)
    alice.ask({"type": "ping"}, "pong", rid="last")


@tap.test
def users_kept_elsewhere():
    """Users of a database register like others, also one that is added while the server runs"""
    file = postern.temporary_folder() / "users.db"

    def add(name, password):
        return postern.run(postern.turnserver, "user", "add", name, "--database", file, "--realm", postern.REALM,
                           input=password.encode() + b"\n")
    if "without SQLite" in add("carol", "carol's").err:
        tap.skip("built without SQLite")
    world = World(more=f'users_database = {{ sqlite = "{file}"; lifetime = "1s"; }};\n')
    for name, password in (("carol", "carol's"), ("dora", "dora's")):
        if name == "dora":
            add(name, password)
        for way in ("tcp", "wss"):
            client = world.connect(way)
            client.register(name, password)
            relayed_by(client.registered["iceServers"], world.port)
            client.close()
    wrong = world.connect()
    wrong.open()
    wrong.hello("carol", "dora's")
    wrong.expect("error", code="unauthorized")


# ---- beside it -------------------------------------------------------------------------------------------------------

@tap.test
def credentials_without_secret_change():
    """`turn` gives new credentials; they are good for the relay though no secret is written down"""
    world = World('credential_lifetime = "2m";')
    alice = world.alice()
    answer = alice.ask({"type": "turn"}, "turn")
    tap.true(answer["ttl"] <= 120, answer)
    relayed_by(answer["iceServers"], world.port)


@tap.test(way=["tcp", "wss"])
def foretold_challenges(way):
    """`registered` and `turn` tell the relay's challenge: the first request is let in, over UDP and TCP, from that host"""
    world = World()
    alice = world.alice(way)
    for servers in (alice.registered["iceServers"], alice.ask({"type": "turn"}, "turn")["iceServers"]):
        turn = next(server for server in servers if "credential" in server)
        told = turn["challenge"]
        tap.equal((told["realm"], told["algorithms"]), (postern.REALM, ["SHA-256", "MD5"]))
        for kind, local, challenges in ((stunwire.Udp, None, 0), (stunwire.Tcp, None, 0), (stunwire.Udp, "127.0.0.9", 1)):
            transport = kind(("127.0.0.1", world.port), local and (local, 0))
            tap.cleanup(transport.close)
            client = stunwire.Client(transport, turn["username"], turn["credential"])
            client.realm, client.nonce = told["realm"].encode(), told["nonce"].encode()
            client.key = stunwire.long_term_key(client.user, told["realm"], client.password)
            client.allocate()
            tap.equal(client.challenges, challenges, f"{kind.__name__} from {local}")
    tap.true("challenge" not in alice.registered["iceServers"][0], "STUN asks for nothing")


@tap.test
def relay_never_reaches_it():
    """A relay of TCP cannot be led to the rendezvous service's own port"""
    world = World()
    alice = world.alice()
    turn = alice.registered["iceServers"][-1]
    transport = stunwire.Tcp(("127.0.0.1", world.port))
    tap.cleanup(transport.close)
    client = stunwire.Client(transport, turn["username"], turn["credential"])
    client.allocate(protocol=stunwire.TCP)
    for peer in (world.remote, ("127.0.0.1", world.port)):
        answer = client.try_request(stunwire.CONNECT, [(stunwire.XOR_PEER_ADDRESS, stunwire.pack_address(peer))])
        tap.true(answer.klass == stunwire.ERROR and answer.error()[0] in (403, 447), f"{peer}: {answer}")


@tap.test
def proxied():
    """Behind a load balancer the client's own address is told"""
    world = World(listener='tls = true; proxy_protocol_from = [ "127.0.0.9" ];')
    for tls in (False, True):
        connection = socket.create_connection(world.remote, 5, ("127.0.0.9", 0))
        connection.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 1414 443\r\n")
        if tls:
            connection = world.authority.context().wrap_socket(connection, server_hostname="server.test")
        client = messages.Lines(connection)
        tap.cleanup(client.close)
        client.register("alice", "wonder")
        tap.equal(client.registered["reflexive"], "192.0.2.7:1414")


@tap.test
def connections_are_limited():
    """rendezvous.connections_per_source bounds one source, and ended connections count no more"""
    world = World("connections_per_source = 3;")
    clients = [world.connect() for _ in range(3)]
    for client in clients:
        client.open()
    raw = world.raw()
    tap.equal(raw.rest(20), b"")
    clients[0].close()

    def open_one():
        try:
            return world.connect().open()
        except (OSError, messages.Closed):
            return None

    service.wait_for(open_one, "an ended connection counts no more")
    world.raw(local=("127.0.0.2", 0)).write(b"{")
    world.server.rewrite(world.text("connections_per_source = 9;"))
    service.reload(world.server)
    service.wait_for(open_one, "more are let in")


@tap.test
def plain_may_be_closed():
    """plain = false: TLS only"""
    world = World(listener="tls = true; plain = false;")
    raw = world.raw()
    raw.write(b'{"type":"open","v":1}\n')
    tap.true(b"welcome" not in raw.rest(20), "a plain client came in")
    world.alice("tls")


@tap.test
def listeners_need_a_restart():
    """Another port in the file is told to need a restart; sessions stay over a reload"""
    world = World()
    alice = world.alice("wss")
    world.server.rewrite(world.text().replace(f"port = {world.remote[1]};", f"port = {world.remote[1] + 1};"))
    lines = service.reload(world.server)
    tap.true(any("needs a restart" in line and "rendezvous.listeners" in line for line in lines), lines)
    alice.ask({"type": "ping"}, "pong")


@tap.test
def says_goodbye():
    """A server that stops tells its clients, and counts"""
    world = World()
    alice, bob = world.alice("ws"), world.bob("tls")
    world.server.signal(signal.SIGUSR1)
    service.logged(world.server, "counters of rendezvous")
    world.server.signal(signal.SIGTERM)
    for client in (alice, bob):
        client.expect("error", code="shutting-down")
        expect_closed(client)


@tap.test
def privileged_port():
    """Started as root it binds ports below 1024, and serves them as somebody else"""
    service.need_root()
    free = None
    for port in range(1022, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                free = port
                break
            except OSError:
                continue
    if free is None:
        tap.skip("no port below 1024 is free")
    world = World(more='user = "nobody";\n', port=free)
    world.alice("tls")
    for thread in os.listdir(f"/proc/{world.server.pid}/task"):
        with open(f"/proc/{world.server.pid}/task/{thread}/status") as status:
            tap.true(f"Uid:\t{service.NOBODY}" in status.read(), f"thread {thread}")


tap.main()

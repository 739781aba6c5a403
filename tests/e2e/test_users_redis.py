# SPDX-License-Identifier: BSD-3-Clause
"""Users and REST secrets in Redis, with coturn's keys: a real server on loopback, and bad ones."""
import base64
import hashlib
import os
import shutil
import socket
import subprocess
import time

import e2e
import oauth_token
import postern
import service
import stunwire
import tap

REALM = postern.REALM
LIFETIME = 1
PASSWORD = "door word"


def key_of(name, password, realm=REALM):
    return hashlib.md5(f"{name}:{realm}:{password}".encode()).hexdigest()


class Redis:
    """A Redis server with nothing in it. Debian's redis-tools has its program under another name."""

    def __init__(self, port=None, arguments=()):
        program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        if not program or not shutil.which("redis-cli"):
            tap.skip("redis is not there")
        self.folder = postern.temporary_folder()
        link = self.folder / "redis-server"
        os.symlink(os.path.realpath(program), link)
        self.port = port or postern.free_port()
        self.process = None
        self.command = [link, "--bind", "127.0.0.1", "--port", self.port, "--save", "", "--daemonize", "no",
                        "--dir", self.folder, *arguments]
        self.password = None
        self.start()

    def start(self):
        self.process = postern.Process(self.command)
        tap.cleanup(self.process.stop)
        service.wait_for(lambda: ("tcp", self.port) in postern.listening(self.process.pid), "redis listens")

    def stop(self):
        self.process.stop()

    def run(self, *words, database=0):
        secret = ["-a", self.password, "--no-auth-warning"] if self.password else []
        done = subprocess.run(["redis-cli", "-p", str(self.port), "-n", str(database), *secret, *words], check=True,
                              capture_output=True, text=True)
        return done.stdout

    def add(self, name, password, **options):
        self.run("SET", f"turn/realm/{REALM}/user/{name}/key", key_of(name, password), **options)


def serve(port, more="", text="", **options):
    group = f'redis = {{ address = "127.0.0.1"; port = {port}; {more} }}; lifetime = "{LIFETIME}s";'
    server, served = e2e.serve(more=f"users_database = {{ {group} }};\n{text}", **options)
    if "built without" in server.stderr:
        tap.skip("built without hiredis")
    return server, served


def need_hiredis():
    text = postern.config(postern.free_port(), more='users_database = { redis = { address = "127.0.0.1"; }; };\n')
    if "without hiredis" in service.check(text).err:
        tap.skip("built without hiredis")


def code(port, name, password):
    return e2e.code_of(e2e.client(port, user=name, password=password).allocate)


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"])
def lets_them_in(workers, transport):
    """A user with a key of coturn's layout allocates; changes are seen without a reload"""
    need_hiredis()
    redis = Redis()
    redis.add("carol", "word")
    _, port = serve(redis.port, workers=workers)
    one = e2e.allocated(port, transport, user="carol", password="word")
    tap.equal(one.challenges, 1)
    tap.equal(code(port, "carol", "wrong"), 401)
    tap.equal(code(port, "mallory", "word"), 401)
    tap.equal(code(port, postern.USER, postern.PASSWORD), 0)
    redis.run("DEL", f"turn/realm/{REALM}/user/carol/key")
    time.sleep(LIFETIME + 0.1)
    tap.equal(code(port, "carol", "word"), 401)


@tap.test
def takes_secrets():
    """Members of the realm's set of secrets make time-limited names"""
    need_hiredis()
    redis = Redis()
    redis.run("SADD", f"turn/realm/{REALM}/secret", "first secret of redis", "second secret of redis")
    redis.run("SADD", "turn/realm/elsewhere/secret", "another realm's secret")
    redis.add("carol", "word")
    _, port = serve(redis.port, users=False, text='relay = { addresses = [ "127.0.0.1" ]; };\n')
    for secret, expected in (("first secret of redis", 0), ("second secret of redis", 0),
                             ("another realm's secret", 401), ("no secret", 401)):
        name, password = stunwire.rest_credential(secret, "dora")
        tap.equal(code(port, name, password), expected, secret)
    name, password = stunwire.rest_credential("first secret of redis", "dora", lifetime=-5)
    tap.equal(code(port, name, password), 401, "expired")
    tap.equal(code(port, "carol", "word"), 0, "a name beside them")


@tap.test(workers=e2e.WORKERS)
def takes_keys_of_tokens(workers):
    """Hashes turn/oauth/kid/KID are keys that open tokens (RFC 7635), each in its time and realm"""
    need_hiredis()
    redis, now = Redis(), int(time.time())
    key, short = os.urandom(32), os.urandom(16)
    text = lambda bytes_: base64.b64encode(bytes_).decode()
    hashes = {
        "good": ["ikm_key", text(key), "as_rs_alg", "A256GCM", "realm", REALM],
        "short": ["ikm_key", text(short), "as_rs_alg", "A128GCM"],
        "timely": ["ikm_key", text(key), "timestamp", str(now - 100), "lifetime", "3600"],
        "early": ["ikm_key", text(key), "timestamp", str(now + 3600)],
        "late": ["ikm_key", text(key), "timestamp", str(now - 3600), "lifetime", "100"],
        "foreign": ["ikm_key", text(key), "realm", "elsewhere"],
        "odd": ["ikm_key", text(key), "as_rs_alg", "ROT13"],
        "broken": ["ikm_key", "no base64"],
        "empty": ["realm", REALM],
    }
    for kid, fields in hashes.items():
        redis.run("HSET", f"turn/oauth/kid/{kid}", *fields)
    redis.run("SET", "turn/oauth/kid/string", text(key))
    server, port = serve(redis.port, workers=workers, text='oauth = { server_name = "turn.example.org"; };\n')
    good = {"good", "short", "timely"}
    for kid in [*hashes, "nobody", "k" * 200]:
        used = short if kid == "short" else key
        one = oauth_token.Holder(e2e.udp(port), kid, used, "turn.example.org")
        tap.equal(e2e.code_of(one.allocate), 0 if kid in good else 401, kid)
        tap.equal(one.told, b"turn.example.org")
    service.logged(server, "oauth:timely")
    tap.equal(e2e.code_of(oauth_token.Holder(e2e.udp(port), "good", os.urandom(32), "turn.example.org").allocate), 401, "another key")
    tap.equal(code(port, postern.USER, postern.PASSWORD), 0, "others beside them")
    redis.run("DEL", "turn/oauth/kid/good")
    time.sleep(LIFETIME + 0.1)
    tap.equal(e2e.code_of(oauth_token.Holder(e2e.udp(port), "good", key, "turn.example.org").allocate), 401, "a key that is gone")
    tap.equal(e2e.code_of(oauth_token.Holder(e2e.udp(port), "string", key, "turn.example.org").allocate), 500, "not a hash")


class FromOrigin(stunwire.Client):
    """A client that says where its page comes from."""

    origin = b""

    def credentials(self):
        return [(0x802F, self.origin)] + super().credentials()


@tap.test(workers=e2e.WORKERS)
def takes_origins(workers):
    """Strings turn/origin/ORIGIN lead clients to a realm that the configuration has; changes are seen"""
    need_hiredis()
    redis = Redis()
    other = "example.net"
    for origin, realm in (("https://a.example", other), ("https://b.example", "unheard-of"),
                          ("https://c.example", other), ("https://d.example", "x" * 300)):
        redis.run("SET", f"turn/origin/{origin}", realm)
    redis.run("RPUSH", "turn/origin/list", "x")
    for number in range(300):
        redis.run("SET", f"turn/origin/https://{number}.example", other)
    redis.run("SET", f"turn/realm/{other}/user/carol/key", key_of("carol", "word", other))
    realms = f'realms = ( {{ name = "{other}"; origins = [ "https://own.example" ]; }} );\n'
    _, port = serve(redis.port, workers=workers, text=realms)

    def realm_of(origin):
        one = FromOrigin(e2e.udp(port), "carol", "word")
        one.origin = origin
        answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [(0x802F, origin)]))
        return answer.get(stunwire.REALM).decode(), one

    service.wait_for(lambda: realm_of(b"https://299.example")[0] == other, "the origins are read")
    for origin, realm in ((b"https://a.example", other), (b"https://b.example", REALM), (b"https://d.example", REALM),
                          (b"https://own.example", other), (b"https://a.example.", REALM), (b"https://a.exampl", REALM),
                          (b"list", REALM), (b"", REALM), (b"https://a.example\0", REALM), (b"x" * 600, REALM)):
        tap.equal(realm_of(origin)[0], realm, str(origin))
    tap.equal(e2e.code_of(realm_of(b"https://a.example")[1].allocate), 0, "and in")
    redis.run("DEL", "turn/origin/https://a.example")
    service.wait_for(lambda: realm_of(b"https://a.example")[0] == REALM, "one is gone")
    tap.equal(realm_of(b"https://c.example")[0], other, "the others are still there")
    redis.stop()
    time.sleep(LIFETIME + 0.2)
    tap.equal(realm_of(b"https://c.example")[0], other, "what was read holds while Redis is away")


@tap.test
def offers_md5_only():
    """Nothing is offered that coturn's layout has no key for"""
    need_hiredis()
    _, port = serve(Redis().port)
    one = e2e.client(port)
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST))
    tap.equal(answer.get(stunwire.PASSWORD_ALGORITHMS), b"\0\1\0\0")
    tap.equal(answer.get(stunwire.NONCE)[9:13], b"AAAB", "no username anonymity")


@tap.test
def passes_strange_names():
    """Spaces, percent signs, slashes and UTF-8 in names are bytes, and nothing else"""
    need_hiredis()
    redis = Redis()
    _, port = serve(redis.port)
    for name in ("a b", "%s%n", "x/../y", "*", "\u00e9ve", '"quoted"', "n" * 500):
        redis.add(name, "word")
        tap.equal(code(port, name, "word"), 0, name)
        tap.equal(code(port, name, "wrong"), 401, name)


@tap.test
def survives_strange_values():
    """What is no key lets nobody in; what is no string at all is an error of the database"""
    need_hiredis()
    redis = Redis()
    _, port = serve(redis.port)
    for value in ("", "00", "g" * 32, key_of("carol", "word") + "00", "word"):
        redis.run("SET", f"turn/realm/{REALM}/user/carol/key", value)
        time.sleep(LIFETIME + 0.1)
        tap.equal(code(port, "carol", "word"), 401, value)
    redis.run("DEL", f"turn/realm/{REALM}/user/carol/key")
    redis.run("RPUSH", f"turn/realm/{REALM}/user/carol/key", "x")
    time.sleep(LIFETIME + 0.1)
    tap.equal(code(port, "carol", "word"), 500)


@tap.test
def logs_in():
    """Password and database number are used; without the password the log tells what Redis said"""
    need_hiredis()
    redis = Redis(arguments=["--requirepass", PASSWORD])
    redis.password = PASSWORD
    redis.add("carol", "word", database=3)
    _, port = serve(redis.port, f'password = "{PASSWORD}"; database = 3;')
    tap.equal(code(port, "carol", "word"), 0)
    _, port = serve(redis.port, f'user = "default"; password = "{PASSWORD}";')
    tap.equal(code(port, "carol", "word"), 401, "another database")
    for more, words in (("", "NOAUTH"), ('password = "wrong";', "WRONGPASS")):
        server, port = serve(redis.port, more)
        tap.equal(code(port, "carol", "word"), 500)
        service.logged(server, words)
        tap.true("wrong" not in server.stderr.replace("WRONGPASS", ""), "no password in the log")
    _, port = serve(redis.port, f'password = "{PASSWORD}"; database = 99;')
    tap.equal(code(port, "carol", "word"), 500, "no such database")


@tap.test
def works_without_redis_and_again():
    """While Redis is down users of the configuration go on and others hear 500; it is found again by itself"""
    need_hiredis()
    port = postern.free_port()
    server, served = serve(port)
    tap.equal(code(served, "carol", "word"), 500)
    tap.equal(code(served, postern.USER, postern.PASSWORD), 0)
    service.logged(server, "users cannot be looked up")
    redis = Redis(port)
    redis.add("carol", "word")
    service.wait_for(lambda: code(served, "carol", "word") == 0, "carol is let in")
    service.logged(server, "users can be looked up again")
    redis.stop()
    time.sleep(LIFETIME + 0.1)
    tap.equal(code(served, "carol", "word"), 500)
    redis.start()
    redis.add("carol", "word")
    service.wait_for(lambda: code(served, "carol", "word") == 0, "carol is let in again")
    times = lambda: server.stderr.count("users cannot be looked up")
    postern.until(lambda: times() >= 2)
    tap.equal(times(), 2, server.stderr)


@tap.test(says=[b"", b"+", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*99999999\r\n", b"$-5\r\n"])
def survives_what_is_no_redis(says):
    """Silence and nonsense in place of Redis are an error after a while, and hold nobody up"""
    need_hiredis()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server, port = serve(listener.getsockname()[1])
        connection = listener.accept()[0]
        tap.cleanup(connection.close)
        connection.sendall(says)
        one = e2e.client(port, user="carol", password="word")
        one._learn(one.exchange(stunwire.build(stunwire.REFRESH, stunwire.REQUEST)))
        one.transport.send(one.signed(stunwire.ALLOCATE, [stunwire.requested_transport()]))
        since = time.monotonic()
        tap.equal(code(port, postern.USER, postern.PASSWORD) in (0, 500), True)
        tap.true(time.monotonic() - since < 6, "others need not wait")
        answer = one.transport.receive(20)
        tap.equal(stunwire.parse(answer).error()[0], 500)


@tap.test
def checks_the_configuration():
    """Either file or server, and the password is never told"""
    need_hiredis()
    redis = 'redis = { address = "127.0.0.1"; };'
    for group, words in ((f'sqlite = "u.db"; {redis}', "either sqlite or redis"), ('lifetime = "1s";', "either sqlite"),
                         ('redis = { port = 1; };', "users_database.redis.address"),
                         ('redis = { address = "127.0.0.1"; user = "x"; };', "only beside password"),
                         ('redis = { address = "127.0.0.1"; password = 12345; };', "got a number")):
        done = service.check(postern.config(3478, more=f"users_database = {{ {group} }};\n"))
        tap.equal(done.status, 2, group)
        tap.true(words in done.err and "12345" not in done.err, done.err)


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""Users in an SQLite file: the command that changes it, and a server that sees the change by itself."""
import hashlib
import os
import sqlite3
import time

import e2e
import postern
import service
import stunwire
import tap

REALM = postern.REALM
# Answers are remembered this long.
LIFETIME = 1


def user(*arguments, password=None):
    data = None if password is None else (password + "\n").encode()
    return postern.run(postern.build / "turnserver/turnserver", "user", *arguments, input=data)


def need_sqlite():
    done = user("list", "--database", "/nonexistent", "--realm", REALM)
    if "without SQLite" in done.err:
        tap.skip("built without SQLite")


def database():
    """The options that name a new file."""
    need_sqlite()
    return ["--database", str(postern.temporary_folder() / "users.db"), "--realm", REALM]


def serve(options, **more):
    text = f'users_database = {{ sqlite = "{options[1]}"; lifetime = "{LIFETIME}s"; }};\n'
    return e2e.serve(more=text + more.pop("text", ""), **more)


@tap.test
def changes_the_file():
    """add, passwd, list and del do what they say, and keep keys, not passwords"""
    where = database()
    tap.equal(user("add", "alice", *where, password="secret").status, 0)
    tap.equal(user("add", "bob", *where, password="a word").status, 0)
    again = user("add", "alice", *where, password="secret")
    tap.equal(again.status, 1)
    tap.true("already" in again.err, again.err)
    tap.equal(user("list", *where).out, "alice\nbob\n")
    tap.equal(user("del", "bob", *where).status, 0)
    tap.equal(user("del", "bob", *where).status, 1)
    tap.equal(user("passwd", "bob", *where, password="x").status, 1)
    rows = sqlite3.connect(where[1]).execute("SELECT name, realm, userhash, md5_key, sha256_key FROM users").fetchall()
    text = f"alice:{REALM}:secret".encode()
    tap.equal(rows, [("alice", REALM, hashlib.sha256(f"alice:{REALM}".encode()).digest(),
                      hashlib.md5(text).digest(), hashlib.sha256(text).digest())])
    raw = open(where[1], "rb").read()
    tap.true(b"secret" not in raw and b"a word" not in raw, "no password in the file")
    tap.equal(os.stat(where[1]).st_mode & 0o7, 0, "nobody else may read it")


@tap.test
def says_what_it_expects():
    """A command line that is not good is told, with status 2, and changes nothing"""
    where = database()
    for wrong in (["add"], ["list", "alice"], ["shout", "alice"], ["add", "a\nb"], ["add", "alice", "bob"], []):
        done = user(*wrong, *where, password="secret")
        tap.equal(done.status, 2, f"{wrong}: {done.err}")
        tap.true("turnserver user:" in done.err, done.err)
    tap.equal(user("add", "alice", *where, password="").status, 2, "an empty password")
    tap.equal(user("add", "alice", "--database", where[1], password="x").status, 2, "no realm")


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"])
def lets_them_in(workers, transport):
    """A user of the file allocates, at once and without sending twice"""
    where = database()
    user("add", "carol", *where, password="word")
    _, port = serve(where, workers=workers)
    one = e2e.allocated(port, transport, user="carol", password="word")
    tap.equal(one.challenges, 1)
    tap.equal(one.refresh(0).number(stunwire.LIFETIME), 0)
    # Those of the configuration go on beside them.
    e2e.allocated(port, transport)
    user_name, password = stunwire.rest_credential(postern.SECRET, "dora")
    e2e.allocated(port, transport, user=user_name, password=password)


@tap.test
def sends_once():
    """One datagram is enough: it waits in the server until its user has been looked up"""
    where = database()
    user("add", "carol", *where, password="word")
    _, port = serve(where)
    one = e2e.client(port, user="carol", password="word")
    one._learn(one.exchange(stunwire.build(stunwire.REFRESH, stunwire.REQUEST)))
    one.transport.send(one.signed(stunwire.ALLOCATE, [stunwire.requested_transport()]))
    answer = stunwire.parse(one.transport.receive(20))
    tap.equal(answer.klass, stunwire.SUCCESS)
    tap.true(answer.verify(one.key), "signed")


@tap.test
def takes_hashed_names():
    """USERHASH and SHA-256, with bytes written out here"""
    where = database()
    user("add", "carol", *where, password="word")
    _, port = serve(where, users=False, text='relay = { addresses = [ "127.0.0.1" ]; };\n')
    one = e2e.client(port, user="carol", password="word")
    challenge = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST))
    tap.equal(challenge.get(stunwire.NONCE)[:13], b"obMatJos2AAAD", "both features")
    algorithms = challenge.get(stunwire.PASSWORD_ALGORITHMS)
    key = hashlib.sha256(f"carol:{REALM}:word".encode()).digest()
    answer = one.exchange(stunwire.build(stunwire.ALLOCATE, stunwire.REQUEST, [
        stunwire.requested_transport(),
        (stunwire.USERHASH, hashlib.sha256(f"carol:{REALM}".encode()).digest()),
        (stunwire.REALM, REALM.encode()), (stunwire.NONCE, challenge.get(stunwire.NONCE)),
        (stunwire.PASSWORD_ALGORITHMS, algorithms), (stunwire.PASSWORD_ALGORITHM, b"\0\2\0\0")], key256=key))
    tap.equal(answer.klass, stunwire.SUCCESS, str(answer))
    tap.true(answer.verify256(key), "signed")


@tap.test
def sees_changes():
    """Added, changed and removed users are seen without a reload"""
    where = database()
    user("add", "alice2", *where, password="one")
    _, port = serve(where)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="word").allocate), 401)
    user("add", "carol", *where, password="word")
    time.sleep(LIFETIME + 0.1)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="word").allocate), 0)
    user("passwd", "carol", *where, password="other")
    time.sleep(LIFETIME + 0.1)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="word").allocate), 401)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="other").allocate), 0)
    user("del", "carol", *where)
    time.sleep(LIFETIME + 0.1)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="other").allocate), 401)


@tap.test
def strangers_look_alike():
    """Unknown users and wrong passwords get the same bytes, wherever users are kept"""
    where = database()
    user("add", "carol", *where, password="word")
    _, port = serve(where)
    answers = set()
    for name in ("alice", "carol", "mallory"):
        answer = e2e.client(port, user=name, password="wrong").try_request(
            stunwire.ALLOCATE, [stunwire.requested_transport()])
        tap.equal(answer.error()[0], 401, name)
        answers.add((len(answer.raw), tuple(kind for kind, _ in answer.attributes)))
    tap.equal(len(answers), 1)


@tap.test
def tells_what_is_wrong():
    """A file that is not there, or is no database, stops the start with a reason"""
    where = database()
    port = postern.free_port()
    for content in (None, "no database"):
        if content:
            open(where[1], "w").write(content * 100)
        server = postern.Server(postern.config(port, more=f'users_database = {{ sqlite = "{where[1]}"; }};\n'), wait=False)
        tap.equal(server.wait(), 1)
        tap.true("users_database.sqlite" in server.stderr and where[1] in server.stderr, server.stderr)


@tap.test
def survives_a_broken_file():
    """When the file breaks, others are answered 500, those of the configuration go on, and the log says it once"""
    where = database()
    user("add", "carol", *where, password="word")
    server, port = serve(where)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="word").allocate), 0)
    connection = sqlite3.connect(where[1])
    connection.execute("DROP TABLE users")
    connection.commit()
    time.sleep(LIFETIME + 0.1)
    tap.equal(e2e.code_of(e2e.client(port, user="carol", password="word").allocate), 500)
    tap.equal(e2e.code_of(e2e.client(port, user="mallory", password="word").allocate), 500)
    tap.equal(e2e.code_of(e2e.client(port).allocate), 0)
    service.logged(server, "users cannot be looked up")
    tap.equal(server.stderr.count("users cannot be looked up"), 1, server.stderr)


tap.main()

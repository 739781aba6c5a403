# SPDX-License-Identifier: BSD-3-Clause
"""The rendezvous protocol: its page, its schema, its codec and its machine say the same.

The codec is asked by signal_lines, a program that reads messages and writes what it understood. JSON
that is not made by us is judged by Python's reader: what one of them refuses and the other takes is
found here.
"""
import base64
import hashlib
import hmac
import json
import os
import random
import re
import subprocess

import json_schema
import postern
import tap

DOCS = postern.source / "docs"
PAGE = (DOCS / "rendezvous.md").read_text()
SCHEMA = json.loads((DOCS / "rendezvous.schema.json").read_text())
TYPES = SCHEMA["properties"]["type"]["enum"]
LABEL = "postern-rendezvous-1"
# The private key of the page's Ed25519 example, in PKCS #8.
PRIVATE_KEY = bytes.fromhex("302e020100300506032b657004220420") + bytes([1, 2, 3]) + bytes(29)


def ask(lines):
    """What the codec makes of each line (bytes or text)."""
    data = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    done = subprocess.run([postern.build / "tests/e2e/signal_lines"], input=data, capture_output=True, timeout=50)
    if done.returncode == 77:
        tap.skip("built without jansson")
    tap.equal((done.returncode, done.stderr), (0, b""))
    answers = done.stdout.decode().split("\n")[:-1]
    tap.equal(len(answers), len(lines), "answers")
    return answers


def examples():
    return [line for block in re.findall(r"```json\n(.*?)```", PAGE, re.S) for line in block.splitlines()]


def example(number, kind="hello"):
    return [one for one in map(json.loads, examples()) if one["type"] == kind][number]


def table(heading):
    """The first cells of the page's table whose heading row begins so."""
    rows = PAGE[PAGE.index(f"| {heading} |"):].split("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# ---- the page -----------------------------------------------------------------------------------


@tap.test
def page_examples():
    """Each example of the page follows the schema, and comes back from the codec as it was"""
    lines = examples()
    tap.equal(sorted({json.loads(line)["type"] for line in lines}), sorted(TYPES), "types with an example")
    for line, answer in zip(lines, ask(lines)):
        json_schema.validate(json.loads(line), SCHEMA)
        tap.true(not answer.startswith("!"), f"{line}: {answer}")
        json_schema.validate(json.loads(answer), SCHEMA)
        expected = json.loads(line)
        if expected["type"] == "hello":  # `auth` may be left out, and is then told
            expected.setdefault("auth", json.loads(answer)["auth"])
        tap.equal(json.loads(answer), expected)


@tap.test
def page_tables():
    """The page's tables name every type, and every code of the schema with its words"""
    tap.equal(sorted(table("type")), sorted(TYPES))
    codes = SCHEMA["$defs"]["message_error"]["properties"]["code"]["enum"]
    tap.equal(table("code"), codes)
    names = (postern.source / "src/wire/signal_names.c").read_text()
    listed = re.findall(r'\[SIGNAL_\w+\]\s*=\s*\{\s*"([a-z-]+)",\s*"([^"]+)"\s*\}', names)
    tap.equal([name for name, _ in listed], codes, "codes of the codec")
    for name, words in listed:
        tap.true(f"| `{name}` | {words} |" in PAGE, f"{name}: {words}")


def proved(hello, welcome, user):
    parts = [LABEL, hello["auth"], welcome["nonce"], welcome["realm"], user,
             hello.get("name", ""), hello.get("resume", "")]
    return b"".join(part.encode() + b"\0" for part in parts)


@tap.test
def page_proofs():
    """The proofs of the page are those of the password `secret`, the token that of `s3cret`"""
    welcome = example(0, "welcome")
    for number in (0, 1, 4):
        hello = example(number)
        key = hashlib.sha256(f"{hello['user']}:{welcome['realm']}:secret".encode()).digest()
        proof = hmac.new(key, proved(hello, welcome, hello["user"]), hashlib.sha256).digest()
        tap.equal(hello["proof"], base64url(proof), hello["user"])
    name, mac = example(2)["token"].rsplit(":", 1)
    tap.equal(mac, base64url(hmac.new(b"s3cret", f"postern-token-1:{name}".encode(), hashlib.sha256).digest()))


@tap.test
def page_signature():
    """The signature of the page is openssl's, of the key 1, 2, 3, 0, 0 …"""
    folder = postern.temporary_folder()
    (folder / "key").write_bytes(PRIVATE_KEY)
    hello = example(3)
    key = ["-inkey", folder / "key", "-keyform", "DER"]
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", folder / "key", "-pubout", "-outform", "DER"],
                            capture_output=True, check=True).stdout[-32:]
    tap.equal(hello["pub"], base64url(public))
    (folder / "text").write_bytes(proved(hello, example(0, "welcome"), hello["pub"]))
    signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", *key, "-in", folder / "text"],
                               capture_output=True, check=True).stdout
    tap.equal(hello["sig"], base64url(signature))


# ---- JSON that is not ours ----------------------------------------------------------------------


def reject_duplicates(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def reject_constant(name):
    raise ValueError(name)


def python_reads(line):
    try:
        text = line.decode("utf-8")
        return json.loads(text, object_pairs_hook=reject_duplicates, parse_constant=reject_constant)
    except (ValueError, RecursionError):
        return None


JSON_CASES = [
    b'', b' ', b'{}', b'[]', b'1', b'"ping"', b'null', b'{"type":"ping"', b'{"type":"ping"}}', b'{"type":"ping"} x',
    b' {"type":"ping"} ', b'\t{"type"\r:"ping"}', b"{'type':'ping'}", b'{"type":"ping",}', b'{"type":"ping","a":01}',
    b'{"type":"ping","a":1e5}', b'{"type":"ping","a":.5}', b'{"type":"ping","a":-0}', b'{"type":"ping","a":+1}',
    b'{"type":"ping","a":NaN}', b'{"type":"ping","a":Infinity}', b'{"type":"ping","a":1e400}',
    b'{"type":"ping","a":"\x01"}', b'{"type":"ping","a":"\xff"}', b'{"type":"ping","a":"\xed\xa0\x80"}',
    b'{"type":"ping","a":"\xc0\x80"}', b'{"type":"ping","a":"\\ud800"}', b'{"type":"ping","a":"\\ud83d\\ude00"}',
    b'{"type":"ping","rid":"\\ud83d\\ude00\\u00e9"}', b'{"type":"ping","rid":"\\u0000"}', b'{"type":"ping\\u0000"}',
    b'{"type":"ping","type":"ping"}', b'{"type":"ping","\\u0074ype":"pong"}', b'{"type":"ping","a":{"b":1,"b":2}}',
    b'\xef\xbb\xbf{"type":"ping"}', b'{"type":"p\\u0069ng"}', b'{"type":"ping"}\x00', b'\x00{"type":"ping"}',
    b'{"type":"ping","a":[[[[[[1]]]]]]}', b'{"type":"ping","a":' + b"[" * 3000 + b"]" * 3000 + b"}",
    b'{"type":"ping","a":123456789012345678901234567890}', b'{"type":"ping","a":/**/1}', b'{"type":"ping","a":tru}',
]
# What Python takes and we do not: half a surrogate pair, U+0000, what no number holds, and depth.
OURS_ALONE = re.compile(rb'ud800"|u0000|e400|\[{9}|\d{20}|x00')


@tap.test
def json_as_python_has_it():
    """What JSON is and what is not, the codec sees as Python does"""
    for line, answer in zip(JSON_CASES, ask(JSON_CASES)):
        read = python_reads(line)
        good = isinstance(read, dict) and read.get("type") == "ping" and not OURS_ALONE.search(line)
        tap.equal(not answer.startswith("!"), good, f"{line!r}: {answer}")
        if good and "rid" in read:
            tap.equal(json.loads(answer)["rid"], read["rid"])


@tap.test
def depth():
    """Eight levels are read, nine are not"""
    lines = [b'{"type":"ping","a":' + b"[" * levels + b"]" * levels + b"}" for levels in (7, 8)]
    answers = ask(lines)
    tap.equal([answer.startswith("!") for answer in answers], [False, True])


@tap.test
def damaged_messages():
    """Examples with a byte changed, lost or doubled: read as Python reads them, or refused; never more"""
    dice = random.Random(4)
    originals = [line.encode() for line in examples()]
    lines = []
    while len(lines) < 5000:
        line = bytearray(dice.choice(originals))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(line))
            kind = dice.randrange(3)
            if kind == 0:
                line[at] = dice.choice(b'{}[]",:\\0 1eu\x01\xff')
            elif kind == 1:
                del line[at]
            else:
                line[at:at] = line[at:at + dice.randint(1, 40)]
        if b"\n" not in line:
            lines.append(bytes(line))
    taken = 0
    for line, answer in zip(lines, ask(lines)):
        read = python_reads(line)
        if answer.startswith("!"):
            continue
        taken += 1
        tap.true(isinstance(read, dict), f"{line!r} was taken: {answer}")
        again = json.loads(answer)
        for key in set(again) - {"auth", "ms", "rtt"}:
            tap.equal(again[key], expected(read, key), f"{line!r}: {key}")
    tap.true(500 < taken < 4500, f"{taken} of 5000 were taken")


def expected(read, key):
    """What of a member is passed on: what the codec knows, and null only where it says something."""
    value = read.get(key, False if key == "resumed" else None)
    known = {"description": ("type", "sdp"), "candidate": ("candidate", "sdpMid", "sdpMLineIndex", "usernameFragment")}
    if key in known and isinstance(value, dict):
        value = {name: value[name] for name in known[key] if value.get(name) is not None}
        if key == "candidate":
            value.setdefault("candidate", "")
    if key == "iceServers":
        value = [{name: one[name] for name in ("urls", "username", "credential", "challenge") if one.get(name) is not None}
                 for one in value or []]
        for one in value:
            one["urls"] = [one["urls"]] if isinstance(one["urls"], str) else one["urls"]
            if "challenge" in one:
                one["challenge"] = {name: one["challenge"].get(name) for name in ("realm", "nonce", "algorithms")}
                one["challenge"]["algorithms"] = one["challenge"]["algorithms"] or []
    return value


# ---- what the machine says ----------------------------------------------------------------------


@tap.test(part=["hello", "call", "limits"])
def machine(part):
    """Every message that the machine writes in its unit tests follows the schema"""
    program = postern.build / f"tests/unit/test_rendezvous_{part}"
    if not program.exists():
        tap.skip("built without jansson or cmocka")
    log = postern.temporary_folder() / "messages"
    done = subprocess.run([program], env={**os.environ, "RENDEZVOUS_MESSAGES": str(log)}, capture_output=True, timeout=50)
    tap.equal(done.returncode, 0, done.stderr.decode())
    lines = log.read_text().splitlines()
    tap.true(len(lines) > 50, f"{len(lines)} messages")
    for line in lines:
        json_schema.validate(json.loads(line), SCHEMA)


tap.main()

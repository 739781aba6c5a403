# SPDX-License-Identifier: BSD-3-Clause
"""The tests' own tools are right: stunwire against published bytes, tap against failing tests."""
import json
import subprocess
import sys
import tempfile

import json_schema
import postern
import stunwire
import tap

# RFC 5769 2.1, sample request.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf")
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
# RFC 5769 2.2 and 2.3, the mapped addresses of the sample responses.
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
MAPPED_4 = bytes.fromhex("0001a147e112a643")
MAPPED_6 = bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


@tap.test
def reads_the_sample_request():
    """RFC 5769's request has the right integrity and fingerprint"""
    message = stunwire.parse(REQUEST)
    tap.equal((message.method, message.klass), (stunwire.BINDING, stunwire.REQUEST))
    tap.equal(message.get(stunwire.USERNAME), b"evtj:h6vY")
    tap.true(message.verify(PASSWORD), "MESSAGE-INTEGRITY")
    tap.true(not message.verify(PASSWORD + b"x"), "MESSAGE-INTEGRITY of another password")
    tap.true(message.fingerprint_right(), "FINGERPRINT")


@tap.test
def xors_addresses():
    """RFC 5769's XOR-MAPPED-ADDRESSes are read and written"""
    for value, address in ((MAPPED_4, ("192.0.2.1", 32853)),
                           (MAPPED_6, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))):
        tap.equal(stunwire.unpack_address(value, TRANSACTION), address)
        tap.equal(stunwire.pack_address(address, TRANSACTION), value)


@tap.test
def builds_what_it_reads():
    """What build makes, parse reads, with each kind of integrity"""
    built = stunwire.build(stunwire.ALLOCATE, stunwire.ERROR, [(stunwire.SOFTWARE, b"abc")],
                           key=b"k", key256=b"l", fingerprint=True)
    message = stunwire.parse(built)
    tap.equal((message.method, message.klass), (stunwire.ALLOCATE, stunwire.ERROR))
    tap.true(message.verify(b"k") and message.verify256(b"l") and message.fingerprint_right(), "digests")
    tap.equal(message.get(stunwire.SOFTWARE), b"abc")


@tap.test
def makes_credentials():
    """Keys and time-limited credentials match known values"""
    # RFC 8489 9.2.2's own example of the key.
    tap.equal(stunwire.long_term_key("user", "realm", "pass").hex(), "8493fbc53ba582fb4c044c456bdc40eb")
    user, password = stunwire.rest_credential("s3cret", "bob", 100, now=1000)
    tap.equal((user, len(password)), ("1100:bob", 28))


@tap.test
def notices_failures():
    """A failing, a raising, a late and a skipped test are each told as what they are"""
    script = (
        "import tap, time\n"
        "@tap.test\ndef fails(): tap.equal(1, 2)\n"
        "@tap.test(timeout=1)\ndef late(): time.sleep(9)\n"
        "@tap.test\ndef skipped(): tap.skip('why')\n"
        "@tap.test\ndef unclean(): tap.cleanup(lambda: 1 / 0)\n"
        "@tap.test(n=[1, 2])\ndef good(n): pass\n"
        "tap.main()\n")
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(script)
        file.flush()
        done = subprocess.run([sys.executable, file.name], capture_output=True, text=True, timeout=30)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    tap.equal(lines, ["not ok 1 - fails", "not ok 2 - late", "ok 3 - skipped # SKIP why", "not ok 4 - unclean",
                      "ok 5 - good (n=1)", "ok 6 - good (n=2)", "1..6"])
    tap.equal(done.returncode, 1, "exit status")


TAP = "# script: tests/a.py\nok 1 - fine\nok 2 - not here # SKIP no way\n"


@tap.test
def tally_counts():
    """The tally fails on a failure, a skip that is not listed, a broken plan, and a stage without results"""
    for text, rules, last, status in (
            (TAP + "1..2\n", "a: * | no way | because", "1 passed, 0 failed, 1 skipped", 0),
            (TAP + "1..2\n", "b: * | no way | because", "1 passed, 1 failed, 0 skipped", 1),
            (TAP + "1..3\n", "a: * | * | because", "1 passed, 1 failed, 1 skipped", 1),
            ("ok - builds\nnot ok - links\n", "", "1 passed, 1 failed, 0 skipped", 1),
            ("", "", "0 passed, 0 failed, 0 skipped", 1), (None, "", "0 passed, 1 failed, 0 skipped", 1)):
        folder = postern.temporary_folder()
        (folder / "skips").write_text(rules)
        (folder / "results").mkdir()
        if text is not None:
            (folder / "results/stage.tap").write_text(text)
        done = subprocess.run([sys.executable, "-B", postern.source / "tests/lib/tally.py", "--skips", folder / "skips",
                               folder, "stage"], capture_output=True, text=True, timeout=30)
        tap.equal((done.stdout.splitlines()[-1], done.returncode), (last, status), f"of {text!r}: {done.stderr}")


def tally_of(stage, checked=()):
    """What the tally tells of a stage's TAP and of the programs of its `make check`: (name, log, result)."""
    folder = postern.temporary_folder()
    (folder / "skips").write_text("*a: * | no * | because\n")
    for name in ("results", "sanitizers/tests"):
        (folder / name).mkdir(parents=True)
    (folder / "results/sanitizers.tap").write_text(stage)
    for name, log, result in checked:
        (folder / f"sanitizers/tests/{name}.log").write_text(log)
        (folder / f"sanitizers/tests/{name}.trs").write_text(f":global-test-result: {result}\n")
    done = subprocess.run([sys.executable, "-B", postern.source / "tests/lib/tally.py", "--skips", folder / "skips",
                           folder, "sanitizers"], capture_output=True, text=True, timeout=30)
    return done.stdout.splitlines(), done.returncode


@tap.test
def tally_tells_what_failed():
    """The tally tells a failed program before the `make check` that sums it up, in few lines, and all names at the end"""
    log = ("ok 1 - fine\nPASS: b 1 - fine\nnot ok 2 - breaks\nFAIL: b 2 - breaks\n" +
           "".join(f"# line {number}\n" for number in range(100)) + "1..2\nERROR: b - exited with status 1\n")
    lines, status = tally_of("ok - make\nnot ok - make check\n# FAIL: tests/b 2 - breaks\n", [
        ("a", "ok 1 - one # SKIP no way\nok 2 - two # SKIP no way\nok 3 - three # SKIP no hope\n1..3\n", "PASS"),
        ("b", log, "ERROR")])
    tap.equal(lines[:4], ["skipped: sanitizers/tests/a (2 tests): no way", "skipped: sanitizers/tests/a (1 test): no hope",
                          "FAILED: sanitizers/tests/b: breaks", "    line 0"])
    tap.equal(lines[-8:], ["    line 99", "FAILED: sanitizers: make check", "    FAIL: tests/b 2 - breaks", "", "In short:",
                           "FAILED: sanitizers/tests/b: breaks", "FAILED: sanitizers: make check",
                           "2 passed, 2 failed, 3 skipped"])
    tap.equal((len(lines), status), (35, 1), "lines, exit status")


@tap.test
def tally_tells_crashes():
    """Of a program that ended too early, the tally tells the last that it said"""
    lines, status = tally_of("ok - make\n", [("b", "ok 1 - fine\nPASS: b 1 - fine\nERROR: AddressSanitizer: heap\n", "ERROR")])
    tap.equal(lines[:4], ["FAILED: sanitizers/tests/b", "    planned None tests, ran 1", "    ok 1 - fine",
                          "    ERROR: AddressSanitizer: heap"])
    tap.equal(status, 1, "exit status")


@tap.test
def ports_are_ones_own():
    """Processes that run at once are given different ports, and in a row as many as they ask for"""
    script = "import postern, sys; print([postern.free_port(7) for _ in range(60)], flush=True); sys.stdin.read()"
    others = [subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
              for _ in range(4)]
    taken = [first + step for one in others for first in json.loads(one.stdout.readline()) for step in range(7)]
    taken += [postern.free_port() + step for _ in range(60) for step in range(2)]
    for one in others:
        one.communicate()
    tap.equal(len(taken), 4 * 420 + 120)
    tap.equal(len(set(taken)), len(taken), "different ones")
    many = {postern.free_port() for _ in range(1000)}
    tap.true(len(many) > 300, f"{len(many)} of 1000 before they come again")


@tap.test
def schemas_are_obeyed():
    """the validator of JSON schemas refuses what it should, and keywords that it does not know"""
    schema = {"type": "object", "required": ["a"], "additionalProperties": False, "properties": {
        "a": {"$ref": "#/$defs/positive"}, "b": {"type": ["array", "null"], "items": {"enum": ["x", None]}, "maxItems": 1},
        "c": {"type": "string", "pattern": "^x"}}, "$defs": {"positive": {"type": "integer", "minimum": 1}}}
    for good in ({"a": 1}, {"a": 2, "b": None}, {"a": 1, "b": ["x"]}, {"a": 1, "b": [None], "c": "xy"}):
        json_schema.validate(good, schema)
    for bad in ({}, [], {"a": 0}, {"a": True}, {"a": 1.5}, {"a": "1"}, {"a": 1, "b": ["y"]}, {"a": 1, "b": ["x", "x"]},
                {"a": 1, "c": "yx"}, {"a": 1, "d": 1}):
        tap.raises(json_schema.Invalid, json_schema.validate, bad, schema)
    tap.raises(json_schema.Invalid, json_schema.validate, 1, {"multipleOf": 2})
    choice = {"if": {"properties": {"a": {"enum": [1]}}}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}
    json_schema.validate({"a": 1, "b": 0}, choice)
    json_schema.validate({"a": 2, "c": 0}, choice)
    tap.raises(json_schema.Invalid, json_schema.validate, {"a": 2, "b": 0}, choice)
    both = {"allOf": [{"maxLength": 2}, {"pattern": "^a"}]}
    json_schema.validate("aé", both)
    for bad in ("aéé", "ba"):
        tap.raises(json_schema.Invalid, json_schema.validate, bad, both)


tap.main()

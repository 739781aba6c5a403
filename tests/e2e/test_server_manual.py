# SPDX-License-Identifier: BSD-3-Clause
"""The papers tell of every key and option, of nothing else, and what they tell is so."""
import re

import postern
import service
import tap

MAN = postern.source / "man"
EXAMPLE = postern.source / "dist/turnserver.conf"


def rows():
    """The key table: {path: (expected, default, change)}."""
    result = postern.run(postern.turnserver, "--list-keys")
    tap.equal(result.status, 0)
    return {path: tuple(rest) for path, *rest in (line.split("\t") for line in result.out.splitlines())}


def later(row):
    return "not in this version" in row[0]


def paths_of(text):
    """The key paths of a configuration, with [] for a list's elements; our own small reader."""
    tokens = re.findall(r'"(?:\\.|[^"\\])*"|#[^\n]*|//[^\n]*|[A-Za-z][\w-]*|[=:{}()\[\],;]|\S+?(?=[\s;,\])}])', text)
    paths, open_paths, name = set(), [""], None
    for token in (token for token in tokens if not token.startswith(("#", "//"))):
        if token == "{":
            open_paths.append(f"{name}." if name else open_paths[-1])
            name = None
        elif token == "(":
            open_paths.append(f"{name}[].")
            name = None
        elif token in "})":
            open_paths.pop()
            name = None
        elif token in "[]=:,;" or token.startswith('"'):
            continue
        elif re.fullmatch(r"[A-Za-z][\w-]*", token) and token not in ("true", "false"):
            name = open_paths[-1] + token
            paths.add(name)
    return paths


def uncommented(text):
    """The example with every setting in force: "#" and a space begin words, other "#" settings."""
    return re.sub(r"^#(?! \S)", "", text, flags=re.M)


@tap.test
def manual_tells_every_key():
    """turnserver.conf.5 has each key with what is expected, its default, and how it changes"""
    text = (MAN / "turnserver.conf.5").read_text()
    entries = {entry.partition("\n")[0]: " ".join(entry.partition("\n")[2].split())
               for entry in re.split(r"^\.It Ic ", text, flags=re.M)[1:]}
    table = rows()
    tap.equal(set(entries), set(table), "keys")
    for path, row in table.items():
        expected, default, change = row
        words = [f"Expects {expected}."]
        if not later(row):
            words += ["Required." if default == "(required)" else f"Default: {default.strip('()')}.",
                      f"Change: {change}."]
        tap.true(entries[path].startswith(" ".join(words)), f"{path}: {' '.join(words)!r}, got {entries[path]!r}")


@tap.test
def example_has_every_key():
    """The example has each key, no other, and is good as it stands"""
    text = EXAMPLE.read_text()
    table = rows()
    tap.equal(paths_of(uncommented(text)), {path for path, row in table.items() if not later(row)})
    result = service.check(text)
    tap.equal((result.status, result.err), (0, ""))
    tap.true("STUN only" in result.out, result.out)


def first_of_alternatives(text):
    """Without the groups whose name an earlier group has: they show another way to do the same."""
    seen = set()

    def keep(match):
        known = match.group(1) in seen
        seen.add(match.group(1))
        return "" if known else match.group(0)

    return re.sub(r"^(\w+) = \{.*?^\};\n", keep, text, flags=re.M | re.S)


@tap.test
def example_is_good_with_every_setting():
    """The example is good with every setting in force, and its defaults are the real ones"""
    folder = postern.temporary_folder()
    service.make_certificate(folder, "example.org", "certificate.pem")
    service.make_certificate(folder, "example.net", "example.net.pem", "example.net.key.pem")
    text = uncommented(EXAMPLE.read_text())
    result = service.check(first_of_alternatives(text), folder)
    if "built without" in result.err:
        tap.skip("built without SQLite")
    tap.equal(result.status, 0, str(result))
    for path, (_, default, _) in rows().items():
        if default.startswith("(") or "[]" in path or path == "realm":
            continue
        name = path.rpartition(".")[2]
        tap.true(re.search(rf'\b{name} = "?{re.escape(default)}"?;', text), f"{path} = {default}")


@tap.test
def manual_tells_every_option():
    """turnserver.8 has each option of --help, and no other; its synopsis too"""
    shown = postern.run(postern.turnserver, "--help").out
    options = set(re.findall(r"^  .{4}--([a-z0-9-]+)", shown, re.M))
    tap.true(len(options) >= 8, f"{options}")
    text = (MAN / "turnserver.8").read_text()
    tap.equal(set(re.findall(r"Fl -([a-z0-9-]+)", text)), set(re.findall(r"--([a-z0-9-]+)", shown)))
    tap.equal(set(re.findall(r"^\.It .*?Fl -([a-z0-9-]+)", text, re.M)), options, "options with a paragraph")


ASKED = """MESSAGE-INTEGRITY-SHA256 USERHASH PASSWORD-ALGORITHMS UNKNOWN-ATTRIBUTES OpaqueString ALTERNATE-SERVER
    ALTERNATE-DOMAIN OTHER-ADDRESS RESPONSE-ORIGIN CHANGE-REQUEST RESPONSE-PORT PADDING REQUESTED-ADDRESS-FAMILY
    ADDITIONAL-ADDRESS-FAMILY ADDRESS-ERROR-CODE EVEN-PORT RESERVATION-TOKEN DONT-FRAGMENT ICMP ConnectionBind
    ConnectionAttempt MOBILITY-TICKET ACCESS-TOKEN stun.nat-discovery 403 420 438 441 443 486 508""".split()
STANDARDS = (3489, 5780, 5928, 6062, 6156, 7350, 7443, 7635, 8016, 8155, 8489, 8656)


@tap.test
def manual_tells_what_clients_can_ask():
    """turnserver.8 names what the wire has: attributes, methods, error codes, and each standard"""
    text = (MAN / "turnserver.8").read_text()
    tap.equal([word for word in ASKED if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)], [])
    standards = text.partition(".Sh STANDARDS")[2]
    tap.equal([number for number in STANDARDS if f"RFC {number}" not in standards], [])


@tap.test
def manual_has_no_stray_macros():
    """A macro begins its line in every page: elsewhere it would be shown as it is"""
    for page in sorted(MAN.glob("*.[1-8]")):
        stray = re.findall(r"^.+ \.(?:Ql|Ic|Fl|Pa|Xr|Ar|Cm|Dv|Ev|Pq|Nm|Li|Sx|Pp)\b.*", page.read_text(), re.M)
        tap.equal(stray, [], page.name)


@tap.test
def manual_tells_exit_statuses():
    """--help and turnserver.8 agree on exit statuses"""
    told = re.search(r"Exit status: (.*?)\.\n", postern.run(postern.turnserver, "--help").out, re.S).group(1)
    text = (MAN / "turnserver.8").read_text().partition(".Sh EXIT STATUS")[2]
    tap.equal(re.findall(r"\b(\d)\b", told), re.findall(r"^\.It (\d+)$", text, re.M))


tap.main()

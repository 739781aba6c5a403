# SPDX-License-Identifier: BSD-3-Clause
"""The command line of stunclient: what is wrong is told, and the manual tells of all that is right."""
import re

import client
import postern
import tap

MAN = postern.source / "man/stunclient.1"
VERBS = ["query", "nat", "turn", "listen", "call", "key"]
TESTS = VERBS[:3]

WRONG = [
    ([], "no server is named"),
    (["query"], "no server is named"),
    (["--nonsense", "h"], "unknown option --nonsense"),
    (["-x", "h"], "unknown option -x"),
    (["h", "1", "2"], "one argument too many"),
    (["h", "0"], "port"),
    (["h", "65536"], "port"),
    (["h:1", "2"], "twice"),
    (["h:x"], "port"),
    (["a b"], "host name"),
    (["http://h"], ""),
    (["stun://h"], '"//"'),
    (["stun:h?transport=udp"], "query"),
    (["turn:h?transport=sctp"], "transport"),
    (["turn:a@h"], "user name"),
    (["[::1"], "bracket"),
    (["h", "--protocol", "sctp"], "expected udp, tcp, tls or dtls"),
    (["h", "--protocol"], "needs a value"),
    (["h", "--json=1"], "takes no value"),
    (["turn", "turn:h?transport=udp", "--protocol", "tcp"], "contradict"),
    (["h", "--family", "5"], "expected 4 or 6"),
    (["127.0.0.1", "--family", "6"], "family"),
    (["127.0.0.1", "--localaddr", "::1"], "family"),
    (["h", "--localaddr", "no such"], "expected an IP address or a network interface"),
    (["h", "--localport", "0"], "expected a port"),
    (["h", "--timeout", "0"], "expected seconds"),
    (["h", "--timeout", "1s"], "expected seconds"),
    (["h", "--timeout", "-1"], "expected seconds"),
    (["h", "--timeout", "3600.001"], "expected seconds"),
    (["h", "--timeout", "99999999999999999999"], "expected seconds"),
    (["h", "--rto", "1"], "expected milliseconds"),
    (["h", "--dns", "h"], "expected an IP address"),
    (["h", "--color", "red"], "expected auto"),
    (["h", "--verbosity", "10"], "expected a number"),
    (["h", "--mode", "fast"], "expected basic"),
    (["query", "h", "--mode", "full"], "--mode does not belong"),
    (["nat", "h", "--mode", "basic"], "--mode does not belong"),
    (["h", "--hairpin"], "no option of the verb query"),
    (["nat", "h", "--user", "a"], "no option of the verb nat"),
    (["nat", "h", "--protocol", "tcp"], "over UDP only"),
    (["nat", "h", "--lifetime", "4"], "expected seconds"),
    (["turn", "h", "--count", "0"], "expected a number"),
    (["turn", "h", "--size", "31"], "expected bytes"),
    (["turn", "h", "--interval", "0"], "expected milliseconds"),
    (["turn", "h", "--secret", ""], "expected a secret"),
    (["turn", "h", "--user", "a" * 509], "expected a name"),
    (["call"], "nobody is named"),
    (["call", "a", "b"], "one argument too many"),
    (["listen", "a", "b"], "one argument too many"),
    (["key", "a"], "one argument too many"),
    (["call", "a", "--server", "http://h"], "expected tcp://"),
    (["call", "a", "--keep"], "no option of the verb call"),
    (["listen", "--forward", "1:h:2"], "no option of the verb listen"),
    (["call", "a", "-L", "22"], "expected PORT:HOST:PORT"),
    (["call", "a", "-L", "0:h:22"], "expected PORT:HOST:PORT"),
    (["call", "a", "-W", "h"], "expected HOST:PORT"),
    (["call", "a", "-W", "h:1", "-L", "1:h:2"], "exclude each other"),
    (["listen", "--allow", "h"], "expected HOST:PORT"),
    (["listen", "--from", ""], "expected a name"),
    (["listen", "--from", "a" * 256], "expected a name"),
    (["listen", *["--from", "a"] * 17], "expected a name"),
    (["listen", "--iface", "nonesuch"], "expected a network interface"),
    (["listen", "--relay-only", "--no-relay"], "contradict"),
    (["call", "a", "--relay-only", "--lite"], "a lite agent has no relay"),
    (["help", "nonsense"], "no verb"),
]


@tap.test
def wrong_command_lines():
    """what is wrong is told with what was expected: status 2, on standard error, in words and JSON"""
    for words, text in WRONG:
        result = client.run(*words, status=client.USAGE)
        tap.true(result.out == "" and text in result.err and result.err.startswith("stunclient: "), f"{words}: {result!r}")
        if words[:1] != ["help"]:
            told = client.run_json(*words, status=client.USAGE)
            tap.true(text in told["error"]["text"] and told["error"]["code"] == "usage", f"{words}: {told}")


@tap.test
def help_is_help():
    """help of every verb goes to standard output, and says what the verb is"""
    overview = client.run("help").out
    tap.equal(client.run("--help").out, overview)
    for verb in VERBS:
        text = client.run("help", verb).out
        tap.equal(client.run(verb, "--help").out, text)
        tap.equal(client.run(verb, "-h").out, text)
        tap.true(f"\n  {verb} " in overview and text.startswith(f"usage: stunclient {verb} "), text)
    tap.true(re.match(r"stunclient \(postern\) \d+\.\d+", client.run("--version").out), "version")


def options_of_help(verb):
    """{option: (letter, has a value)} as the verb's help lists them."""
    found = re.findall(r"^  (?:-(\w), |    )--([\w-]+)( \S+)?", client.run("help", verb).out, re.M)
    return {name: (letter, bool(value)) for letter, name, value in found}


def options_of_manual():
    """The same, by section of the manual page."""
    sections = re.split(r"^\.S[sh] ", MAN.read_text(), flags=re.M)
    found = {}
    for section in sections:
        title, _, body = section.partition("\n")
        for letter, name, value in re.findall(r"^\.It (?:Fl (\w) , )?Fl -([\w-]+)( Ar .*)?$", body, re.M):
            found.setdefault(title, {})[name] = (letter, bool(value))
    return found


@tap.test
def the_manual_tells_every_option():
    """help and manual list the same options of each verb, with the same letters and values"""
    manual = options_of_manual()
    for verb in VERBS:
        told = {name: how for title, options in manual.items() if (title == "All tests" and verb in TESTS) or verb in title.split(" and ")
                for name, how in options.items()}
        tap.equal(options_of_help(verb), told, verb)


@tap.test
def the_manual_tells_what_is_used():
    """stunclient.1 names what turn uses where the server offers it, and what it reports of TLS"""
    text = MAN.read_text()
    words = ("MESSAGE-INTEGRITY-SHA256", "USERHASH", "ALPN", "ALTERNATE-SERVER", "ADDITIONAL-ADDRESS-FAMILY", "RFC 6062", "RFC 8016",
             "RFC 7635", "RFC 5928", "relays to private addresses")
    tap.equal([word for word in words if word not in text], [])


@tap.test
def the_manual_tells_every_status():
    """the exit statuses of the manual are those of the schemas"""
    section = re.search(r"^\.Sh EXIT STATUS\n(.*?)^\.Sh", MAN.read_text(), re.M | re.S).group(1)
    told = [int(number) for number in re.findall(r"^\.It (\d+)$", section, re.M)]
    tap.equal(told, list(range(11)))
    for verb in VERBS:
        verb = "call" if verb == "listen" else verb
        tap.true(set(client.schema(verb)["properties"]["exit_status"]["enum"]) <= set(told), verb)


@tap.test
def the_defaults_are_as_told():
    """the defaults in help are those of the manual"""
    manual = MAN.read_text()
    for verb in VERBS:
        for name, default in re.findall(r"^  .{4}--([\w-]+) [A-Z]\S* .*; (\d+)$", client.run("help", verb).out, re.M):
            entry = re.search(rf"^\.It (?:Fl \w , )?Fl -{name} .*?(?=^\.It|^\.El)", manual, re.M | re.S).group(0)
            tap.true(f"Default: {default}." in entry, f"{name}: {default} in {entry}")


tap.main()

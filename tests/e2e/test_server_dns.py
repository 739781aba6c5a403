# SPDX-License-Identifier: BSD-3-Clause
"""--print-dns: the records are a zone; a client that is given them finds the server."""
import shlex
import subprocess

import client
import pki
import postern
import service
import tap
from client import A, AAAA, NAPTR, SRV

DOMAIN = "turn.test.example"


def print_dns(text, *arguments, status=0, folder=None):
    folder = folder or postern.temporary_folder()
    file = folder / "t.conf"
    file.write_text(text)
    done = subprocess.run([postern.turnserver, "--print-dns", "-c", str(file), *arguments],
                          capture_output=True, text=True, timeout=20)
    tap.equal(done.returncode, status, done.stderr)
    return done.stdout if status == 0 else done.stderr


def records(zone):
    """{(name, type): [data]} of a zone without multi-line records."""
    found = {}
    for line in zone.splitlines():
        line = line.partition(";")[0].strip()
        if not line or line.startswith("$TTL "):
            continue
        name, inside, kind, data = line.split(None, 3)
        tap.equal(inside, "IN", line)
        tap.true(name.endswith("."), f"{line}: a whole name")
        found.setdefault((name.rstrip("."), kind), []).append(data)
    return found


def served(found):
    """The same for the DNS server of the test."""
    answers = {}
    for (name, kind), values in found.items():
        if kind in ("A", "AAAA"):
            answers[name, A if kind == "A" else AAAA] = values
        elif kind == "SRV":
            split = [value.split() for value in values]
            answers[name, SRV] = [(int(one[0]), int(one[1]), int(one[2]), one[3].rstrip(".")) for one in split]
        elif kind == "NAPTR":
            split = [shlex.split(value) for value in values]
            answers[name, NAPTR] = [(int(one[0]), int(one[1]), *one[2:5], one[5].rstrip(".")) for one in split]
    return answers


@tap.test
def a_client_finds_the_server():
    """SRV, A and AAAA lead stunclient to the server, from the domain alone"""
    if "SRV records: yes" not in postern.client("--version").out:
        tap.skip("this build is without c-ares")
    port = postern.free_port()
    text = postern.config(port)
    postern.server(text)
    dns = client.Dns(served(records(print_dns(text, "--domain", DOMAIN))))
    tap.equal(client.run_json(DOMAIN, *dns.option)["server_address"], f"127.0.0.1:{port}")
    told = client.run_json("turn", f"turn:{DOMAIN}", *dns.option, "--user", postern.USER, "--password",
                           postern.PASSWORD, "--count", "5")
    tap.equal(told["server_address"], f"127.0.0.1:{port}")
    tap.true((DOMAIN, NAPTR) in dns.asked, str(dns.asked))


@tap.test
def naptr_leads_to_what_is_there():
    """A server over TLS alone is found by NAPTR, SRV and A from turns: and a domain"""
    if "SRV records: yes" not in postern.client("--version").out:
        tap.skip("this build is without c-ares")
    port, authority = postern.free_port(), pki.Authority(postern.temporary_folder())
    certificate = authority.issue(DOMAIN, "127.0.0.1")
    text = postern.config(port, transports=("tls",), more=certificate.settings())
    postern.server(text)
    zone = print_dns(text, "--domain", DOMAIN)
    tap.true("does not name" not in zone, zone)
    dns = client.Dns(served(records(zone)))
    told = client.run_json("turn", f"turns:{DOMAIN}", *dns.option, "--user", postern.USER, "--password", postern.PASSWORD,
                           "--ca", authority.certificate, "--count", "5")
    tap.equal((told["server_address"], told["protocol"]), (f"127.0.0.1:{port}", "tls"))
    tap.true((DOMAIN, NAPTR) in dns.asked, str(dns.asked))


@tap.test
def every_transport_is_named():
    """What listens is what the zone says: four transports, NAPTR by preference, DNS-SD"""
    folder = postern.temporary_folder()
    service.make_certificate(folder, DOMAIN)
    text = ('listeners = ( { address = "127.0.0.1"; port = 3478; transports = [ "udp", "tcp" ]; },\n'
            '  { address = "127.0.0.1"; port = 5349; transports = [ "tls", "dtls" ]; } );\n'
            'tls = { certificate = "cert.pem"; key = "key.pem"; };\n'
            f'realm = "{DOMAIN}";\nrest = {{ secrets = [ "s3cret" ]; }};\n')
    zone = print_dns(text, folder=folder)
    found = records(zone)
    tap.true("does not name" not in zone, zone)
    tap.equal(found[DOMAIN, "NAPTR"],
              [f'100 {preference} "S" "RELAY:{tag}" "" {service}.{DOMAIN}.' for preference, tag, service in
               ((10, "turn.udp", "_turn._udp"), (20, "turn.dtls", "_turns._udp"),
                (30, "turn.tcp", "_turn._tcp"), (40, "turn.tls", "_turns._tcp"))])
    for kind, port in (("", 3478), ("s", 5349)):
        for transport in ("_udp", "_tcp"):
            where = [f"0 0 {port} turn.{DOMAIN}."]
            tap.equal(found[f"_stun{kind}.{transport}.{DOMAIN}", "SRV"], where)
            tap.equal(found[f"_turn{kind}.{transport}.{DOMAIN}", "SRV"], where)
            instance = f"turn._turn{kind}.{transport}.{DOMAIN}"
            tap.equal(found[f"_turn{kind}.{transport}.{DOMAIN}", "PTR"], [instance + "."])
            tap.equal((found[instance, "SRV"], found[instance, "TXT"]), (where, ['""']))
    zone = print_dns(text, "--domain", "elsewhere.example", folder=folder)
    tap.true("does not name elsewhere.example" in zone, zone)


@tap.test
def what_is_wrong_is_told():
    """Without a domain, with a wrong one, or where it does not belong: status 2, and words"""
    text = postern.config(postern.free_port()).replace(postern.REALM, "postern")
    told = print_dns(text, status=2)
    tap.true("is not a domain: --domain DOMAIN tells" in told, told)
    for wrong in ("a b", "-x.org", "example.org."):
        told = print_dns(text, "--domain", wrong, status=2)
        tap.true("expected a domain name" in told, told)
    done = subprocess.run([postern.turnserver, "--domain", "example.org"], capture_output=True, text=True,
                          timeout=20)
    tap.equal((done.returncode, "--domain goes with --print-dns" in done.stderr), (2, True))


tap.main()

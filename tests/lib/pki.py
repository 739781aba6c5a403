# SPDX-License-Identifier: BSD-3-Clause
"""Certificates for tests, made by the openssl program: an authority of our own, and what it signs.

    authority = pki.Authority(folder)
    one = authority.issue("turn.example.org")   # .certificate and .key are files
"""
import ssl
import subprocess


def openssl(*arguments, input=None):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, input=input)
    if done.returncode != 0:
        raise AssertionError(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


class Certificate:
    """Two PEM files: `certificate` (its chain after it) and `key`."""

    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())

    def settings(self, more=""):
        """The group of turnserver.conf that names the files."""
        return f'tls = {{ certificate = "{self.certificate}"; key = "{self.key}"; {more} }};\n'


class Live(Certificate):
    """A certificate in files of its own, which can be replaced while a server uses them."""

    def __init__(self, folder, first):
        super().__init__(folder / "live.pem", folder / "live.key")
        self.install(first)

    def install(self, one):
        self.certificate.write_bytes(one.certificate.read_bytes())
        self.key.write_bytes(one.key.read_bytes())


class Authority:
    def __init__(self, folder, name="ca"):
        self.folder, self.count = folder, 0
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.certificate, "-days", "30", "-subj", f"/CN=Test {name}",
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names, days=30, key="ec"):
        """A certificate for these names and IP addresses; `days` below 0: expired by then."""
        self.count += 1
        stem = self.folder / f"{names[0].replace(':', '_')}-{self.count}"
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        certificate, key_file = stem.with_suffix(".pem"), stem.with_suffix(".key")
        kinds = ["IP" if name.replace(".", "").isdigit() or ":" in name else "DNS" for name in names]
        extensions.write_text("subjectAltName=" + ",".join(f"{kind}:{name}" for kind, name in zip(kinds, names)))
        curve = ["-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else []
        openssl("req", "-newkey", key, *curve, "-nodes", "-keyout", key_file, "-out", request,
                "-subj", f"/CN={names[0]}")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-days", days,
                "-CAcreateserial", "-extfile", extensions, "-out", certificate)
        return Certificate(certificate, key_file)

    def context(self, alpn=(), **options):
        """A client's context of Python's ssl that trusts this authority."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        for name, value in options.items():
            setattr(context, name, value)
        return context

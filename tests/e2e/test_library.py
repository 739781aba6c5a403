# SPDX-License-Identifier: BSD-3-Clause
"""libpostern as its users meet it: installed, found by pkg-config, used from C and C++."""
import os
import re
import shutil
import subprocess

import postern
import tap

source, build = postern.source, postern.build
header = source / "src/postern/stun.h"


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def make_variable(name):
    """The words of a variable of the build's Makefile."""
    found = re.search(rf"^{name} = (.*)$", (build / "Makefile").read_text(), re.M)
    return found.group(1).split() if found else []


def compiler_of_c():
    """CC without its flags; it may begin with a cache's name."""
    return [word for word in make_variable("CC") if not word.startswith("-")]


def declared():
    """The functions that the header declares."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    return set(re.findall(r"POSTERN_API[^;]*?\b(stun_\w+)\(", text))


class Installation:
    """The library, headers and pkg-config file under a root of their own."""

    def __init__(self):
        self.root = postern.temporary_folder() / "root"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "DESTDIR"))}
        run("make", "-s", "-C", build, f"DESTDIR={self.root}", "install-libLTLIBRARIES",
            "install-posternincludeHEADERS", "install-pkgconfigDATA", env=clean)
        self.library = next(self.root.rglob("libpostern.so.0"))
        self.environment = clean | {
            "PKG_CONFIG_SYSROOT_DIR": str(self.root),
            "PKG_CONFIG_PATH": str(next(self.root.rglob("postern.pc")).parent),
            "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
            "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
            "LD_LIBRARY_PATH": str(self.library.parent),
        }

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments, "postern", env=self.environment).split()

    def build_and_run(self, compiler, name, text, *flags):
        folder = self.root.parent
        (folder / name).write_text(text)
        # an instrumented library needs its run-time in the program
        run_time = [flag for flag in make_variable("POSTERN_LDFLAGS") if flag.startswith(("-fsanitize", "--coverage"))]
        run(*compiler, *flags, "-Wall", "-Wextra", "-Werror", "-pedantic", *run_time, "-o", folder / "program",
            folder / name, *self.pkg_config("--cflags", "--libs"), env=self.environment)
        return run(folder / "program", env=self.environment)


PROGRAM = """
#include <postern/stun.h>
#include <stdio.h>

int main(void)
{
    const uint8_t id[STUN_TRANSACTION_ID_SIZE] = {1, 2, 3};
    uint8_t bytes[128];
    struct stun_builder builder;
    struct stun_view view;
    struct stun_key key;
    struct stun_crypto *crypto = stun_crypto_new();

    if (stun_key_short_term(&key, "secret", 6) != STUN_OK)
        return 1;
    stun_builder_begin(&builder, bytes, sizeof bytes, STUN_REQUEST, STUN_BINDING, id);
    stun_builder_put_integrity(&builder, crypto, &key);
    stun_builder_put_integrity_sha256(&builder, crypto, &key);
    stun_builder_put_fingerprint(&builder);
    int size = stun_builder_finish(&builder);
    if (stun_view_parse(&view, bytes, (size_t)size) != STUN_OK ||
        stun_view_check_integrity(&view, crypto, &key) != STUN_OK ||
        stun_view_check_integrity_sha256(&view, crypto, &key) != STUN_OK ||
        stun_view_check_fingerprint(&view) != STUN_OK)
        return 1;
    printf("%s %d\\n", stun_method_name(view.method), size);
    stun_crypto_free(crypto);
    return 0;
}
"""


@tap.test
def shared_object_is_versioned():
    """The shared object carries its version, and libpostern.so leads to it"""
    installed = Installation()
    tap.true("libpostern.so.0" in run("readelf", "-d", installed.library).split("SONAME")[1].splitlines()[0],
             "soname is libpostern.so.0")
    tap.equal((installed.library.parent / "libpostern.so").resolve(), installed.library.resolve())
    tap.equal(sorted(path.name for path in next(installed.root.rglob("include/postern")).iterdir()),
              ["address.h", "stun.h"])


@tap.test
def pkg_config_knows_it():
    """pkg-config knows version and flags, and hides the private dependency"""
    installed = Installation()
    version = re.search(r"AC_INIT\(\[postern\], \[([^]]+)\]", (source / "configure.ac").read_text()).group(1)
    tap.equal(installed.pkg_config("--modversion"), [version])
    libraries = installed.pkg_config("--libs")
    tap.true("-lpostern" in libraries, "-lpostern is among the libraries")
    tap.true("-lcrypto" not in libraries, "-lcrypto is not: the shared object brings it")


@tap.test
def exports_what_the_header_declares():
    """The shared object exports the functions of the header, and nothing else"""
    symbols = set()
    for line in run("nm", "-D", "--defined-only", build / "src/.libs/libpostern.so").splitlines():
        kind, symbol = line.split()[-2:]
        if kind != "A":  # the version's own name
            symbols.add(symbol.split("@")[0])
    tap.true(len(declared()) > 50, "the header's functions were found")
    if "--coverage" in make_variable("POSTERN_LDFLAGS"):
        symbols = {symbol for symbol in symbols if not symbol.startswith(("__gcov", "mangle_path"))}
    tap.equal(symbols ^ declared(), set(), "symbols that are on one side only")


@tap.test
def does_no_io():
    """The shared object imports no socket, clock, thread or output function"""
    if "--coverage" in make_variable("POSTERN_LDFLAGS"):
        tap.skip("the run-time of gcov, which writes files, is linked into the library")
    allowed = re.compile(r"EVP_|ERR_|OPENSSL_|CRYPTO_memcmp|calloc|free|memcmp|bcmp|memcpy|memset|strlen"
                         r"|_")  # what compilers and sanitizers add begins with an underscore
    imported = {line.split()[-1].split("@")[0]
                for line in run("nm", "-D", "--undefined-only", build / "src/.libs/libpostern.so").splitlines()}
    tap.true("EVP_DigestUpdate" in imported, "nm told the imports")
    tap.equal({symbol for symbol in imported if not allowed.match(symbol)}, set(), "further imports")


@tap.test
def serves_c():
    """A C program builds with pkg-config's flags and runs"""
    tap.equal(Installation().build_and_run(compiler_of_c(), "user.c", PROGRAM, "-std=c11"), "Binding 88\n")


@tap.test
def serves_cxx():
    """A C++ program builds with pkg-config's flags and runs"""
    compiler = "clang++" if "clang" in " ".join(compiler_of_c()) else "g++"
    if shutil.which(compiler) is None:
        tap.skip(f"no {compiler}")
    tap.equal(Installation().build_and_run([compiler], "user.cc", PROGRAM, "-std=c++11"), "Binding 88\n")


@tap.test
def example_of_the_manual_works():
    """The manual's example builds and runs"""
    page = (source / "man/libpostern.3").read_text()
    example = re.search(r"^\.Bd -literal\n(.*?)^\.Ed", page, re.M | re.S).group(1).replace("\\e", "\\")
    tap.equal(Installation().build_and_run(compiler_of_c(), "example.c", example, "-std=c11"),
              "203.0.113.5:54321\n")


@tap.test
def manual_names_every_function():
    """The manual has each function of the header in its synopsis and in its text"""
    page = (source / "man/libpostern.3").read_text()
    synopsis, text = page.split(".Sh DESCRIPTION")
    tap.equal(declared() - set(re.findall(r"^\.F[no] (stun_\w+)", synopsis, re.M)), set(), "not in the synopsis")
    tap.equal(declared() - set(re.findall(r"^\.Fn (stun_\w+)", text, re.M)), set(), "not in the text")


tap.main()

# SPDX-License-Identifier: BSD-3-Clause
"""`make install` into a scratch prefix gives programs, a library and papers that work from there."""
import os
import pathlib
import re
import subprocess

import postern
import tap

USES_THE_LIBRARY = r"""
#include <postern/stun.h>
#include <stdio.h>
int main(void) { printf("%s\n", stun_method_name(1)); return 0; }
"""


def run(*arguments, **options):
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    tap.true(done.returncode == 0, f"{arguments}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def installed():
    root = postern.temporary_folder()
    run("make", "-s", "-C", postern.build, "install", f"DESTDIR={root}")
    return root


@tap.test
def files_are_there():
    """Programs, header, library, manual pages and the unit are installed"""
    root = installed()
    names = {str(path.relative_to(root)) for path in root.rglob("*")}
    for pattern in (r"usr/local/sbin/turnserver", r"usr/local/bin/stunclient", r"usr/local/include/postern/stun\.h",
                    r"usr/local/lib/libpostern\.so\.\d+", r"usr/local/lib/pkgconfig/postern\.pc",
                    r".*/man1/stunclient\.1", r".*/man8/turnserver\.8", r".*/man5/turnserver\.conf\.5",
                    r".*/man3/libpostern\.3", r".*/systemd/system/.*\.service", r".*/sysusers\.d/.*\.conf"):
        tap.true(any(re.fullmatch(pattern, name) for name in names), f"{pattern} is installed: {sorted(names)}")


@tap.test
def programs_run():
    """The installed programs run from there"""
    root = installed()
    for name in ("sbin/turnserver", "bin/stunclient"):
        tap.true("postern" in run(root / "usr/local" / name, "--version").lower(), f"{name} --version")


@tap.test
def configuration_is_where_the_papers_say():
    """The configuration is /etc/postern/turnserver.conf, for the program and the unit too"""
    root = installed()
    tap.true((root / "etc/postern/turnserver.conf").is_file(), "the file is installed")
    tap.true("Without -c the configuration is /etc/postern/turnserver.conf" in
             run(root / "usr/local/sbin/turnserver", "--help"), "--help")
    unit = next(root.rglob("postern-turnserver.service")).read_text()
    tap.true("-c /etc/postern/turnserver.conf" in unit, unit)


@tap.test
def library_links():
    """A program builds against the installed library by pkg-config, and runs"""
    root = installed()
    (root / "use.c").write_text(USES_THE_LIBRARY)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(root / "usr/local/lib/pkgconfig"),
                   "PKG_CONFIG_SYSROOT_DIR": str(root)}
    flags = run("pkg-config", "--cflags", "--libs", "postern", env=environment).split()
    run("cc", "-o", root / "use", root / "use.c", *flags)
    environment["LD_LIBRARY_PATH"] = str(root / "usr/local/lib")
    tap.true("binding" in run(root / "use", env=environment).lower(), "what it printed")


@tap.test
def library_hides():
    """The library exports nothing but stun_ names"""
    library = next(path for path in installed().rglob("libpostern.so.*") if not path.is_symlink())
    names = {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", library).splitlines()}
    names = {name for name in names if not name.startswith("POSTERN")}
    tap.true(names and all(name.startswith("stun_") for name in names), f"{sorted(names)}")


@tap.test
def uninstalls():
    """make uninstall leaves no file"""
    root = installed()
    run("make", "-s", "-C", postern.build, "uninstall", f"DESTDIR={root}")
    tap.equal([str(path) for path in pathlib.Path(root).rglob("*") if not path.is_dir()], [])


tap.main()

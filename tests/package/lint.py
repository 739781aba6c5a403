# SPDX-License-Identifier: BSD-3-Clause
"""Layout, static analysis, manual pages, scripts. clang-tidy is slow, so a file that was found
clean is not looked at again until it, a header, or the rules change (POSTERN_BUILD/lint)."""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import postern
import tap

os.chdir(postern.source)
CACHE = postern.build / "lint"


def files(*patterns):
    """Tracked files, or, of an unpacked release, those that are there."""
    if os.path.exists(".git") and shutil.which("git"):
        listed = run("git", "ls-files", "-co", "--exclude-standard", "--", *patterns).splitlines()
        return [name for name in listed if os.path.exists(name)]
    return [str(path) for pattern in patterns for path in pathlib.Path().rglob(pattern)
            if path.is_file() and not path.parts[0].startswith(("build", ".git"))]


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise AssertionError((done.stdout + done.stderr)[-8000:])
    return done.stdout


@tap.test
def layout():
    """clang-format agrees with every C file"""
    run("clang-format", "--dry-run", "-Werror", *files("*.c", "*.h"))


def state_of_rules():
    """A hash of all that decides about every file."""
    digest = hashlib.sha256()
    for name in [".clang-tidy", *sorted(files("*.h"))]:
        digest.update(pathlib.Path(name).read_bytes())
    return digest


def foreign_flags(name):
    """Where the headers of a foreign library are that a file uses; None: it is not here, nor can the file be judged."""
    if not name.startswith("tests/interop/nice_"):
        return []
    done = subprocess.run(["pkg-config", "--cflags", "nice"], capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else None


def analyse(name, rules):
    """What clang-tidy has to say of a file; empty when it is clean."""
    flags = foreign_flags(name)
    if flags is None:
        return ""
    digest = rules.copy()
    digest.update(name.encode() + pathlib.Path(name).read_bytes())
    mark = CACHE / digest.hexdigest()
    if mark.exists():
        return ""
    done = subprocess.run(["clang-tidy", "--quiet", "--warnings-as-errors=*", name, "--", "-std=c11", "-Isrc", "-I.",
                           f"-I{postern.build}", "-D_GNU_SOURCE", "-DHAVE_CONFIG_H", *flags],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        return done.stdout + done.stderr[-2000:]
    mark.touch()
    return ""


@tap.test(timeout=900)
def analysis():
    """clang-tidy finds nothing"""
    CACHE.mkdir(parents=True, exist_ok=True)
    rules = state_of_rules()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda name: analyse(name, rules), files("*.c")))
    tap.true(not any(said), "\n".join(filter(None, said))[-12000:])


@tap.test
def manual():
    """mandoc finds nothing in the manual pages"""
    pages = [name for name in files("man/*") if re.search(r"\.\d$", name)]
    tap.true(pages, "there are manual pages")
    run("mandoc", "-T", "lint", "-W", "warning", *pages)


def is_shell_script(name):
    with open(name, "rb") as file:
        return re.match(rb"#!.*\b(ba)?sh\b", file.readline(80)) is not None


@tap.test
def shell():
    """shellcheck finds nothing in the scripts"""
    scripts = [name for name in files("*") if is_shell_script(name)]
    tap.true({"dev", ".ci/run"} <= set(scripts), f"the scripts are found: {scripts}")
    run("shellcheck", *scripts)


@tap.test
def python():
    """Every Python file compiles"""
    for name in files("*.py"):
        compile(pathlib.Path(name).read_text(), name, "exec")


@tap.test
def licence():
    """Every C and Python file names its licence on its first lines"""
    lacking = [name for name in files("*.c", "*.h", "*.py")
               if "SPDX-License-Identifier: BSD-3-Clause" not in "".join(pathlib.Path(name).open().readlines()[:3])]
    tap.equal(lacking, [])


tap.main()

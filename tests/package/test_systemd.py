# SPDX-License-Identifier: BSD-3-Clause
"""The unit and the sysusers file, judged by systemd's own tools after an installation into a scratch root."""
import pathlib
import re
import shutil
import subprocess

import postern
import tap

UNIT = "postern-turnserver.service"


def run(*arguments):
    return subprocess.run([*map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def need(program):
    if not shutil.which(program):
        tap.skip(f"{program} is not there")


def installed():
    """A scratch root with an installation."""
    root = postern.temporary_folder()
    done = run("make", "-s", "-C", postern.build, "install", f"DESTDIR={root}")
    tap.equal(done.returncode, 0, done.stderr)
    return root


def found(root, name):
    paths = [path for path in root.rglob(name) if path.is_file()]
    tap.true(paths, f"{name} is installed")
    return paths[0]


def settings(unit):
    return [line.partition("=")[::2] for line in unit.read_text().splitlines() if "=" in line and line[0] != "#"]


@tap.test
def unit_verifies():
    """systemd-analyze verify finds nothing in the installed unit"""
    need("systemd-analyze")
    root = installed()
    unit = found(root, UNIT)
    # What the unit names beside our own program: the system's units, and kill.
    system = next(path for path in map(pathlib.Path, ("/usr/lib/systemd/system", "/lib/systemd/system")) if path.exists())
    shutil.copytree(system, root / "usr/lib/systemd/system", symlinks=True, dirs_exist_ok=True)
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy("/bin/kill", root / "bin/kill")
    done = run("systemd-analyze", "verify", "--man=no", f"--root={root}", unit.name)
    ours = [line for line in done.stderr.splitlines() if "postern" in line or "Failed" in line]
    tap.equal((done.returncode, ours), (0, []), done.stderr)


@tap.test
def unit_is_hardened():
    """systemd-analyze security rates the unit's exposure below 2.0"""
    need("systemd-analyze")
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", found(installed(), UNIT))
    if "unrecognized option" in done.stderr:
        tap.skip("this systemd-analyze cannot judge a file offline")
    tap.equal(done.returncode, 0, done.stdout[-2000:] + done.stderr)
    tap.true("Overall exposure level" in done.stdout, done.stdout[-500:])


@tap.test
def unit_says_what_it_should():
    """The unit: Type=notify, its own user, one capability, paths of this installation"""
    root = installed()
    unit = found(root, UNIT)
    told = settings(unit)
    for setting in (("Type", "notify"), ("User", "postern"), ("AmbientCapabilities", "CAP_NET_BIND_SERVICE"),
                    ("CapabilityBoundingSet", "CAP_NET_BIND_SERVICE"), ("NoNewPrivileges", "yes")):
        tap.true(setting in told, f"{setting}: {told}")
    command = dict(told)["ExecStart"].split()
    tap.true((root / command[0].lstrip("/")).is_file(), f"{command[0]} is installed")
    configuration = root / command[2].lstrip("/")
    tap.true(configuration.is_file(), f"{configuration} is installed")
    tap.true("kill -HUP $MAINPID" in dict(told)["ExecReload"], "reload")
    tap.true("@" not in unit.read_text().replace("@system-service", "").replace("@privileged", "")
             .replace("@resources", ""), "every @variable@ is written out")


@tap.test
def unit_starts_the_program():
    """The installed program takes the installed configuration as the unit gives it"""
    root = installed()
    command = dict(settings(found(root, UNIT)))["ExecStart"].split()
    done = run(root / command[0].lstrip("/"), "-c", root / command[2].lstrip("/"), "--check-config")
    tap.equal((done.returncode, done.stderr), (0, ""), done.stderr)


@tap.test
def sysusers_makes_the_user():
    """systemd-sysusers makes the system user postern from the installed file"""
    need("systemd-sysusers")
    root = installed()
    file = found(root, "postern.conf")
    (root / "etc").mkdir(exist_ok=True)
    done = run("systemd-sysusers", f"--root={root}", file.name)
    tap.equal(done.returncode, 0, done.stderr)
    users = (root / "etc/passwd").read_text()
    tap.true(re.search(r"^postern:[^:]*:\d+:\d+:.*:/usr/sbin/nologin$", users, re.M), users)
    tap.true(re.search(r"^postern:", (root / "etc/group").read_text(), re.M), "the group")


@tap.test
def configuration_is_never_overwritten():
    """make install leaves a configuration alone that is there, and uninstall one that was changed"""
    root = installed()
    configuration = next(path for path in root.rglob("postern/turnserver.conf") if "etc" in path.parts)
    configuration.write_text('realm = "mine";\n')
    for target in ("install", "uninstall"):
        done = run("make", "-s", "-C", postern.build, target, f"DESTDIR={root}")
        tap.equal(done.returncode, 0, done.stderr)
        tap.equal(configuration.read_text(), 'realm = "mine";\n', target)


tap.main()

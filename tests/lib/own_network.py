# SPDX-License-Identifier: BSD-3-Clause
"""A network of the test's own: this process, and so each child, moves into a new namespace.

    inside = own_network.enter()        # at the top of a script, before any thread
    own_network.need()                  # in a test: skips it where there is no such network
"""
import ctypes
import os
import shutil
import subprocess

import tap

NEW_USER, NEW_NET = 0x10000000, 0x40000000
_inside = False


def ip(*arguments):
    return subprocess.run(["ip", *map(str, arguments)], check=False, capture_output=True).returncode == 0


def enter(mtu=65536, everywhere=False):
    """Whether there is one now, with a loopback link of that size.

    `everywhere`: this host then has every unicast address there is, so that a datagram to any of
    them arrives here, and does not leave.
    """
    global _inside
    if not shutil.which("ip"):
        return False
    uid, gid = os.getuid(), os.getgid()
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(NEW_NET if uid == 0 else NEW_NET | NEW_USER) != 0:
        return False
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _inside = ip("link", "set", "lo", "up", "mtu", mtu)
    if everywhere:
        _inside = _inside and ip("route", "add", "local", "default", "dev", "lo") and \
            ip("-6", "route", "add", "local", "default", "dev", "lo")
    return _inside


def need():
    if not _inside:
        tap.skip("no network namespace of our own")

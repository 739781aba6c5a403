# SPDX-License-Identifier: BSD-3-Clause
"""A link with delay between two namespaces: a TUN interface at each end, and this forwarder between.

The kernel of a test machine may have no netem; a packet waits here instead. Order is kept."""
import collections
import ctypes
import fcntl
import os
import select
import struct
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def _open_tun(namespace, name):
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns to {namespace}")
    os.close(descriptor)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def available():
    return os.access("/dev/net/tun", os.R_OK | os.W_OK)


def start(one, name_one, other, name_other, milliseconds):
    """Makes both interfaces, and a process that carries packets between them. Returns its pid."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            told = stream.read()
        if told != b"up":
            os.waitpid(child, 0)
            raise RuntimeError(f"no delayed link between {one} and {other}: {told.decode()}")
        return child
    try:
        os.close(read)
        try:
            tuns = _open_tun(one, name_one), _open_tun(other, name_other)
            os.write(write, b"up")
        except OSError as error:
            os.write(write, str(error).encode())
            os._exit(1)
        os.close(write)
        _carry(tuns, milliseconds / 1000)
    finally:
        os._exit(1)


def _carry(tuns, delay):
    waiting = {tun: collections.deque() for tun in tuns}  # keyed by where a packet goes
    across = {tuns[0]: tuns[1], tuns[1]: tuns[0]}
    while True:
        dues = [queue[0][0] for queue in waiting.values() if queue]
        timeout = max(0, min(dues) - time.monotonic()) if dues else None
        for tun in select.select(tuns, [], [], timeout)[0]:
            now = time.monotonic()
            try:
                while True:
                    waiting[across[tun]].append((now + delay, os.read(tun, 65536)))
            except OSError:
                pass
        now = time.monotonic()
        for tun, queue in waiting.items():
            while queue and queue[0][0] <= now:
                try:
                    os.write(tun, queue.popleft()[1])
                except OSError:
                    pass  # the interface is not up yet, or goes away

# SPDX-License-Identifier: BSD-3-Clause
"""A network in namespaces, with a NAT of choice before Alice and another before Bob.

                                      server
                                 .10    |    .11  (two addresses, IPv4 and IPv6)
                             198.51.100.0/24
                                        |
    alice --lan-- nat-a --wan-- r1 ----------- r2 --wan-- nat-b --lan-- bob
                    |                                       |
            (alice2, same LAN)                        (bob2, same LAN)

    alice       192.168.1.2, or 192.0.2.66 where nothing translates;      2001:db8:a::2
    nat-a       wan 192.0.2.2 (behind double NAT: 100.64.1.2, then cgn-a with 192.0.2.2)
    bob         192.168.2.2, or 203.0.113.66 where nothing translates;    2001:db8:b::2
    nat-b       wan 203.0.113.2 (behind double NAT: 100.64.2.2, then cgn-b with 203.0.113.2)
    server      198.51.100.10 and .11;                                    2001:db8:5::10 and ::11

IPv6 is never translated: a router is a stateful firewall for it, or open where its NAT type is.

    lab.isolate()                                  # first of all: private namespaces for this process
    with lab.Lab(nats.EI_APD, nats.SYMMETRIC) as net:
        net.server.call(function, argument)        # a Python function, inside
        net.alice.run("ping", "-c1", "198.51.100.10")
        postern.Process([...], prefix=net.bob.prefix)

All lives in mount, process and network namespaces of this process alone: nothing of it can be left
behind, whatever ends it. LAB_VERBOSE=1 prints each command.
"""
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import traceback

import delay
import nats

CLONE_NEWNET = 0x40000000
SERVER = ("198.51.100.10", "198.51.100.11")
SERVER6 = ("2001:db8:5::10", "2001:db8:5::11")
WAN = {"a": "192.0.2.2", "b": "203.0.113.2"}


def _say(command):
    if os.environ.get("LAB_VERBOSE"):
        print(f"# {command}", file=sys.stderr, flush=True)


def isolate(otherwise=None):
    """Starts this script again in namespaces of its own; where that cannot be, calls `otherwise` with the
    reason: by default the script is skipped."""
    if os.environ.get("LAB_ISOLATED") == "1":
        _prepare()
        return
    if otherwise is None:
        import tap

        otherwise = tap.skip_all

    unshare = ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    for command in ("unshare", "ip", "nft"):
        if subprocess.run(["sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin command -v {command}"], capture_output=True).returncode:
            otherwise(f"{command} is not installed")
    trial = subprocess.run([*unshare, "sh", "-c", "mount -t tmpfs none /run"], capture_output=True, text=True)
    if trial.returncode:
        otherwise(f"namespaces cannot be made here: {trial.stderr.strip()}")
    os.environ["LAB_ISOLATED"] = "1"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.execvp(unshare[0], [*unshare, sys.executable, "-B", *sys.argv])


def _prepare():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    os.mkdir("/run/netns")
    os.environ["LAB_ISOLATED"] = "2"  # for children: they are inside, and need no preparation


def command(*arguments, input=None):
    _say(" ".join(arguments) + (f" <<END\n{input}END" if input else ""))
    done = subprocess.run(arguments, input=input, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()[:2000]}")
    return done.stdout


# Counts what the routers between the sides see of their data: whose first byte after UDP's header is 20 to 63
# (RFC 7983), and neither from the server nor to it.
WITNESS = """table inet witness {
 counter direct { }
 chain seen {
  type filter hook forward priority 20;
  ip saddr 198.51.100.0/24 return
  ip daddr 198.51.100.0/24 return
  ip6 saddr 2001:db8:5::/64 return
  ip6 daddr 2001:db8:5::/64 return
  meta l4proto udp @th,64,8 20-63 counter name direct
 }
}
"""


class Box:
    """A host: a network namespace with a name."""

    def __init__(self, name):
        self.name = name
        self.children = []

    @property
    def prefix(self):
        """What to put before a command line to run it here."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *arguments, input=None):
        return command(*self.prefix, *arguments, input=input)

    def nft(self, rules):
        if rules:
            self.run("nft", "-f", "-", input=rules)

    def _fork(self, function, arguments, write):
        child = os.fork()
        if child:
            return child
        status = 1
        try:
            signal.alarm(0)
            descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns to {self.name}")
            try:
                result = (True, function(*arguments))
            except BaseException as error:
                result = (False, (error, traceback.format_exc()))
            if write is not None:
                with os.fdopen(write, "wb") as stream:
                    pickle.dump(result, stream)
            status = 0
        finally:
            os._exit(status)

    def call(self, function, *arguments):
        """What the function returns or raises, when it runs here (in a process of its own)."""
        return self.start(function, *arguments)()

    def start(self, function, *arguments):
        """The same, side by side with others; call what this returns to wait for it."""
        read, write = os.pipe()
        child = self._fork(function, arguments, write)
        os.close(write)

        def finish():
            with os.fdopen(read, "rb") as stream:
                data = stream.read()
            os.waitpid(child, 0)
            if not data:
                raise RuntimeError(f"{function.__name__} died in {self.name}")
            good, value = pickle.loads(data)
            if good:
                return value
            raise AssertionError(f"in {self.name}:\n{value[1]}") from value[0]

        return finish

    def serve(self, function, *arguments):
        """The function runs here until the lab is taken down."""
        self.children.append(self._fork(function, arguments, None))

    def stop(self):
        for child in self.children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self.children = []


class Lab:
    """The network of the drawing. `lifetime`: seconds that a NAT keeps an idle UDP mapping. `delays`:
    milliseconds, one way, of the links to "a" and "b" (the NATs' outside) and "server". Without `ipv6`
    the hosts have no IPv6, which no NAT stands in the way of."""

    def __init__(self, alice=nats.OPEN, bob=nats.OPEN, lifetime=120, second_hosts=False, delays=None, ipv6=True):
        self.nats = {"a": alice, "b": bob}
        self.ipv6 = ipv6
        self.lifetime, self.second_hosts, self.delays = lifetime, second_hosts, delays or {}
        self.boxes, self.forwarders = {}, []

    # Making it.

    def box(self, name, forwards=False):
        box = self.boxes[name] = Box(name)
        command("ip", "netns", "add", name)
        settings = ["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                    "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv4.ping_group_range=0 0"]
        if forwards:
            settings += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
            # A bridge whose frames pass through IP's rules would translate hairpinned packets by half.
            if os.path.exists("/proc/sys/net/bridge"):
                settings += ["net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0"]
        box.run("sysctl", "-q", "-w", *settings)
        box.run("ip", "link", "set", "lo", "up")
        return box

    def link(self, one, name_one, other, name_other, addresses_one, addresses_other, milliseconds=0):
        if milliseconds:
            self.forwarders.append(delay.start(one.name, name_one, other.name, name_other, milliseconds))
        else:
            command("ip", "link", "add", name_one, "netns", one.name, "type", "veth",
                    "peer", "name", name_other, "netns", other.name)
        for box, name, addresses in ((one, name_one, addresses_one), (other, name_other, addresses_other)):
            lines = [f"link set {name} up"]
            lines += [f"address add {address} dev {name}" + (" nodad" if ":" in address else "") for address in addresses]
            box.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def route(self, box, *routes):
        box.run("ip", "-batch", "-", input="".join(f"route replace {route}\n" for route in routes))

    def _core(self):
        self.r1, self.r2 = self.box("r1", True), self.box("r2", True)
        self.server = self.box("server")
        self.link(self.r1, "server", self.server, "eth0", ["198.51.100.1/24", "2001:db8:5::1/64"],
                  [f"{SERVER[0]}/24", f"{SERVER[1]}/24", f"{SERVER6[0]}/64", f"{SERVER6[1]}/64"],
                  self.delays.get("server", 0))
        self.link(self.r1, "r2", self.r2, "r1", ["192.0.2.129/30", "2001:db8:c::1/64"],
                  ["192.0.2.130/30", "2001:db8:c::2/64"])
        self.route(self.server, "default via 198.51.100.1", "default via 2001:db8:5::1")
        self.route(self.r1, "203.0.113.0/24 via 192.0.2.130", "2001:db8:b::/48 via 2001:db8:c::2")
        self.route(self.r2, "default via 192.0.2.129", "default via 2001:db8:c::1")
        self.r1.nft(WITNESS)

    def _side(self, letter, host, core, public, public_gateway, v6):
        """One side: host(s), LAN bridge in the router, NAT, and a second NAT where it is double."""
        nat, wan, number = self.nats[letter], WAN[letter], {"a": 1, "b": 2}[letter]
        prefix, gateway = (f"192.168.{number}", "1") if nat.translates else (public.rpartition(".")[0], public_gateway)
        router = self.box(f"nat-{letter}", True)
        outer = self.box(f"cgn-{letter}", True) if nat.double else router
        self.link(outer, "wan", core, f"nat-{letter}", [f"{wan}/30", f"{v6}ff::2/64"],
                  [f"{wan[:-1]}1/30", f"{v6}ff::1/64"], self.delays.get(letter, 0))
        if nat.double:
            self.link(router, "wan", outer, "lan", [f"100.64.{number}.2/24", f"{v6}fe::2/64"],
                      [f"100.64.{number}.1/24", f"{v6}fe::1/64"])
            self.route(outer, f"default via {wan[:-1]}1", f"default via {v6}ff::1", f"{v6}:/64 via {v6}fe::2")
            self._apply(outer, nat, wan)
        upstream = (f"100.64.{number}.1", f"{v6}fe::1") if nat.double else (f"{wan[:-1]}1", f"{v6}ff::1")
        router.run("ip", "link", "add", "lan", "type", "bridge")
        router.run("ip", "-batch", "-", input=f"link set lan up\naddress add {prefix}.{gateway}/26 dev lan\n"
                   f"address add {v6}:1/64 dev lan nodad\n")
        self.route(router, f"default via {upstream[0]}", f"default via {upstream[1]}")
        self._apply(router, nat, f"100.64.{number}.2" if nat.double else wan)
        self.route(core, f"{v6.rstrip(':')}::/48 via {v6}ff::2",
                   *([] if nat.translates else [f"{prefix}.64/26 via {wan}"]))
        hosts = [host, host + "2"] if self.second_hosts else [host]
        for at, name in enumerate(hosts):
            box = self.box(name)
            self.link(router, f"port{at}", box, "eth0", [], [f"{prefix}.{int(gateway) + 1 + at}/26", f"{v6}:{2 + at}/64"])
            router.run("ip", "link", "set", f"port{at}", "master", "lan")
            self.route(box, f"default via {prefix}.{gateway}", f"default via {v6}:1")
            if not self.ipv6:
                box.run("sysctl", "-q", "-w", "net.ipv6.conf.eth0.disable_ipv6=1")
            setattr(self, name, box)
        setattr(self, f"nat_{letter}", router)

    def _apply(self, router, nat, address):
        router.nft(nats.ruleset(nat, address, self.lifetime))
        if nat.translates or nat.filtering != nats.EI:
            router.run("sysctl", "-q", "-w", f"net.netfilter.nf_conntrack_udp_timeout={self.lifetime}",
                       f"net.netfilter.nf_conntrack_udp_timeout_stream={self.lifetime}")

    def __enter__(self):
        try:
            self._core()
            self._side("a", "alice", self.r1, "192.0.2.66", "65", "2001:db8:a:")
            self._side("b", "bob", self.r2, "203.0.113.66", "65", "2001:db8:b:")
        except BaseException:
            self.close()
            raise
        return self

    # Using it.

    def public_address(self, host):
        """The IPv4 address by which the world sees `alice` or `bob`."""
        letter = {"alice": "a", "bob": "b"}[host]
        if self.nats[letter].translates:
            return WAN[letter]
        return {"a": "192.0.2.66", "b": "203.0.113.66"}[letter]

    def direct_datagrams(self):
        """How many UDP datagrams that begin as DTLS does went between the two sides, and not by the server."""
        words = self.r1.run("nft", "list", "counter", "inet", "witness", "direct").split()
        return int(words[words.index("packets") + 1])

    def lose(self, percent, protocol=None):
        """Each packet between r1 and r2 is lost with that probability, in each direction; of `protocol` alone if
        it is given ("udp")."""
        self.r1.nft("table inet loss\ndelete table inet loss\n")
        if percent:
            self.r1.nft("table inet loss { chain forward { type filter hook forward priority 10;\n"
                        f"{f'meta l4proto {protocol} ' if protocol else ''}numgen random mod 100 < {percent} drop\n}}\n}}\n")

    # Taking it down.

    def close(self):
        for box in self.boxes.values():
            box.stop()
        for forwarder in self.forwarders:
            os.kill(forwarder, signal.SIGKILL)
            os.waitpid(forwarder, 0)
        self.forwarders = []
        for name in self.boxes:
            command("ip", "netns", "delete", name)
        self.boxes = {}

    def __exit__(self, *_):
        self.close()


def made(*arguments, **options):
    """A lab that lives until the test ends."""
    import tap

    net = Lab(*arguments, **options)
    net.__enter__()
    tap.cleanup(net.close)
    return net

# SPDX-License-Identifier: BSD-3-Clause
"""NAT types as nftables rules, in the words of RFC 4787: mapping and filtering are each
endpoint-independent (EI), address-dependent (AD), or address- and port-dependent (APD).

A router has its inside at interface `lan` and its outside at `wan`. Linux's own NAT gives APD
filtering, and a mapping that is EI by habit (`masquerade` keeps the port while it is free) or APD
(`fully-random`). The other kinds keep tables of their own:

    postrouting 90    choose   inside address and port -> slot, kept in `slots` while it is used
    postrouting srcnat         the slot's port of `pool` becomes the source
    postrouting 150   learn    external port -> inside (`inside`), external port and remote (`heard`)
    prerouting dstnat          unknown flows to a learned port go inside, if the filtering lets them
"""
import dataclasses
import random

NONE, EI, AD, APD = "none", "endpoint-independent", "address-dependent", "address-and-port-dependent"
PRESERVED, RANDOM, SEQUENTIAL = "preserved", "random", "sequential"


@dataclasses.dataclass(frozen=True)
class Nat:
    """`blocked`: no UDP at all. `accepts`: the router's own INPUT takes unsolicited UDP, so that a
    peer's early packet occupies the port that masquerading would have kept."""

    name: str
    mapping: str = NONE
    filtering: str = EI
    ports: str = PRESERVED
    blocked: bool = False
    accepts: bool = False
    double: bool = False
    hairpin: bool = False

    @property
    def translates(self):
        return self.mapping != NONE


OPEN = Nat("open")
FIREWALL = Nat("firewall", filtering=APD)
EI_EI = Nat("ei-ei", EI, EI, RANDOM, hairpin=True)
EI_AD = Nat("ei-ad", EI, AD, RANDOM)
EI_APD = Nat("ei-apd", EI, APD, RANDOM)
AD_AD = Nat("ad-ad", AD, AD, RANDOM)
AD_APD = Nat("ad-apd", AD, APD, RANDOM)
SYMMETRIC = Nat("symmetric", APD, APD, RANDOM)
SEQUENTIAL_SYMMETRIC = Nat("sequential", APD, APD, SEQUENTIAL)
MASQUERADE = Nat("masquerade", EI, APD, PRESERVED)
MASQUERADE_ACCEPTING = Nat("masquerade-accepting", EI, APD, PRESERVED, accepts=True)
DOUBLE = Nat("double", EI, APD, RANDOM, double=True)
DOUBLE_SYMMETRIC = Nat("double-symmetric", APD, APD, RANDOM, double=True)
BLOCKED = Nat("udp-blocked", EI, APD, PRESERVED, blocked=True)

ALL = (OPEN, FIREWALL, EI_EI, EI_AD, EI_APD, AD_AD, AD_APD, SYMMETRIC, SEQUENTIAL_SYMMETRIC, MASQUERADE,
       MASQUERADE_ACCEPTING, DOUBLE, DOUBLE_SYMMETRIC, BLOCKED)


def _forwarding(nat):
    """What passes through, both families, and what the router itself hears. (58 is ICMPv6: its name needs /etc/protocols.)"""
    blocked = 'iifname "lan" meta l4proto udp drop; iifname "lan" tcp dport != { 80, 443 } drop' if nat.blocked else ""
    unsolicited = "" if nat.accepts else 'iifname "wan" meta l4proto udp ct state new drop'
    return f"""
    table inet filter {{
        counter dropped_udp {{ }}
        chain forward {{
            type filter hook forward priority filter; policy drop;
            {blocked}
            ct state established,related accept
            iifname "lan" accept
            meta nfproto ipv4 ct status dnat accept
            meta l4proto 58 accept
            iifname "wan" meta l4proto udp counter name dropped_udp
        }}
        chain input {{
            type filter hook input priority filter; policy accept;
            {unsolicited}
        }}
    }}"""


def _kernel_nat(source):
    return f"""
    table ip nat {{
        chain source {{
            type nat hook postrouting priority srcnat;
            {source}
            oifname "wan" masquerade
        }}
    }}"""


def _sequential(address, first=31000, count=2000):
    pool = ", ".join(f"{at} : {first + at}" for at in range(count))
    return _kernel_nat(f'oifname "wan" meta l4proto udp snat ip to {address} : numgen inc mod {count} map {{ {pool} }}')


def _own_tables(nat, address, lifetime, count=2000):
    """EI and AD mapping, with any filtering."""
    ports = random.sample(range(20000, 60000), count)
    pool = ", ".join(f"{at + 1} : {port}" for at, port in enumerate(ports))
    key = "ip saddr . udp sport" + (" . ip daddr" if nat.mapping == AD else "")
    table = f"size 8192; flags dynamic,timeout; timeout {lifetime}s;"
    heard = {EI: "", AD: "ip saddr . udp dport @heard", APD: None}[nat.filtering]
    # A hairpinned packet leaves by `lan`, again through the mapping, so that it looks like any other.
    loop = 'iifname "lan" oifname "lan" ct status dnat' if nat.hairpin else None
    inward = "" if heard is None else f'iifname "wan" ip daddr {address} {heard} dnat ip to udp dport map @inside'
    hairpin = f'iifname "lan" ip daddr {address} dnat ip to udp dport map @inside' if loop else ""
    return f"""
    table ip nat {{
        map pool {{ type mark : inet_service; elements = {{ {pool} }} }}
        map slots {{ typeof {key} : meta mark; {table} }}
        map inside {{ typeof udp sport : ip saddr . udp sport; {table} }}
        set heard {{ typeof ip daddr . udp sport; {table} }}
        chain assign {{
            meta mark set 0
            meta mark set {key} map @slots
            meta mark 0 meta mark set numgen inc mod {count} offset 1
            update @slots {{ {key} : meta mark }}
        }}
        chain choose {{
            type filter hook postrouting priority 90;
            meta l4proto != udp return
            oifname "wan" jump assign
            {loop + " jump assign" if loop else ""}
        }}
        chain source {{
            type nat hook postrouting priority srcnat;
            oifname "wan" meta l4proto udp snat ip to {address} : meta mark map @pool
            {loop + f" meta l4proto udp snat ip to {address} : meta mark map @pool" if loop else ""}
            oifname "wan" masquerade
        }}
        chain learn {{
            type filter hook postrouting priority 150;
            meta l4proto != udp return
            oifname != "wan" return
            ct direction original update @inside {{ udp sport : ct original ip saddr . ct original proto-src }}
            ct direction reply update @inside {{ udp sport : ct reply ip saddr . ct reply proto-src }}
            update @heard {{ ip daddr . udp sport }}
        }}
        chain destination {{
            type nat hook prerouting priority dstnat;
            {inward}
            {hairpin}
        }}
    }}"""


def ruleset(nat, address, lifetime=120):
    """The rules of a router of that kind whose outside has that IPv4 address."""
    if nat.filtering == EI and not nat.translates and not nat.blocked:
        return ""
    rules = _forwarding(nat)
    if not nat.translates:
        return rules
    if nat.ports == PRESERVED:
        return rules + _kernel_nat("")
    if nat.ports == SEQUENTIAL:
        return rules + _sequential(address)
    if nat.mapping == APD:
        return rules + _kernel_nat('oifname "wan" meta l4proto udp masquerade fully-random')
    return rules + _own_tables(nat, address, lifetime)

# SPDX-License-Identifier: BSD-3-Clause
"""Our client against Debian's coturn server."""
import time

import foreign
import postern
import stunwire
import tap

foreign.need_coturn()

CREDENTIALS = ("--user", postern.USER, "--password", postern.PASSWORD)


def coturn():
    port = postern.free_port()
    foreign.Coturn(port)
    return port


@tap.test(protocol=["udp", "tcp"])
def query(protocol):
    """stunclient learns its address from coturn"""
    port = coturn()
    told = postern.client(f"127.0.0.1:{port}", "--protocol", protocol, "--json")
    tap.equal(told.status, 0, str(told))
    tap.true(told.json["mapped_address"].startswith("127.0.0.1:"), str(told))
    tap.equal((told.json["behind_nat"], told.json["protocol"]), (False, protocol))


@tap.test
def nat():
    """stunclient nat finds no NAT on loopback by coturn's two addresses and ports"""
    port = coturn()
    told = postern.client("nat", f"127.0.0.1:{port}", "--json")
    tap.equal(told.status, 0, str(told))
    tap.equal((told.json["mapping"], told.json["filtering"]), ("none", "endpoint-independent"), str(told))


@tap.test(protocol=["udp", "tcp"])
def turn(protocol):
    """stunclient turn echoes through coturn's relay, and loses nothing"""
    port = coturn()
    told = postern.client("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--protocol", protocol, "--json",
                          "--interval", "2")
    tap.equal(told.status, 0, str(told))
    tap.diag(told.out)


@tap.test
def tcp_relay():
    """stunclient turn --tcp-relay connects two relays of coturn's, and bytes go there and back"""
    told = postern.client("turn", f"127.0.0.1:{coturn()}", *CREDENTIALS, "--json", "--protocol", "tcp", "--tcp-relay", "--interval", "2")
    tap.equal(told.status, 0, str(told))
    tap.equal(told.json["echo"]["returned"], told.json["echo"]["sent"])


@tap.test
def private_peers():
    """stunclient turn says that coturn relays to private addresses, which it does unless told otherwise"""
    told = postern.client("turn", f"127.0.0.1:{coturn()}", *CREDENTIALS, "--json", "--count", "3")
    tap.equal(told.status, 0, str(told))
    tap.true({"10.0.0.1", "192.168.0.1", "127.0.0.2"} <= set(told.json["private_peers"]), str(told.json["private_peers"]))
    words = postern.client("turn", f"127.0.0.1:{coturn()}", *CREDENTIALS, "--count", "3").out
    tap.true("this server relays to private addresses" in words, words)


@tap.test
def mobility():
    """stunclient turn --mobility moves an allocation of coturn's, over UDP; over TCP coturn 4.6.1 answers with nonsense"""
    port = postern.free_port()
    foreign.Coturn(port, "--mobility")
    told = postern.client("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--mobility", "--json", "--count", "3")
    tap.equal(told.status, 0, str(told))
    tap.equal([step["state"] for step in told.json["steps"] if step["step"] == "move"], ["ok"])


@tap.test
def wrong_password():
    """stunclient turn says that coturn does not know the password, with status 6"""
    port = coturn()
    told = postern.client("turn", f"127.0.0.1:{port}", "--user", postern.USER, "--password", "wrong", "--json")
    tap.equal(told.status, 6, str(told))


@tap.test
def refused_peer():
    """stunclient turn tells a refusal by coturn apart from silence, with status 7"""
    port = postern.free_port()
    foreign.Coturn(port, "--denied-peer-ip", "127.0.0.0-127.255.255.255")
    told = postern.client("turn", f"127.0.0.1:{port}", *CREDENTIALS, "--json")
    tap.equal(told.status, 7, str(told))


@tap.test(timeout=40)
def expired_names():
    """coturn takes the refresh of an allocation by its name past the expiry, and not by a new name: so calls refresh"""
    port = postern.free_port()
    foreign.Coturn(port, "--use-auth-secret", "--static-auth-secret", postern.SECRET, "--stale-nonce", "2")
    transport = stunwire.Udp(("127.0.0.1", port))
    tap.cleanup(transport.close)
    client = stunwire.Client(transport, *stunwire.rest_credential(postern.SECRET, "alice", lifetime=2))
    client.allocate()
    time.sleep(4)
    tap.true(client.refresh(600).number(stunwire.LIFETIME) > 0, "by the name that made it")
    other = stunwire.Client(transport, *stunwire.rest_credential(postern.SECRET, "alice", lifetime=600))
    answer = other.try_request(stunwire.REFRESH, [(stunwire.LIFETIME, stunwire.u32(600))])
    tap.equal(answer.error()[0], 441, "by another name")


tap.main()

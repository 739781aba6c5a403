# SPDX-License-Identifier: BSD-3-Clause
"""Clients sent to another server, over the wire (RFC 8489 10)."""
import e2e
import postern
import stunwire
import tap


def alternate(address, port, domain=None):
    more = f' domain = "{domain}";' if domain else ""
    return f'{{ address = "{address}"; port = {port};{more} }}'


@tap.test(workers=e2e.WORKERS, transport=["udp", "tcp"])
def follows_to_the_other_server(workers, transport):
    """300 leads to a server that gives the allocation"""
    _, second = e2e.serve(workers)
    _, first = e2e.serve(workers, more=f'alternate_servers = ( {alternate("127.0.0.1", second, "t2.example")} );\n')
    refused = tap.raises(stunwire.Refused, e2e.client(first, transport).allocate)
    tap.equal(refused.code, 300)
    tap.true(refused.message.verify(stunwire.long_term_key(postern.USER, postern.REALM, postern.PASSWORD)), "signed")
    host, port = stunwire.unpack_address(refused.message.get(stunwire.ALTERNATE_SERVER))
    tap.equal((host, port), ("127.0.0.1", second))
    tap.equal(refused.message.get(stunwire.ALTERNATE_DOMAIN), b"t2.example")
    e2e.allocated(port, transport)


@tap.test
def strangers_are_not_told():
    """Without the right credential it is 401, and no address"""
    _, port = e2e.serve(more=f'alternate_servers = ( {alternate("127.0.0.1", 9)} );\n')
    refused = tap.raises(stunwire.Refused, e2e.client(port, password="wrong").allocate)
    tap.equal((refused.code, refused.message.get(stunwire.ALTERNATE_SERVER)), (401, None))
    e2e.still_answers(port)


@tap.test
def only_when_full():
    """alternate_when = "full": the first is served here, the second sent away; a reload brings it back"""
    text = f'alternate_servers = ( {alternate("127.0.0.1", 9)} );\nalternate_when = "full";\n'
    port = postern.free_port()
    config = postern.config(port, workers=1).replace("unauthenticated_per_source = 0;",
                                                     "unauthenticated_per_source = 0; allocations_per_worker = 1;")
    server = postern.server(config + text)
    one = e2e.allocated(port)
    tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate).code, 300)
    server.rewrite(config)
    server.reload()

    def code():
        return tap.raises(stunwire.Refused, e2e.client(port).allocate).code

    tap.true(postern.until(lambda: code() == 508), "508 after the reload")
    one.refresh(600)


@tap.test(key=["allocations", "ports"])
def the_total_quota_is_full_too(key):
    """What is above quotas.total goes to the other server; what is above quotas.user is 486, since it is the user's"""
    text = f'alternate_servers = ( {alternate("127.0.0.1", 9)} );\nalternate_when = "full";\n'
    for whose, code in (("total", 300), ("user", 486)):
        _, port = e2e.serve(more=text + f"quotas = {{ {whose} = {{ {key} = 1; }}; }};\n")
        e2e.allocated(port)
        tap.equal(tap.raises(stunwire.Refused, e2e.client(port).allocate).code, code)


tap.main()

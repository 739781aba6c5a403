# SPDX-License-Identifier: BSD-3-Clause
"""What `./dev run` starts keeps what it prints, and is safe."""
import stat

import postern
import stunwire as stun
import tap


def relay_credential(trial):
    return next((entry["username"], entry["credential"]) for entry in trial.ice_servers if "credential" in entry)


@tap.test
def printed_commands_work():
    """every command line of stunclient that it prints succeeds"""
    trial = postern.Trial(postern.temporary_folder() / "try")
    verbs = {line[1] if line[1] in ("nat", "turn") else "query" for line in trial.commands}
    tap.true({"query", "turn"} <= verbs, f"a line for each service: {verbs}")
    for line in trial.commands:
        tap.equal(postern.run(*line).status, 0, " ".join(line))


@tap.test
def printed_servers_work():
    """the iceServers that it prints relay, over UDP and TCP"""
    trial = postern.Trial(postern.temporary_folder() / "try")
    urls = [url for entry in trial.ice_servers for url in entry["urls"]]
    tap.equal({url.rpartition("=")[2] for url in urls if url.startswith("turn:")}, {"udp", "tcp"}, "transports of turn:")
    for transport in (stun.Udp, stun.Tcp):
        client = stun.Client(transport(("127.0.0.1", trial.port)), *relay_credential(trial))
        tap.true(client.allocate().klass == stun.SUCCESS, "allocates")
        client.refresh(0)
        client.close()


@tap.test
def is_no_open_relay():
    """it relays for nobody without the credential, and to no private or loopback address"""
    trial = postern.Trial(postern.temporary_folder() / "try")
    stranger = stun.Client(stun.Udp(("127.0.0.1", trial.port)))
    tap.equal(stranger.try_request(stun.ALLOCATE, [stun.requested_transport()]).error()[0], 401)
    client = stun.Client(stun.Udp(("127.0.0.1", trial.port)), *relay_credential(trial))
    client.allocate()
    for host in ("127.0.0.2", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"):
        tap.equal(tap.raises(stun.Refused, client.permit, (host, 9)).code, 403, f"permission for {host}")


@tap.test
def secret_is_kept():
    """its secret and key are for the owner alone, and stay the same from start to start"""
    folder = postern.temporary_folder() / "try"
    trial = postern.Trial(folder)
    credential = relay_credential(trial)
    files = [path for path in folder.rglob("*") if path.is_file()]
    tap.true(files, "it keeps files")
    for path in files:
        tap.equal(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, f"mode of {path.name} for others")
    trial.finish()
    again = postern.Trial(folder)
    client = stun.Client(stun.Udp(("127.0.0.1", again.port)), *credential)
    tap.true(client.allocate().klass == stun.SUCCESS, "an earlier credential is still good")


tap.main()

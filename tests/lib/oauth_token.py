# SPDX-License-Identifier: BSD-3-Clause
"""Self-contained OAuth tokens (RFC 7635 6.2) in Python, with an AES-GCM of its own (FIPS 197, SP 800-38D),
so that neither our codec nor OpenSSL has a hand in what the tests bring."""
import os
import struct
import time

import stunwire


def _boxes():
    box, p, q = [0] * 256, 1, 1
    while True:
        p ^= (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = [(q << n | q >> 8 - n) & 0xFF for n in range(5)]
        box[p] = rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63
        if p == 1:
            box[0] = 0x63
            return box


BOX = _boxes()


def _double(byte):
    return (byte << 1 & 0xFF) ^ (0x1B if byte & 0x80 else 0)


def _expand(key):
    size = len(key) // 4
    words = [list(key[4 * i : 4 * i + 4]) for i in range(size)]
    factor = 1
    for i in range(size, 4 * (size + 7)):
        word = list(words[-1])
        if i % size == 0:
            word = [BOX[byte] for byte in word[1:] + word[:1]]
            word[0] ^= factor
            factor = _double(factor)
        elif size > 6 and i % size == 4:
            word = [BOX[byte] for byte in word]
        words.append([a ^ b for a, b in zip(words[i - size], word)])
    return [sum(words[i : i + 4], []) for i in range(0, len(words), 4)]


def _encrypt(rounds, block):
    state = [a ^ b for a, b in zip(block, rounds[0])]
    for number, round_key in enumerate(rounds[1:], 1):
        state = [BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if number < len(rounds) - 1:
            mixed = []
            for i in range(0, 16, 4):
                column = state[i : i + 4]
                whole = column[0] ^ column[1] ^ column[2] ^ column[3]
                mixed += [column[j] ^ whole ^ _double(column[j] ^ column[(j + 1) % 4]) for j in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, round_key)]
    return bytes(state)


def _multiply(x, y):
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def seal(key, nonce, plain, aad):
    """AES-GCM with a nonce of 12 bytes: the encrypted bytes and the tag."""
    rounds = _expand(key)
    stream = b"".join(_encrypt(rounds, nonce + struct.pack("!I", i + 2)) for i in range(-(-len(plain) // 16)))
    encrypted = bytes(a ^ b for a, b in zip(plain, stream))
    h, hashed = int.from_bytes(_encrypt(rounds, bytes(16)), "big"), 0
    lengths = struct.pack("!QQ", len(aad) * 8, len(encrypted) * 8)
    for part in (aad, encrypted, lengths):
        for i in range(0, len(part), 16):
            hashed = _multiply(hashed ^ int.from_bytes(part[i : i + 16].ljust(16, b"\0"), "big"), h)
    mask = _encrypt(rounds, nonce + b"\0\0\0\1")
    return encrypted, bytes(a ^ b for a, b in zip(hashed.to_bytes(16, "big"), mask))


def make(key, server_name, session_key, lifetime=600, issued=None, nonce=None, timestamp=None):
    """The value of ACCESS-TOKEN."""
    nonce = os.urandom(12) if nonce is None else nonce
    if timestamp is None:
        timestamp = int(time.time() if issued is None else issued) << 16
    plain = struct.pack("!H", len(session_key)) + session_key + struct.pack("!QI", timestamp, lifetime)
    return struct.pack("!H", len(nonce)) + nonce + b"".join(seal(key, nonce, plain, server_name.encode()))


class Holder(stunwire.Client):
    """A client that brings a token with every request, or only where it must."""

    def __init__(self, transport, kid, key, server, size=20, sha256=False, **token):
        super().__init__(transport, kid, None, sha256)
        self.session_key = os.urandom(size)
        self.encryption = key
        self.token_options = token
        self.server = server
        self.always = True
        self.renew()

    def renew(self, **options):
        self.token = make(self.encryption, self.server, self.session_key,
                                      **{**self.token_options, **options})

    def _learn(self, answer):
        self.realm, self.nonce, self.key = answer.get(stunwire.REALM), answer.get(stunwire.NONCE), self.session_key
        self.told = answer.get(stunwire.THIRD_PARTY_AUTHORIZATION)

    def credentials(self):
        token = [(stunwire.ACCESS_TOKEN, self.token)] if self.always and self.nonce is not None else []
        return super().credentials() + token

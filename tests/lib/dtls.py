# SPDX-License-Identifier: BSD-3-Clause
"""DTLS 1.2 by the system's OpenSSL, through ctypes: the ssl module of Python has none.

    context = dtls.Context(authority=file)
    transport = dtls.Dtls(("127.0.0.1", port), context)     # a transport as those of stunwire

A handshake can also be taken in steps, and its datagrams be looked at and held back: all pass
through this file, by memory BIOs, one datagram a write.
"""
import ctypes
import ctypes.util
import time

import stunwire


def _library(name):
    found = ctypes.util.find_library(name)
    return ctypes.CDLL(found) if found else None


_ssl, _crypto = _library("ssl"), _library("crypto")
available = bool(_ssl and _crypto and hasattr(_ssl, "DTLS_client_method"))

_POINTER = ctypes.c_void_p
if available:
    for _holder, _names in ((_ssl, ("DTLS_client_method", "DTLS_server_method", "SSL_CTX_new", "SSL_new",
                                    "SSL_get1_session", "SSL_get_rbio", "SSL_get_current_cipher")),
                            (_crypto, ("BIO_new", "BIO_s_mem"))):
        for _name in _names:
            getattr(_holder, _name).restype = _POINTER
    _crypto.ERR_get_error.restype = ctypes.c_ulong
    _crypto.ERR_reason_error_string.restype = ctypes.c_char_p
    _ssl.SSL_get_verify_result.restype = ctypes.c_long
    _ssl.SSL_CTX_ctrl.restype = _ssl.SSL_ctrl.restype = _crypto.BIO_ctrl.restype = ctypes.c_long

_WANT_READ, _ZERO_RETURN = 2, 6
_OPTIONS_NO_QUERY_MTU = 0x1000
_CTRL_SET_MTU, _CTRL_GET_TIMEOUT, _CTRL_HANDLE_TIMEOUT, _CTRL_SET_MIN_VERSION, _CTRL_SET_MAX_VERSION = 17, 73, 74, 123, 124
_CTRL_HOSTNAME = 55
DTLS_1_0, DTLS_1_2 = 0xFEFF, 0xFEFD


class Error(Exception):
    """What OpenSSL says: "tlsv1 alert no application protocol"."""


def _problem():
    code, last = _crypto.ERR_get_error(), 0
    while code:
        last, code = code, _crypto.ERR_get_error()
    text = _crypto.ERR_reason_error_string(ctypes.c_ulong(last)) if last else None
    return Error(text.decode() if text else "no reason given")


class Context:
    def __init__(self, authority=None, alpn=(), minimum=DTLS_1_2, maximum=DTLS_1_2, ciphers=None):
        self.pointer = _POINTER(_ssl.SSL_CTX_new(_POINTER(_ssl.DTLS_client_method())))
        _ssl.SSL_CTX_ctrl(self.pointer, _CTRL_SET_MIN_VERSION, ctypes.c_long(minimum), None)
        _ssl.SSL_CTX_ctrl(self.pointer, _CTRL_SET_MAX_VERSION, ctypes.c_long(maximum), None)
        if ciphers:
            _ssl.SSL_CTX_set_cipher_list(self.pointer, ciphers.encode())
        if authority:
            if _ssl.SSL_CTX_load_verify_locations(self.pointer, str(authority).encode(), None) != 1:
                raise _problem()
            _ssl.SSL_CTX_set_verify(self.pointer, 1, None)
        names = b"".join(bytes([len(name)]) + name.encode() for name in alpn)
        if names:
            _ssl.SSL_CTX_set_alpn_protos(self.pointer, names, len(names))

    def __del__(self):
        _ssl.SSL_CTX_free(self.pointer)


class Dtls:
    """A client over a UDP socket of its own, or over `udp` of someone else."""

    stream = False

    def __init__(self, remote, context, local=None, timeout=20, handshake=True, session=None, name=None, udp=None):
        self.udp = udp or stunwire.Udp(remote, local=local)
        self.remote = self.source = remote
        self.context, self.closed = context, False
        self.sent, self.received = [], []  # datagrams, for tests that count them
        self.pointer = _POINTER(_ssl.SSL_new(context.pointer))
        # Written datagrams are taken out after each step; records carry their own lengths.
        self.out = _POINTER(_crypto.BIO_new(_POINTER(_crypto.BIO_s_mem())))
        self.into = _POINTER(_crypto.BIO_new(_POINTER(_crypto.BIO_s_mem())))
        for bio in (self.out, self.into):
            _crypto.BIO_ctrl(bio, 130, ctypes.c_long(-1), None)  # BIO_C_SET_BUF_MEM_EOF_RETURN
        _ssl.SSL_set_bio(self.pointer, self.into, self.out)
        _ssl.SSL_set_options(self.pointer, ctypes.c_uint64(_OPTIONS_NO_QUERY_MTU))
        _ssl.SSL_ctrl(self.pointer, _CTRL_SET_MTU, ctypes.c_long(1200), None)
        _ssl.SSL_set_connect_state(self.pointer)
        if name:
            _ssl.SSL_ctrl(self.pointer, _CTRL_HOSTNAME, ctypes.c_long(0), name.encode())
        if session:
            _ssl.SSL_set_session(self.pointer, session)
        if handshake:
            self.handshake(timeout)

    # ---- steps ----

    def _flush(self):
        """Sends what OpenSSL wrote, each record in a datagram of its own."""
        buffer = ctypes.create_string_buffer(65536)
        size = _crypto.BIO_read(self.out, buffer, len(buffer))
        data = buffer.raw[: max(size, 0)]
        while data:
            length = 13 + int.from_bytes(data[11:13], "big")
            self.sent.append(data[:length])
            self.udp.send(data[:length])
            data = data[length:]

    def feed(self, datagram):
        _crypto.BIO_write(self.into, datagram, len(datagram))

    def _check(self, result):
        """True when it is done, False when more is to come."""
        self._flush()
        if result == 1:
            return True
        code = _ssl.SSL_get_error(self.pointer, result)
        if code == _ZERO_RETURN:
            self.closed = True
            return False
        if code != _WANT_READ:
            self.closed = True
            raise _problem()
        return False

    def step(self):
        """Goes on with the handshake as far as what has been fed allows; whether it is done."""
        _crypto.ERR_clear_error()
        return self._check(_ssl.SSL_do_handshake(self.pointer))

    def handshake(self, timeout=20):
        deadline = time.monotonic() + timeout
        while not self.step():
            if self.closed or time.monotonic() > deadline:
                raise Error("closed" if self.closed else "timeout")
            datagram = self.udp.receive(0.3)
            if datagram:
                self.received.append(datagram)
                self.feed(datagram)
            else:
                _ssl.SSL_ctrl(self.pointer, _CTRL_HANDLE_TIMEOUT, ctypes.c_long(0), None)
                self._flush()

    # ---- a transport ----

    @property
    def local(self):
        return self.udp.local

    def send(self, data, remote=None):
        buffer = bytes(data)
        _crypto.ERR_clear_error()
        result = _ssl.SSL_write(self.pointer, buffer, len(buffer))
        self._check(1 if result == len(buffer) else result)

    def _read(self):
        buffer = ctypes.create_string_buffer(16384)
        _crypto.ERR_clear_error()
        size = _ssl.SSL_read(self.pointer, buffer, len(buffer))
        self._check(1 if size > 0 else size)
        return buffer.raw[:size] if size > 0 else None

    def receive(self, timeout):
        """None after `timeout`, or when the other side has closed (`closed` is then True)."""
        deadline = time.monotonic() + timeout
        while not self.closed:
            data = self._read()
            if data is not None:
                return data
            left = deadline - time.monotonic()
            if left <= 0 or self.closed:
                return None
            datagram = self.udp.receive(left)
            if datagram:
                self.received.append(datagram)
                self.feed(datagram)
        return None

    def say_goodbye(self):
        _ssl.SSL_shutdown(self.pointer)
        self._flush()

    def close(self):
        if self.pointer:
            _ssl.SSL_free(self.pointer)
            self.pointer = None
        self.udp.close()

    # ---- what came of it ----

    @property
    def alpn(self):
        size = ctypes.c_uint()
        pointer = ctypes.POINTER(ctypes.c_char)()
        _ssl.SSL_get0_alpn_selected(self.pointer, ctypes.byref(pointer), ctypes.byref(size))
        return pointer[: size.value].decode() if size.value else ""

    @property
    def resumed(self):
        return _ssl.SSL_session_reused(self.pointer) == 1

    @property
    def session(self):
        return _POINTER(_ssl.SSL_get1_session(self.pointer))

    @property
    def certificate(self):
        """The server's certificate, DER."""
        _ssl.SSL_get1_peer_certificate.restype = _POINTER
        leaf = _POINTER(_ssl.SSL_get1_peer_certificate(self.pointer))
        size = _crypto.i2d_X509(leaf, None)
        buffer = (ctypes.c_ubyte * size)()
        at = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ubyte))
        _crypto.i2d_X509(leaf, ctypes.byref(at))
        _crypto.X509_free(leaf)
        return bytes(buffer)


def records(datagram):
    """(content type, epoch, fragment) of each record."""
    found = []
    while len(datagram) >= 13:
        length = int.from_bytes(datagram[11:13], "big")
        found.append((datagram[0], int.from_bytes(datagram[3:5], "big"), datagram[13 : 13 + length]))
        datagram = datagram[13 + length :]
    return found


def client_hello(cookie=b"", random=bytes(32), extra=b""):
    """A ClientHello of DTLS 1.2, written out by hand, as a datagram."""
    body = b"\xfe\xfd" + random + b"\x00" + bytes([len(cookie)]) + cookie
    body += b"\x00\x04\xc0\x2b\xc0\x2f" + b"\x01\x00"  # two ciphers, no compression
    extensions = b"\x00\x0a\x00\x04\x00\x02\x00\x17" + b"\x00\x0b\x00\x02\x01\x00"  # P-256, uncompressed
    extensions += b"\x00\x0d\x00\x06\x00\x04\x04\x03\x04\x01" + extra  # ECDSA and RSA with SHA-256
    body += len(extensions).to_bytes(2, "big") + extensions
    length = len(body).to_bytes(3, "big")
    number = b"\x00\x01" if cookie else b"\x00\x00"
    handshake = b"\x01" + length + number + b"\x00\x00\x00" + length + body
    sequence = (1 if cookie else 0).to_bytes(6, "big")
    return b"\x16\xfe\xff" + b"\x00\x00" + sequence + len(handshake).to_bytes(2, "big") + handshake


def cookie_of(datagram):
    """The cookie of a HelloVerifyRequest, or None when it is none."""
    kind, epoch, fragment = records(datagram)[0]
    if kind != 22 or epoch != 0 or fragment[0] != 3:
        return None
    size = fragment[14]
    return fragment[15 : 15 + size] if len(fragment) == 15 + size else None

"""A scripted TDS server: enough of the protocol for the real driver to sign in, send statements and get errors.

It has no tables. A test scripts the error of the login, the error of a statement, a statement without an answer, or a
closed connection. So tests see the driver's own messages, SQLSTATEs and timeouts without a SQL Server. Protocol:
Microsoft, [MS-TDS].
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

PRELOGIN, LOGIN, BATCH, RPC, ATTENTION, TRANSACTION, TABULAR = 0x12, 0x10, 0x01, 0x03, 0x06, 0x0E, 0x04
ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED = 1, 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error message of the server, as its documentation has it."""

    number: int
    text: str
    severity: int = 16
    state: int = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer: one column per name, values of type int, str or None."""

    names: Sequence[str] = ()
    rows: Sequence[Sequence[int | str | None]] = ()


NEVER, CUT = "never", "cut"
Answer = Refusal | Sequence[Refusal] | Rows | str
"""NEVER: the statement is not answered, nor is the driver's request to give it up. CUT: the line is cut."""

_OWN = (
    ("SERVERPROPERTY('ProductVersion')", Rows(("version", "edition", "snapshot"), [["16.0.1000.6", 3, None]])),
    ("SELECT", Rows(("one",))),
)
"""The default answers: a session can begin, and queries find nothing."""


@dataclass
class TdsServer:
    """`with TdsServer() as server:` listens on `server.port`. `login` and `answer` can change at any time.

    `login`: what to say to everybody who signs in, None to let them in. `answer(sql)`: what to say to a
    statement, None for an empty result. `certificate`: (file, key) for TLS. `frozen`: nothing is answered any more.
    """

    login: Sequence[Refusal] | str | None = None
    answer: Callable[[str], Answer | None] = lambda sql: None
    certificate: tuple[Path, Path] | None = None
    frozen: bool = False
    asked: list[str] = field(default_factory=list)
    logins: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection, as a server that is killed does."""
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ConnectionError, struct.error):
            _Session(self, connection).run()
        with suppress(OSError):
            connection.close()


class _Session:
    """One connection."""

    def __init__(self, server: TdsServer, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.tls: _Tls | None = None

    def run(self) -> None:
        kind, _body = self._read()
        if kind != PRELOGIN:
            return
        encrypted = self.server.certificate is not None
        self._write(_prelogin(ENCRYPT_ON if encrypted else ENCRYPT_NOT_SUPPORTED))
        if self.server.certificate is not None:
            self.tls = _Tls(self.connection, self.server.certificate)
        while True:
            kind, body = self._read()
            if self.server.frozen:
                self._stay()
                return
            said = self._said(kind, body)
            if said == CUT:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if said == NEVER:
                self._stay()
                return
            assert isinstance(said, bytes)
            self._write(said)

    def _said(self, kind: int, body: bytes) -> bytes | str:
        if kind == LOGIN:
            self.server.logins += 1
            refused = self.server.login
            if isinstance(refused, str):
                return refused
            return b"".join(map(_error, refused)) + _done(error=True) if refused else _login_ack() + _done()
        if kind == ATTENTION:
            return _done(status=0x20)
        sql = _text(kind, body)
        self.server.asked.append(sql)
        found = self.server.answer(sql)
        if found is None:
            found = next((rows for words, rows in _OWN if words in sql), None)
        if isinstance(found, str):
            return found
        if isinstance(found, Rows):
            return _rows(found)
        if found is None:
            return _done()
        refusals = [found] if isinstance(found, Refusal) else found
        return b"".join(map(_error, refusals)) + _done(error=True)

    def _stay(self) -> None:
        """Keep the connection open without answering until the other side closes it."""
        while self._recv(4096):
            pass

    def _read(self) -> tuple[int, bytes]:
        body = b""
        while True:
            kind, status, length = struct.unpack(">BBH", self._exactly(8)[:4])
            body += self._exactly(length - 8)
            if status & 1:
                return kind, body

    def _write(self, body: bytes) -> None:
        data = _packet(TABULAR, body)
        self.tls.send(data) if self.tls else self.connection.sendall(data)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def _recv(self, size: int) -> bytes:
        return self.tls.recv(size) if self.tls else self.connection.recv(size)


class _Tls:
    """TLS as TDS has it: the handshake inside PRELOGIN packets, everything after it bare."""

    def __init__(self, connection: socket.socket, certificate: tuple[Path, Path]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # a TLS 1.3 handshake goes on after its end
        context.load_cert_chain(*certificate)
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(wrapped=True)
                self.incoming.write(self._handshake_packet())
                continue
            break
        self._flush(wrapped=True)

    def _handshake_packet(self) -> bytes:
        head = self._exactly(8)
        return self._exactly(struct.unpack(">H", head[2:4])[0] - 8)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def _flush(self, *, wrapped: bool = False) -> None:
        if data := self.outgoing.read():
            self.connection.sendall(_packet(PRELOGIN, data) if wrapped else data)

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                data = self.connection.recv(65536)
                if not data:
                    return b""
                self.incoming.write(data)
            except ssl.SSLError:
                return b""


def _packet(kind: int, body: bytes) -> bytes:
    assert len(body) < 32000
    return struct.pack(">BBHHBB", kind, 1, len(body) + 8, 0, 1, 0) + body


def _prelogin(encryption: int) -> bytes:
    options = [(0, bytes([16, 0, 0x03, 0xE8, 0, 0])), (1, bytes([encryption])), (2, b"\0"), (3, b""), (4, b"\0")]
    table, data, offset = b"", b"", 5 * len(options) + 1
    for token, value in options:
        table += struct.pack(">BHH", token, offset + len(data), len(value))
        data += value
    return table + b"\xff" + data


def _login_ack() -> bytes:
    name = "Microsoft SQL Server"
    body = b"\x01\x74\x00\x00\x04" + bytes([len(name)]) + name.encode("utf-16-le") + bytes([16, 0, 0x03, 0xE8])
    collation = b"\xe3\x08\x00\x07" + bytes([5, 9, 4, 0xD0, 0, 0x34, 0])
    size = _env(4, "4096", "4096")
    return _env(1, "DW", "master") + collation + size + b"\xad" + struct.pack("<H", len(body)) + body


def _env(kind: int, new: str, old: str) -> bytes:
    body = bytes([kind]) + b"".join(bytes([len(text)]) + text.encode("utf-16-le") for text in (new, old))
    return b"\xe3" + struct.pack("<H", len(body)) + body


def _error(refusal: Refusal) -> bytes:
    text = refusal.text.encode("utf-16-le")
    body = struct.pack("<iBB", refusal.number, refusal.state, refusal.severity)
    body += (
        struct.pack("<H", len(text) // 2) + text + b"\x03" + "srv".encode("utf-16-le") + b"\0" + struct.pack("<i", 1)
    )
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _done(*, error: bool = False, status: int = 0, count: int | None = None) -> bytes:
    status |= (2 if error else 0) | (0x10 if count is not None else 0)
    return b"\xfd" + struct.pack("<HHQ", status, 0xC1 if count is not None else 0, count or 0)


def _rows(found: Rows) -> bytes:
    columns = list(zip(found.names, *found.rows, strict=True)) if found.rows else [(name,) for name in found.names]
    data = b"\x81" + struct.pack("<H", len(columns))
    numeric = [any(isinstance(value, int) for value in values) for _name, *values in columns]
    for (name, *_values), number in zip(columns, numeric, strict=True):
        kind = b"\x26\x08" if number else b"\xe7" + struct.pack("<H", 8000) + bytes([9, 4, 0xD0, 0, 0x34])
        data += struct.pack("<IH", 0, 9) + kind + bytes([len(name)]) + name.encode("utf-16-le")
    for row in found.rows:
        data += b"\xd1" + b"".join(_value(value, number) for value, number in zip(row, numeric, strict=True))
    return data + _done(count=len(found.rows))


def _value(value: Any, number: bool) -> bytes:
    if number:
        return b"\0" if value is None else b"\x08" + struct.pack("<q", value)
    if value is None:
        return b"\xff\xff"
    text = str(value).encode("utf-16-le")
    return struct.pack("<H", len(text)) + text


def _text(kind: int, body: bytes) -> str:
    """Return the statement of a batch, or the readable text of a procedure call."""
    if kind == BATCH:
        (headers,) = struct.unpack("<I", body[:4])
        return body[headers:].decode("utf-16-le", "replace")
    return body.decode("utf-16-le", "replace") + body[1:].decode("utf-16-le", "replace")

"""A minimal TDS server, to record what the real driver sends.

It supports a login and plain statements without encryption. `logins` has the login data, `statements` the statements.
`answer` makes the rows; `silent` accepts connections without answering, like a server that hangs; `drop` closes every
connection, like one that restarts.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

PRELOGIN, BATCH, LOGIN, TRANSACTION, RESPONSE = 0x12, 0x01, 0x10, 0x0E, 0x04
_COLLATION = bytes.fromhex("0904d00034")
_DONE = struct.pack("<BHHQ", 0xFD, 0, 0, 0)

Row = Mapping[str, str | int | None]


@dataclass(frozen=True)
class Login:
    """The login data of a client."""

    user: str
    password: str
    application: str
    server: str
    database: str
    read_only: bool


class Server:
    """Listens on 127.0.0.1; use `pretended()`."""

    def __init__(self, answer: Callable[[str], Row | None], *, silent: bool = False) -> None:
        self.logins: list[Login] = []
        self.statements: list[str] = []
        self.silent = silent
        self._answer = answer
        self._clients: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def drop(self) -> None:
        """End every connection there is; new ones are taken."""
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        self._clients.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            while (message := _received(client)) is not None:
                if self.silent:
                    continue
                kind, body = message
                if kind == PRELOGIN:
                    _send(client, _prelogin())
                elif kind == LOGIN:
                    self.logins.append(_login(body))
                    _send(client, _welcome(self.logins[-1].database))
                elif kind == BATCH:
                    (headers,) = struct.unpack_from("<I", body)
                    self.statements.append(body[headers:].decode("utf-16-le"))
                    _send(client, _rows(self._answer(self.statements[-1])))
                elif kind == TRANSACTION:
                    _send(client, _transaction(body))
                else:
                    _send(client, _DONE)


@contextmanager
def pretended(answer: Callable[[str], Row | None] = lambda sql: None, *, silent: bool = False) -> Iterator[Server]:
    """A server inside this block. `answer(sql)` returns the one row of a statement, or None for none."""
    server = Server(answer, silent=silent)
    try:
        yield server
    finally:
        server.close()


def _received(client: socket.socket) -> tuple[int, bytes] | None:
    """Read one message: its packets up to the one marked as last."""
    body = b""
    while True:
        header = _exactly(client, 8)
        if header is None:
            return None
        kind, last, length = struct.unpack(">BBH", header[:4])
        part = _exactly(client, length - 8)
        if part is None:
            return None
        body += part
        if last & 1:
            return kind, body


def _exactly(client: socket.socket, count: int) -> bytes | None:
    found = b""
    while len(found) < count:
        part = client.recv(count - len(found))
        if not part:
            return None
        found += part
    return found


def _send(client: socket.socket, body: bytes) -> None:
    client.sendall(struct.pack(">BBHHBB", RESPONSE, 1, len(body) + 8, 0, 1, 0) + body)


def _prelogin() -> bytes:
    """Version 16, encryption not supported, no MARS."""
    values = {0: bytes.fromhex("10000fa10000"), 1: b"\x02", 2: b"\x00", 3: b"\x00" * 4, 4: b"\x00"}
    offset, table, data = 5 * len(values) + 1, b"", b""
    for token, value in values.items():
        table += struct.pack(">BHH", token, offset + len(data), len(value))
        data += value
    return table + b"\xff" + data


def _login(body: bytes) -> Login:
    def text(at: int) -> bytes:
        offset, length = struct.unpack_from("<HH", body, at)
        return body[offset : offset + 2 * length]

    scrambled = text(44)
    password = bytes(((byte ^ 0xA5) << 4 | (byte ^ 0xA5) >> 4) & 0xFF for byte in scrambled)
    return Login(
        user=text(40).decode("utf-16-le"),
        password=password.decode("utf-16-le"),
        application=text(48).decode("utf-16-le"),
        server=text(52).decode("utf-16-le"),
        database=text(68).decode("utf-16-le"),
        read_only=bool(body[26] & 0x20),
    )


def _welcome(database: str) -> bytes:
    name = "Pretended"
    version = b"\x74\x00\x00\x04"
    ack = b"\x01" + version + bytes([len(name)]) + name.encode("utf-16-le") + bytes.fromhex("10000fa1")
    used = b"\x01" + bytes([len(database)]) + database.encode("utf-16-le") + b"\x00"
    collation = b"\x07\x05" + _COLLATION + b"\x00"
    changes = b"".join(b"\xe3" + struct.pack("<H", len(each)) + each for each in (used, collation))
    return changes + b"\xad" + struct.pack("<H", len(ack)) + ack + _DONE


def _transaction(body: bytes) -> bytes:
    """Begun (5), else ended (7: committed, 8: rolled back)."""
    (headers,) = struct.unpack_from("<I", body)
    (request,) = struct.unpack_from("<H", body, headers)
    number = b"\x08" + b"\x01" * 8
    change = b"\x08" + number + b"\x00" if request == 5 else bytes([request + 2]) + b"\x00" + number
    return b"\xe3" + struct.pack("<H", len(change)) + change + _DONE


def _rows(row: Row | None) -> bytes:
    if row is None:
        return _DONE
    columns, values = b"", b""
    for name, value in row.items():
        label = bytes([len(name)]) + name.encode("utf-16-le")
        if isinstance(value, str):
            data = value.encode("utf-16-le")
            columns += struct.pack("<IHBH", 0, 1, 0xE7, 8000) + _COLLATION + label
            values += struct.pack("<H", len(data)) + data
        else:
            columns += struct.pack("<IHBB", 0, 1, 0x26, 4) + label
            values += b"\x00" if value is None else struct.pack("<Bi", 4, value)
    count = struct.pack("<BHHQ", 0xFD, 0x10, 0xC1, 1)
    return b"\x81" + struct.pack("<H", len(row)) + columns + b"\xd1" + values + count

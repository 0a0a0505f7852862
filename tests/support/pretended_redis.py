"""A Redis in a thread: enough of its protocol for a cache, and it fails as a test wants it to."""

from __future__ import annotations

import contextlib
import fnmatch
import socket
import socketserver
import threading
import time
from typing import BinaryIO

from tests.support.demo import free_port

PASSWORD = "p@ss,w;rd/1"


class PretendedRedis:
    """Listens on `port` between `start` and `stop`. `how`: "well", "hangs", or "refuses" (every command)."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://:p%40ss%2Cw%3Brd%2F1@127.0.0.1:{self.port}/0"
        self.how = "well"
        self.values: dict[str, tuple[str, float]] = {}
        self.asked: list[str] = []
        self._connections: set[socket.socket] = set()
        self._server: socketserver.ThreadingTCPServer | None = None
        self._go_on = threading.Event()

    def start(self) -> None:
        """Listen, with an empty memory as after any death."""
        self.values.clear()
        self._go_on.clear()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer._connections.add(self.request)
                with contextlib.suppress(OSError):
                    while words := _read(self.rfile):
                        self.wfile.write(outer._answer(words))

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Die: connections break, and nobody listens."""
        self._go_on.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for each in self._connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _answer(self, words: list[str]) -> bytes:
        command = words[0].upper()
        self.asked.append(command)
        if self.how == "hangs":
            self._go_on.wait(20)
        if self.how == "refuses" and command not in {"AUTH", "CLIENT", "SELECT"}:
            return b"-READONLY You can't write against a read only replica.\r\n"
        if command == "AUTH":
            return b"+OK\r\n" if words[-1] == PASSWORD else b"-WRONGPASS invalid username-password pair\r\n"
        known = self.values
        for key in [key for key, (_, until) in known.items() if until < time.time()]:
            del known[key]
        match command:
            case "SET":
                seconds = int(words[words.index("EX") + 1]) if "EX" in words else 10**9
                if "NX" in words and words[1] in known:
                    return b"$-1\r\n"
                known[words[1]] = (words[2], time.time() + seconds)
            case "GET":
                return _bulk(known[words[1]][0]) if words[1] in known else b"$-1\r\n"
            case "DEL" | "EXISTS" | "EXPIRE":
                found = words[1] in known
                if command == "DEL":
                    known.pop(words[1], None)
                return f":{int(found)}\r\n".encode()
            case "SCAN":
                pattern = words[words.index("MATCH") + 1]
                keys = [key for key in known if fnmatch.fnmatchcase(key, pattern)]
                return b"*2\r\n" + _bulk("0") + f"*{len(keys)}\r\n".encode() + b"".join(map(_bulk, keys))
        return b"+OK\r\n"


def _bulk(text: str) -> bytes:
    data = text.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def _read(stream: BinaryIO) -> list[str]:
    head = stream.readline()
    if not head:
        return []
    words = []
    for _ in range(int(head[1:])):
        length = int(stream.readline()[1:])
        words.append(stream.read(length + 2)[:length].decode())
    return words

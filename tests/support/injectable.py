"""A server with a hole of each kind, on loopback: sqlmap must find these before its silence about the portal counts.

`/safe` is the same query as `/text` as it should be written; there sqlmap must find nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

QUERIES = {
    "/text": "SELECT name, owner FROM pipeline WHERE name = '{}'",
    "/number": "SELECT name, owner FROM pipeline WHERE id = {}",
    "/search": "SELECT name, owner FROM pipeline WHERE name LIKE '%{}%'",
    "/form": "SELECT name, owner FROM pipeline WHERE (name = '{}')",
    "/safe": "SELECT name, owner FROM pipeline WHERE name = ?",
}
ROWS = [(1, "dim_cliente", "Ana"), (2, "dim_produto", "Rui"), (3, "fact_vendas", "Eva")]


def rows(path: str, value: str) -> list[tuple[str, str]]:
    """Return what the query finds; nothing for one that is no SQL any more."""
    query = QUERIES.get(path, "")
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE pipeline (id INTEGER, name TEXT, owner TEXT)")
        database.executemany("INSERT INTO pipeline VALUES (?, ?, ?)", ROWS)
        try:
            if "?" in query:
                return database.execute(query, (value,)).fetchall()
            return database.execute(query.format(value)).fetchall()  # nosec B608 - the hole
        except sqlite3.Error:
            return []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, parts.query)

    def do_POST(self) -> None:
        self._answer(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, path: str, fields: str) -> None:
        value = parse_qs(fields, keep_blank_values=True).get("q", [""])[0]
        cells = "".join(f"<tr><td>{name}</td><td>{owner}</td></tr>" for name, owner in rows(path, value))
        body = f"<html><title>Pipelines</title><table>{cells}</table></html>".encode()
        self.send_response(200 if path in QUERIES else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Give the server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

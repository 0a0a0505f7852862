"""The collector's own /metrics: it has no web server, and each replica counts for itself."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from etlportal import metrics

logger = logging.getLogger(__name__)

SECONDS = 5
"""How long somebody who connects may take to ask."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET /metrics to who has the token, nothing to anybody else."""

    server: MetricsServer
    timeout = SECONDS
    server_version, sys_version = "etlportal", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(HTTPStatus.NOT_FOUND, b"")
        elif not metrics.allowed(self.headers.get("Authorization"), self.server.token):
            self._answer(HTTPStatus.UNAUTHORIZED, b"a token is needed\n")
        else:
            self._answer(HTTPStatus.OK, metrics.exposition())

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", metrics.CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


class MetricsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], token: str) -> None:
        super().__init__(address, Handler)
        self.token = token


def serve(address: str, port: int, token: str) -> MetricsServer | None:
    """Answer in a thread of its own. None where the port cannot be had: that is no reason not to collect."""
    try:
        server = MetricsServer((address, port), token)
    except OSError as error:
        logger.error("metrics are not served on %s port %d: %s", address, port, error.strerror or error)
        return None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    logger.info("metrics are served on %s port %d", address, port)
    return server

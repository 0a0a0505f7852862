"""The parts of a cluster, each started as a deployment would, and killed as a machine that burns would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.demo import KEPT, ROOT, free_port
from tools import postgres

READY_SECONDS = 60.0
MISSING = "needed: apt-get install --no-install-recommends postgresql redis-server nginx-light"


def program(name: str) -> str | None:
    """Return where a server's program is; Debian keeps some where only root looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")


class Part:
    """One part: its process, and everything that this one started, are a session of their own."""

    def __init__(self, name: str, command: Sequence[object], environment: dict[str, str], log: Path) -> None:
        self.name, self.command, self.log = name, [str(word) for word in command], log
        self.environment = {key: value for key, value in os.environ.items() if key in KEPT} | environment
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: Callable[[], bool] = lambda: True

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return once it is ready. Raises RuntimeError with the end of its log when it does not become so."""
        end = time.monotonic() + READY_SECONDS
        while not self.ready():
            if time.monotonic() > end or self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} is not ready:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to all of it, at once."""
        if self.process is None:
            return
        # The master first: it would start another worker for one that it sees die.
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def signal(self, number: int) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)

    def kill_worker(self, choose: Callable[[list[int]], int]) -> None:
        """SIGKILL to one process that it started; its own master starts another."""
        if self.process is not None and (workers := children(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(choose(workers), signal.SIGKILL)


class Postgres(Part):
    """Committed data survives the process, but not a crash of the machine."""

    SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=100")

    def __init__(self, folder: Path) -> None:
        super().__init__("postgres", [], {}, folder / "log")
        self.folder = folder
        postgres.prepare(folder)

    def start(self) -> None:
        self.process = postgres.start(self.folder, self.SETTINGS)

    def wait(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while True:
            try:
                assert self.process is not None
                return postgres.wait(self.process, self.folder)
            except postgres.NoPostgres:
                # A process of the server that was killed may still be going: then it refuses to start.
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
                self.start()


def manage(name: str, folder: Path, environment: dict[str, str], *arguments: object) -> Part:
    """Return a part that is a command of manage.py."""
    return Part(name, [sys.executable, "manage.py", *arguments], environment, folder / f"{name}.log")


def collector(name: str, folder: Path, environment: dict[str, str]) -> Part:
    """Return a collector; ready once it asked for the lease."""
    part = manage(name, folder, environment, "collect")
    begins = [0]

    def start() -> None:
        begins[0] = part.log.stat().st_size if part.log.exists() else 0
        Part.start(part)

    part.start = start  # type: ignore[method-assign]
    part.ready = lambda: re.search(rb"collecting|standing by", part.log.read_bytes()[begins[0] :]) is not None
    return part


def web(name: str, folder: Path, environment: dict[str, str]) -> tuple[Part, int]:
    """Return a replica as the image starts it, and its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:etlportal.gunicorn_settings", "etlportal.wsgi"]
    part = Part(name, command, {**environment, "PORT": str(port)}, folder / f"{name}.log")
    part.ready = lambda: answers(f"http://127.0.0.1:{port}/healthz")
    return part, port


def redis(folder: Path) -> tuple[Part, int]:
    """Return a Redis that keeps nothing, and its port."""
    port = free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
    part = Part(
        "redis", [program("redis-server"), *options, "--requirepass", "not,a;real-one"], {}, folder / "redis.log"
    )
    part.ready = lambda: listens(port)
    return part, port


def nginx(folder: Path, web_ports: Sequence[int]) -> tuple[Part, int]:
    """Return nginx with the file that users are given, and its port."""
    port = free_port()
    text = (ROOT / "docker/nginx.conf").read_text()
    for number, each in enumerate(web_ports, 1):
        assert f"server web-{number}:8000 " in text
        text = text.replace(f"server web-{number}:8000 ", f"server 127.0.0.1:{each} ")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    paths = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "portal.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx-error.log;\nworker_processes 1;\n"
        f"events {{ worker_connections 512; }}\n"
        f"http {{\n{paths}  access_log off;\n  include {folder}/portal.conf;\n}}\n"
    )
    command = [program("nginx"), "-p", folder, "-e", folder / "nginx-error.log", "-c", folder / "nginx.conf"]
    part = Part("nginx", command, {}, folder / "nginx.log")
    part.ready = lambda: listens(port)
    return part, port


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Return the processes under this one, also those in sessions of their own."""
    found = children(pid)
    return found + [deeper for each in found for deeper in descendants(each)]

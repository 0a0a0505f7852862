"""Two replicas and two collectors with one PostgreSQL and one Redis, behind nginx, and a running ETL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.cluster import programs
from tests.cluster.watch import holder_pid, rows
from tests.support.demo import KEPT, ROOT
from tools.postgres import url_of

TICK_SECONDS = 6
LEASE_SECONDS = 0.6 * TICK_SECONDS
"""monitoring/collector/lease.py"""
PACE = 4


@dataclass
class Death:
    """One kill: of what, when, and when it was back (both by time.monotonic)."""

    kind: str
    at: float
    back: float = float("inf")


class Cluster:
    """`start` it, `kill` its parts, `stop` it. `deaths`: what was killed when. `url`: nginx."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.deaths: list[Death] = []
        self.database = Path(tempfile.mkdtemp(prefix="etlportal-cluster-", dir="/tmp"))
        self.parts: dict[str, programs.Part] = {}
        self.url = ""

    def start(self) -> None:
        postgres = programs.Postgres(self.database)
        redis, redis_port = programs.redis(self.folder)
        for part in (postgres, redis):
            self._start(part)
        data = self.folder / "data"
        common = {
            "DATABASE_URL": url_of(self.database),
            "REDIS_URL": f"redis://:not%2Ca%3Breal-one@127.0.0.1:{redis_port}/0",
            "SECRET_KEY": "one-key-for-all-replicas-" + "x" * 50,
            "PORTAL_BEHIND_PROXY": "yes",
            "PORTAL_STATIC_ROOT": str(data / "static"),
            "COLLECT_BUSY_SECONDS": str(TICK_SECONDS),
            "COLLECT_IDLE_SECONDS": str(TICK_SECONDS),
            "WEB_CONCURRENCY": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._prepare({**common, "PORTAL_DATA_DIR": str(data)})
        self._start(
            programs.manage("etl", self.folder, {**common, "PORTAL_DATA_DIR": str(data)}, "demo_etl", f"--pace={PACE}")
        )
        for number in (1, 2):
            own = {**common, "PORTAL_DATA_DIR": str(self._machine(f"collector-{number}", data))}
            self._start(programs.collector(f"collector-{number}", self.folder, own))
        ports = []
        for number in (1, 2):
            own = {**common, "PORTAL_DATA_DIR": str(self._machine(f"web-{number}", data))}
            part, port = programs.web(f"web-{number}", self.folder, own)
            ports.append(port)
            self._start(part)
        nginx, port = programs.nginx(self.folder, ports)
        self._start(nginx)
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        for part in reversed(self.parts.values()):
            part.kill()

    def _start(self, part: programs.Part) -> None:
        self.parts[part.name] = part
        part.start()
        part.wait()

    def _machine(self, name: str, data: Path) -> Path:
        """Return a data folder of its own: nothing but the embedded warehouse's files is common to all."""
        own = self.folder / f"machine-{name}"
        own.mkdir()
        (own / "warehouse").symlink_to(data / "warehouse")
        return own

    def _prepare(self, environment: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        command = [sys.executable, "manage.py", "demo", "--prepare-only"]
        subprocess.run(command, cwd=ROOT, env={**kept, **environment}, check=True, capture_output=True, timeout=180)

    def kill(self, kind: str) -> None:
        """Kill one at a moment of its own, and start it again as an orchestrator would; return when it is back."""
        time.sleep(self.random.uniform(0.2, 2.0))
        if kind == "stopped collector":
            self._stop_holder()
            return
        if kind == "worker":
            part = self.parts[self.random.choice(["web-1", "web-2"])]
            death = self._died(kind)
            part.kill_worker(self.random.choice)
            time.sleep(2)
        else:
            part = self.parts[self._which(kind)]
            death = self._died(kind)
            part.kill()
            time.sleep(self.random.uniform(0.5, 2.5))
            part.start()
        part.wait()
        death.back = time.monotonic()
        if kind == "postgres":
            self._wait_for_a_sample()

    def _wait_for_a_sample(self) -> None:
        """One failure at a time: nothing is killed before the collector is over the last one."""
        statement = "SELECT sampled_at FROM monitoring_collectorstate"
        before, end = rows(self.database, statement), time.monotonic() + 2 * TICK_SECONDS
        while rows(self.database, statement) == before and time.monotonic() < end:
            time.sleep(0.2)

    def _died(self, kind: str) -> Death:
        self.deaths.append(Death(kind, time.monotonic()))
        return self.deaths[-1]

    def _which(self, kind: str) -> str:
        if kind == "web":
            return self.random.choice(["web-1", "web-2"])
        if kind in {"collector that acts", "collector that stands by"}:
            acts = self.holder() or "collector-1"
            return acts if kind == "collector that acts" else ({"collector-1", "collector-2"} - {acts}).pop()
        return kind

    def holder(self) -> str:
        """Return the name of the collector that holds the lease, "" while none does."""
        pid = holder_pid(self.database)
        for name in ("collector-1", "collector-2"):
            process = self.parts[name].process
            if process is not None and process.pid == pid:
                return name
        return ""

    def _stop_holder(self) -> None:
        """SIGSTOP to the collector that acts, in the middle of a tick, for longer than its lease; then let it go on."""
        end = time.monotonic() + 30
        while not (name := self.holder()) and time.monotonic() < end:
            time.sleep(0.1)
        assert name, "nobody took the lease within 30 s"
        part = self.parts[name]
        self._wait_for_a_tick()
        death = self._died("stopped collector")
        part.signal(signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + self.random.uniform(2.0, 4.0))
        part.signal(signal.SIGCONT)
        death.back = time.monotonic()
        time.sleep(1)

    def _wait_for_a_tick(self) -> None:
        """Wait until the next tick should be running, judging by the last one."""
        age = "EXTRACT(EPOCH FROM CLOCK_TIMESTAMP() - ticked_at)"
        with suppress(psycopg.Error):
            ((seconds, took),) = rows(self.database, f"SELECT {age}, tick_milliseconds FROM monitoring_collectorstate")
            time.sleep(max(0.0, TICK_SECONDS - took / 2000 - float(seconds)))

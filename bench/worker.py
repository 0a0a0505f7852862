"""A process with the portal on one warehouse. It answers each line of standard input with one JSON line.

bench/__main__.py asks two of them in turns, with a short and a long history, so that other work on the machine affects
both. Pages are requested through Django's test client: middleware, session, permissions, templates and compression are
included, the socket is not. An unchanged refresh is called through WSGI, because the test client would be a large part
of its time.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, redirect_stdout
from functools import cached_property
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import django

from bench.bare_sql import connected, figures
from bench.processor import loop_ms

PAGES = ("summary", "pipelines", "pipeline", "runs", "run", "connections")
PIPELINE = "fact_vendas"
ALIASES = ("default", "dw", "oltp")
MOVED_TIMES = 50
FRESH_SECONDS = 25.0
"""If the last tick is older, a tick comes before the question, so that pages never show old figures."""

Answer = dict[str, Any]


class Worker:
    def __init__(self, folder: Path) -> None:
        self.folder, self.ticked = folder, -FRESH_SECONDS
        self.client: Any = None
        self.paths: dict[str, str] = {}
        self.headers: dict[Any, dict[str, str]] = {}

    def prepare(self) -> Answer:
        """Make the portal's tables, copy the runs, sign in."""
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.urls import reverse

        from monitoring.models import CollectorState, RunCopy

        call_command("migrate", verbosity=0)
        ticks, slowest = 0, 0.0
        while not ticks or not CollectorState.objects.get().copied_all:
            began = perf_counter()
            self._tick()
            ticks, slowest = ticks + 1, max(slowest, perf_counter() - began)
        run_id = RunCopy.objects.order_by("-pk").values_list("pk", flat=True)[0]
        args: dict[str, dict[str, object]] = {"pipeline": {"entity": PIPELINE}, "run": {"run_id": run_id}}
        self.paths = {name: reverse(f"monitoring:{name}", kwargs=args.get(name)) for name in PAGES}
        self.client = self._client(User.objects.get_or_create(username="bench", is_superuser=True)[0])
        return {"ticks": ticks, "slowest_tick_s": slowest, "run_id": run_id}

    def page(self, name: str, times: int) -> Answer:
        """A page as it is served nearly always: a reader looked at it since the last sample."""
        return self._timed(name, times, self._opened(name))

    def first(self, name: str, times: int) -> Answer:
        """The same for the first reader after a sample: nothing is remembered."""
        from django.core.cache import caches

        return self._timed(name, times, self._opened(name), before=caches["local"].clear)

    def refresh(self, name: str, times: int) -> Answer:
        """A refresh when nothing changed, as a web server asks for it."""
        self._fresh()
        environ = self._environ(name, self._known(self.client, name))
        loop: list[float] = []
        answer = self._timed(name, times, lambda: self._called(environ), before=lambda: loop.append(loop_ms()))
        return {**answer, "loop": loop}

    def bare(self, name: str, times: int) -> Answer:
        """The floor: the page's figures by hand-written SQL, on one connection of the plain driver."""
        cpu, wall = [], []
        with closing(connected(self.folder)) as connection:
            for _ in range(times + 1):
                began, used = perf_counter(), process_time()
                figures(connection, name, PIPELINE)
                wall.append(1000 * (perf_counter() - began))
                cpu.append(1000 * (process_time() - used))
        return {"cpu": cpu[1:], "wall": wall[1:]}

    def tick(self) -> Answer:
        """Return the statements and the duration of a tick in a steady state: the last of three."""
        from monitoring.collector.loop import Collector

        collector = Collector()
        for _ in range(3):
            began, used = perf_counter(), process_time()
            counts = self._counted(collector.turn)
            wall, cpu = perf_counter() - began, process_time() - used
        collector.close()
        self.ticked = perf_counter()
        return {"statements": counts, "wall_ms": 1000 * wall, "cpu_ms": 1000 * cpu}

    def viewers(self, number: int) -> Answer:
        """Return the statements on dw and oltp of `number` viewers on all pages in a minute, each refreshing every 5 s.

        The clock is moved instead of waiting, so that the minute is the same for any number of viewers.
        """
        import time_machine
        from django.core.cache import caches
        from django.utils import timezone

        caches["local"].clear()
        self._tick()
        everybody = [(self._client(user), PAGES[index % len(PAGES)]) for index, user in enumerate(self._users(number))]
        total = dict.fromkeys(ALIASES, 0)
        start = timezone.now()
        for step in range(12):
            with time_machine.travel(start.timestamp() + 4.9 * step, tick=False):
                for client, name in everybody:
                    headers = self._known(client, name) if not step else self.headers[client]
                    self.headers[client] = headers
                    for alias, count in self._counted(lambda: client.get(self.paths[name], headers=headers)).items():  # noqa: B023
                        total[alias] += count
        return {"statements": total}

    def moved(self) -> Answer:
        """One pipeline moves: what a refresh of each page then sends, and what it costs the second
        viewer (the first one's request rendered the blocks for all)."""
        known = {name: self._known(self.client, name) for name in PAGES}
        move(self.folder, "-1 day")
        self._tick()
        found = {}
        for name in PAGES:
            answer = self.client.get(self.paths[name], headers=known[name])
            cpu = []
            for _ in range(MOVED_TIMES):
                used = process_time()
                self.client.get(self.paths[name], headers=known[name])
                cpu.append(1000 * (process_time() - used))
            if not answer.content:
                raise RuntimeError(f"{name}: a refresh after a pipeline moved brought nothing")
            found[name] = {"status": answer.status_code, "bytes": len(answer.content), "cpu": cpu}
        return found

    def sessions(self, number: int) -> Answer:
        """Signed-in viewers with what their browsers would send at the next refresh (bench/viewers.py)."""
        from django.conf import settings

        found = []
        for index, user in enumerate(self._users(number)):
            client, name = self._client(user), PAGES[index % len(PAGES)]
            known = self._known(client, name)
            cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
            found.append("\t".join((self.paths[name], cookie, known["X-Live"])))
        return {"viewers": found}

    def _users(self, number: int) -> list[Any]:
        from django.contrib.auth.models import Group, User

        names = [f"viewer{index:04}" for index in range(number)]
        have = set(User.objects.values_list("username", flat=True))
        User.objects.bulk_create(User(username=name, password="!") for name in names if name not in have)
        users = list(User.objects.filter(username__in=names).order_by("username"))
        Group.objects.get(name="auditor").user_set.add(*users)
        return users

    @cached_property
    def handler(self) -> Any:
        """The WSGI application, once for all clients: each setup reads the list of static files."""
        from django.test.client import ClientHandler

        return ClientHandler(enforce_csrf_checks=False)

    def _client(self, user: Any) -> Any:
        from django.test import Client

        client = Client(SERVER_NAME="localhost", headers={"accept-encoding": "gzip"})
        client.handler = self.handler
        client.force_login(user, backend="monitoring.accounts.UserBackend")
        return client

    def _tick(self) -> None:
        from django.core.management import call_command

        call_command("collect", once=True, verbosity=0)
        self.ticked = perf_counter()

    def _fresh(self) -> None:
        if perf_counter() - self.ticked > FRESH_SECONDS:
            self._tick()

    def _timed(
        self, name: str, times: int, ask: Callable[[], tuple[int, bytes]], before: Callable[[], object] = lambda: None
    ) -> Answer:
        self._fresh()
        cpu, wall = [], []
        status, content = ask()
        statements = self._counted(ask)
        gc.collect()
        for _ in range(times):
            before()
            began, used = perf_counter(), process_time()
            ask()
            wall.append(1000 * (perf_counter() - began))
            cpu.append(1000 * (process_time() - used))
        return {"status": status, "bytes": len(content), "statements": statements, "cpu": cpu, "wall": wall}

    def _opened(self, name: str) -> Callable[[], tuple[int, bytes]]:
        def ask() -> tuple[int, bytes]:
            response = self.client.get(self.paths[name])
            return response.status_code, response.content

        return ask

    @cached_property
    def application(self) -> Any:
        from django.core.handlers.wsgi import WSGIHandler

        return WSGIHandler()

    def _environ(self, name: str, headers: dict[str, str]) -> dict[str, Any]:
        """Return the WSGI environment of a request for this page with the client's session."""
        from django.test import RequestFactory

        cookies = "; ".join(f"{each.key}={each.value}" for each in self.client.cookies.values())
        factory = RequestFactory(SERVER_NAME="localhost", headers={"accept-encoding": "gzip"})
        return factory.get(self.paths[name], headers={**headers, "cookie": cookies}).environ

    def _called(self, environ: dict[str, Any]) -> tuple[int, bytes]:
        said: list[str] = []
        response = self.application(dict(environ), lambda status, headers: said.append(status))
        content = b"".join(response)
        response.close()
        return int(said[0][:3]), content

    def _known(self, client: Any, name: str) -> dict[str, str]:
        """Return what live.js would send on its next refresh: the version of the page."""
        response = client.get(self.paths[name])
        body = response.content
        html = (gzip.decompress(body) if response.get("Content-Encoding") == "gzip" else body).decode()
        (version,) = re.findall(r'data-live-version="([\w-]+)"', html)
        return {"X-Live": version, "HX-Request": "true"}

    def _counted(self, act: Callable[[], object]) -> dict[str, int]:
        from django.db import connections

        counts = dict.fromkeys(ALIASES, 0)

        def counting(alias: str) -> Callable[..., object]:
            def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> object:
                counts[alias] += not sql.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA"))
                return execute(sql, params, many, context)

            return wrapper

        with ExitStack() as stack:
            for alias in ALIASES:
                stack.enter_context(connections[alias].execute_wrapper(counting(alias)))
            act()
        return counts


def move(folder: Path, change: str) -> None:
    """Move a pipeline's watermark by `change` ("-1 day"), as its next execution would."""
    with closing(sqlite3.connect(folder / "warehouse" / "dw" / "ctl.sqlite3")) as connection, connection:
        connection.execute(
            "UPDATE etl_control SET watermark_updated_at = datetime(watermark_updated_at, ?) WHERE entity_name = ?",
            (change, PIPELINE),
        )


def main() -> None:
    """Answer until the input ends. Output of the portal itself goes to standard error."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "etlportal.settings"
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        django.setup()
        worker = Worker(Path(os.environ["PORTAL_DATA_DIR"]))
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            out.write(json.dumps(getattr(worker, name)(*arguments)) + "\n")
            out.flush()


if __name__ == "__main__":
    main()

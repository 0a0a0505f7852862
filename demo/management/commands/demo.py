"""`manage.py demo`: the portal, the collector and the demo ETL in one process tree."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import urllib.error
import urllib.request
from argparse import ArgumentParser
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group as AuthGroup
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from demo.processes import WINDOWS, Processes, on_stop
from demo.simulation import DAYS, build
from demo.warehouse import EmbeddedWarehouse, exclusive, refuse_real_warehouse
from monitoring.models import CollectorState, PipelineRollup, PipelineSample, RunCopy, RunEntityCopy
from monitoring.rules.enums import Group

HOST = "127.0.0.1"
READY_SECONDS = 60.0
PASSWORD = "demo"  # noqa: S105 # nosec B105 - public on purpose: it opens the pretended warehouse only


class Command(BaseCommand):
    help = "Prepare and run the demo: embedded warehouse, demo ETL, collector, web server. Ctrl-C ends it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pace", type=float, default=1.0, help="how fast the ETL goes: 1 is a run a minute")
        parser.add_argument(
            "--reset", action="store_true", help="start afresh: delete the warehouse and the portal's data"
        )
        parser.add_argument("--prepare-only", action="store_true", help="prepare everything, start nothing")

    def handle(self, *args: Any, pace: float, reset: bool, prepare_only: bool, **options: Any) -> None:
        refuse_real_warehouse()
        stopped, port = threading.Event(), _port()
        refusal = f"A demo already runs over {settings.DATA_DIR}. PORTAL_DATA_DIR names another."
        with exclusive(settings.DATA_DIR / "demo.lock", refusal), on_stop(stopped.set):
            if not prepare_only:
                _refuse_taken(port)
            self._prepare(reset)
            if not prepare_only and not stopped.is_set():
                self._run(port, pace, stopped)

    def _prepare(self, reset: bool) -> None:
        """Migrate, create the users, build a missing warehouse, and collect the static files."""
        warehouse = EmbeddedWarehouse(settings.DATA_DIR / "warehouse")
        if reset:
            self._say("Starting afresh.")
            _forget_everything(warehouse.folder)
        call_command("migrate", verbosity=0, interactive=False)
        create_demo_users()
        if missing := warehouse.missing():
            if warehouse.folder.exists():
                self._say(f"The embedded warehouse lacks {', '.join(missing)}: building another.")
            else:
                self._say(f"Building the embedded warehouse with {DAYS} days of history ...")
            began = perf_counter()
            runs, executions = build(warehouse.folder, datetime.now(UTC).replace(tzinfo=None))
            forget_copies()
            self._say(f"Built in {perf_counter() - began:.1f} s: {runs:,} runs, {executions:,} executions.")
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)

    def _run(self, port: int, pace: float, stopped: threading.Event) -> None:
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        processes = Processes(
            commands={
                "The demo ETL": [*manage, "demo_etl", f"--pace={pace}"],
                "The collector": [*manage, "collect"],
                "The web server": _web_server(port),
            },
            folder=settings.BASE_DIR,
            say=self._say,
        )
        try:
            if self._wait_until_ready(processes, port, stopped):
                self._say(f"\n  ETL Portal:  http://{HOST}:{port}/")
                self._say(f"  Users:       {', '.join(Group)} (password: {PASSWORD})")
                self._say("  Ctrl-C ends it.\n")
                processes.watch(stopped)
        finally:
            processes.stop()
            self._say("Everything is stopped.")

    def _wait_until_ready(self, processes: Processes, port: int, stopped: threading.Event) -> bool:
        """Start everything. Return whether the web server answers, False when stopped. Raises CommandError."""
        deadline = monotonic() + READY_SECONDS
        processes.check()
        while not _answers(port):
            processes.check()
            if stopped.wait(0.2):
                return False
            if monotonic() > deadline:
                raise CommandError(f"The web server does not answer after {READY_SECONDS:g} s.")
        return True

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()


def _port() -> int:
    text = os.environ.get("PORT", "8000")
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CommandError(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def _refuse_taken(port: int) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        if not WINDOWS:  # there, the option would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}). PORT=8001 make demo takes another."
            ) from error


def _web_server(port: int) -> list[str]:
    if WINDOWS:
        waitress = ["waitress", f"--listen={HOST}:{port}", "--threads=8", "etlportal.wsgi:application"]
        return [sys.executable, "-m", *waitress]
    return [
        sys.executable, "-m", "gunicorn", "etlportal.wsgi", f"--bind={HOST}:{port}", "--workers=1",
        "--worker-class=gthread", "--threads=8", "--graceful-timeout=3", "--log-level=warning",
    ]  # fmt: skip


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=5) as response:  # nosec B310 - HTTP, ours
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def create_demo_users() -> list[str]:
    refuse_real_warehouse()
    names = [group.value for group in Group]
    users = get_user_model().objects
    missing = sorted(set(names) - set(users.values_list("username", flat=True)), key=names.index)
    hashed = make_password(PASSWORD) if missing else ""  # once: a hash takes half a second
    for name in missing:
        admin = name == Group.ADMIN.value
        with transaction.atomic():
            user = users.create(
                username=name, email=f"{name}@example.com", password=hashed, is_staff=admin, is_superuser=admin
            )
            user.groups.add(AuthGroup.objects.get_or_create(name=name)[0])
    return names


def forget_copies() -> None:
    """Delete all copies: a new warehouse restarts run ids at 1. Raises DemoRefused over a real warehouse."""
    refuse_real_warehouse()
    for model in (CollectorState, PipelineSample, PipelineRollup, RunEntityCopy, RunCopy):
        model._base_manager.all().delete()


def _forget_everything(warehouse: Path) -> None:
    """Delete the embedded warehouse and a SQLite `default`."""
    shutil.rmtree(warehouse, ignore_errors=True)
    if connection.vendor != "sqlite":
        return  # the copies are forgotten when the new warehouse is built
    name = Path(str(connection.settings_dict["NAME"]))
    connection.close()
    for suffix in ("", "-wal", "-shm"):
        name.with_name(name.name + suffix).unlink(missing_ok=True)

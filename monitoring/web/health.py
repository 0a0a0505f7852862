"""For orchestrators: is the process alive (/healthz), does everything behind it answer (/readyz)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from etlportal.budget import OutOfTime, begin, wait
from monitoring.collector.snapshot import current

PATIENCE = 2.5
"""Seconds that /readyz waits for all parts together; the timeout of an orchestrator is rarely longer."""

_asking: dict[str, Future[Any]] = {}
_migrated = False
_lock = threading.Lock()


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the databases answer, the migrations are applied and the figures are fresh, else 503.

    Everybody is told which part is not ready; only a signed-in user is told why.
    """
    until = time.monotonic() + PATIENCE
    asked = {alias: _ask(alias, partial(_ping, alias)) for alias in ("default", "dw", "oltp")}
    asked["migrations"] = _ask("migrations", _migrations)
    asked["collector"] = _ask("collector", _collector)
    parts = {name: _answer(future, until) for name, future in asked.items()}
    not_ready = [name for name, part in parts.items() if not part["ok"]]
    if not (parts["default"]["ok"] and _signed_in(request, until)):
        parts = {name: {"ok": part["ok"]} for name, part in parts.items()}
    body: dict[str, Any] = {"ready": not not_ready, "not_ready": not_ready, "parts": parts}
    return JsonResponse(body, status=503 if not_ready else 200)


def _signed_in(request: HttpRequest, until: float) -> bool:
    """Return whether the user is signed in. The middleware keeps the lazy user in `request.reader`."""
    if not request.session.session_key:
        return False
    reader = request.reader  # type: ignore[attr-defined]
    name = f"reader {id(request)}"
    try:
        return bool(_answer(_ask(name, lambda: reader.is_authenticated), until).get("value"))
    finally:
        _asking.pop(name, None)


def _ask(name: str, question: Callable[[], Any]) -> Future[Any]:
    """Ask in another thread. While an earlier question of this name still hangs, wait for that one instead."""
    with _lock:
        future = _asking.get(name)
        if future is None or future.done():
            # In a copy of this request's context, so that log lines carry its id.
            future = _asking[name] = begin(partial(copy_context().run, question))
    return future


def _answer(future: Future[Any], until: float) -> dict[str, Any]:
    """Return {"ok", "value" or "error"}: what came back before `until` (in seconds of time.monotonic)."""
    try:
        value = wait(future, until - time.monotonic())
    except OutOfTime:
        return {"ok": False, "error": "no answer in time"}
    except Exception as error:  # the driver's own text may hold addresses, so only the type is shown
        return {"ok": False, "error": type(error).__name__}
    return value if isinstance(value, dict) else {"ok": True, "value": value}


def _ping(alias: str) -> dict[str, Any]:
    begun = time.monotonic()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {"ok": True, "milliseconds": round((time.monotonic() - begun) * 1000, 1)}


def _migrations() -> dict[str, Any]:
    """Whether all migrations are applied. Once they are, the database is not asked again."""
    global _migrated  # noqa: PLW0603 - one per process
    if not _migrated:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if pending:
            return {"ok": False, "error": "migrations are pending", "pending": pending}
        _migrated = True
    return {"ok": True}


def _collector() -> dict[str, Any]:
    state = current()
    if state.age is None:
        return {"ok": False, "error": "nothing was ever sampled"}
    return {"ok": not state.stale, "age_seconds": round(state.age.total_seconds(), 1)}

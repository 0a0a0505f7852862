"""For machines: is the process alive (/healthz), does everything behind it answer (/readyz)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextvars import copy_context
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring.selectors.snapshot import current

PATIENCE = 2.5
"""Seconds that /readyz waits for everything together: an orchestrator's own limit is rarely longer."""

_asking: dict[str, Future[Any]] = {}
_migrated = False
_lock = threading.Lock()


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is alive and answers. Asks nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the databases answer, the tables are this release's and the collector's figures are fresh, else 503.

    Which part is not ready is told to anybody, why only to a signed-in user: addresses, versions and times are
    nobody else's business.
    """
    until = time.monotonic() + PATIENCE
    asked = {alias: _ask(alias, lambda alias=alias: _ping(alias)) for alias in ("default", "dw", "oltp")}
    asked["migrations"] = _ask("migrations", _migrations)
    asked["collector"] = _ask("collector", _collector)
    parts = {name: _answer(future, until) for name, future in asked.items()}
    not_ready = [name for name, part in parts.items() if not part["ok"]]
    if not (parts["default"]["ok"] and _signed_in(request, until)):
        parts = {name: {"ok": part["ok"]} for name, part in parts.items()}
    body: dict[str, Any] = {"ready": not not_ready, "not_ready": not_ready, "parts": parts}
    return JsonResponse(body, status=503 if not_ready else 200)


def _signed_in(request: HttpRequest, until: float) -> bool:
    """Return whether a signed-in user asks (monitoring/middleware.py kept who it is, unasked)."""
    if not request.session.session_key:
        return False
    reader = request.reader  # type: ignore[attr-defined]
    return bool(_answer(_ask(f"reader {id(request)}", lambda: reader.is_authenticated), until).get("value"))


def _ask(name: str, question: Callable[[], Any]) -> Future[Any]:
    """Ask in a thread of its own. While an earlier one still hangs, wait for that: never pile up."""
    with _lock:
        future = _asking.get(name)
        if future is None or future.done():
            future = _asking[name] = Future()
            # In this request's context: what is logged there carries its id.
            arguments = (_run, name, question, future)
            run = copy_context().run
            threading.Thread(target=run, args=arguments, name=f"readyz-{name}", daemon=True).start()
    return future


def _run(name: str, question: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(question())
    except Exception as error:
        future.set_exception(error)
    finally:
        with _lock:
            _asking.pop(name, None)
        connections.close_all()


def _answer(future: Future[Any], until: float) -> dict[str, Any]:
    """Return {"ok", "value" or "error"}: what came back before `until` (a monotonic clock)."""
    try:
        value = future.result(max(0.0, until - time.monotonic()))
    except NotInTime:
        return {"ok": False, "error": "no answer in time"}
    except Exception as error:  # the driver's own text may hold addresses: only its kind is told
        return {"ok": False, "error": type(error).__name__}
    if isinstance(value, dict):
        return value
    return {"ok": True, "value": value}


def _ping(alias: str) -> dict[str, Any]:
    begun = time.monotonic()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {"ok": True, "milliseconds": round((time.monotonic() - begun) * 1000, 1)}


def _migrations() -> dict[str, Any]:
    """Whether the portal's own tables are those of this code. Once they are they stay so: then nothing is asked."""
    global _migrated  # noqa: PLW0603 - the process has one code
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

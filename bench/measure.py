"""Times every page, block, unchanged refresh and admin list over one warehouse. One process, no network.

Run in a process of its own with PORTAL_DATA_DIR set (bench/__main__.py does): prints JSON lines. A
page is asked through Django's test client, so that middleware, session, permissions, templates and
compression are all in it; what is left out is the socket.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import statistics
import sys
from time import perf_counter, process_time
from typing import Any

import django

ROUNDS = 40
ALIASES = ("default", "dw", "oltp")
PIPELINE = "fact_vendas"


def main() -> None:
    """Set the portal up over PORTAL_DATA_DIR, take its samples, measure, print."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "etlportal.settings"
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _collect()
    client, newest = _client(), _newest_run()
    for kind, name, path, headers in _targets(newest):
        print(json.dumps(_measure(client, kind, name, path, headers)), flush=True)


def _collect() -> None:
    """Tick until the copy of the runs reaches as far back as it will."""
    from django.core.management import call_command

    from monitoring.models import CollectorState

    ticks, began, slowest = 0, perf_counter(), 0.0
    while True:
        tick = perf_counter()
        call_command("collect", once=True, verbosity=0)
        ticks, slowest = ticks + 1, max(slowest, perf_counter() - tick)
        if CollectorState.objects.get().copied_all or ticks > 200:
            break
    steady = []
    for _ in range(5):
        tick = perf_counter()
        call_command("collect", once=True, verbosity=0)
        steady.append(perf_counter() - tick)
    print(
        json.dumps(
            {
                "kind": "collector",
                "name": "tick, steady",
                "median_ms": 1000 * statistics.median(steady),
                "p95_ms": 1000 * max(steady),
                "first_copy_s": perf_counter() - began,
                "first_copy_ticks": ticks,
                "slowest_tick_ms": 1000 * slowest,
            }
        ),
        flush=True,
    )


def _client() -> Any:
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench", defaults={"is_superuser": True, "is_staff": True})
    client = Client(SERVER_NAME="localhost", headers={"accept-encoding": "gzip"})
    client.force_login(user, backend="monitoring.accounts.UserBackend")
    return client


def _newest_run() -> int:
    from monitoring.models import RunCopy

    return RunCopy.objects.order_by("-pk").values_list("pk", flat=True)[0]


def _targets(run_id: int) -> list[tuple[str, str, str, dict[str, str]]]:
    from django.urls import reverse

    from monitoring.views import connections, pipelines, preflight, runs, summary

    args = {"pipeline": {"entity": PIPELINE}, "run": {"run_id": run_id}}
    pages = [
        ("summary", summary.BLOCKS),
        ("pipelines", ()),
        ("pipeline", pipelines.BLOCKS),
        ("runs", runs.BLOCKS),
        ("run", runs.RUN_BLOCKS),
        ("connections", connections.BLOCKS),
    ]
    found = []
    for name, _ in pages:
        found.append(("page", name, reverse(f"monitoring:{name}", kwargs=args.get(name)), {}))
    for name, _ in pages:
        path = reverse(f"monitoring:{name}", kwargs=args.get(name))
        found.append(("unchanged refresh", name, path, {"X-Live": "?"}))
    for block in preflight.OPENING:
        found.append(("block", block.name, reverse(f"monitoring:{block.name}"), {}))
    for name, blocks in pages:
        for block in blocks:
            found.append(("block", block.name, reverse(f"monitoring:{block.name}", kwargs=args.get(name)), {}))
    for model in ("etlcontrol", "etlrun", "etlrunentity", "connectionloginevent"):
        found.append(("admin list", model, reverse(f"admin:monitoring_{model}_changelist"), {}))
    found.append(("admin row", "etlrun", reverse("admin:monitoring_etlrun_change", args=(run_id,)), {}))
    return found


def _measure(client: Any, kind: str, name: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    if headers:
        headers = _known(client, path)
    response = client.get(path, headers=headers)  # warm: templates compiled, caches as they usually are
    statements = _statements(client, path, headers)
    wall, cpu = [], []
    gc.collect()
    for _ in range(ROUNDS):
        began, used = perf_counter(), process_time()
        client.get(path, headers=headers)
        wall.append(1000 * (perf_counter() - began))
        cpu.append(1000 * (process_time() - used))
    body = gzip.decompress(response.content) if response.get("Content-Encoding") == "gzip" else response.content
    return {
        "kind": kind,
        "name": name,
        "status": response.status_code,
        "statements": statements,
        "median_ms": statistics.median(wall),
        "p95_ms": statistics.quantiles(wall, n=20)[18],
        "cpu_ms": statistics.median(cpu),
        "bytes": len(body),
        "compressed": len(response.content),
    }


def _known(client: Any, path: str) -> dict[str, str]:
    """What live.js would send on its next refresh: the page's version and its blocks' etags."""
    import re

    html = gzip.decompress(client.get(path).content).decode()
    etags = ",".join(f"{name}={etag}" for name, etag in re.findall(r'name="([\w-]+)" etag="(\w+)"', html))
    version = client.get(path, headers={"X-Live": "?", "X-Live-Etags": etags})["X-Live"]
    return {"X-Live": version, "X-Live-Etags": etags}


def _statements(client: Any, path: str, headers: dict[str, str]) -> dict[str, int]:
    from contextlib import ExitStack

    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    with ExitStack() as stack:
        seen = {alias: stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ALIASES}
        client.get(path, headers=headers)
    return {alias: len(captured) for alias, captured in seen.items()}


if __name__ == "__main__":
    sys.exit(main())

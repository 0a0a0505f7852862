"""Locust's viewers: each is one signed-in browser that refreshes its page as static/js/live.js does (bench/load.py).

Five seconds after an answer it asks again, with the version of the last answer that brought one. Runs in Locust's
environment, so it imports nothing of the portal. Reads VIEWERS (one line per viewer: address, cookie, version,
separated by tabs), writes RESULT as JSON. Times are in milliseconds. Those of the first WARM_SECONDS do not count,
because 1,000 viewers then come within five seconds to cold processes. Errors count from the beginning.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter, defaultdict
from itertools import cycle
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task

SECONDS = 5
WARM_SECONDS = 30
LINES = cycle(Path(os.environ["VIEWERS"]).read_text(encoding="utf-8").splitlines())

began = time.monotonic()
times: list[float] = []
minutes: defaultdict[int, list[float]] = defaultdict(list)
answers: Counter[str] = Counter()


class Viewer(FastHttpUser):
    wait_time = constant(SECONDS)
    network_timeout = connection_timeout = 10.0

    def on_start(self) -> None:
        self.path, self.cookie, self.version = next(LINES).split("\t")
        gevent.sleep(random.uniform(0, SECONDS))  # viewers do not begin together

    @task
    def refresh(self) -> None:
        headers = {
            "Host": "localhost",
            "Cookie": self.cookie,
            "HX-Request": "true",
            "X-Live": self.version,
            "Accept-Encoding": "gzip",
        }
        with self.client.get(
            self.path, name="refresh", headers=headers, allow_redirects=False, catch_response=True
        ) as answer:
            version = answer.headers.get("X-Live") if answer.headers else None
            if answer.status_code == 200 and version:
                self.version = version
            elif answer.status_code != 204:
                answer.failure(f"{answer.status_code}")


@events.request.add_listener
def keep(response_time: float, exception: Any, response: Any, **_: Any) -> None:
    passed = time.monotonic() - began
    minutes[int(passed // 60)].append(response_time)
    if passed > WARM_SECONDS:
        times.append(response_time)
    status = str(getattr(response, "status_code", 0) or type(exception).__name__)
    answers[status if exception is None else f"error {status}"] += 1


def percentile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


@events.quitting.add_listener
def write(**_: Any) -> None:
    ordered = sorted(times)
    found = {
        "requests": sum(answers.values()),
        "answers": dict(answers),
        "errors": sum(count for name, count in answers.items() if name.startswith("error")),
        "p50_ms": percentile(ordered, 0.5),
        "p95_ms": percentile(ordered, 0.95),
        "p99_ms": percentile(ordered, 0.99),
        "max_ms": round(ordered[-1], 1),
        "by_minute": [[len(each), percentile(sorted(each), 0.99)] for _, each in sorted(minutes.items())],
    }
    Path(os.environ["RESULT"]).write_text(json.dumps(found), encoding="utf-8")

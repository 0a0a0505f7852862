"""gunicorn's settings in the image: `gunicorn --config python:etlportal.gunicorn_settings etlportal.wsgi`.

The environment changes them (WEB_CONCURRENCY, WEB_THREADS, PORT), and so does GUNICORN_CMD_ARGS. gunicorn's
FORWARDED_ALLOW_IPS decides whose X-Forwarded-For is trusted. PORTAL_BEHIND_PROXY (settings.py) trusts
X-Forwarded-Proto, so the proxy must set that header itself and not pass on the client's.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from etlportal.logs import gunicorn_config

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"

# Two processes, so that one may hang or die. Threads serve other requests while one waits for the warehouse.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))

# The heartbeat is a file that is touched every second. If the disk stalls, healthy workers are killed.
_MEMORY = "/dev/shm"  # noqa: S108 # nosec B108 - the heartbeat has no content
worker_tmp_dir = _MEMORY if os.access(_MEMORY, os.W_OK) else None

# Shorter than the grace periods of Docker and Kubernetes (10 s, 30 s).
graceful_timeout = 8
timeout = 60

# To stdout. Without query, referrer and cookie: filters may contain personal data.
accesslog = "-"
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms'

# With LOG_FORMAT=json gunicorn's lines are JSON, too.
if os.environ.get("LOG_FORMAT", "").lower() == "json":
    logconfig_dict = gunicorn_config()

# Not used, and its socket needs a writable home directory.
control_socket_disable = True

# Workers keep their counts in files in this folder, and /metrics adds them up. It must be set, and empty, before the
# first worker starts: after a restart counters begin at 0, as Prometheus expects. (So --preload cannot be used.)
_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_made: list[str] = []


def on_starting(server: Any) -> None:
    if folder := os.environ.get(_SHARED):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for file in Path(folder).glob("*.db"):
            file.unlink(missing_ok=True)
    else:
        os.environ[_SHARED] = tempfile.mkdtemp(prefix="etlportal-metrics-")
        _made.append(os.environ[_SHARED])


def child_exit(server: Any, worker: Any) -> None:
    """Drop the gauges of an ended worker. Its counters stay."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)

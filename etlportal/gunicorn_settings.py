"""gunicorn's settings in the image: `gunicorn --config python:etlportal.gunicorn_settings etlportal.wsgi`.

The environment changes them (WEB_CONCURRENCY, WEB_THREADS, PORT), and so does GUNICORN_CMD_ARGS. By whom
X-Forwarded-For is believed is gunicorn's own FORWARDED_ALLOW_IPS; for X-Forwarded-Proto it is
PORTAL_BEHIND_PROXY (settings.py), so a proxy must set that header itself and not pass on the visitor's.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from etlportal.logs import gunicorn_config

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"

# Pages read the portal's own tables and wait little: two processes outlive one that hangs or dies, threads
# serve everybody else while one request waits for the warehouse.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))

# The heartbeat is a file that is touched every second: on a disk that stalls, healthy workers would be killed.
_MEMORY = "/dev/shm"  # noqa: S108 # nosec B108 - the heartbeat has no content
worker_tmp_dir = _MEMORY if os.access(_MEMORY, os.W_OK) else None

# Shorter than what Docker and Kubernetes wait before they kill (10 s, 30 s).
graceful_timeout = 8
timeout = 60

# Where an orchestrator looks for it. No referrer, no cookie: addresses of pages hold what people filter by.
accesslog = "-"
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms'

# With LOG_FORMAT=json every line is an object, gunicorn's own too.
if os.environ.get("LOG_FORMAT", "").lower() == "json":
    logconfig_dict = gunicorn_config()

# Nobody speaks to a running server here, and its socket would want a writable home.
control_socket_disable = True

# /metrics adds up what all workers counted: each keeps its counts in files here. Set before the first worker is
# made, and empty then: who restarts begins at 0, as Prometheus expects. (Not with --preload: that loads it earlier.)
_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_made: list[str] = []


def on_starting(server: Any) -> None:
    """Make the folder, or empty the one that the environment names."""
    if folder := os.environ.get(_SHARED):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for file in Path(folder).glob("*.db"):
            file.unlink(missing_ok=True)
    else:
        os.environ[_SHARED] = tempfile.mkdtemp(prefix="etlportal-metrics-")
        _made.append(os.environ[_SHARED])


def child_exit(server: Any, worker: Any) -> None:
    """What a worker that ended says of its present state counts no longer; what it counted does."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    """Leave no folder behind."""
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)

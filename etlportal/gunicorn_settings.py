"""gunicorn's settings in the image: `gunicorn --config python:etlportal.gunicorn_settings etlportal.wsgi`.

The environment changes them (WEB_CONCURRENCY, WEB_THREADS, PORT), and so does GUNICORN_CMD_ARGS. By whom
X-Forwarded-For is believed is gunicorn's own FORWARDED_ALLOW_IPS; for X-Forwarded-Proto it is
PORTAL_BEHIND_PROXY (settings.py), so a proxy must set that header itself and not pass on the visitor's.
"""

from __future__ import annotations

import os

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

# Nobody speaks to a running server here, and its socket would want a writable home.
control_socket_disable = True

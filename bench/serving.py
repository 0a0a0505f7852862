"""Start the portal as the image does, for the load and for Lighthouse."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.demo import ROOT

START_SECONDS = 60


def started(stack: ExitStack, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that ends with `stack`."""
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        process.wait(timeout=30)

    stack.callback(stop)
    return process


def web(stack: ExitStack, port: int, env: dict[str, str], *more: str) -> subprocess.Popen[bytes]:
    """Start gunicorn with the image's settings; return it once it answers. Raises SystemExit if it does not."""
    command = [sys.executable, "-m", "gunicorn", "--config", "python:etlportal.gunicorn_settings", "etlportal.wsgi"]
    command += ["--bind", f"127.0.0.1:{port}", "--access-logfile", os.devnull, *more]
    process = started(stack, command, env)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return process
        except (URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"gunicorn does not answer after {START_SECONDS} s")

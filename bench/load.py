"""1,000 viewers refreshing every 5 s: wrk against gunicorn with the image's settings, and a collector beside it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.asking import Asked

SECONDS = 5
START_SECONDS = 60
TICKED_SECONDS = 20
"""After which a collector has taken its first sample."""
MANAGE = Path(__file__).resolve().parents[1] / "manage.py"
LUA = Path(__file__).with_name("viewers.lua")


def load(folder: Path, minutes: float, viewers: int) -> dict[str, Any]:
    """Run the load over the warehouse in `folder`; return latencies, errors and what the processes hold in memory."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is needed: apt-get install wrk")
    path = folder / "viewers.txt"
    port = _free_port()
    env = {**os.environ, "PORTAL_DATA_DIR": str(folder), "LOG_LEVEL": "ERROR", "WEB_CONCURRENCY": "2"}
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "python:etlportal.gunicorn_settings"]
    # A browser keeps its connection between two refreshes; behind a proxy the proxy does.
    gunicorn += ["--bind", f"127.0.0.1:{port}", "--keep-alive", "75", "--access-logfile", os.devnull, "etlportal.wsgi"]
    with ExitStack() as stack:
        worker = stack.enter_context(Asked(folder))
        worker.ask("prepare")
        # What the viewers have is of a time when somebody collects, too: pages say so.
        collector = _started(stack, [sys.executable, str(MANAGE), "collect"], env)
        time.sleep(TICKED_SECONDS)
        path.write_text("\n".join(worker.ask("sessions", viewers)["viewers"]) + "\n", encoding="utf-8")
        web = _started(stack, gunicorn, env)
        _answers(port)
        memory = [_memory(web.pid, collector.pid)]
        command = [wrk, "-t2", f"-c{viewers}", f"-d{round(60 * minutes)}s", "--timeout", "10s", "-s", str(LUA)]
        command += [f"http://127.0.0.1:{port}", "--", str(path), "2", str(SECONDS)]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        began = time.monotonic()
        while running.poll() is None:
            time.sleep(5)
            if time.monotonic() - began > 0.25 * 60 * minutes * len(memory):
                memory.append(_memory(web.pid, collector.pid))
        output, _ = running.communicate()
        memory.append(_memory(web.pid, collector.pid))
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return {**found, "minutes": minutes, "viewers": viewers, "memory_mb": memory}


def _started(stack: ExitStack, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        process.wait(timeout=30)

    stack.callback(stop)
    return process


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _memory(web: int, collector: int) -> dict[str, float]:
    """MB held by the largest web worker and by the collector: resident, what they share with others included."""
    children = Path(f"/proc/{web}/task/{web}/children").read_text(encoding="ascii").split()
    return {"worker": max((_resident(int(pid)) for pid in children), default=0.0), "collector": _resident(collector)}


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))

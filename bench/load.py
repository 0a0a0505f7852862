"""Viewers who refresh every 5 s: Locust against gunicorn with the image's settings, with a collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.asking import Asked
from bench.processor import loop_ms
from bench.serving import started, web
from bench.worker import move
from tests.support.demo import ROOT, free_port

LOOKS = 12
"""How often the processes' memory is measured during the load."""
TICKED_SECONDS = 20
"""By then a collector has stored its first sample."""
MANAGE = ROOT / "manage.py"
HERE = Path(__file__).parent
VIEWERS_A_SECOND = 200
"""Locust's spawn rate: 1,000 viewers within 5 s."""


def load(folder: Path, minutes: float, viewers: int, moves: float = 0.0) -> dict[str, Any]:
    """Run the load on the warehouse in `folder`; return latencies, errors and the memory of the processes.

    `moves` is the number of seconds between two moves of a pipeline's watermark; 0: no row changes.
    """
    locust = _locust()
    path, result = folder / "viewers.txt", folder / "load.json"
    port = free_port()
    env = {**os.environ, "PORTAL_DATA_DIR": str(folder), "LOG_LEVEL": "ERROR", "WEB_CONCURRENCY": "2"}
    env["MALLOC_ARENA_MAX"] = "2"  # as the image has it
    with ExitStack() as stack:
        worker = stack.enter_context(Asked(folder))
        worker.ask("prepare")
        # The viewers' pages must be of a time with a collector, because pages show whether one runs.
        collector = started(stack, [sys.executable, str(MANAGE), "collect"], env)
        time.sleep(TICKED_SECONDS)
        path.write_text("\n".join(worker.ask("sessions", viewers)["viewers"]) + "\n", encoding="utf-8")
        # A browser keeps its connection between two refreshes; behind a proxy the proxy does.
        gunicorn = web(stack, port, env, "--keep-alive", "75")
        memory = [_memory(gunicorn.pid, collector.pid)]
        used = _used(gunicorn.pid, collector.pid)
        seconds = round(60 * minutes)
        command = [str(locust), "--headless", "--only-summary", "--locustfile", str(HERE / "viewers.py")]
        command += ["--users", str(viewers), "--spawn-rate", str(VIEWERS_A_SECOND), "--run-time", f"{seconds}s"]
        command += ["--host", f"http://127.0.0.1:{port}"]
        running = subprocess.Popen(
            command, env={**os.environ, "VIEWERS": str(path), "RESULT": str(result)}, stdout=subprocess.DEVNULL
        )
        began, loops, moved = time.monotonic(), [], 0
        while running.poll() is None:
            time.sleep(1)
            loops.append(loop_ms())
            if moves and time.monotonic() - began > moves * (moved + 1):
                move(folder, "+1 minute" if moved % 2 else "-1 minute")
                moved += 1
            if time.monotonic() - began > 60 * minutes / LOOKS * len(memory):
                memory.append(_memory(gunicorn.pid, collector.pid))
        memory.append(_memory(gunicorn.pid, collector.pid))
        cpu = {name: seconds - used[name] for name, seconds in _used(gunicorn.pid, collector.pid).items()}
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    told = {"seconds": seconds, "minutes": minutes, "viewers": viewers, "memory_mb": memory, "cpu_seconds": cpu}
    return {**found, **told, "moves": moves, "loop": loops}


def _locust() -> Path:
    """Return Locust's command, installed in an environment of its own the first time."""
    folder = ROOT / "var" / "bench" / "locust"
    command = folder / "bin" / "locust"
    if not command.exists():
        venv.create(folder, with_pip=True)
        install = [str(folder / "bin" / "pip"), "install", "--quiet", "--requirement", str(HERE / "requirements.txt")]
        subprocess.run(install, check=True)
    return command


def _memory(web: int, collector: int) -> dict[str, float]:
    """Return the resident memory in MB of the largest web worker and of the collector, shared memory included."""
    return {"worker": max(map(_resident, _workers(web)), default=0.0), "collector": _resident(collector)}


def _used(web: int, collector: int) -> dict[str, float]:
    """Return the processor seconds that all web workers, and the collector, have used so far."""
    return {"web": sum(map(_processor, _workers(web))), "collector": _processor(collector)}


def _workers(web: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{web}/task/{web}/children").read_text(encoding="ascii").split()]


def _processor(pid: int) -> float:
    # User and system time, the 14th and 15th: counted behind the name, which may hold blanks (proc(5)).
    counts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(counts[11]) + int(counts[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))

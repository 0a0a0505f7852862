"""A worker (bench/worker.py) in a process of its own: one JSON line per question and answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Asked:
    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "PORTAL_DATA_DIR": str(folder), "LOG_LEVEL": "ERROR", "SAMPLE_ON_DEMAND": "no"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, name: str, *arguments: object) -> Any:
        """Return the worker's answer. Raises RuntimeError when it died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker died at {name}: python -m bench.worker says why")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.communicate()

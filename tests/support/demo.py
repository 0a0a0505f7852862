"""`manage.py demo` in a process of its own, for browser tests and screenshots."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
KEPT = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "TZ", "SYSTEMROOT"})
READY_SECONDS = 120


class Demo:
    """A running demonstration: `url`, `log`, `ready_seconds`, and `stop`.

    Raises RuntimeError with the end of its log when it does not answer in time.
    """

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "demo.log"
        # Without the tests' settings and this machine's environment.
        environment = {name: value for name, value in os.environ.items() if name in KEPT}
        environment |= {"PORTAL_DATA_DIR": str(folder / "data"), "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        environment |= more
        started = time.monotonic()
        self._output = self.log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait()
        self.ready_seconds = time.monotonic() - started

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if answers(self.url):
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the demo did not start:\n{self.last_words()}")

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> int:
        """Send SIGINT and return the exit code. After 20 s kill the process group (code -9)."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(timeout=5)
        finally:
            self._output.close()


def answers(url: str) -> bool:
    """Return whether a portal is there."""
    try:
        with urlopen(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

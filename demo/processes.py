from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 - starts our own commands
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from django.core.management.base import CommandError

STOP_SECONDS = 10.0
SHORT_LIFE_SECONDS = 20.0
MOST_SHORT_LIVES = 4
WINDOWS = sys.platform == "win32"


class KeepsEnding(CommandError):
    """A process ended repeatedly soon after its start."""


@dataclass(slots=True)
class Process:
    """`short_lives`: consecutive times that the process ended soon after its start."""

    name: str
    command: list[str]
    running: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    short_lives: int = 0
    start_at: float = 0.0


class Processes:
    """Runs `commands` (name to argument list) in `folder`. `say` receives a message when one ends."""

    def __init__(self, commands: Mapping[str, list[str]], folder: Path, say: Callable[[str], object]) -> None:
        self.processes = [Process(name, command) for name, command in commands.items()]
        self._folder = folder
        self._say = say

    def watch(self, stopped: threading.Event) -> None:
        while not stopped.wait(0.3):
            self.check()

    def check(self) -> None:
        for process in self.processes:
            if process.running is None:
                if monotonic() >= process.start_at:
                    self._start(process)
            elif (code := process.running.poll()) is not None:
                self._ended(process, code)

    def stop(self) -> None:
        alive = [process.running for process in self.processes if process.running and process.running.poll() is None]
        for running in alive:
            running.send_signal(getattr(signal, "CTRL_BREAK_EVENT" if WINDOWS else "SIGTERM"))
        deadline = monotonic() + STOP_SECONDS
        for running in alive:
            try:
                running.wait(max(0.1, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()

    def _start(self, process: Process) -> None:
        process.running = subprocess.Popen(  # noqa: S603 # nosec B603 - our own commands
            process.command,
            cwd=self._folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            # In a group of its own: Ctrl-C in the terminal reaches only the parent, which stops the others.
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            start_new_session=not WINDOWS,
        )
        process.started = monotonic()

    def _ended(self, process: Process, code: int) -> None:
        process.running = None
        short = monotonic() - process.started < SHORT_LIFE_SECONDS
        process.short_lives = process.short_lives + 1 if short else 0
        if process.short_lives >= MOST_SHORT_LIVES:
            raise KeepsEnding(
                f"{process.name} ended {process.short_lives} times in a row (last with code {code}). "
                "Its output is above; everything was stopped."
            )
        wait = 2.0**process.short_lives - 1
        self._say(f"{process.name} ended with code {code}; it starts again" + (f" in {wait:g} s." if wait else "."))
        process.start_at = monotonic() + wait


@contextmanager
def on_stop(call: Callable[[], object]) -> Iterator[None]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows has SIGBREAK instead of SIGHUP
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: call()) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

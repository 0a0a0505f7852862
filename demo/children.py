"""The demonstration's processes: started together, watched, stopped together."""

from __future__ import annotations

import os
import signal
import subprocess  # nosec B404 - to start our own commands
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

STOP_SECONDS = 10.0
"""How long a child may take to finish what it is doing before it is killed."""
SHORT_LIFE_SECONDS = 20.0
MOST_SHORT_LIVES = 4
WINDOWS = sys.platform == "win32"


class ChildKeepsDying(Exception):
    """A child ended again and again, soon after each start."""


@dataclass(slots=True)
class Child:
    """One process. `short_lives` counts how often in a row it ended soon after its start."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    short_lives: int = 0
    restart_at: float = 0.0


@dataclass(slots=True)
class Children:
    """Starts `commands` (name to argument list) in `folder`; `say` gets a sentence when one dies."""

    commands: Mapping[str, list[str]]
    folder: Path
    environment: Mapping[str, str]
    say: Callable[[str], object]
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start all of them."""
        self._children = [Child(name, command) for name, command in self.commands.items()]
        for child in self._children:
            self._start(child)

    def watch(self, stopped: threading.Event) -> None:
        """Restart whoever dies, until `stopped`. Raises ChildKeepsDying."""
        while not stopped.wait(0.3):
            self.check()

    def check(self) -> None:
        """Look once after each child: report and restart the dead, later and later. Raises ChildKeepsDying."""
        for child in self._children:
            if child.process is None:
                if monotonic() >= child.restart_at:
                    self._start(child)
            elif (code := child.process.poll()) is not None:
                self._bury(child, code)

    def stop(self) -> None:
        """Ask all of them to end, wait, and kill whoever does not."""
        alive = [child.process for child in self._children if child.process and child.process.poll() is None]
        for process in alive:
            process.send_signal(signal.CTRL_BREAK_EVENT if WINDOWS else signal.SIGTERM)  # type: ignore[attr-defined]
        deadline = monotonic() + STOP_SECONDS
        for process in alive:
            try:
                process.wait(max(0.1, deadline - monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, child: Child) -> None:
        # A group of its own: Ctrl-C in the terminal reaches the parent only, which ends them in order.
        own_group: dict[str, object] = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
            if WINDOWS
            else {"start_new_session": True}
        )
        child.process = subprocess.Popen(  # type: ignore[call-overload] # noqa: S603 # nosec B603 - our own commands
            child.command,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            **own_group,
        )
        child.started = monotonic()

    def _bury(self, child: Child, code: int) -> None:
        child.process = None
        lived = monotonic() - child.started
        child.short_lives = child.short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        if child.short_lives >= MOST_SHORT_LIVES:
            raise ChildKeepsDying(f"{child.name} ended {child.short_lives} times in a row (last with code {code}).")
        wait = 2.0**child.short_lives - 1
        self.say(f"{child.name} ended with code {code}; it starts again" + (f" in {wait:g} s." if wait else "."))
        child.restart_at = monotonic() + wait

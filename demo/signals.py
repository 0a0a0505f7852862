"""Stopping in order: Ctrl-C, SIGTERM and the closing of the terminal all mean the same."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those that this system has: Windows knows SIGBREAK instead of SIGHUP."""


@contextmanager
def on_stop(call: Callable[[], object]) -> Iterator[None]:
    """Call `call` when the process is asked to stop, as long as the block runs. Main thread only."""
    signals = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: call()) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

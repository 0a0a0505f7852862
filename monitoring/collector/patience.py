"""To ask something that may never answer, and to go on without it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import connections

Answer = TypeVar("Answer")


class Asked(Generic[Answer]):
    """A question in a thread of its own, with connections of its own, that nobody has to wait for.

    The thread is a daemon: one that never ends does not keep the process.
    """

    def __init__(self, question: Callable[[], Answer]) -> None:
        self._question = question
        self._answers: list[Answer] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._answers.append(self._question())
        except BaseException as error:  # handed to whoever waits
            self._errors.append(error)
        finally:
            connections.close_all()

    def answer(self, seconds: float) -> Answer:
        """Return the answer, or raise what the question raised; TimeoutError after `seconds` without either."""
        self._thread.join(max(0.0, seconds))
        if self._errors:
            raise self._errors[0]
        if not self._answers:
            raise TimeoutError(f"no answer within {seconds:.0f} s")
        return self._answers[0]

"""Count the statements of a piece of code per database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import connections
from django.test.utils import CaptureQueriesContext

FRAME = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SAVE TRANSACTION")


class Statements:
    """The statements per alias, without BEGIN, COMMIT and savepoints."""

    def __init__(self, captures: dict[str, CaptureQueriesContext]) -> None:
        self._captures = captures

    def of(self, alias: str) -> list[str]:
        return [
            query["sql"]
            for query in self._captures[alias].captured_queries
            if not query["sql"].lstrip().upper().startswith(FRAME)
        ]

    def counts(self) -> dict[str, int]:
        return {alias: len(self.of(alias)) for alias in self._captures}


@contextmanager
def counted() -> Iterator[Statements]:
    """Count the statements of each alias: `with counted() as seen: ...; seen.counts()["dw"]`."""
    with ExitStack() as stack:
        captures = {alias: stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in connections}
        yield Statements(captures)


@contextmanager
def queries(**expected: int | range) -> Iterator[Statements]:
    """Assert the number of statements per alias: `with queries(dw=1, oltp=0, default=range(0, 8)):`.

    An alias that is not named is not judged. The failure lists the statements.
    """
    with counted() as seen:
        yield seen
    for alias, number in expected.items():
        statements = seen.of(alias)
        allowed = number if isinstance(number, range) else range(number, number + 1)
        listing = "\n  ".join(statements)
        assert len(statements) in allowed, f"{alias}: {len(statements)} statements, expected {number}:\n  {listing}"

"""What the reader of this request may see: which pipelines, and whether personal data.

Models, snapshot and caches ask here by themselves (docs/adr/0016): a page cannot forget to. Outside of
a request (collector, commands) everything is seen.
"""

from __future__ import annotations

import contextvars
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sight:
    """`pipelines` None: all of them. `personal` False: login names, hosts and addresses are masked."""

    pipelines: frozenset[str] | None = None
    personal: bool = True

    @property
    def whole(self) -> bool:
        """Whether nothing is held back."""
        return self.pipelines is None and self.personal

    @property
    def stamp(self) -> str:
        """A short text that tells two sights apart, for the keys of what is kept; empty for the whole."""
        if self.whole:
            return ""
        names = "" if self.pipelines is None else "\n".join(["of", *sorted(self.pipelines)])
        return hashlib.blake2b(f"{self.personal}\n{names}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


EVERYTHING = Sight()

_sight: ContextVar[Sight] = ContextVar("sight", default=EVERYTHING)


def sight() -> Sight:
    """Return what may be seen here and now."""
    return _sight.get()


def pipelines() -> frozenset[str] | None:
    """Return the pipelines that may be seen, None for all of them."""
    return _sight.get().pipelines


def within(name: str) -> bool:
    """Return whether the pipeline of that name may be seen."""
    names = pipelines()
    return names is None or name in names


@contextmanager
def seeing(what: Sight) -> Iterator[None]:
    """Show only that inside this block."""
    token = _sight.set(what)
    try:
        yield
    finally:
        _sight.reset(token)


@contextmanager
def unscoped() -> Iterator[None]:
    """Show everything inside this block: for the portal's own work, whose result is not shown as it is."""
    with seeing(EVERYTHING):
        yield


def carried(chunks: Iterable[T]) -> Iterator[T]:
    """Return what is made later as if it were made now: an answer that streams is read after its request.

    Language, time zone and sight are those of this moment.
    """
    context = contextvars.copy_context()
    pieces, end = iter(chunks), object()

    def made() -> Iterator[T]:
        while (piece := context.run(next, pieces, end)) is not end:
            yield piece  # type: ignore[misc]

    return made()

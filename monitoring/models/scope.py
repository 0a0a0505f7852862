"""The reader's scope for the current request. Managers, snapshot and caches apply it (docs/adr/0016)."""

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
class ReaderScope:
    """`pipelines` None: all of them. `logins` False: login names, hosts and addresses are masked."""

    pipelines: frozenset[str] | None = None
    logins: bool = True

    @property
    def unlimited(self) -> bool:
        return self.pipelines is None and self.logins

    @property
    def stamp(self) -> str:
        """Return a short cache-key part that identifies the scope; empty for the unlimited one."""
        if self.unlimited:
            return ""
        names = "" if self.pipelines is None else "\n".join(["of", *sorted(self.pipelines)])
        return hashlib.blake2b(f"{self.logins}\n{names}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


UNLIMITED = ReaderScope()

_scope: ContextVar[ReaderScope] = ContextVar("reader_scope", default=UNLIMITED)


def reader_scope() -> ReaderScope:
    return _scope.get()


def pipelines() -> frozenset[str] | None:
    return _scope.get().pipelines


def within(name: str) -> bool:
    names = pipelines()
    return names is None or name in names


@contextmanager
def limited_to(scope: ReaderScope) -> Iterator[None]:
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def in_this_scope(chunks: Iterable[T]) -> Iterator[T]:
    """Yield the chunks, each produced with the scope, language and time zone of this call.

    A streamed response is read after its request has ended.
    """
    context, pieces, end = contextvars.copy_context(), iter(chunks), object()
    return iter(lambda: context.run(next, pieces, end), end)  # type: ignore[return-value, arg-type]

"""A file on its way to the reader: written down in the trail whatever becomes of it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain, islice

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.text import slugify

from monitoring.enums import TrailOutcome
from monitoring.files.sheet import MEDIA_TYPES, PIECES, Sheet
from monitoring.files.slots import slot
from monitoring.trail import note_export

AT_ONCE_ROWS = 1_000
"""A file of fewer rows is made at once and has a length; a longer one is sent while it is read."""


class Outgoing:
    """The file's pieces. Their reader may go away at any of them: `ended` is called once, with whether they all went.

    They are made after the request is over, but in its language, time zone and everything else that
    was said for it.
    """

    def __init__(self, pieces: Iterator[bytes], ended: Callable[[bool], None]) -> None:
        self._pieces, self._ended = pieces, ended
        self._context = contextvars.copy_context()
        self._over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return self._context.run(next, self._pieces)
        except StopIteration:
            self._end(whole=True)
            raise

    def close(self) -> None:
        self._end(whole=False)

    def _end(self, *, whole: bool) -> None:
        if not self._over:
            self._over = True
            self._context.run(self._ended, whole)


def send(
    request: HttpRequest, sheet: Sheet, *, name: str, kind: str, at: datetime | None = None
) -> HttpResponse | StreamingHttpResponse:
    """Return the sheet as an attachment called after `name` and the time `at`; the trail says who took it.

    `kind` is one of MEDIA_TYPES. Raises Busy, and what reading the first rows raises.
    """
    held = slot(request)

    def ended(whole: bool) -> None:
        held.release()
        if whole and sheet.broken is None:
            note_export(request, name, kind, sheet.written)
        else:
            why = "the reader went away" if sheet.broken is None else "the database gave no answer"
            note_export(request, name, kind, sheet.written, outcome=TrailOutcome.FAILED, ended=why)

    try:
        rows = iter(sheet.rows)
        first = list(islice(rows, AT_ONCE_ROWS))
        sheet.rows = chain(first, rows)
        outgoing = Outgoing(PIECES[kind](sheet), ended)
        if len(first) < AT_ONCE_ROWS:
            return _attached(HttpResponse(b"".join(outgoing)), name, kind, at)
        return _attached(StreamingHttpResponse(outgoing), name, kind, at)
    except BaseException:
        held.release()
        raise


def _attached(response: HttpResponseBase, name: str, kind: str, at: datetime | None) -> HttpResponseBase:
    response["Content-Type"] = MEDIA_TYPES[kind]
    stamp = f"-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" if at else ""
    response["Content-Disposition"] = f'attachment; filename="{slugify(name)}{stamp}.{kind}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response

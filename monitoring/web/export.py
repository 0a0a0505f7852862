"""Downloads: a table's filtered rows with all columns, streamed and recorded in the activity log.

Making a file takes seconds of processor time, so each user has one slot and all users together AT_ONCE, whichever
process makes the files.
"""

from __future__ import annotations

import contextvars
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.views import View

from etlportal.budget import budget
from monitoring.collector.snapshot import Current, current
from monitoring.rules.enums import TrailOutcome
from monitoring.web import sheets
from monitoring.web.activity import note_export
from monitoring.web.problems import ProblemWords
from monitoring.web.sheets import MEDIA_TYPES, Sheet
from monitoring.web.tables import PortalTable

FORMATS = ("csv", "xlsx")
SECONDS = 30.0
"""How long the warehouse may take for a file. No page waits for it."""
ROWS_TO_READ = sheets.MAX_ROWS + 1
"""One row more than a file may have, so that the file says that it was cut."""
AT_ONCE = 2  # files, of all users together
SLOT_SECONDS = 300
"""When a slot is free again if its process ended without releasing it."""
AT_ONCE_ROWS = 1_000
"""A file of fewer rows is sent whole and has a length; a longer one is streamed."""

Listing = Callable[[HttpRequest, Current], tuple[Any, ...]]  # the form, the table


class Busy(Exception):
    """No slot is free. `own`: because another file of the same user is being made."""

    def __init__(self, *, own: bool) -> None:
        super().__init__("another file of this user" if own else "files of other users")
        self.own = own


class Slot:
    """The right to make a file. Creating one raises Busy if none is free."""

    def __init__(self, user_id: Any) -> None:
        self._token, own = secrets.token_hex(8), f"export:of:{user_id}"
        if not cache.add(own, self._token, SLOT_SECONDS):
            raise Busy(own=True)
        places = (f"export:place:{number}" for number in range(AT_ONCE))
        place = next((place for place in places if cache.add(place, self._token, SLOT_SECONDS)), None)
        if place is None:
            cache.delete(own)
            raise Busy(own=False)
        self._keys = [own, place]

    def release(self) -> None:
        """Free the slot, unless it has expired and belongs to another file."""
        keys, self._keys = self._keys, []
        cache.delete_many([key for key in keys if cache.get(key) == self._token])


def _download(request: HttpRequest, sheet: Sheet, kind: str, slot: Slot) -> Iterator[bytes]:
    """Yield the pieces of a file, made after the request but in its context (language, time zone).

    The end of the file or of the connection is recorded, and frees the slot.
    """
    context, pieces = contextvars.copy_context(), sheets.PIECES[kind](sheet)
    failure = "the reader went away"
    try:
        yield b""  # `send` starts the generator, so that closing it before the first piece also frees the slot
        while (piece := context.run(next, pieces, None)) is not None:
            yield piece
        failure = ""
    finally:
        slot.release()
        if sheet.broken is not None:
            failure = "the database gave no answer"
        ended = {"outcome": TrailOutcome.FAILED, "ended": failure} if failure else {}
        context.run(note_export, request, sheet.title, kind, sheet.written, **ended)


def send(request: HttpRequest, make: Callable[[], Sheet], kind: str) -> HttpResponseBase:
    """Return the sheet as an attachment. Raises Busy before `make` is called, and whatever `make` raises."""
    slot = Slot(request.user.pk)
    try:
        sheet = make()
        rows = iter(sheet.rows)
        first = list(islice(rows, AT_ONCE_ROWS))
        sheet.rows = chain(first, rows)
        download = _download(request, sheet, kind, slot)
        next(download)
        short = len(first) < AT_ONCE_ROWS
        response = HttpResponse(b"".join(download)) if short else StreamingHttpResponse(download)
    except BaseException:
        slot.release()
        raise
    stamp = f"-{sheet.at.astimezone(UTC):%Y%m%dT%H%M%SZ}" if sheet.at else ""
    response["Content-Type"] = MEDIA_TYPES[kind]
    response["Content-Disposition"] = f'attachment; filename="{slugify(sheet.title)}{stamp}.{kind}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


class Unreadable(Exception):
    """The database could not be read: the middleware says why (`words`), instead of an empty file."""

    def __init__(self, words: ProblemWords) -> None:
        super().__init__(str(words.what))
        self.words = words


class TableExport(PermissionRequiredMixin, View):
    """Download the table of `get_table`, which may set `file_name` and `sampled_at`, and may raise Unreadable.

    The URLs may set `file_name` and `listing` instead.
    """

    file_name = ""
    listing: Listing | None = None
    permission_required: str | Sequence[str] = ()
    raise_exception = True
    sampled_at: datetime | None

    def get_table(self, current: Current) -> PortalTable:
        if self.listing is None:
            raise NotImplementedError
        table: PortalTable = self.listing(self.request, current)[1]
        return table

    def get(self, request: HttpRequest, *args: Any, kind: str, **kwargs: Any) -> HttpResponseBase:
        if kind not in FORMATS:
            raise Http404(f"no export as {kind[:20]}")
        return send(request, self._sheet, kind)

    def _sheet(self) -> Sheet:
        state = current()
        self.sampled_at = state.figures_at
        with budget(SECONDS, anew=True):
            table = self.get_table(state)
        return table_sheet(table, self.file_name, self.sampled_at)


def links(request: HttpRequest, url_name: str, **kwargs: Any) -> list[tuple[str, str]]:
    """Return (label, address) per format, with the filters and the order of this request."""
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return [(kind.upper(), reverse(url_name, kwargs={**kwargs, "kind": kind}) + query) for kind in FORMATS]


def table_sheet(table: PortalTable, file_title: str, at: datetime | None = None) -> Sheet:
    def plain(value: Any) -> Any:
        return strip_tags(value) if isinstance(value, SafeString) else value

    columns = [column for column in table.columns.iterall() if not column.column.exclude_from_export]
    headers = []
    for column in columns:
        title = column.column.verbose_name if isinstance(column.header, SafeString) else column.header
        unit = str(getattr(column.column, "unit", ""))
        headers.append(f"{title} ({unit})" if unit else str(title))
    rows = ([plain(row.get_cell_value(column.name)) for column in columns] for row in table.rows)
    return Sheet(file_title, headers=headers, rows=rows, at=at)

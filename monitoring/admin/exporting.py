"""The admin's rows as files, and one row as JSON: read by key, a piece at a time, whatever the table's size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from etlportal.budget import budget
from monitoring import files
from monitoring.admin import raw
from monitoring.files.sheet import json_text

SECONDS = 30.0
"""How long the warehouse may take for a whole file: no page waits for it."""
CHUNK = 1_000
LABELS = {"csv": "CSV", "xlsx": "XLSX", "jsonl": "JSON lines"}


def keyed_rows(found: Any) -> Iterator[Any]:
    """Return the list's rows from where its reader is, newest first: each statement begins after the last one's key.

    Raises DatabaseError when the database cannot be read (further).
    """
    key, left = found.model_admin.page_key, SECONDS
    rows = found.from_place()
    while True:
        with budget(left, anew=True) as waits:
            chunk = list(rows[:CHUNK])
            left = waits.left()
        yield from chunk
        if len(chunk) < CHUNK:
            return
        rows = found.from_place(below=getattr(chunk[-1], key))


def sheet(found: Any, kind: str) -> files.Sheet:
    """Return the list's rows with every column as it is stored; in a spreadsheet no value is the word NULL."""
    fields = raw.fields_of(found.model)
    null = None if kind == "jsonl" else "NULL"

    def rows() -> Iterator[list[Any]]:
        for row in found.all_rows():
            values = (raw.value_of(row, field) for field in fields)
            yield [null if value is None else value for value in values]

    return files.Sheet(raw.table_name(found.model), [field.column for field in fields], rows(), files.MAX_ROWS)


class Exporting:
    """Mixed into the admins of tables that are only read."""

    model: Any
    opts: Any

    def export_view(self, request: HttpRequest, kind: str) -> Any:
        """Answer with the filtered rows as a file. Raises Busy."""
        if kind not in files.MEDIA_TYPES:
            raise Http404(f"no export as {kind[:20]}")
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        held = files.slot(request)
        try:
            with budget(SECONDS, anew=True):
                found = self.get_changelist_instance(request)  # type: ignore[attr-defined]
            return files.send(
                request, sheet(found, kind), name=raw.table_name(self.model), kind=kind, at=timezone.now()
            )
        except BaseException:
            held.release()
            raise

    def json_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer with one row, its types beside it."""
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        if not self.has_view_permission(request, row):  # type: ignore[attr-defined]
            raise PermissionDenied
        if row is None:
            raise Http404("no such row")
        response = HttpResponse(row_json(row, types=True), content_type="application/json; charset=utf-8")
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response


def row_json(row: Any, *, types: bool = False) -> str:
    """Return the row as indented JSON; with `types` under its table's name, its columns' types beside it."""
    values = raw.as_dict(row)
    if not types:
        return json_text(values, indent=2)
    declared = {field.column: raw.sql_type(field) for field in raw.fields_of(type(row))}
    return json_text({"table": raw.table_name(type(row)), "row": values, "types": declared}, indent=2)

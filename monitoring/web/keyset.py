"""Keyset pagination: a deep page is as fast as the first, because the server finds its first row by an index.

The order ends in the key, so that no row appears on two pages.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import msgspec
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest

PAGE_SIZE = 50

ModelT = TypeVar("ModelT", bound=Model)
Cursor = tuple[str, str | int, str | int]  # the order, and the value and the key of a row


class BadCursor(ValueError):
    """The cursor in the URL cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysetPage(Generic[ModelT]):
    """`after` and `before` are the cursors of the next and previous pages, or empty."""

    rows: tuple[ModelT, ...]
    after: str = ""
    before: str = ""


def page(
    queryset: QuerySet[ModelT],
    *,
    field: str,
    descending: bool,
    after: str = "",
    before: str = "",
    size: int = PAGE_SIZE,
) -> KeysetPage[ModelT]:
    """Return `size` rows of `queryset` in the order of (field, key). One statement.

    `after` or `before` is a cursor of another page; without one, or with one of another order, this is the first page.
    `field` is not nullable. Raises BadCursor for a cursor that cannot be read.
    """
    key = queryset.model._meta.pk.name
    field = key if field == "pk" else field
    order_name = f"-{field}" if descending else field
    cursor = _decode(after or before)
    if cursor is not None and cursor[0] != order_name:
        cursor = None
    backwards = cursor is not None and not after
    falling = descending is not backwards
    if cursor is not None:
        queryset = queryset.filter(_beyond(queryset.model, field, cursor, falling))
    sign = "-" if falling else ""
    order = [f"{sign}{name}" for name in dict.fromkeys((field, key))]
    rows = list(queryset.order_by(*order)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_before, has_after = (more, True) if backwards else (cursor is not None, more)
    return KeysetPage(
        rows=tuple(rows),
        after=_encode(order_name, rows[-1], field) if rows and has_after else "",
        before=_encode(order_name, rows[0], field) if rows and has_before else "",
    )


def listed(
    request: HttpRequest,
    here: str,
    queryset: QuerySet[Any],
    *,
    field: str,
    descending: bool,
    size: int = PAGE_SIZE,
    prefix: str = "",
) -> dict[str, Any]:
    """Return the variables of components/keyset.html, with links to other pages at `here`.

    `lost`: the URL names a page that does not exist, and this is the first.
    """
    names = f"{prefix}after", f"{prefix}before"
    after, before = (request.GET.get(name, "") for name in names)
    lost = False
    try:
        found = page(queryset, field=field, descending=descending, after=after, before=before, size=size)
    except BadCursor:
        found, lost = page(queryset, field=field, descending=descending, size=size), True
    others = request.GET.copy()
    for name in names:
        others.pop(name, None)

    def url(**cursor: str) -> str:
        query = others.copy()
        query.update(cursor)
        return f"{here}?{query.urlencode()}"

    links = {"first": url(), "next": url(**{names[0]: found.after}), "previous": url(**{names[1]: found.before})}
    return {"page": found, "lost": lost, **links}


def _beyond(model: type[Model], field: str, cursor: Cursor, falling: bool) -> Q:
    """Return the rows after (value, key), as two ranges with OR: SQL Server cannot compare tuples."""
    try:
        key = model._meta.pk.to_python(cursor[2])
        value = cast("Field[Any, Any]", model._meta.get_field(field)).to_python(cursor[1])
    except (ValidationError, FieldDoesNotExist) as error:
        raise BadCursor("unreadable cursor") from error
    compare = "lt" if falling else "gt"
    if field == model._meta.pk.name:
        return Q(**{f"pk__{compare}": key})
    return Q(**{f"{field}__{compare}": value}) | Q(**{field: value, f"pk__{compare}": key})


def _encode(order: str, row: Model, field: str) -> str:
    value = getattr(row, field)
    text = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(msgspec.json.encode((order, text, row.pk))).decode().rstrip("=")


def _decode(text: str) -> Cursor | None:
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=Cursor)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursor("unreadable cursor") from error

"""Columns of the read-only tables: times to the second with UTC on hover, keys without separators, long texts cut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, DateTimeField, Field, ForeignKey, ForeignObjectRel, Model, TextField
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext

from monitoring.warehouse import login_events
from monitoring.warehouse.reader import ReadFailed
from monitoring.web import parts
from monitoring.web.cache import cached_once

Column = Callable[[Any], Any]

CUT = 90
LONG = 256
"""Columns of more characters are cut in lists."""
NOTHING = "-"
"""Django's own sign for no value in a list."""
LOCAL = "%Y-%m-%d %H:%M:%S"


def moment(name: str, label: Any) -> Column:
    """Return a column for an aware time: in the user's zone, to the second, UTC on hover."""

    def show(row: Any) -> SafeString | None:
        value = getattr(row, name)
        return None if value is None else parts.when(value, "full")

    return _named(show, name, label)


def server_offset() -> timedelta | None:
    """Return the UTC offset of the server's clock, at most a minute old, or None if it could not be read."""

    def read() -> timedelta | None:
        try:
            return login_events.server_offset()
        except ReadFailed:
            return None

    return cached_once("admin:server-offset", read, fresh=lambda found: 5.0 if found is None else 60.0)


def logged_in(name: str, label: Any) -> Column:
    """Return a column for a time by the server's own clock, converted with the clock's present offset.

    Where the offset is unknown, show the stored value and say that it is by the server's clock.
    """

    def show(row: Any) -> SafeString | None:
        value: datetime | None = getattr(row, name)
        if value is None:
            return None
        offset = server_offset()
        if offset is None:
            return format_html("{} {}", f"{value:{LOCAL}}", gettext("(server's clock)"))
        return parts.when(value - offset, "full")

    return _named(show, name, label)


def key(name: str, label: Any) -> Column:
    """Return a column for a number that names something: without separators."""

    def show(row: Any) -> str | None:
        value = getattr(row, name)
        return None if value is None else str(value)

    return _named(show, name, label)


def text(name: str, label: Any) -> Column:
    """Return a column for the beginning of a long text."""

    def show(row: Any) -> SafeString | None:
        value = getattr(row, name)
        return format_html('<span title="{}">{}</span>', value, Truncator(value).chars(CUT)) if value else None

    return _named(show, name, label)


def detail(model: type[Model], name: str) -> str | Column:
    """Return how a field is shown on the row's own page."""
    field: Field[Any, Any] = model._meta.get_field(name)  # type: ignore[assignment]
    if isinstance(field, DateTimeField):
        return moment(name, field.verbose_name)
    if isinstance(field, ForeignKey):
        return key(field.attname, field.verbose_name)
    if field.primary_key or name.endswith("_id"):
        return key(name, field.verbose_name)
    return name


def listed(model: type[Model], name: Any) -> Any:
    """Return how an entry of `list_display` is shown in a list: as in detail, a long text cut."""
    try:
        field = model._meta.get_field(name) if isinstance(name, str) else None
    except FieldDoesNotExist:
        return name
    if field is None or isinstance(field, ForeignObjectRel):
        return name
    if isinstance(field, TextField) or (isinstance(field, CharField) and (field.max_length or 0) > LONG):
        return text(name, field.verbose_name)
    return detail(model, name)


def _named(show: Column, name: str, label: Any) -> Column:
    """Name the column, and show a dash for no value, as Django does in lists but not on a row's own page."""

    def shown(row: Any) -> Any:
        value = show(row)
        return NOTHING if value is None else value

    shown.__name__ = name
    return admin.display(description=label)(shown)

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import models

from monitoring.models import lookups
from monitoring.rules.error_text import ErrorText


class UtcDateTimeField(models.DateTimeField):
    """A DATETIME2 that holds UTC without an offset, read as an aware datetime. `precision`: its fractional digits.

    A parameter is naive: compared with an offset, SQL Server would convert the column and could not seek. SQLite
    compares text, so a parameter must not have fewer digits than the embedded tables.
    """

    def __init__(self, *args: Any, precision: int = 0, **kwargs: Any) -> None:
        self.precision = precision
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        if self.precision:
            kwargs["precision"] = self.precision
        return name, path, args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> datetime | None:
        if value is None or isinstance(value, str):
            return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        value = value if prepared else self.get_prep_value(value)
        if isinstance(value, datetime):
            value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            if connection.vendor == "sqlite":
                # The column's digits, or all where cutting would change the time.
                digits, unit = ("milliseconds", 1_000) if self.precision else ("seconds", 1_000_000)
                return value.isoformat(sep=" ", timespec="microseconds" if value.microsecond % unit else digits)
        return value


class VarCharField(models.CharField):
    """Compare with VARCHAR parameters (monitoring/models/lookups.py)."""


for _lookup in lookups.MOMENT:
    UtcDateTimeField.register_lookup(_lookup)
for _lookup in lookups.VARCHAR:
    VarCharField.register_lookup(_lookup)


NUL = "\N{SYMBOL FOR NULL}"
"""Replaces a NUL character in the portal's own tables."""


class _Foreign(models.Field):
    """Mixin that can store any warehouse value in the portal's own tables.

    PostgreSQL rejects NUL and text longer than its column; SQLite accepts both. Lookup values are converted in the same
    way, so that a name finds its rows.
    """

    def get_prep_value(self, value: Any) -> Any:
        value = _without_nul(super().get_prep_value(value))
        return value[: self.max_length] if isinstance(value, str) else value

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _path, args, kwargs = super().deconstruct()
        # The column is an ordinary one: migrations need not know more.
        return name, f"django.db.models.{self.get_internal_type()}", args, kwargs


class ForeignCharField(_Foreign, models.CharField):
    pass


class ForeignTextField(_Foreign, models.TextField):
    pass


class ForeignJSONField(_Foreign, models.JSONField):
    pass


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", NUL)
    if isinstance(value, list | tuple):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(each) for key, each in value.items()}
    return value


class ErrorTextField(ForeignJSONField):
    """An ErrorText (monitoring/rules/error_text.py) as JSON without empty fields. None for an unreadable version."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> ErrorText | None:
        stored = super().from_db_value(value, expression, connection)
        try:
            return None if stored is None else msgspec.convert(stored, ErrorText)
        except msgspec.ValidationError:
            return None

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, ErrorText):
            value = {name: part for name, part in asdict(value).items() if part not in ("", None) and part is not False}
        return super().get_prep_value(value)

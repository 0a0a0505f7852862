"""Field types of the warehouse's models, as the contract's columns want to be compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import models

from monitoring import scope
from monitoring.models import lookups
from monitoring.personal import mask_login, mask_message


class UtcDateTimeField(models.DateTimeField):
    """A DATETIME2 that holds UTC without an offset.

    Reads as an aware datetime in UTC; a parameter goes out naive, so that SQL Server compares
    DATETIME2 with DATETIME2 and can seek (an offset would turn the column into DATETIMEOFFSET).

    `precision` is the column's fractional digits: 0 for DATETIME2(0), 3 for DATETIME2(3) and
    DATETIME. SQLite compares text, and the embedded tables hold exactly that many digits
    (demo/schema.py), so a parameter must not have fewer.
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
                return value.isoformat(sep=" ", timespec=self._timespec(value))
        return value

    def _timespec(self, value: datetime) -> str:
        """Return how many digits to send: the column's, or all of them where cutting would change the time."""
        digits, unit = ("milliseconds", 1_000) if self.precision else ("seconds", 1_000_000)
        return "microseconds" if value.microsecond % unit else digits


class VarCharField(models.CharField):
    """A VARCHAR: compared with VARCHAR parameters (monitoring/models/lookups.py)."""


for _lookup in lookups.MOMENT:
    UtcDateTimeField.register_lookup(_lookup)
for _lookup in lookups.VARCHAR:
    VarCharField.register_lookup(_lookup)


NUL = "\N{SYMBOL FOR NULL}"
"""Stands for a NUL character in the portal's own tables."""


class _Foreign(models.Field):
    """What came from the warehouse, in the portal's own tables: it can be stored, whatever it is.

    PostgreSQL stores no NUL and refuses what is longer than its column, where SQLite takes both. What is
    looked for is treated as what is stored, so that a name finds its rows.
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


class _Shown(models.Field):
    """A column that is read as the reader of this request may see it (monitoring/scope.py).

    Whatever way it is read, `values()` and expressions included. Migrations see the plain column.
    """

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value if not value or scope.sight().whole else self.shown(value, scope.sight())

    def shown(self, value: str, sight: scope.Sight) -> str:
        raise NotImplementedError

    def searchable(self, sight: scope.Sight) -> bool:
        """Whether the reader may look for a text in it: finding what is hidden would tell it."""
        return sight.personal

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        if path.startswith(__name__):
            path = f"{__name__}.{VarCharField.__name__}"
        return name, path, args, kwargs


class _Login(_Shown):
    """Whose account it was."""

    def shown(self, value: str, sight: scope.Sight) -> str:
        return value if sight.personal else mask_login(value)


class _Message(_Shown):
    """What a server or a driver said: it may quote a login, a host, an address, a value."""

    def shown(self, value: str, sight: scope.Sight) -> str:
        return value if sight.personal else mask_message(value)


class _RunMessage(_Message):
    """The messages of all of a run's pipelines in one text, without their names: not for who sees some of them."""

    def shown(self, value: str, sight: scope.Sight) -> str:
        return super().shown(value, sight) if sight.pipelines is None else ""

    def searchable(self, sight: scope.Sight) -> bool:
        return sight.whole


class _Pipelines(_Shown):
    """Names of pipelines, separated by commas: those that the reader may see."""

    def shown(self, value: str, sight: scope.Sight) -> str:
        if sight.pipelines is None:
            return value
        return ",".join(name for name in value.split(",") if name.strip() in sight.pipelines)

    def searchable(self, sight: scope.Sight) -> bool:
        return sight.pipelines is None


class ForeignLoginField(_Login, ForeignCharField):
    pass


class ForeignMessageField(_Message, ForeignTextField):
    pass


class ForeignRunMessageField(_RunMessage, ForeignTextField):
    pass


class ForeignPipelinesField(_Pipelines, ForeignCharField):
    pass


class VarCharLoginField(_Login, VarCharField):
    pass


class VarCharMessageField(_Message, VarCharField):
    pass


class VarCharRunMessageField(_RunMessage, VarCharField):
    pass


class VarCharPipelinesField(_Pipelines, VarCharField):
    pass

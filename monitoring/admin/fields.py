"""Mask rows, and format a field for a list, for the row's page, as stored, and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, models
from django.db.models import Field, Model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from etlportal.databases import WATCHED
from monitoring.access import COLUMNS
from monitoring.models import EtlRunEntity, scope
from monitoring.models.executions import fill_in
from monitoring.models.fields import ErrorTextField, UtcDateTimeField, VarCharField
from monitoring.models.managers import HIDDEN, ScopedRun
from monitoring.rules.masking import mask_login, mask_logins
from monitoring.warehouse import login_events
from monitoring.warehouse.reader import ReadFailed
from monitoring.web import parts
from monitoring.web.cache import cached_once
from monitoring.web.sheets import json_text

Column = Callable[[Any], Any]

CUT = 90
LONG = 256
SPECIAL = {
    ("connectionloginevent", "login_name"): "SYSNAME",
    ("connectionloginevent", "database_name"): "SYSNAME",
    ("connectionloginevent", "login_time"): "DATETIME",
}
"""Columns with a contract type that differs from the model field's (tests/contract)."""
_TYPES: tuple[tuple[type[Field[Any, Any]], str], ...] = (
    (models.BigAutoField, "BIGINT IDENTITY"),
    (models.BigIntegerField, "BIGINT"),
    (models.SmallIntegerField, "SMALLINT"),
    (models.IntegerField, "INT"),
    (models.BooleanField, "BIT"),
)
MASKS: dict[str, Callable[[str], str]] = {"started_by": mask_login, "error_message": mask_logins}
_ENDS = re.compile(r"\A(\s*)(.*?)(\s*)\Z", re.DOTALL)
_SIGNS = {code: 0x2400 + code for code in range(32) if chr(code) != "\n"} | {0x7F: 0x2421}


def shown(model: type[Model], name: str, *, cut: bool = False) -> str | Column:
    """Return a column that formats the field, or `name` if it is none. `cut`: cut a long text, for lists.

    Times are in the user's zone, to the second, with UTC on hover. Keys have no separators. No value is a dash.
    """
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    if _by_the_servers_clock(field):
        return _column(field, name, _login_time, _("login time"))
    if isinstance(field, models.DateTimeField):
        return _column(field, name, lambda value: parts.when(value, "full"))
    if field.is_relation or field.primary_key or name.endswith("_id"):
        return _column(field, field.attname, str)
    if cut and (isinstance(field, models.TextField) or (getattr(field, "max_length", None) or 0) > LONG):
        short = '<span title="{}">{}</span>'
        return _column(field, name, lambda text: format_html(short, text, Truncator(text).chars(CUT)))
    return name


def _column(field: Any, attribute: str, draw: Callable[[Any], Any], label: Any = None) -> Column:
    def column(row: Any) -> Any:
        value = getattr(row, attribute)
        return "-" if value in (None, "") else draw(value)

    column.__name__ = attribute
    return admin.display(description=label or field.verbose_name)(column)


def _login_time(value: datetime) -> SafeString:
    """Convert a time of the server's local clock with its current offset, or mark it as local."""
    offset = server_offset()
    if offset is None:
        return format_html("{} {}", f"{value:%Y-%m-%d %H:%M:%S}", gettext("(server's clock)"))
    return parts.when(value - offset, "full")


def server_offset() -> timedelta | None:
    """Return the UTC offset of the server's clock (cached for a minute), or None if it could not be read."""

    def read() -> timedelta | None:
        try:
            return login_events.server_offset()
        except ReadFailed:
            return None

    return cached_once("admin:server-offset", read, fresh=lambda found: 5.0 if found is None else 60.0)


def fields_of(model: type[Model]) -> list[Field[Any, Any]]:
    derived = (models.BinaryField, ErrorTextField)
    return [field for field in model._meta.concrete_fields if not isinstance(field, derived)]


def sql_type(field: Field[Any, Any]) -> str:
    model = field.model
    if getattr(model, "database_alias", "default") not in WATCHED:
        return str(field.db_type(connections["default"])).upper()
    if special := SPECIAL.get((str(model._meta.model_name), field.name)):
        return special
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(target, UtcDateTimeField):
        return f"DATETIME2({target.precision})"
    if isinstance(target, models.CharField):
        return f"{'VARCHAR' if isinstance(target, VarCharField) else 'NVARCHAR'}({target.max_length})"
    name = next(name for kind, name in _TYPES if isinstance(target, kind))
    return name.removesuffix(" IDENTITY") if target is not field else name


def value_of(row: Model, field: Field[Any, Any]) -> Any:
    """Return the value for a file: times aware in UTC, those of the server's local clock naive."""
    value = field.value_from_object(row)
    return value.replace(tzinfo=None) if isinstance(value, datetime) and _by_the_servers_clock(field) else value


def stored(row: Model) -> Iterator[dict[str, str]]:
    """Yield each column's name, type, value as HTML, and note: a text's length and outer blanks."""
    for field in fields_of(type(row)):
        value = field.value_from_object(row)
        declared = f"{sql_type(field)} {'NULL' if field.null else 'NOT NULL'}"
        yield {"column": str(field.column), "type": declared, "shown": _value(field, value), "note": _note(value)}


def row_json(row: Model, *, types: bool = False) -> str:
    fields = fields_of(type(row))
    values = {str(field.column): value_of(row, field) for field in fields}
    if not types:
        return json_text(values, indent=2)
    declared = {field.column: sql_type(field) for field in fields}
    return json_text({"table": table_name(type(row)), "row": values, "types": declared}, indent=2)


def table_name(model: type[Model]) -> str:
    return model._meta.db_table.replace("[", "").replace("]", "")


def _by_the_servers_clock(field: Any) -> bool:
    return SPECIAL.get((str(field.model._meta.model_name), field.name)) == "DATETIME"


def _value(field: Field[Any, Any], value: Any) -> SafeString:
    if value in (None, ""):
        return format_html('<span class="raw__null">{}</span>', "NULL" if value is None else gettext("(empty text)"))
    before, body, after = _ENDS.findall(_text(field, value))[0]
    drawn = format_html("{}{}{}", _blanks(before), body.translate(_SIGNS), _blanks(after))
    return format_html('<code class="raw__value">{}</code>', drawn)


def _text(field: Field[Any, Any], value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        digits = getattr(field, "precision", 6)
        return naive.isoformat(sep=" ", timespec={0: "seconds", 3: "milliseconds"}.get(digits, "microseconds"))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _blanks(text: str) -> SafeString:
    sign = SafeString('<span class="raw__blank">{}</span>')
    return format_html_join("", sign, (("␣" if each == " " else each.translate(_SIGNS) or each,) for each in text))


def _note(value: Any) -> str:
    if not isinstance(value, str) or not value:
        return ""
    length = ngettext("%(number)d character", "%(number)d characters", len(value)) % {"number": len(value)}
    blanks = len(value) - len(value.strip())
    if not blanks:
        return length
    around = ngettext("%(number)d space around it", "%(number)d spaces around it", blanks) % {"number": blanks}
    return f"{length}, {around}"


def mask_rows(rows: Iterable[Any]) -> list[Any]:
    """Return the rows as the reader of this request may see them."""
    found = list(rows)
    if scope.pipelines() is not None:
        fill_in(row for row in found if isinstance(row, ScopedRun))
    if not scope.reader_scope().logins:
        for row in found:
            _mask(row)
    return found


def _mask(row: Any) -> None:
    for name, mask in MASKS.items():
        if _is_masked(type(row), name) and (value := getattr(row, name)):
            setattr(row, name, mask(value))
    if isinstance(row, EtlRunEntity) and EtlRunEntity.run.is_cached(row):
        _mask(row.run)


def searchable(model: type[Model], names: Iterable[str]) -> list[str]:
    """Return the searchable columns: a search in a hidden column would reveal its values."""
    limited = issubclass(model, ScopedRun) and scope.pipelines() is not None
    hidden = {*HIDDEN, "entities_requested"} if limited else set()
    logins = scope.reader_scope().logins
    return [name for name in names if name not in hidden and (logins or not _is_masked(model, name))]


def _is_masked(model: type[Model], name: str) -> bool:
    return f"{model._meta.label_lower}.{name}" in COLUMNS

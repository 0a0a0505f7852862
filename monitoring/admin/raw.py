"""A row as it is stored: each column's SQL type, NULL as NULL, visible blanks; and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connections, models
from django.db.models import Field, Model
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from etlportal.databases import WATCHED
from monitoring.models.fields import ErrorTextField, UtcDateTimeField, VarCharField
from monitoring.web.sheets import json_text

SPECIAL = {
    ("connectionloginevent", "login_name"): "SYSNAME",
    ("connectionloginevent", "database_name"): "SYSNAME",
    ("connectionloginevent", "login_time"): "DATETIME",
}
"""Columns whose type in the contract is not the one of the model's field (tests/contract)."""
_TYPES: tuple[tuple[type[Field[Any, Any]], str], ...] = (
    (models.BigAutoField, "BIGINT IDENTITY"),
    (models.BigIntegerField, "BIGINT"),
    (models.SmallIntegerField, "SMALLINT"),
    (models.IntegerField, "INT"),
    (models.BooleanField, "BIT"),
)
_ENDS = re.compile(r"\A(\s*)(.*?)(\s*)\Z", re.DOTALL)
_SIGNS = {code: 0x2400 + code for code in range(32) if chr(code) != "\n"} | {0x7F: 0x2421}
"""Control characters, and the signs that stand for them."""


class Stored(NamedTuple):
    """One column of one row. `shown`: its value as HTML; `note`: a text's length and outer blanks."""

    column: str
    type: str
    shown: SafeString
    note: str


def fields_of(model: type[Model]) -> list[Field[Any, Any]]:
    """Return the readable columns in the table's order, without those derived from another column."""
    derived = (models.BinaryField, ErrorTextField)
    return [field for field in model._meta.concrete_fields if not isinstance(field, derived)]


def sql_type(field: Field[Any, Any]) -> str:
    """Return the column's type: as the contract declares it, for the portal's own tables as their database does."""
    model = field.model
    if getattr(model, "database_alias", "default") not in WATCHED:
        return str(field.db_type(connections["default"])).upper()
    special = SPECIAL.get((str(model._meta.model_name), field.name))
    if special is not None:
        return special
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(target, UtcDateTimeField):
        return f"DATETIME2({target.precision})"
    if isinstance(target, models.CharField):
        return f"{'VARCHAR' if isinstance(target, VarCharField) else 'NVARCHAR'}({target.max_length})"
    name = next(name for kind, name in _TYPES if isinstance(target, kind))
    return name.removesuffix(" IDENTITY") if target is not field else name


def value_of(row: Model, field: Field[Any, Any]) -> Any:
    """Return the value for a file: times aware in UTC, those by the server's own clock without a zone."""
    value = field.value_from_object(row)
    return value.replace(tzinfo=None) if isinstance(value, datetime) and _by_the_servers_clock(field) else value


def stored(row: Model) -> Iterator[Stored]:
    """Return the row column by column."""
    for field in fields_of(type(row)):
        value = field.value_from_object(row)
        null = "NULL" if field.null else "NOT NULL"
        yield Stored(str(field.column), f"{sql_type(field)} {null}", _shown(field, value), _note(value))


def row_json(row: Model, *, types: bool = False) -> str:
    """Return the row as indented JSON; with `types` beside the table's name and the columns' types."""
    fields = fields_of(type(row))
    values = {str(field.column): value_of(row, field) for field in fields}
    if not types:
        return json_text(values, indent=2)
    declared = {field.column: sql_type(field) for field in fields}
    return json_text({"table": table_name(type(row)), "row": values, "types": declared}, indent=2)


def table_name(model: type[Model]) -> str:
    """Return the table's name without brackets."""
    return model._meta.db_table.replace("[", "").replace("]", "")


def _by_the_servers_clock(field: Field[Any, Any]) -> bool:
    return SPECIAL.get((str(field.model._meta.model_name), field.name)) == "DATETIME"


def _shown(field: Field[Any, Any], value: Any) -> SafeString:
    if value is None:
        return format_html('<span class="raw__null">{}</span>', "NULL")
    if value == "":
        return format_html('<span class="raw__null">{}</span>', gettext("(empty text)"))
    return format_html('<code class="raw__value">{}</code>', _drawn(_text(field, value)))


def _text(field: Field[Any, Any], value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        digits = getattr(field, "precision", 6)
        return naive.isoformat(sep=" ", timespec={0: "seconds", 3: "milliseconds"}.get(digits, "microseconds"))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _drawn(text: str) -> SafeString:
    """Return the text with its outer blanks as visible signs."""
    found = _ENDS.match(text)
    before, body, after = found.groups() if found else ("", text, "")
    return format_html("{}{}{}", _blanks(before), body.translate(_SIGNS), _blanks(after))


def _blanks(text: str) -> SafeString:
    sign = SafeString('<span class="raw__blank">{}</span>')
    return format_html_join("", sign, (("␣" if each == " " else each.translate(_SIGNS) or each,) for each in text))


def _note(value: Any) -> str:
    """Return a text's length and the number of its outer blanks."""
    if not isinstance(value, str) or not value:
        return ""
    length = ngettext("%(number)d character", "%(number)d characters", len(value)) % {"number": len(value)}
    blanks = len(value) - len(value.strip())
    if not blanks:
        return length
    around = ngettext("%(number)d space around it", "%(number)d spaces around it", blanks) % {"number": blanks}
    return f"{length}, {around}"

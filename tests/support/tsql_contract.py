"""The contract's columns for the lint of tsql.py: their types and indexes, from sql/sqlserver/."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlglot import exp

from tests.support import ddl

_TEXTS = {"CHAR": "VARCHAR", "VARCHAR": "VARCHAR", "NCHAR": "NVARCHAR", "NVARCHAR": "NVARCHAR"}
_TIMES = {"DATETIME2", "DATETIME", "TIMESTAMPTZ", "TIMESTAMP", "SMALLDATETIME", "DATE", "DATETIMEOFFSET"}


@dataclass(frozen=True, slots=True)
class Type:
    """`name` is the T-SQL type in upper case; `scale` is that of a time."""

    name: str
    scale: int | None = None

    def __str__(self) -> str:
        return self.name if self.scale is None else f"{self.name}({self.scale})"

    @property
    def is_text(self) -> bool:
        return self.name in {"VARCHAR", "NVARCHAR"}

    @property
    def is_time(self) -> bool:
        return self.name in _TIMES


def declared(kind: exp.DataType) -> Type:
    written = kind.sql(dialect="tsql").upper()
    name, _, rest = written.partition("(")
    name = _TEXTS.get(name.strip(), name.strip())
    scale = int(rest.rstrip(") ")) if name in _TIMES and rest.rstrip(") ").isdigit() else None
    return Type(name, 7 if name in {"DATETIME2", "DATETIMEOFFSET"} and scale is None else scale)


@cache
def types(table: str) -> dict[str, Type]:
    found = ddl.tables().get(table)
    if found is None:
        return {}
    return {
        each.name: Type(_TEXTS.get(each.type, each.type), each.size if each.type == "DATETIME2" else None)
        for each in found.columns
    }


@cache
def keys(table: str) -> tuple[tuple[str, ...], ...]:
    found = ddl.tables()[table]
    return (found.primary_key, *found.uniques, *(tuple(name for name, _ in index.columns) for index in found.indexes))


def indexed(table: str) -> set[str]:
    return {name for key in keys(table) for name in key}


def leading(table: str) -> set[str]:
    return {key[0] for key in keys(table) if key}

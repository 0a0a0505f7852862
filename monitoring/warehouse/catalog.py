"""Which of the wanted tables exist in a watched database, with columns, indexes and the right to read.

One statement per database on SQL Server (catalog_sqlserver.py), one on SQLite (catalog_sqlite.py), and one
more where a synonym stands for a table. What a login may not see at all looks missing: SQL Server hides
the metadata too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from monitoring.enums import ProblemCode
from monitoring.policies.facts import Problem
from monitoring.warehouse import catalog_sqlite, catalog_sqlserver
from monitoring.warehouse.dialect import dialect_of
from monitoring.warehouse.names import USUAL, Naming, TableName
from monitoring.warehouse.reader import ReadFailed, Row

_NUMBERS = {"TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC"}
_MOMENTS = {"DATE", "DATETIME", "DATETIME2", "SMALLDATETIME", "DATETIMEOFFSET"}
_WITH_SCALE = {"DATETIME2", "DATETIMEOFFSET"}
_CHUNK = 600
"""Wanted tables per statement: three parameters each at most, under SQL Server's 2,100."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as stored. `declared` is its type without length, upper case; `scale` of a datetime."""

    name: str
    declared: str
    scale: int | None = None
    nullable: bool = True

    @property
    def is_number(self) -> bool:
        return self.declared in _NUMBERS

    @property
    def is_moment(self) -> bool:
        return self.declared in _MOMENTS

    @property
    def moment_type(self) -> str:
        """The type to cast a compared parameter to, so that the column itself is not converted."""
        if self.declared in _WITH_SCALE:
            return f"{self.declared}({7 if self.scale is None else int(self.scale)})"
        return self.declared if self.is_moment else "DATETIME2(0)"


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that exists, named as its database spells it. `readable`: whether this login may SELECT from it.

    `base`: what it stands for, where it is a synonym. Columns and indexes by `naming`'s folded names.
    """

    name: TableName
    is_view: bool = False
    readable: bool = True
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: tuple[tuple[str, ...], ...] = ()
    base: TableName | None = None
    naming: Naming = USUAL

    @property
    def counted(self) -> TableName:
        """The table whose rows the engine counts."""
        return self.base or self.name

    def column(self, name: str) -> Column | None:
        """Return the column of that name as the database compares names, or None."""
        return self.columns.get(self.naming.fold(name))

    def indexed_by(self, *names: str) -> bool:
        """Return whether an index begins with exactly these columns in this order."""
        wanted = tuple(self.naming.fold(name) for name in names)
        return any(index[: len(wanted)] == wanted for index in self.indexes)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The wanted tables that exist, by their wanted names; which of the wanted schemas exist.

    `refused`: why a wanted synonym cannot be followed.
    """

    schemas: frozenset[str] = frozenset()
    tables: dict[TableName, Table] = field(default_factory=dict)
    refused: dict[TableName, Problem] = field(default_factory=dict)

    def find(self, name: TableName) -> Table | None:
        """Return the table, or None where it does not exist (or is hidden from this login)."""
        return self.tables.get(name)


def read_catalog(alias: str, wanted: Iterable[TableName]) -> Catalog:
    """Return what exists of the `wanted` tables. Raises ReadFailed."""
    names = sorted(set(wanted))
    read = catalog_sqlserver.read if dialect_of(alias).vendor == "microsoft" else catalog_sqlite.read
    found: list[Row] = []
    for start in range(0, max(1, len(names)), _CHUNK):
        chunk = names[start : start + _CHUNK]
        found += [(None if row[0] is None else chunk[row[0]], *row[1:]) for row in read(alias, chunk)]
    catalog, synonyms = _assembled(found)
    return _followed(alias, catalog, synonyms) if synonyms else catalog


def _followed(alias: str, catalog: Catalog, synonyms: dict[TableName, TableName | Problem]) -> Catalog:
    """Return the catalog with the tables that its synonyms stand for: one statement per database of theirs."""
    tables, refused = dict(catalog.tables), dict(catalog.refused)
    bases = {name: base for name, base in synonyms.items() if isinstance(base, TableName)}
    refused |= {name: base for name, base in synonyms.items() if isinstance(base, Problem)}
    for database in sorted({base.database for base in bases.values()}):
        own = {name: base for name, base in bases.items() if base.database == database}
        try:
            chunk = sorted(set(own.values()))[:_CHUNK]
            found, _ = _assembled(
                [(None if row[0] is None else chunk[row[0]], *row[1:]) for row in catalog_sqlserver.read(alias, chunk)]
            )
        except ReadFailed as failure:
            refused |= dict.fromkeys(own, failure.problem)
            continue
        for name, base in own.items():
            table = found.find(base)
            if table is None:
                refused[name] = Problem(code=ProblemCode.OBJECT_MISSING, detail=f"{name} → {base}"[:300])
            else:
                tables[name] = replace(table, name=name, base=base)
    return Catalog(catalog.schemas, tables, refused)


def _assembled(found: list[Row]) -> tuple[Catalog, dict[TableName, TableName | Problem]]:
    """Return the catalog of rows (wanted name, kind, schema, table, ...), and what is a synonym in it."""
    schemas: set[str] = set()
    tables: dict[TableName, Table] = {}
    indexes: dict[TableName, dict[str, list[tuple[int, str]]]] = {}
    synonyms: dict[TableName, TableName | Problem] = {}
    naming = next((Naming(bool(row[7]), bool(row[10])) for row in found if row[1] == "naming"), USUAL)
    for wanted, kind, schema, table, is_view, readable, index, position, column, declared, scale, nullable in found:
        if kind == "schema":
            schemas.add(schema.casefold())
        elif kind == "synonym":
            synonyms[wanted] = catalog_sqlserver.base_of(TableName(schema, table), index, declared)
        elif kind == "index":
            indexes.setdefault(wanted, {}).setdefault(index, []).append((position, naming.fold(column)))
        elif kind == "column":
            name = TableName(schema, table, wanted.database)
            entry = tables.setdefault(wanted, Table(name, bool(is_view), readable != 0, naming=naming))
            entry.columns[naming.fold(column)] = _column(column, declared, scale, nullable)
    for wanted, by_index in indexes.items():
        if wanted in tables:
            keys = tuple(tuple(part for _, part in sorted(parts)) for _, parts in sorted(by_index.items()))
            tables[wanted] = replace(tables[wanted], indexes=keys)
    return Catalog(frozenset(schemas), tables), synonyms


def _column(name: str, declared: str | None, scale: int | None, nullable: int) -> Column:
    # SQLite says "DATETIME2(0)", SQL Server "datetime2" and the scale beside it.
    text, _, rest = (declared or "").upper().partition("(")
    if rest and scale is None:
        digits = rest.rstrip(")").split(",")[-1].strip()
        scale = int(digits) if digits.isdigit() else None
    return Column(name, text.strip(), scale, bool(nullable))

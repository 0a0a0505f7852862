"""The two tables of a pipeline for the integrity checks, the roles of their columns, and the time limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from etlportal.budget import budget
from monitoring.rules import integrity as policy
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.rules.integrity import CheckCode, CheckResult, Reason
from monitoring.warehouse.describe import Description, describe
from monitoring.warehouse.dialect import Dialect, Sql, dialect_of
from monitoring.warehouse.names import InvalidName, parse_column, parse_table
from monitoring.warehouse.probes import TARGET_COLUMNS, UPDATED_AT
from monitoring.warehouse.reader import ReadFailed, Row, rows

STATEMENT_SECONDS = 6.0
TOTAL_SECONDS = 20.0
"""Time limits of one statement, and of all checks of one pipeline together."""


class CannotAsk(Exception):
    """A check does not apply (a Reason), or its data could not be read (a Problem)."""

    def __init__(self, why: Reason | Problem) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(slots=True)
class Session:
    """Run the statements within the total time limit."""

    clock: Callable[[], float]
    ends_at: float
    spent: float = 0.0  # seconds, by the present check

    def ask(self, alias: str, sql: Sql) -> list[Row]:
        """Return the rows. Raises ReadFailed, and CannotAsk when no time is left."""
        started = self.clock()
        left = self.ends_at - started
        if left <= 0:
            raise CannotAsk(Reason.OUT_OF_TIME)
        try:
            with budget(min(STATEMENT_SECONDS, left)):
                return rows(alias, sql)
        finally:
            self.spent += self.clock() - started

    def answer(self, code: CheckCode, look: Callable[[], CheckResult]) -> CheckResult:
        """Return the result of `look` with its duration, or with the reason for its absence. Never raises a database
        error."""
        self.spent = 0.0
        try:
            result = look()
        except ReadFailed as failure:
            result = policy.without_answer(code, failure.problem)
        except CannotAsk as refusal:
            result = policy.without_answer(code, refusal.why)
        return replace(result, milliseconds=round(self.spent * 1000, 1))


SECONDS = 3.0
"""Time limit for the description of a table."""

NATURAL_KEYS = {("fact", "fact_metas"): ("vendedor_id", "data_id", "tipo_periodo")}
"""Targets whose natural key is not one column that ends in _original_id (CONTRACT, "Pipelines")."""

MEASURES = ("valor_", "quantidade_", "percentual_")
_NUMBERS = frozenset(
    {
        *("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC"),
        *("MONEY", "SMALLMONEY", "FLOAT", "REAL", "DOUBLE"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One table. A part that is missing or could not be read raises CannotAsk."""

    alias: str
    total: int | None = None
    table: Description | Reason | Problem
    keys: tuple[str, ...] | Reason | Problem = Reason.NO_NATURAL_KEY
    changes: str | Reason | Problem = Reason.NO_UPDATE_COLUMN

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.alias)

    @property
    def description(self) -> Description:
        if not isinstance(self.table, Description):
            raise CannotAsk(self.table)
        return self.table

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns of the natural key; for a source, its one key column."""
        if not isinstance(self.table, Description):
            raise CannotAsk(self.table)
        if not isinstance(self.keys, tuple):
            raise CannotAsk(self.keys)
        return self.keys

    @property
    def updated(self) -> str:
        """Return the column with the time of a row's change (or load)."""
        if not isinstance(self.table, Description):
            raise CannotAsk(self.table)
        # A Reason is a str too.
        if isinstance(self.changes, Reason | Problem):
            raise CannotAsk(self.changes)
        return self.changes

    @property
    def schema(self) -> str:
        return self.description.table.schema

    @property
    def quoted(self) -> str:
        return self.dialect.table(self.description.table)

    @property
    def beside_key(self) -> tuple[str, ...]:
        """Return the columns that help to find a row whose key is NULL."""
        return () if isinstance(self.changes, Reason | Problem) else (self.changes,)

    def column(self, name: str) -> str | None:
        """Return the column's name as spelled in the table, or None."""
        column = self.description.column(name)
        return None if column is None else column.name

    def nullable(self, name: str) -> bool:
        column = self.description.column(name)
        return column is None or column.nullable

    def keeps_unique(self, names: Iterable[str]) -> bool:
        return self.description.keeps_unique(names)

    def domain(self, name: str) -> tuple[str, ...]:
        return self.description.domains.get(name.casefold(), ())

    def moment(self, name: str, value: datetime) -> Sql:
        column = self.description.column(name)
        return self.dialect.moment(value, column.moment_type if column else "DATETIME2(0)")

    def named_by(self, *columns: str) -> tuple[str, ...]:
        """Return the columns that identify a row: its key, else `columns`."""
        return self.keys if isinstance(self.keys, tuple) else columns


def source_side(text: str, key: str, updated: str, total: int | None) -> Side:
    """`updated`: the configured column, or empty for the usual one."""
    table = _described("oltp", text)
    if not isinstance(table, Description):
        return Side(alias="oltp", table=table)
    found = _named(table, key)
    keys = found if isinstance(found, Problem) else (found,)
    return Side(alias="oltp", table=table, total=total, keys=keys, changes=_named(table, updated or UPDATED_AT))


def target_side(text: str, source_key: str, updated: str, total: int | None) -> Side:
    """Return the target with its natural key by the contract or by its name."""
    table = _described("dw", text)
    if not isinstance(table, Description):
        return Side(alias="dw", table=table)
    usual = (updated,) if updated else TARGET_COLUMNS
    found = [column.name for name in usual if (column := table.column(name)) is not None]
    changes = found[0] if found else Reason.NO_UPDATE_COLUMN
    return Side(alias="dw", table=table, total=total, keys=_natural_key(table, source_key), changes=changes)


def status_column(side: Side) -> str:
    """Return the status column: situacao or status, else the first that begins so."""
    for wanted in ("situacao", "status"):
        if (exact := side.column(wanted)) is not None:
            return exact
    for column in side.description.columns:
        if column.name.casefold().startswith(("situacao_", "status_")):
            return column.name
    raise CannotAsk(Reason.NO_STATUS_COLUMN)


def required_keys(side: Side) -> tuple[str, ...]:
    """Return the foreign keys of a fact: its columns that end in _id, without its own two keys.

    A foreign key may be part of the natural key. A column that is unique by itself is the row's own key.
    """
    alone = {next(iter(names)) for names in side.description.unique if len(names) == 1}
    names = [column.name for column in side.description.columns]
    return tuple(
        name
        for name in names
        if name.casefold().endswith("_id")
        and not name.casefold().endswith("_original_id")
        and name.casefold() not in alone
    )


def measures(side: Side) -> tuple[str, ...]:
    return tuple(
        column.name
        for column in side.description.columns
        if column.name.casefold().startswith(MEASURES) and column.declared in _NUMBERS
    )


def _described(alias: str, text: str) -> Description | Reason | Problem:
    try:
        with budget(SECONDS):
            return describe(alias, parse_table(text)) or Reason.NO_TABLE
    except InvalidName:
        return Reason.NAME_INVALID
    except ReadFailed as failure:
        # SQLite raises an error for an unknown schema; SQL Server returns no columns.
        return Reason.NO_TABLE if failure.problem.code is ProblemCode.OBJECT_MISSING else failure.problem


def _named(table: Description, name: str) -> str | Problem:
    try:
        found = table.column(parse_column(name))
    except InvalidName:
        found = None
    if found is None:
        return Problem(code=ProblemCode.COLUMN_MISSING, detail=f"{table.table}: {name[:128]}")
    return found.name


def _natural_key(table: Description, source_key: str) -> tuple[str, ...] | Reason:
    known = [table.column(name) for name in NATURAL_KEYS.get(table.table.key, ())]
    if known and all(known):
        return tuple(column.name for column in known if column)
    original = [column.name for column in table.columns if column.name.casefold().endswith("_original_id")]
    if len(original) == 1:
        return (original[0],)
    same = table.column(source_key)
    return (same.name,) if same else Reason.NO_NATURAL_KEY

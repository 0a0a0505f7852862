"""Lint statements for `dw` and `oltp` as T-SQL.

The lint knows the types and indexes of the contract's tables (sql/sqlserver/). For other tables (a customer's, the
catalog) it checks only rules that need no types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import Scope, traverse_scope

from etlportal.guard import SNAPSHOT_PROCEDURE, is_read
from tests.support.tsql_contract import Type, declared, indexed, leading, types

MOST_PARAMETERS = 2_098
"""SQL Server takes 2,100, and sp_executesql uses two of them."""

_MARK = re.compile(r"%%|%s")
_PARAMETER = re.compile(r"p\d+")
_PREDICATES = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike, exp.In, exp.Between, exp.Is)
_BOUNDING = (exp.EQ, exp.GT, exp.GTE, exp.In, exp.Between)


@lru_cache(maxsize=4_000)
def problems(alias: str, sql: str, kinds: tuple[type, ...] = ()) -> tuple[str, ...]:
    """Return what is wrong with a statement for SQL Server, `%s` for each parameter; `kinds` are their types."""
    if sql == SNAPSHOT_PROCEDURE and alias == "dw" and not kinds:
        return ()
    found = list(_shape(sql, kinds))
    marked, marks = _marked(sql)
    if marks != len(kinds):
        found.append(f"{marks} marks for {len(kinds)} parameters")
    try:
        trees = sqlglot.parse(marked, read="tsql")
    except SqlglotError as error:
        return (*found, f"is not T-SQL: {error}")
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        return (*found, "is not one SELECT")
    for scope in traverse_scope(trees[0]):
        found += _Judge(scope, kinds).problems()
    return tuple(dict.fromkeys(found))


def _shape(sql: str, kinds: Sequence[type]) -> Iterator[str]:
    if not is_read(sql):
        yield "is refused by the guard: not a plain read"
    if len(kinds) > MOST_PARAMETERS:
        yield f"has {len(kinds)} parameters"


def _marked(sql: str) -> tuple[str, int]:
    """Return the text with @p0, @p1, ... for its marks, and how many there were."""
    count = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] == "%%":
            return "%"
        count += 1
        return f"@p{count - 1}"

    return _MARK.sub(mark, sql), count


class _Judge:
    """One SELECT with its own sources."""

    def __init__(self, scope: Scope, kinds: Sequence[type]) -> None:
        self.scope = scope
        self.select = scope.expression
        self.kinds = kinds

    def problems(self) -> Iterator[str]:
        if not isinstance(self.select, exp.Select):
            return
        yield from self._offset()
        yield from self._count()
        yield from self._group()
        for clause in self._conditions():
            for predicate in _within(clause, _PREDICATES):
                yield from self._types(predicate)
                yield from self._wrapped(predicate)

    def _conditions(self) -> Iterator[exp.Expression]:
        if where := self.select.args.get("where"):
            yield where.this
        for join in self.select.args.get("joins") or ():
            if join.args.get("on"):
                yield join.args["on"]

    def _offset(self) -> Iterator[str]:
        if self.select.args.get("offset") is None:
            return
        order = self.select.args.get("order")
        if order is None or not any(list(each.find_all(exp.Column)) for each in order.expressions):
            yield "OFFSET without ORDER BY"

    def _group(self) -> Iterator[str]:
        # The backend leaves parameters as they are (etlportal/backends/sqlserver/wrapper.py, Cursor).
        group = self.select.args.get("group")
        if group is not None and group.find(exp.Parameter):
            yield "groups by a parameter: SQL Server takes the same expression in SELECT for another one"

    def _count(self) -> Iterator[str]:
        counts = [each for each in _within(self.select, (exp.Count,)) if isinstance(each, exp.Count)]
        if counts and not self._bounded():
            yield "an unbounded COUNT"

    def _bounded(self) -> bool:
        """Whether what is counted comes from a TOP, or from a range of the first column of an index."""
        sources = [source for source in self.scope.sources.values() if isinstance(source, Scope)]
        if any(source.expression.args.get("limit") is not None for source in sources):
            return True
        where = self.select.args.get("where")
        for predicate in _conjuncts(where.this) if where else ():
            if isinstance(predicate, _BOUNDING) and (column := self._column(predicate.this)) is not None:
                table, name = column
                if name in leading(table):
                    return True
        return False

    def _types(self, predicate: exp.Expression) -> Iterator[str]:
        sides = _sides(predicate)
        for index, side in enumerate(sides):
            own = self._type(side) if isinstance(side, exp.Column) else None
            if own is None or not (own.is_text or own.is_time):
                continue
            for other in (each for place, each in enumerate(sides) if place != index):
                yield from self._compared(side, own, other)

    def _compared(self, column: exp.Expression, own: Type, other: exp.Expression) -> Iterator[str]:
        name = column.sql(dialect="tsql")
        if isinstance(other, exp.Null) or (isinstance(other, exp.Literal) and own.is_text):
            return
        kind = self._type(other)
        if kind is None:
            if any(True for _ in _parameters(other)):
                yield f"{name} {own} against a parameter of unknown type: {other.sql(dialect='tsql')}"
            return
        if own.is_text and kind.name == "NVARCHAR" and own.name == "VARCHAR":
            yield f"{name} {own} against {kind}: the column would be converted"
        if own.is_time and kind != own:
            yield f"{name} {own} against {kind}: {other.sql(dialect='tsql')}"

    def _wrapped(self, predicate: exp.Expression) -> Iterator[str]:
        for side in _sides(predicate):
            if isinstance(side, exp.Column):
                continue
            for column in _within(side, (exp.Column,)):
                known = self._column(column)
                if known is not None and known[1] in indexed(known[0]):
                    yield f"a function around the indexed column {known[1]}: {predicate.sql(dialect='tsql')}"

    def _type(self, node: exp.Expression) -> Type | None:
        """Return the type of an expression on SQL Server, or None if unknown."""
        if isinstance(node, exp.Paren | exp.Subquery) and isinstance(node.this, exp.Query):
            selected = node.this.selects
            inner = [scope for scope in self.scope.subquery_scopes if scope.expression is node.this]
            return _Judge(inner[0], self.kinds)._type(selected[0].unalias()) if inner and selected else None
        node = node.unnest()
        if isinstance(node, exp.Collate):
            return self._type(node.this)
        if isinstance(node, exp.Column):
            return self._column_type(node)
        if (number := _parameter(node)) is not None:
            kind = self.kinds[number] if number < len(self.kinds) else object
            named = {"str": "NVARCHAR", "datetime": "DATETIME2"}.get(kind.__name__)
            return Type(named, 7 if named == "DATETIME2" else None) if named else None
        if isinstance(node, exp.Cast | exp.TryCast):
            return declared(node.to)
        if isinstance(node, exp.National):
            return Type("NVARCHAR")
        if isinstance(node, exp.Min | exp.Max | exp.Upper | exp.Lower):
            return self._type(node.this)
        if isinstance(node, exp.DateAdd):
            return self._type(node.this)
        if isinstance(node, exp.Anonymous) and node.name.upper() in {"SYSUTCDATETIME", "SYSDATETIME"}:
            return Type("DATETIME2", 7)
        return None

    def _column_type(self, column: exp.Column) -> Type | None:
        source = self._source(column)
        if isinstance(source, Scope):
            for selected in getattr(source.expression, "selects", ()):
                if selected.alias_or_name.casefold() == column.name.casefold():
                    return _Judge(source, self.kinds)._type(selected.unalias())
            return None
        known = self._column(column)
        return None if known is None else types(known[0]).get(known[1])

    def _column(self, node: exp.Expression | None) -> tuple[str, str] | None:
        """Return (table, column) of the contract that a bare column is, None for anything else."""
        if not isinstance(node, exp.Column):
            return None
        source = self._source(node)
        if not isinstance(source, exp.Table):
            return None
        table = f"{source.db}.{source.name}"
        return (table, node.name) if node.name in types(table) else None

    def _source(self, column: exp.Column) -> Any:
        scope: Scope | None = self.scope
        while scope is not None:
            if column.table:
                if column.table in scope.sources:
                    return scope.sources[column.table]
                # mssql-django names a table by its quoted name: [audit].[etl_run].[run_id]
                for source in scope.sources.values():
                    if isinstance(source, exp.Table) and (source.name, source.db) == (column.table, column.db):
                        return source
            elif len(scope.sources) == 1:
                return next(iter(scope.sources.values()))
            scope = scope.parent
        return None


def _sides(predicate: exp.Expression) -> list[exp.Expression]:
    if isinstance(predicate, exp.In):
        query = predicate.args.get("query")
        return [predicate.this, *predicate.expressions, *([query] if query is not None else [])]
    if isinstance(predicate, exp.Between):
        return [predicate.this, predicate.args["low"], predicate.args["high"]]
    other = predicate.expression
    return [predicate.this, other.this if isinstance(other, exp.Escape) else other]


def _within(root: exp.Expression, kinds: tuple[type[Any], ...]) -> Iterator[exp.Expression]:
    """The nodes of these kinds under `root`, not those of a SELECT inside it."""
    for node in root.walk(prune=lambda each: isinstance(each, exp.Query) and each is not root):
        if isinstance(node, kinds):
            yield node


def _conjuncts(condition: exp.Expression) -> Iterator[exp.Expression]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def _parameter(node: exp.Expression) -> int | None:
    if isinstance(node, exp.Parameter) and _PARAMETER.fullmatch(node.name):
        return int(node.name[1:])
    return None


def _parameters(node: exp.Expression) -> Iterator[int]:
    return (number for each in node.walk() if (number := _parameter(each)) is not None)


def kinds_of(params: Iterable[object]) -> tuple[type, ...]:
    return tuple(type(value) for value in params)

"""A query of one row by one value, asked in each request: put together once, not each time.

Django makes a statement's text anew whenever a queryset is read, and for the query of a user with rights and
preferences that takes ten times as long as asking it. What is kept is the text and how a row becomes a model; never
a row: every request reads what is true now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)

MARKS: tuple[object, ...] = (31_991, "31991")
"""Stand for the value while the statement is put together: within every integer type."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """One engine's statement. `params` holds a mark where the value belongs. No connection is kept."""

    sql: str
    params: tuple[object, ...]
    converters: dict[int, Any]
    names: list[str]
    columns: slice
    related: list[Any]
    annotations: dict[str, int]


class Prepared(Generic[M]):
    """`rows` makes the query; `first` returns its row whose `field` (unique) has a value, with one statement."""

    def __init__(self, rows: Callable[[], QuerySet[M]], field: str = "pk", *, text: bool = False) -> None:
        self._rows, self._field, self._mark = rows, field, MARKS[text]
        self._plans: dict[str, _Plan] = {}

    @cached_property
    def _column(self) -> Any:
        meta = self._rows().model._meta
        return meta.pk if self._field == "pk" else meta.get_field(self._field)

    def first(self, value: object) -> M | None:
        """Return the row, or None."""
        rows = self._rows()
        plan, values = self._asked(rows, value)
        return _made(rows, plan, values) if values is not None else None

    def values(self, value: object) -> dict[str, Any] | None:
        """Return the row as `{column: value}`, which costs less than a model, or None."""
        plan, values = self._asked(self._rows(), value)
        return dict(zip(plan.names, values[plan.columns], strict=True)) if values is not None else None

    def _asked(self, rows: QuerySet[M], value: object) -> tuple[_Plan, list[Any] | None]:
        connection = connections[rows.db]
        value = self._column.get_db_prep_value(value, connection)
        plan = self._plans.get(connection.vendor)
        if plan is None:
            plan = self._plans[connection.vendor] = self._planned(rows)
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, [value if param is self._mark else param for param in plan.params])
            found = cursor.fetchall()
        return plan, _converted(plan, connection, found[0]) if found else None

    def _planned(self, rows: QuerySet[M]) -> _Plan:
        compiler = rows.filter(**{self._field: self._mark}).query.get_compiler(using=rows.db)
        sql, params = compiler.as_sql()
        # Compared as equal once: the compiler may have made another object of it, psycopg's Int8 for one.
        kind = type(self._mark)
        marked = tuple(self._mark if isinstance(each, kind) and each == self._mark else each for each in params)
        if sum(each is self._mark for each in marked) != 1:
            raise ValueError(f"{self._field} is not asked for once: {sql}")
        fields = compiler.klass_info["select_fields"]
        columns = slice(fields[0], fields[-1] + 1)
        return _Plan(
            sql=sql,
            params=marked,
            converters=compiler.get_converters([each[0] for each in compiler.select]),
            names=[each[0].target.attname for each in compiler.select[columns]],
            columns=columns,
            related=get_related_populators(compiler.klass_info, compiler.select, rows.db),
            annotations=compiler.annotation_col_map,
        )


def _converted(plan: _Plan, connection: Any, row: tuple[Any, ...]) -> list[Any]:
    values = list(row)
    for position, (converters, expression) in plan.converters.items():
        for convert in converters:
            values[position] = convert(values[position], expression, connection)
    return values


def _made(rows: QuerySet[M], plan: _Plan, values: list[Any]) -> M:
    """Make the model of a row, as Django's own ModelIterable does."""
    made: M = rows.model.from_db(rows.db, plan.names, values[plan.columns])
    for populator in plan.related:
        populator.populate(values, made)
    for name, position in plan.annotations.items():
        setattr(made, name, values[position])
    return made

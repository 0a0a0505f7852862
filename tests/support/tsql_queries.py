"""Django's queries on `dw` and `oltp` as SQL Server would get them, linted by tsql.py while tests run on SQLite."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models.sql.compiler import SQLCompiler

from etlportal.databases import WATCHED
from tests.support.tsql import kinds_of, problems

_DJANGO = f"{os.sep}django{os.sep}"
_TESTS = f"{os.sep}tests{os.sep}"

Statement = tuple[str, str, tuple[Any, ...]]


@cache
def _compiling(alias: str) -> Any:
    """A connection of the SQL Server backend that is never opened: it only compiles."""
    from django.db import connections
    from mssql.base import DatabaseWrapper

    class Compiling(DatabaseWrapper):
        sql_server_version = 2017
        to_azure_sql_db = False

        def connect(self) -> None:
            raise AssertionError("Compiling a query asked the server something.")

        cursor = connect

    settings = {**connections[alias].settings_dict, "ENGINE": "mssql", "NAME": "x", "HOST": "", "OPTIONS": {}}
    return Compiling(settings, alias)


def compiled(query: Any, alias: str) -> tuple[str, tuple[Any, ...]] | None:
    """Return a Django query as SQL Server would get it; None where it needs no statement."""
    try:
        sql, params = query.clone().get_compiler(connection=_compiling(alias)).as_sql()
    except EmptyResultSet:
        return None
    return sql, tuple(params)


_listeners: list[list[Statement]] = []


@contextmanager
def heard() -> Iterator[list[Statement]]:
    """Collect what Django asks of `dw` and `oltp` inside this block, as T-SQL: (alias, text, parameters)."""
    statements: list[Statement] = []
    _listeners.append(statements)
    try:
        yield statements
    finally:
        _listeners.remove(statements)


def _asked_by_a_test() -> bool:
    """Return whether the query comes from a test itself: the first frame outside Django is the test's."""
    frame = sys._getframe(2)
    while frame is not None and _DJANGO in frame.f_code.co_filename:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and _TESTS in frame.f_code.co_filename


def watch_queries(report: Any) -> None:
    """From now on lint each Django query on `dw` and `oltp` as T-SQL: `report(text)` for what is wrong."""
    original = SQLCompiler.execute_sql

    def execute_sql(self: SQLCompiler, *args: Any, **kwargs: Any) -> Any:
        if self.using in WATCHED and self.connection.vendor == "sqlite" and not _asked_by_a_test():
            statement = compiled(self.query, self.using)
            if statement is not None:
                sql, params = statement
                for each in _listeners:
                    each.append((self.using, sql, params))
                for problem in problems(self.using, sql, kinds_of(params)):
                    report(f"on SQL Server: {problem}\n{sql}")
        return original(self, *args, **kwargs)

    SQLCompiler.execute_sql = execute_sql  # type: ignore[method-assign]

"""The differences between our cursor for SQL Server and mssql-django's (ADR 19)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from etlportal.backends.sqlserver.odbc import driver_manager_problem

pytestmark = pytest.mark.skipif(driver_manager_problem() is not None, reason="no ODBC driver manager on this machine")
GROUPED = "SELECT status, COUNT(*) FROM audit.etl_run WHERE run_id > %s GROUP BY status"


class Driver:
    """A driver's cursor that records what it is asked. It has no `nextset`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.rows = [[1, "a"], [2, "b"]]

    def execute(self, sql: str, params: Any) -> None:
        self.asked.append((sql, params))

    def fetchone(self) -> Any:
        return self.rows.pop(0) if self.rows else None


def cursor(alias: str, driver: Driver) -> Any:
    from etlportal.backends.sqlserver.wrapper import Cursor, base

    wrapper = SimpleNamespace(alias=alias, driver_charset=None, supports_mars=False, Database=base.Database)
    return Cursor(driver, wrapper)


@pytest.mark.parametrize("alias", ["dw", "oltp"])
def test_statements_that_group_keep_their_parameters(alias: str) -> None:
    driver = Driver()
    cursor(alias, driver).execute(GROUPED, [5])
    assert driver.asked == [(GROUPED.replace("%s", "?"), (5,))]


def test_the_portals_own_database_has_variables_as_mssql_django_makes_them() -> None:
    driver = Driver()
    cursor("default", driver).execute(GROUPED, [5])
    assert "DECLARE @var0 INT = ?" in driver.asked[0][0]


def test_rows_come_one_after_another() -> None:
    each = cursor("dw", Driver())
    assert [each.fetchone(), each.fetchone(), each.fetchone()] == [(1, "a"), (2, "b"), None]

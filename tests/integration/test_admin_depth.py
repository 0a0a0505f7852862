"""The cost of the admin's lists and rows depends neither on the size of the history nor on how far back a page is.

Cost is counted in steps of SQLite's virtual machine, which do not depend on other load, and in the T-SQL statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.build import Size, statements
from monitoring.admin import warehouse as related
from tests.support.tsql_queries import heard
from tests.support.warehouse import NOW, Warehouse

SIZE = Size(runs=3_000, events_per_run=5)
"""Ten minutes apart: 20 days."""
LISTS = {"etlrun": SIZE.runs, "etlrunentity": SIZE.run_entities, "connectionloginevent": SIZE.login_events}
STEPS = 50
A_PAGE = 4_000
"""Steps for a page: 51 rows of some twenty columns, and what finds the first of them."""
"""Steps for the counts: 1,000 rows of one or two columns."""


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def auditor(client_as: Any, warehouse: Warehouse) -> Any:
    for sql, values in statements(SIZE, NOW):
        warehouse._raw("dw", sql, values)  # type: ignore[arg-type]
    warehouse.execute("dw", "ANALYZE [audit]")  # SQL Server has statistics, too
    return client_as("auditor")


def cost(client: Any, url: str) -> tuple[int, list[str]]:
    """Return the steps of a page's most expensive statement on the warehouse, and the statements as T-SQL."""
    with CaptureQueriesContext(connections["dw"]) as captured, heard() as tsql:
        assert client.get(url).status_code == 200
        queries = [query["sql"] for query in captured.captured_queries]
    assert queries
    return max(steps(sql) for sql in queries), [sql for _, sql, _ in tsql]


def steps(sql: str) -> int:
    """Run a statement again, and count."""
    passed = [0]

    def count() -> int:
        passed[0] += 1
        return 0

    connection = connections["dw"].connection
    connection.set_progress_handler(count, STEPS)
    try:
        connection.execute(sql).fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    return passed[0] * STEPS


def listed(name: str, query: str) -> str:
    return reverse(f"admin:monitoring_{name}_changelist") + query


def places(name: str) -> list[str]:
    """The newest page, pages far down by key in both directions, and jumps to moments."""
    rows = LISTS[name]
    return [
        "",
        *(f"?older={rows * part // 100}" for part in (99, 50, 1)),
        *(f"?newer={rows * part // 100}" for part in (1, 50, 99)),
        *(f"?on={day}&clock=12:30" for day in ("2026-02-18", "2026-02-28", "2026-03-10")),
        "?since=2026-02-19T00:00:00Z&until=2026-03-01T00:00:00Z",
        f"?q={rows // 3}",
    ]


def test_a_scan_would_be_seen(auditor: Any) -> None:
    assert steps("SELECT COUNT(login_name) FROM [audit].[connection_login_events]") > 5 * A_PAGE


@pytest.mark.parametrize("name", LISTS)
def test_a_page_costs_the_same_wherever_it_is(auditor: Any, name: str) -> None:
    found = {query: cost(auditor, listed(name, query)) for query in places(name)}
    assert {query: most for query, (most, _) in found.items() if most > A_PAGE} == {}
    for query, (_, tsql) in found.items():
        assert tsql
        for sql in tsql:
            assert "OFFSET" not in sql, query
            assert "TOP " in sql or "MIN(" in sql or "MAX(" in sql, query


@pytest.mark.parametrize("name", ["etlrun", "etlrunentity"])
@pytest.mark.parametrize(
    "query", ["?status=running&on=2026-02-28&window=24h", "?q=no+such+text&on=2026-02-28&window=24h"]
)
def test_a_filter_that_finds_nothing_reads_no_more_than_its_period(auditor: Any, name: str, query: str) -> None:
    """Two days of 20: not one row from there to either end of the table."""
    rows = 2 * 24 * 6 * (9 if name == "etlrunentity" else 1)
    most, _ = cost(auditor, listed(name, f"{query}&on=2026-02-28&window=24h"))
    assert most < A_PAGE + 40 * rows


@pytest.mark.parametrize("name", LISTS)
def test_a_row_costs_the_same_wherever_it_is(auditor: Any, name: str) -> None:
    rows, near = LISTS[name], {"etlrun": 0, "etlrunentity": related.NEAR_RUNS, "connectionloginevent": 4_000}[name]
    for key in (1, rows // 2, rows):
        most, tsql = cost(auditor, reverse(f"admin:monitoring_{name}_change", args=[key]))
        assert most < A_PAGE + 30 * near
        assert all("OFFSET" not in sql for sql in tsql)

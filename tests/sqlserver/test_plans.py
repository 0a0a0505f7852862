"""Actual plans: no statement of the portal scans an audit table. SQL Server only.

Every statement of the collector and the pages is run again with STATISTICS XML by an account that may see plans.
Estimates are not used: the number of rows that each operator read counts, and the tables have a long history before
every window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import pytest
from django.db import connections
from django.urls import reverse

from tests.sqlserver import expected
from tests.sqlserver.conftest import Portal
from tests.sqlserver.server import DW, OLTP, Server

AUDIT = ("etl_run", "etl_run_entity", "connection_login_events")
PLAN = "{http://schemas.microsoft.com/sqlserver/2004/07/showplan}"
DATABASES = {"dw": DW, "oltp": OLTP}

Statement = tuple[str, str, tuple[Any, ...]]


@contextmanager
def caught() -> Iterator[set[Statement]]:
    """Catch the statements that go to the two databases: (alias, text, parameters)."""
    seen: set[Statement] = set()

    def note(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if sql.lstrip("( \n").upper().startswith(("SELECT", "WITH")):
            seen.add((context["connection"].alias, sql, tuple(params or ())))
        return execute(sql, params, many, context)

    with connections["dw"].execute_wrapper(note), connections["oltp"].execute_wrapper(note):
        yield seen


def plan_of(server: Server, statement: Statement) -> ElementTree.Element | None:
    """Run the statement; return its actual plan, None where the server gives none."""
    alias, sql, params = statement
    text = re.sub(r"%([s%])", lambda found: "?" if found[1] == "s" else "%", sql) if params else sql
    with server.open(DATABASES[alias]) as connection:
        cursor = connection.cursor()
        cursor.execute("SET STATISTICS XML ON")
        cursor.execute(text, params)
        while True:
            if cursor.description and "Showplan" in cursor.description[0][0]:
                return ElementTree.fromstring(cursor.fetchone()[0])
            if not cursor.nextset():
                return None


def rows_read(plan: ElementTree.Element) -> Iterator[tuple[str, str, int]]:
    """Yield (table, operator, rows that it really read) for every access to an audit table."""
    for operator in plan.iter(f"{PLAN}RelOp"):
        own = [child for child in operator if child.tag not in (f"{PLAN}OutputList", f"{PLAN}RunTimeInformation")]
        tables = {each.get("Table", "").strip("[]") for child in own for each in child.findall(f"{PLAN}Object")}
        threads = operator.findall(f"{PLAN}RunTimeInformation/{PLAN}RunTimeCountersPerThread")
        read = sum(int(each.get("ActualRowsRead") or each.get("ActualRows") or 0) for each in threads)
        for table in tables & set(AUDIT):
            yield table, operator.get("PhysicalOp", ""), read


@pytest.fixture(scope="module")
def plans(portal: Portal) -> None:
    try:
        found = plan_of(portal.server, ("dw", "SELECT COUNT(*) FROM audit.etl_run", ()))
    except Exception as error:
        pytest.skip(f"this server shows no actual plans ({type(error).__name__})")
    if found is None:
        pytest.skip("this server shows no actual plans")


@pytest.fixture(scope="module")
def totals(portal: Portal) -> dict[str, int]:
    return {table: portal.server.rows(DW, f"SELECT COUNT(*) FROM audit.{table}")[0][0] for table in AUDIT}


def test_a_scan_is_seen(portal: Portal, plans: None, totals: dict[str, int]) -> None:
    """The test of the test: what reads everything is found out."""
    plan = plan_of(portal.server, ("dw", "SELECT COUNT(error_message) FROM audit.etl_run_entity", ()))
    assert plan is not None
    assert [read for _, _, read in rows_read(plan)] == [totals["etl_run_entity"]]


def judge(portal: Portal, seen: set[Statement], totals: dict[str, int]) -> None:
    assert seen
    for statement in sorted(seen, key=repr):
        plan = plan_of(portal.server, statement)
        assert plan is not None, statement[1]
        for table, operator, read in rows_read(plan):
            assert read < totals[table] / 2, f"{operator} reads {read} rows of {table}: {statement[1]}"


def test_a_tick(portal: Portal, plans: None, totals: dict[str, int]) -> None:
    """One tick as it always is, and the first of a collector that starts."""
    from tests.support.collecting import Watcher

    with caught() as seen:
        Watcher().tick()
    judge(portal, seen, totals)


def test_pages_and_admin(portal: Portal, plans: None, totals: dict[str, int]) -> None:
    admin = portal.client("admin")
    run = expected.runs(portal.server)[3]["run_id"]
    urls = [reverse(f"monitoring:{name}") for name in ("summary", "pipelines", "runs", "connections")]
    urls += [reverse("monitoring:pipeline", args=["fact_vendas"]), reverse("monitoring:run", args=[run])]
    urls += [reverse("monitoring:run", args=[1]), f"{reverse('monitoring:connections')}?login_name=svc_loja"]
    for model, queries in ADMIN_LISTS.items():
        urls += [f"{reverse(f'admin:monitoring_{model}_changelist')}{query}" for query in queries]
    with caught() as seen:
        for url in urls:
            assert admin.get(url).status_code == 200, url
    judge(portal, seen, totals)


ADMIN_LISTS = {
    "etlcontrol": ("",),
    "etlrun": ("", "?window=24h", "?window=24h&status=failed", "?older=2000"),
    "etlrunentity": ("", "?window=24h", "?pipeline=fact_metas&window=24h", "?older=9000"),
    "connectionloginevent": ("", "?window=24h", "?q=loja&window=24h", "?older=5000"),
}

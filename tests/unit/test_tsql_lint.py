"""The lint over statements for SQL Server: each rule refuses a bad statement and lets a good one through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from tests.support import tsql, tsql_queries

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
NAME = "SELECT TOP (5) e.run_id FROM [audit].[etl_run_entity] AS e WHERE "
RUN = "SELECT TOP (5) run_id FROM audit.etl_run WHERE "
EVENT = "SELECT TOP (5) session_id FROM audit.connection_login_events WHERE "


def found(sql: str, *params: Any, alias: str = "dw") -> tuple[str, ...]:
    return tsql.problems(alias, sql, tsql.kinds_of(params))


BAD = [
    # an NVARCHAR against a VARCHAR column
    ("converted", NAME + "e.entity_name = %s", ["x"]),
    ("converted", NAME + "%s = e.entity_name", ["x"]),
    ("converted", NAME + "e.entity_name IN (CAST(%s AS VARCHAR(100)), %s)", ["x", "y"]),
    ("converted", NAME + "e.entity_name BETWEEN %s AND CAST(%s AS VARCHAR(8000))", ["x", "y"]),
    ("converted", NAME + "e.entity_name >= CAST(%s AS NVARCHAR(100))", ["x"]),
    ("converted", NAME + "e.error_message LIKE %s ESCAPE '\\'", ["x"]),
    ("converted", NAME + "(1 = 0 OR NOT (e.status <> N'failed'))", []),
    ("converted", NAME + "[audit].[etl_run_entity].[status] = %s", ["x"]),
    ("converted", "SELECT TOP (1) 1 FROM ctl.etl_control c JOIN audit.etl_run_entity e ON e.entity_name = %s", ["x"]),
    ("converted", "SELECT q.n FROM (SELECT entity_name AS n FROM ctl.etl_control) AS q WHERE q.n = %s", ["x"]),
    ("converted", RUN + "started_by = (SELECT MAX(login_name) FROM audit.connection_login_events)", []),
    ("unknown type", NAME + "e.entity_name = COALESCE(%s, 'x')", ["x"]),
    # a time of another type
    ("DATETIME2(0) against DATETIME2(7)", RUN + "started_at >= %s", [MOMENT]),
    ("DATETIME2(0) against DATETIMEOFFSET", RUN + "started_at >= CAST(%s AS DATETIMEOFFSET(0))", [MOMENT]),
    ("DATETIME2(3) against DATETIME2(0)", EVENT + "event_time_utc < CAST(%s AS DATETIME2(0))", [MOMENT]),
    ("DATETIME against DATETIME2(3)", EVENT + "login_time = CAST(%s AS DATETIME2(3))", [MOMENT]),
    # OFFSET without ORDER BY
    ("OFFSET", "SELECT run_id FROM audit.etl_run ORDER BY (SELECT NULL) OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY", []),
    ("OFFSET", "SELECT run_id FROM audit.etl_run OFFSET 5 ROWS", []),
    # a function around an indexed column
    ("function around", RUN + "YEAR(started_at) = 2026", []),
    ("function around", RUN + "DATEADD(HOUR, 1, started_at) > SYSUTCDATETIME()", []),
    ("function around", RUN + "run_id + 1 = 5", []),
    ("function around", NAME + "UPPER(e.entity_name) = CAST(%s AS VARCHAR(100))", ["x"]),
    ("function around", NAME + "e.entity_name COLLATE Latin1_General_BIN2 = 'x'", []),
    ("function around", EVENT + "CAST(event_time_utc AS DATE) = '20260101'", []),
    # an unbounded COUNT
    ("COUNT", "SELECT COUNT(*) FROM audit.etl_run_entity", []),
    ("COUNT", "SELECT COUNT(*) FROM audit.etl_run_entity WHERE status = 'failed'", []),
    ("COUNT", "SELECT COUNT(*) FROM audit.etl_run_entity WHERE entity_name = 'x'", []),
    ("COUNT", "SELECT COUNT(*) FROM core.orders WHERE order_id > 5 OR 1 = 1", []),
    ("COUNT", "SELECT (SELECT COUNT(*) FROM some.table_of_a_customer) AS n", []),
    # what the portal may not say at all
    ("refused", "DELETE FROM audit.etl_run", []),
    ("refused", "SELECT 1; DROP TABLE audit.etl_run", []),
    ("refused", "SELECT run_id FROM audit.etl_run WITH (TABLOCKX)", []),
    ("refused", "EXEC audit.sp_connection_audit_cleanup 30", []),
    ("refused", "EXEC audit.sp_capture_connection_snapshot 1", []),
    ("not one SELECT", "DECLARE @a INT = 1 SELECT @a", []),
    ("not T-SQL", "SELECT FROM WHERE (", []),
    ("2099 parameters", RUN + f"run_id IN ({', '.join(['%s'] * 2099)})", list(range(2099))),
    ("marks", RUN + "run_id = %s", [1, 2]),
    ("groups by a", "SELECT COUNT(*) FROM audit.etl_run WHERE run_id > 1 GROUP BY run_id / %s", [1]),
]  # fmt: skip
GOOD = [
    (NAME + "e.entity_name = CAST(%s AS VARCHAR(8000)) AND e.run_id = %s", ["x", 5]),
    (NAME + "e.entity_name IN (CAST(%s AS VARCHAR(8000)), 'y') AND e.error_message IS NULL", ["x"]),
    (RUN + "started_at >= CAST(%s AS DATETIME2(0)) AND finished_at IS NOT NULL", [MOMENT]),
    (RUN + "started_at = (SELECT MIN(r.started_at) FROM audit.etl_run AS r)", []),
    (EVENT + "login_name = %s AND UPPER(program_name) LIKE UPPER(%s) ESCAPE '\\'", ["x", "y"]),
    (EVENT + "event_time_utc >= DATEADD(HOUR, -%s, CAST('20000101' AS DATETIME2(3)))", [5]),
    ("SELECT run_id FROM audit.etl_run ORDER BY run_id OFFSET 5 ROWS FETCH NEXT 5 ROWS ONLY", []),
    ("SELECT COUNT(*) FROM audit.etl_run WHERE run_id > %s", [5]),
    ("SELECT COUNT(*) FROM audit.connection_login_events WHERE event_time_utc >= CAST(%s AS DATETIME2(3))", [MOMENT]),
    ("SELECT COUNT(*) FROM (SELECT TOP (10) a FROM some.table_of_a_customer) AS x", []),
    ("EXEC audit.sp_capture_connection_snapshot", []),
    (RUN + f"run_id IN ({', '.join(['%s'] * 2098)})", list(range(2098))),
    ("SELECT TOP (5) o.updated_at FROM core.orders AS o WHERE o.updated_at > CAST(%s AS DATETIME2(0))", [MOMENT]),
]


@pytest.mark.parametrize(("why", "sql", "params"), BAD)
def test_it_refuses(why: str, sql: str, params: list[Any]) -> None:
    assert any(why in problem for problem in found(sql, *params)), found(sql, *params)


@pytest.mark.parametrize(("sql", "params"), GOOD)
def test_it_lets_through(sql: str, params: list[Any]) -> None:
    assert found(sql, *params) == ()


def test_the_snapshot_is_taken_of_the_warehouse_only() -> None:
    assert found("EXEC audit.sp_capture_connection_snapshot", alias="oltp")


QUERIES = [
    EtlControl.objects.filter(pk="x"),
    EtlControl.objects.exclude(last_status__in=["success", "é"]),
    EtlRun.objects.filter(started_at__gte=MOMENT, error_message__icontains="x"),
    EtlRunEntity.objects.select_related("run").filter(entity_name__gt="x").order_by("run_id")[:5],
    ConnectionLoginEvent.objects.filter(program_name__icontains="x", client_net_address__icontains="1"),
]


@pytest.mark.parametrize("queryset", QUERIES)
def test_djangos_queries_as_they_should_be(queryset: Any) -> None:
    sql, params = tsql_queries.compiled(queryset.query, "dw") or ("", ())
    assert sql.startswith("SELECT ")
    assert found(sql, *params) == ()


@pytest.mark.parametrize(
    ("queryset", "why"),
    [
        (EtlRun.objects.filter(started_at__date=MOMENT.date()), "function around"),
        (EtlRun.objects.filter(started_at__hour=3), "function around"),
        (EtlControl.objects.filter(entity_name__regex="x"), "function around"),
        (EtlRun.objects.filter(run_id__in=list(range(2101))), "Compiling"),
    ],
)
def test_djangos_queries_that_would_be_slow_are_seen(queryset: Any, why: str) -> None:
    try:
        sql, params = tsql_queries.compiled(queryset.query, "dw") or ("", ())
        problems = found(sql, *params)
    except AssertionError as error:
        problems = (str(error),)
    assert any(why in problem for problem in problems), problems

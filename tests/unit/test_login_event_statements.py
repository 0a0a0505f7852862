"""The statements about login events as SQL Server gets them: T-SQL, reading only, bounded by keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from etlportal.guard import is_read
from monitoring.warehouse import login_events
from monitoring.warehouse.dialect import Sql, SqlServer

NOW = datetime(2026, 3, 10, 12, 34, 56, 789_000, tzinfo=UTC)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sql]:
    """Every statement that would have gone to a SQL Server."""
    seen: list[Sql] = []

    def answer(alias: str, sql: Sql) -> list[Any]:
        seen.append(sql)
        return (
            ([(NOW, NOW, 1, 2, -180)] if "DATEDIFF(HOUR" in sql.text else [(NOW, 1, 2, -180)])
            if "SYSUTCDATETIME" in sql.text
            else [(7,)]
            if "GROUP BY" not in sql.text
            else []
        )

    monkeypatch.setattr(login_events, "rows", answer)
    monkeypatch.setattr(login_events, "dialect_of", lambda alias: SqlServer())
    assert login_events.bounds(24).offset == timedelta(hours=-3)
    login_events.hours(5, NOW)
    monkeypatch.setattr(login_events, "execute_snapshot", lambda alias: None)
    assert login_events.capture_snapshot() == 7
    between = login_events.bounds_between(NOW - timedelta(days=1), NOW)
    assert (between.first, between.newest, between.offset) == (1, 2, timedelta(hours=-3))
    login_events.hours(5, NOW - timedelta(days=1), 9, NOW)
    return seen


def test_they_are_t_sql_and_only_read(asked: list[Sql]) -> None:
    assert len(asked) == 6
    for sql in asked:
        assert sql.text.count("%s") == len(sql.params)
        assert is_read(sql.text)
        parsed = sqlglot.parse_one(sql.text.replace("%s", "0"), read="tsql")
        assert isinstance(parsed, exp.Select)
        assert " OFFSET " not in sql.text


def test_every_row_is_reached_by_a_key_or_the_indexed_time(asked: list[Sql]) -> None:
    for sql in asked:
        for select in sqlglot.parse_one(sql.text.replace("%s", "0"), read="tsql").find_all(exp.Select):
            if select.args.get("from_") is None and select.args.get("from") is None:
                continue
            where, limit = select.args.get("where"), select.args.get("limit")
            assert where is not None or limit is not None, sql.text
            for compared in where.find_all(exp.Predicate) if where else ():
                column = compared.this
                assert isinstance(column, exp.Column), f"a function on an indexed column: {compared.sql('tsql')}"
                assert column.name in {"connection_event_id", "event_time_utc"}


def test_the_window_is_cut_in_utc_by_date_arithmetic(asked: list[Sql]) -> None:
    assert asked[0].params[:2] == (23, 23)
    assert "DATEADD(HOUR, DATEDIFF(HOUR, '20000101', SYSUTCDATETIME()) - %s" in asked[0].text


def test_a_time_goes_out_in_the_columns_own_type(asked: list[Sql]) -> None:
    assert "event_time_utc >= CAST(%s AS DATETIME2(3))" in asked[1].text
    assert asked[1].params == (5, NOW.replace(tzinfo=None))


def test_groups_are_what_is_selected(asked: list[Sql]) -> None:
    selected = re.search(rf"SELECT TOP \({login_events.MOST_GROUPS + 1}\) (.*?), COUNT", asked[1].text)
    grouped = re.search(r"GROUP\sBY (.*?), login_name", asked[1].text)
    assert selected is not None and grouped is not None
    assert selected[1] == grouped[1]

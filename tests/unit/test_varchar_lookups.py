"""The contract's columns are compared with parameters of their own type, and never find what is not there.

As SQL Server's own backend compiles them; that they seek is tests/support/tsql.py's to judge.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from tests.support import tsql, tsql_queries

LOOKUPS = (
    *("exact", "iexact", "gt", "gte", "lt", "lte"),
    *("contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"),
)
SURVIVES = "CAST(CAST(%s AS VARCHAR(8000)) AS NVARCHAR(4000)) = CAST(%s AS NVARCHAR(4000)) COLLATE Latin1_General_BIN2"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def where(queryset: Any) -> tuple[str, tuple[Any, ...]]:
    """The condition as SQL Server gets it; ("", ()) where nothing can match."""
    statement = tsql_queries.compiled(queryset.order_by().query, "dw")
    if statement is None:
        return "", ()
    sql, params = statement
    assert tsql.problems("dw", sql, tsql.kinds_of(params)) == ()
    condition = sql.partition(" WHERE ")[2]
    for table in (
        "[ctl].[etl_control].",
        "[audit].[etl_run_entity].",
        "[audit].[etl_run].",
        "[audit].[connection_login_events].",
    ):
        condition = condition.replace(table, "")
    return condition, params


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("text", ["dim_cliente", "Ωmega"])
def test_every_lookup_sends_a_varchar(lookup: str, text: str) -> None:
    condition, params = where(EtlRunEntity.objects.filter(**{f"entity_name__{lookup}": text}))
    assert "[entity_name] " in condition and "CAST(%s AS VARCHAR(8000))" in condition
    assert "UPPER" not in condition
    assert condition.count("%s") == len(params)


def test_a_text_longer_than_the_column_matches_nothing() -> None:
    """CAST truncates silently: the first 100 characters of a longer name could be another pipeline's."""
    name = "x" * 101
    for lookup in ("exact", "iexact", "contains", "icontains", "startswith", "endswith"):
        assert where(EtlControl.objects.filter(**{f"entity_name__{lookup}": name})) == ("", ())
    assert where(EtlControl.objects.filter(entity_name__in=[name])) == ("", ())
    assert where(EtlControl.objects.filter(entity_name__in=[name, "a"])) == (
        "[entity_name] IN (CAST(%s AS VARCHAR(8000)))",
        ("a",),
    )
    assert where(EtlControl.objects.exclude(entity_name=name))[0] == ""  # not this one: all of them
    assert where(EtlControl.objects.filter(entity_name="x" * 100))[1] == ("x" * 100,)
    assert where(EtlControl.objects.filter(entity_name="x" * 100 + "  "))[1], "SQL Server ignores blanks at the end"
    assert where(EtlControl.objects.filter(entity_name__gt=name))[1] == (name,)


def test_a_character_outside_the_code_page_is_no_question_mark() -> None:
    assert where(EtlControl.objects.filter(entity_name="日本")) == (
        f"([entity_name] = CAST(%s AS VARCHAR(8000)) AND {SURVIVES})",
        ("日本",) * 3,
    )
    condition, params = where(EtlControl.objects.filter(entity_name__icontains="日_本"))
    assert condition == f"([entity_name] LIKE CAST(%s AS VARCHAR(8000)) ESCAPE '\\' AND {SURVIVES})"
    assert params == ("%日\\_本%", "日_本", "日_本")
    condition, params = where(EtlControl.objects.exclude(entity_name__in=["é", "b", "a"]))
    assert params == ("é", "é", "é", "b", "a")
    assert condition.startswith("NOT ((([entity_name] = ") and condition.count(SURVIVES) == 1


def test_wildcards_are_characters() -> None:
    _, params = where(EtlRun.objects.filter(error_message__icontains="100%_[a]\\"))
    assert params == ("%100\\%\\_[[]a]\\\\%",)
    assert where(EtlRun.objects.filter(started_by__istartswith="a"))[1] == ("a%",)
    assert where(EtlRun.objects.filter(started_by__iendswith="a"))[1] == ("%a",)


def test_columns_are_compared_as_they_are() -> None:
    assert where(EtlControl.objects.filter(source_table=F("target_table"))) == ("[source_table] = ([target_table])", ())


def test_an_nvarchar_stays_one() -> None:
    assert where(ConnectionLoginEvent.objects.filter(login_name="日本")) == ("[login_name] = %s", ("日本",))


@pytest.mark.parametrize(
    ("lookup", "later", "sent"),
    [
        ("gte", 0, 0), ("gte", 400_000, 1), ("gte", 600_000, 1),
        ("gt", 400_000, 0), ("gt", 600_000, 0),
        ("lt", 0, 0), ("lt", 400_000, 1), ("lt", 600_000, 1),
        ("lte", 400_000, 0), ("lte", 600_000, 0),
        ("exact", 0, 0),
    ],
)  # fmt: skip
def test_a_time_is_cut_to_the_columns_digits_so_that_no_row_changes_sides(lookup: str, later: int, sent: int) -> None:
    value = MOMENT + timedelta(microseconds=later)
    condition, params = where(EtlRun.objects.filter(**{f"started_at__{lookup}": value}))
    assert condition.endswith("CAST(%s AS DATETIME2(0))")
    assert params == ((MOMENT + timedelta(seconds=sent)).replace(tzinfo=None),)


def test_a_time_between_two_seconds_is_nobodys() -> None:
    assert where(EtlRun.objects.filter(started_at=MOMENT + timedelta(microseconds=1))) == ("", ())


def test_a_time_goes_out_as_utc() -> None:
    from zoneinfo import ZoneInfo

    local = MOMENT.astimezone(ZoneInfo("America/Sao_Paulo"))
    condition, params = where(ConnectionLoginEvent.objects.filter(event_time_utc__gt=local))
    assert condition == "[event_time_utc] > CAST(%s AS DATETIME2(3))"
    assert params == (MOMENT.replace(tzinfo=None),)
    assert where(EtlRun.objects.filter(started_at__gte=datetime.max.replace(tzinfo=UTC)))[1]

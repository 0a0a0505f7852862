"""For whom code works: ids that are taken over or made, and comments that cannot be left."""

from __future__ import annotations

import contextvars
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from etlportal.guard import is_read
from etlportal.logs import Work, accepted, current, new_id, working
from etlportal.statements import commented

READS = (
    "SELECT 1",
    "SELECT a FROM t WHERE b = %s",
    "WITH x AS (SELECT 1 AS one) SELECT one FROM x",
    "(SELECT 1) UNION (SELECT 2)",
    "\n  select '/* */' AS x -- end",
)
HOSTILE = st.text(max_size=90) | st.sampled_from(["*/ DROP TABLE t --", "/*", "%s%", "' OR 1=1", "a\nb", "é" * 80])


def connection(vendor: str = "postgresql", alias: str = "default") -> Any:
    return SimpleNamespace(vendor=vendor, alias=alias)


@pytest.mark.parametrize("given", ["a", "4bf92f3577b34da6", "0b6c7bfa-6d3e-4f57-9d2e-3f8a5e0a5f7b", "a.b_c-D" * 9])
def test_an_id_that_is_one_is_taken_over(given: str) -> None:
    assert accepted(given) == given


@pytest.mark.parametrize("given", [None, "", "a b", "-a", "a*/b", "a\r\nX: y", "é", "x" * 65, "a,b", "%s"])
def test_anything_else_is_not(given: str | None) -> None:
    found = accepted(given)
    assert found != given
    assert re.fullmatch(r"[0-9a-f]{16}", found)


def test_no_two_are_alike() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


def test_work_is_known_inside_its_block_alone() -> None:
    assert current() is None
    with working(Work("request", "a", "1")) as outer:
        assert current() is outer
        with working(Work("tick", "b", "2")) as inner:
            assert current() is inner
        assert current() is outer
        assert contextvars.copy_context().run(current) is outer
    assert current() is None


@settings(deadline=None)
@given(page=HOSTILE, own=HOSTILE)
def test_nothing_leaves_the_comment_and_the_guard_says_the_same(page: str, own: str) -> None:
    work = Work("request", page, own)
    for sql in READS:
        with override_settings(SQL_COMMENT_IDS="all"):
            text = commented(sql, work, connection())
        assert is_read(text)
        assert text.count("%") == sql.count("%")
        text, ids = re.subn(r"\A/\* request=[A-Za-z0-9._:-]{0,64} \*/ ", "", text)
        text, pages = re.subn(r" /\* etlportal page=[A-Za-z0-9._:-]{0,80} \*/", "", text)
        assert (ids, pages, text) == (1, 1, sql)


@pytest.mark.parametrize(
    "written", ["DROP TABLE t", "SELECT 1; DELETE FROM t", "UPDATE t SET a = 1", "SELECT 1 INTO x"]
)
def test_what_writes_still_writes_with_a_comment(written: str) -> None:
    with override_settings(SQL_COMMENT_IDS="all"):
        assert not is_read(commented(written, Work("request", "p", "1"), connection()))


def test_plain_text_stays() -> None:
    with override_settings(SQL_COMMENT_IDS="all"):
        text = commented("SELECT 1", Work("request", "monitoring:pipeline-head", "a*/;'\"%\nb"), connection())
    assert text == "/* request=a_______b */ SELECT /* etlportal page=monitoring:pipeline-head */ 1"


@pytest.mark.parametrize("sql", ["BEGIN", "SAVEPOINT a", "EXEC audit.sp_capture_connection_snapshot", "PRAGMA x"])
def test_what_is_no_query_stays_as_it_is(sql: str) -> None:
    assert commented(sql, Work("request", "p", "1"), connection()) == sql


def test_without_work_nothing_is_added() -> None:
    assert commented("SELECT 1", None, connection()) == "SELECT 1"


ID, PAGE = "/* request=r1 */ SELECT /* etlportal page=p */ 1", "SELECT /* etlportal page=p */ 1"
TICK = "/* tick=r1 */ SELECT /* etlportal page=p */ 1"


@pytest.mark.parametrize(
    ("ids", "kind", "vendor", "alias", "text"),
    [
        # A text of its own costs nothing on PostgreSQL, a plan on SQL Server, a preparation on SQLite.
        ("auto", "request", "postgresql", "default", ID),
        ("auto", "tick", "postgresql", "default", TICK),
        ("auto", "request", "microsoft", "default", PAGE),
        ("auto", "request", "sqlite", "default", PAGE),
        # What a person asked of the warehouse is rare and worth finding; the collector's stay the same all day.
        ("auto", "request", "microsoft", "dw", ID),
        ("auto", "request", "microsoft", "oltp", ID),
        ("auto", "tick", "microsoft", "dw", PAGE),
        ("auto", "tick", "microsoft", "oltp", PAGE),
        ("all", "tick", "microsoft", "dw", TICK),
        ("all", "request", "microsoft", "default", ID),
        ("none", "request", "postgresql", "default", PAGE),
        ("none", "request", "microsoft", "dw", PAGE),
    ],
)
def test_where_a_statement_carries_the_id(ids: str, kind: Any, vendor: str, alias: str, text: str) -> None:
    with override_settings(SQL_COMMENT_IDS=ids):
        assert commented("SELECT 1", Work(kind, "p", "r1"), connection(vendor, alias)) == text

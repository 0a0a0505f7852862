"""Paging by key: every row once, in both directions, at any depth and in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.models import RunCopy
from monitoring.web import keyset

pytestmark = pytest.mark.django_db(databases=["default"])

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def runs() -> list[int]:
    """25 runs in pairs with the same start, by two people."""
    RunCopy.objects.bulk_create(
        RunCopy(
            run_id=number,
            entities_requested="dim_cliente",
            started_by=("ana", "rui")[number % 2],
            started_at=START + timedelta(minutes=number // 2),
            status="success",
            entities_succeeded=1,
            entities_failed=0,
        )
        for number in range(1, 26)
    )
    return list(range(1, 26))


def walk(field: str, descending: bool, size: int = 4) -> list[keyset.KeysetPage[RunCopy]]:
    pages = [keyset.page(RunCopy.objects.all(), field=field, descending=descending, size=size)]
    while pages[-1].after:
        pages.append(
            keyset.page(RunCopy.objects.all(), field=field, descending=descending, size=size, after=pages[-1].after)
        )
    return pages


@pytest.mark.parametrize("field", ["run_id", "started_at", "started_by", "status"])
@pytest.mark.parametrize("descending", [True, False])
def test_forwards_shows_every_row_once_in_order(runs: list[int], field: str, descending: bool) -> None:
    rows = [row for page in walk(field, descending) for row in page.rows]
    wanted = sorted(RunCopy.objects.all(), key=lambda row: (getattr(row, field), row.pk), reverse=descending)
    assert [row.pk for row in rows] == [row.pk for row in wanted]


@pytest.mark.parametrize("field", ["run_id", "started_at", "started_by"])
def test_backwards_gives_the_pages_that_forwards_gave(runs: list[int], field: str) -> None:
    pages = walk(field, descending=True)
    back = keyset.page(RunCopy.objects.all(), field=field, descending=True, size=4, before=pages[-1].before)
    assert [row.pk for row in back.rows] == [row.pk for row in pages[-2].rows]
    assert back.after
    first = keyset.page(RunCopy.objects.all(), field=field, descending=True, size=4, before=pages[1].before)
    assert [row.pk for row in first.rows] == [row.pk for row in pages[0].rows]
    assert not first.before


def test_first_page_has_no_page_before_and_the_last_none_after(runs: list[int]) -> None:
    pages = walk("run_id", descending=True)
    assert not pages[0].before
    assert not pages[-1].after
    assert len(pages) == 7


def test_the_cursor_of_another_order_starts_at_the_first_page(runs: list[int]) -> None:
    cursor = walk("run_id", descending=True)[0].after
    page = keyset.page(RunCopy.objects.all(), field="started_at", descending=False, size=4, after=cursor)
    assert [row.pk for row in page.rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("cursor", ["x", "%%%", "e30", "W10", "WyItcnVuX2lkIiwieCIsIngiXQ", "é", "A" * 5000])
def test_a_cursor_that_nobody_gave_out_is_refused(runs: list[int], cursor: str) -> None:
    with pytest.raises(keyset.BadCursor):
        keyset.page(RunCopy.objects.all(), field="run_id", descending=True, after=cursor)


def test_one_statement_without_offset(runs: list[int], django_assert_num_queries: object) -> None:
    cursor = walk("started_at", descending=True)[0].after
    with django_assert_num_queries(1) as captured:  # type: ignore[operator]
        keyset.page(RunCopy.objects.all(), field="started_at", descending=True, after=cursor)
    assert "OFFSET" not in captured.captured_queries[0]["sql"]

"""Events and sessions: what is counted once, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.policies.sessions import (
    HourEvents,
    by_hour,
    by_login,
    by_value,
    hour_of,
    session_number,
    totals,
    window_start,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
RUNNER = ("etl_runner", "ETL-01", "etl-runner", "DW", "running")
PORTAL = ("etl_monitor", "PORTAL-01", "ETLPORTAL-web", "DW", "sleeping")
NOBODY = (None, None, "", None, None)


def sampled(hour: datetime = NOON, **changes: Any) -> HourEvents:
    values: dict[str, Any] = {
        "counts": {RUNNER: 3},
        "sessions": {"etl_runner": frozenset({1})},
        "unidentified": 0,
        "first_key": 1,
        "last_key": 9,
    }
    return HourEvents(hour=hour, **{**values, **changes})


@pytest.mark.parametrize(
    ("moment", "hours", "start"),
    [
        (NOON, 1, NOON),
        (NOON, 24, NOON - timedelta(hours=23)),
        (NOON + timedelta(minutes=59, seconds=59), 6, NOON - timedelta(hours=5)),
        (NOON - timedelta(microseconds=1), 6, NOON - timedelta(hours=6)),
    ],
)
def test_a_window_ends_with_the_current_hour(moment: datetime, hours: int, start: datetime) -> None:
    assert window_start(moment, hours) == start


def test_hour_of() -> None:
    assert hour_of(NOON + timedelta(minutes=59, seconds=59, microseconds=999_999)) == NOON


def test_every_hour_is_there_also_without_samples() -> None:
    hours = by_hour([sampled()], [], since=NOON - timedelta(hours=2), until=NOON + timedelta(minutes=30))
    assert [(each.hour.hour, each.events, each.sessions, each.failures) for each in hours] == [
        (10, 0, 0, 0),
        (11, 0, 0, 0),
        (12, 3, 1, 0),
    ]


def test_a_session_of_two_logins_counts_once_in_an_hour() -> None:
    hour = sampled(
        counts={RUNNER: 3, PORTAL: 2},
        sessions={"etl_runner": frozenset({1, 2}), "etl_monitor": frozenset({2, 3})},
    )
    assert [(each.events, each.sessions) for each in by_hour([hour], [], since=NOON, until=NOON)] == [(5, 3)]


def test_failures_by_the_hour_of_their_start() -> None:
    failed = [NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)]
    hours = by_hour([], failed, since=NOON, until=NOON + timedelta(hours=1))
    assert [each.failures for each in hours] == [2, 1]


def test_unknown_failures_are_none_not_zero() -> None:
    assert [each.failures for each in by_hour([sampled()], None, since=NOON, until=NOON)] == [None]


def test_a_clock_that_went_back_gives_no_hours() -> None:
    assert by_hour([], [], since=NOON, until=NOON - timedelta(hours=5)) == ()


def test_logins_over_the_window_most_events_first() -> None:
    window = [
        sampled(),
        sampled(
            NOON + timedelta(hours=1),
            counts={RUNNER: 4, PORTAL: 9, NOBODY: 7},
            sessions={"etl_runner": frozenset({1, 2}), "etl_monitor": frozenset({3})},
            unidentified=7,
        ),
    ]
    assert [(each.login, each.events, each.sessions, each.portal_percent) for each in by_login(window)] == [
        ("etl_monitor", 9, 1, 100.0),
        (None, 7, 0, 0.0),
        ("etl_runner", 7, 2, 0.0),
    ]


def test_totals() -> None:
    found = totals(
        [
            sampled(),
            sampled(
                NOON + timedelta(hours=1),
                counts={RUNNER: 1, PORTAL: 4, NOBODY: 2},
                sessions={"etl_runner": frozenset({1}), "etl_monitor": frozenset({3})},
                unidentified=2,
            ),
        ]
    )
    assert (found.events, found.sessions, found.unidentified, found.logins) == (10, 2, 2, 3)
    assert found.samples_per_session == 4.0
    assert found.portal_percent == 40.0


def test_totals_of_nothing_have_no_shares() -> None:
    found = totals([])
    assert (found.events, found.sessions, found.samples_per_session, found.portal_percent) == (0, 0, None, None)


def test_values_of_each_column_most_events_first() -> None:
    logins, hosts, programs, _databases, statuses = by_value([sampled(counts={RUNNER: 3, PORTAL: 5, NOBODY: 3})])
    assert logins == (("etl_monitor", 5), (None, 3), ("etl_runner", 3))
    assert hosts[0] == ("PORTAL-01", 5)
    assert ("", 3) in programs
    assert dict(statuses) == {"running": 3, "sleeping": 5, None: 3}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 32_767),
            st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
                lambda moment: moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
            ),
        ),
        unique=True,
    )
)
def test_no_two_sessions_have_one_number(pairs: list[tuple[int, datetime]]) -> None:
    assert len({session_number(*pair) for pair in pairs}) == len(pairs)

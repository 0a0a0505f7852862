"""Events and sessions: what is counted once, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.policies.sessions import LoginHour, by_hour, by_login, hour_of, totals, window_start

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def row(hour: datetime = NOON, login: str | None = "a", **changes: Any) -> LoginHour:
    values: dict[str, Any] = {
        "events": 10,
        "portal_events": 0,
        "sessions": 2,
        "login_sessions": 2,
        "new_sessions": 2,
        "unidentified": 0,
    }
    return LoginHour(hour=hour, login=login, **{**values, **changes})


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
    hours = by_hour([row(NOON)], [], since=NOON - timedelta(hours=2), until=NOON + timedelta(minutes=30))
    assert [(each.hour.hour, each.events, each.sessions, each.failures) for each in hours] == [
        (10, 0, 0, 0),
        (11, 0, 0, 0),
        (12, 10, 2, 0),
    ]


def test_logins_of_one_hour_add_up() -> None:
    hours = by_hour([row(login="a"), row(login="b", sessions=1)], [], since=NOON, until=NOON)
    assert [(each.events, each.sessions) for each in hours] == [(20, 3)]


def test_failures_by_the_hour_of_their_start() -> None:
    failed = [NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)]
    hours = by_hour([], failed, since=NOON, until=NOON + timedelta(hours=1))
    assert [each.failures for each in hours] == [2, 1]


def test_unknown_failures_are_none_not_zero() -> None:
    assert [each.failures for each in by_hour([row()], None, since=NOON, until=NOON)] == [None]


def test_a_clock_that_went_back_gives_no_hours() -> None:
    assert by_hour([], [], since=NOON, until=NOON - timedelta(hours=5)) == ()


def test_logins_over_the_window_most_events_first() -> None:
    later = NOON + timedelta(hours=1)
    logins = by_login(
        [
            row(login="a", events=3, login_sessions=1),
            row(later, login="a", events=4, login_sessions=0),
            row(login="b", events=9, portal_events=9),
            row(login=None, events=7, login_sessions=0),
        ]
    )
    assert [(each.login, each.events, each.sessions, each.portal_percent) for each in logins] == [
        ("b", 9, 2, 100.0),
        (None, 7, 0, 0.0),
        ("a", 7, 1, 0.0),
    ]


def test_totals() -> None:
    found = totals([row(events=10, unidentified=4, new_sessions=2, portal_events=5), row(login="b", new_sessions=1)])
    assert (found.events, found.sessions, found.unidentified, found.logins) == (20, 3, 4, 2)
    assert found.samples_per_session == pytest.approx(16 / 3)
    assert found.portal_percent == 25.0


def test_totals_of_nothing_have_no_shares() -> None:
    found = totals([])
    assert (found.events, found.sessions, found.samples_per_session, found.portal_percent) == (0, 0, None, None)

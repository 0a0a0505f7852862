"""Events and sessions: what is counted once, and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitoring.rules.login_events import (
    ADDRESS,
    HOST,
    LOGIN,
    PROGRAM,
    EventGroup,
    Values,
    by_hour,
    combined,
    figures,
    hour_of,
    login_time_of,
    session_number,
    totals,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
RUNNER: Values = ("etl_runner", "ETL-01", "etl-runner", "DW", "running", "10.0.0.5", "TRUE", "SQL")
PORTAL: Values = ("etl_monitor", "PORTAL-01", "ETLPORTAL-web", "DW", "sleeping", "10.0.0.6", "TRUE", "SQL")
NOBODY: Values = (None, None, "", None, None, None, None, None)


def group(
    values: Values, events: int, *numbers: int, minute: int = 0, last: int | None = None, unidentified: int = 0
) -> EventGroup:
    first, end = NOON + timedelta(minutes=minute), NOON + timedelta(minutes=minute if last is None else last)
    return EventGroup(
        hour=hour_of(first),
        values=values,
        events=events,
        sessions=dict.fromkeys(numbers, end),
        unidentified=unidentified,
        first=first,
        last=end,
        first_key=1,
        last_key=9,
    )


def test_hour_of() -> None:
    assert hour_of(NOON + timedelta(minutes=59, seconds=59, microseconds=999_999)) == NOON


def test_every_hour_is_there_also_without_samples() -> None:
    hours = by_hour([group(RUNNER, 3, 1)], [], since=NOON - timedelta(hours=2), until=NOON + timedelta(minutes=30))
    assert [(hour.hour, each.events, each.sessions, each.failures) for hour, each in hours.items()] == [
        (10, 0, 0, 0),
        (11, 0, 0, 0),
        (12, 3, 1, 0),
    ]


def test_a_session_of_two_logins_counts_once_in_an_hour() -> None:
    groups = [group(RUNNER, 3, 1, 2), group(PORTAL, 2, 2, 3)]
    assert [(each.events, each.sessions) for each in by_hour(groups, [], since=NOON, until=NOON).values()] == [(5, 3)]


def test_failures_by_the_hour_of_their_start() -> None:
    failed = [NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)]
    hours = by_hour([], failed, since=NOON, until=NOON + timedelta(hours=1))
    assert [each.failures for each in hours.values()] == [2, 1]


def test_unknown_failures_are_none_not_zero() -> None:
    groups = [group(RUNNER, 3, 1)]
    assert [each.failures for each in by_hour(groups, None, since=NOON, until=NOON).values()] == [None]


def test_a_clock_that_went_back_gives_no_hours() -> None:
    assert by_hour([], [], since=NOON, until=NOON - timedelta(hours=5)) == {}


def test_values_of_a_column_most_events_first() -> None:
    window = [
        group(RUNNER, 3, 1, minute=5, last=9),
        group(RUNNER, 4, 1, 2, minute=61, last=70),
        group(PORTAL, 9, 3, minute=60),
        group(NOBODY, 7, minute=62, unidentified=7),
    ]
    assert [
        (each.value, each.events, each.sessions, each.portal_percent, each.first.minute, each.last.minute)
        for each in figures(window, (LOGIN,))
    ] == [
        ("etl_monitor", 9, 1, 100.0, 0, 0),
        (None, 7, 0, 0.0, 2, 2),
        ("etl_runner", 7, 2, 0.0, 5, 10),
    ]
    assert [each.value for each in figures(window, (ADDRESS,))] == ["10.0.0.6", None, "10.0.0.5"]


def test_no_value_and_an_empty_text_are_one() -> None:
    nothing: Values = (None, None, None, None, None, None, None, None)
    (found,) = figures([group(NOBODY, 2, 1), group(nothing, 3, 2)], (PROGRAM,))
    assert (found.value, found.events, found.sessions) == (None, 5, 2)


def test_columns_together_of_the_events_that_are_wanted() -> None:
    other = (*RUNNER[:HOST], "NB-7", *RUNNER[HOST + 1 :])
    groups = [group(RUNNER, 3, 1), group(other, 5, 2), group(PORTAL, 9, 3)]
    found = figures(groups, (LOGIN, HOST), lambda values: values[LOGIN] == "etl_runner")
    assert [(each.values, each.events) for each in found] == [
        (("etl_runner", "NB-7"), 5),
        (("etl_runner", "ETL-01"), 3),
    ]


def test_a_combined_window_has_the_same_figures() -> None:
    window = [
        group(RUNNER, 3, 1, 2, minute=5, last=9),
        group(NOBODY, 2, minute=7, unidentified=2),
        group(RUNNER, 4, 2, 3, minute=61, last=70),
        group(PORTAL, 9, 3, minute=60),
        group(NOBODY, 1, minute=121, unidentified=1),
    ]
    whole = combined(window)
    assert [each.values for each in whole] == [RUNNER, NOBODY, PORTAL]
    for columns in ((LOGIN,), (HOST,), (LOGIN, PROGRAM, ADDRESS)):
        assert figures(whole, columns) == figures(window, columns)
    assert totals(whole) == totals(window)
    assert dict(whole[0].sessions) == {
        1: NOON + timedelta(minutes=9),
        2: NOON + timedelta(minutes=70),
        3: NOON + timedelta(minutes=70),
    }
    assert combined([]) == []


def test_groups_combined_by_hour_stay_apart() -> None:
    window = [
        group(RUNNER, 3, 1, minute=5),
        group(RUNNER, 2, 2, minute=9),
        group(RUNNER, 4, 2, minute=61),
    ]
    assert [(each.hour, each.events) for each in combined(window, by_hour=True)] == [
        (NOON, 5),
        (NOON + timedelta(hours=1), 4),
    ]


def test_totals() -> None:
    found = totals(
        [
            group(RUNNER, 3, 1),
            group(RUNNER, 1, 1, minute=61),
            group(PORTAL, 4, 3, minute=61),
            group(NOBODY, 2, minute=61, unidentified=2),
        ]
    )
    assert (found.events, found.sessions, found.unidentified) == (10, 2, 2)
    assert found.samples_per_session == 4.0
    assert found.portal_percent == 40.0


def test_totals_of_nothing_have_no_shares() -> None:
    found = totals([])
    assert (found.events, found.sessions, found.samples_per_session, found.portal_percent) == (0, 0, None, None)


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
    assert [login_time_of(session_number(*pair)) for pair in pairs] == [moment for _, moment in pairs]

"""The questions of an auditor, with cases worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.rules import audit as auditor
from monitoring.rules.audit import Answer, hour_of_week, week_hours
from monitoring.rules.login_events import (
    ADDRESS,
    AUTHENTICATION,
    ENCRYPTION,
    HOST,
    LOGIN,
    PROGRAM,
    EventGroup,
    Values,
    session_number,
)

SINCE = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""A Tuesday."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def values(
    login: str | None = "ana",
    host: str | None = "NB-1",
    program: str | None = "SSMS",
    address: str | None = "10.0.0.7",
    encrypted: str | None = "TRUE",
    auth: str | None = "SQL",
) -> Values:
    return (login, host, program, "DW", "sleeping", address, encrypted, auth)


def hour(
    *who: Values, start: datetime = SINCE, events: int = 2, sessions: dict[int, datetime] | None = None
) -> list[EventGroup]:
    return [
        EventGroup(
            hour=start,
            values=values,
            events=events,
            sessions=sessions or {1: start},
            unidentified=0,
            first=start,
            last=start + timedelta(minutes=9),
            first_key=1,
            last_key=2,
        )
        for values in who
    ]


REACHES = SINCE - 31 * DAY


def known(*who: Values, reaches: datetime | None = REACHES) -> tuple[dict[int, set[str]], datetime | None]:
    return {column: {auditor.folded(each[column]) for each in who} for column in auditor.REMEMBERED}, reaches


def usually(reaches: datetime | None = REACHES, **hours: Any) -> tuple[dict[str, Any], datetime | None]:
    return hours, reaches


def found(answer: Answer) -> list[dict[int, str | None]]:
    return [dict(each.values) for each in answer.found]


def test_each_column_is_asked_on_its_own() -> None:
    before = known(values())
    news = values(host="NB-2", address="10.0.0.8", auth="NTLM", encrypted=None)
    answer = auditor.new_identities(hour(values(), news), SINCE, *before)
    assert found(answer) == [{HOST: "NB-2"}, {ADDRESS: "10.0.0.8"}, {AUTHENTICATION: "NTLM"}, {ENCRYPTION: None}]
    assert not answer.unknown
    assert all(each.certain for each in answer.found)
    assert [(each.events, each.sessions, each.first, each.last) for each in answer.found[:1]] == [
        (2, 1, SINCE, SINCE + timedelta(minutes=9))
    ]


def test_case_and_no_value_are_compared_as_the_server_does() -> None:
    before = known(values(login="Ana", host=None))
    assert auditor.new_identities(hour(values(login="ANA", host="")), SINCE, *before).found == ()


@pytest.mark.parametrize(
    ("reaches", "certain"),
    [(SINCE - 30 * DAY, True), (SINCE - 30 * DAY + timedelta(seconds=1), False), (None, False)],
)
def test_a_history_that_does_not_reach_back_makes_nothing_new(reaches: datetime | None, certain: bool) -> None:
    answer = auditor.new_identities(hour(values()), SINCE, *known(reaches=reaches))
    assert len(answer.found) == 6
    assert {each.certain for each in answer.found} == {certain}
    assert answer.unknown is not certain


def test_nothing_new_is_only_said_where_the_history_reaches() -> None:
    assert not auditor.new_identities(hour(values()), SINCE, *known(values())).unknown
    assert auditor.new_identities(hour(values()), SINCE, *known(values(), reaches=SINCE - DAY)).unknown


@pytest.mark.parametrize(
    ("who", "named"),
    [
        (values(encrypted="FALSE"), True),
        (values(encrypted="false", host=None), True),
        (values(encrypted="TRUE"), False),
        (values(encrypted="FALSE", address="<local machine>"), False),
        (values(encrypted="FALSE", address="127.0.0.1"), False),
        (values(encrypted="FALSE", address="::1"), False),
        (values(encrypted="FALSE", address="::ffff:127.0.0.1"), False),
        (values(encrypted="FALSE", address="::ffff:10.0.0.1"), True),
        (values(encrypted="FALSE", address="<named pipe>"), True),
        (values(encrypted="FALSE", host="sql-prd-01"), False),
        (values(encrypted="FALSE", address=None, host="NB-1"), True),
    ],
)
def test_unencrypted_from_another_host(who: Values, named: bool) -> None:
    answer = auditor.unencrypted(hour(who), ["SQL-PRD-01"])
    assert bool(answer.found) is named
    assert not answer.unknown
    if named:
        assert found(answer) == [
            {LOGIN: who[LOGIN], HOST: who[HOST], ADDRESS: who[ADDRESS], PROGRAM: who[PROGRAM], ENCRYPTION: "FALSE"}
        ]


def test_events_that_do_not_say_are_neither_encrypted_nor_not() -> None:
    answer = auditor.unencrypted(hour(values(encrypted=None), values(encrypted=""), events=3), [])
    assert (answer.found, answer.unknown, answer.left_out) == ((), True, 6)
    both = auditor.unencrypted(hour(values(encrypted=None), values(encrypted="FALSE")), [])
    assert (len(both.found), both.unknown, both.left_out) == (1, False, 2)


def test_the_week_begins_on_monday() -> None:
    assert hour_of_week(datetime(2026, 3, 9, 0, 59, tzinfo=UTC)) == 0
    assert hour_of_week(SINCE) == 24 + 12
    assert hour_of_week(datetime(2026, 3, 15, 23, tzinfo=UTC)) == 167
    assert week_hours([(0, 0b101), (6, 1 << 23)]) == {0, 2, 167}


@pytest.mark.parametrize(
    ("usual", "named"),
    [
        ({36}, False),
        ({35}, False),  # the hour before
        ({37}, False),  # and the one after
        ({34, 38}, True),
        ({12}, True),  # the same hour of another day
        (set(), True),
    ],
)
def test_outside_its_usual_hours(usual: set[int], named: bool) -> None:
    answer = auditor.unusual_hours(hour(values()), SINCE, *usually(ana=(usual, 14)))
    assert found(answer) == ([{LOGIN: "ana"}] if named else [])
    assert (answer.unknown, answer.left_out) == (False, 0)


def test_the_week_goes_round() -> None:
    monday = datetime(2026, 3, 9, 0, tzinfo=UTC)
    assert auditor.unusual_hours(hour(values(), start=monday), SINCE, *usually(ana=({167}, 20))).found == ()


def test_an_unusual_hour_has_its_first_one_and_the_sums_of_all() -> None:
    hours = [
        each for step in range(4) for each in hour(values(), start=SINCE + step * HOUR, sessions={step + 1: SINCE})
    ]
    (evidence,) = auditor.unusual_hours(hours, SINCE, *usually(ana=({36}, 21))).found
    # 36 is usual, so is 37; 38 and 39 are not.
    assert (evidence.hour, evidence.until) == (SINCE + 2 * HOUR, SINCE + 4 * HOUR)
    assert (evidence.events, evidence.sessions, evidence.day_count) == (4, 2, 21)


def test_unusual_hours_with_others_between_are_findings_of_their_own() -> None:
    hours = [each for step in (7, 2, 3) for each in hour(values(), start=SINCE + step * HOUR)]
    found = auditor.unusual_hours(hours, SINCE, *usually(ana=({36}, 21))).found
    assert [(each.hour, each.until, each.events) for each in found] == [
        (SINCE + 2 * HOUR, SINCE + 4 * HOUR, 4),
        (SINCE + 7 * HOUR, SINCE + 8 * HOUR, 2),
    ]


@pytest.mark.parametrize(
    ("history", "left_out"),
    [
        (usually(ana=({1}, 13)), 1),
        (usually(), 1),
        (usually(ana=({1}, 20), reaches=SINCE - 14 * DAY + HOUR), 1),
        (usually(None), 1),
    ],
)
def test_too_little_history_is_no_usual_hour(history: tuple[dict[str, Any], datetime | None], left_out: int) -> None:
    answer = auditor.unusual_hours([*hour(values()), *hour(values(), start=SINCE + HOUR)], SINCE, *history)
    assert (answer.found, answer.unknown, answer.left_out) == ((), True, left_out)


def test_a_session_without_a_login_has_no_hours() -> None:
    answer = auditor.unusual_hours(hour(values(login=None)), SINCE, *usually(None))
    assert (answer.found, answer.unknown, answer.left_out) == ((), False, 0)


RUNNER = values(login="etl_runner", program="etl-runner 2.1", host="ETL-01")
PORTAL = values(login="etl_monitor", program="etlportal-web", host="PORTAL")


def test_another_program_with_the_runners_login() -> None:
    dashboard = values(login="ETL_RUNNER", program="streamlit", host="ETL-01")
    mine = values(login="etl_monitor", program="SSMS", host="NB-9")
    answer = auditor.shared_logins(hour(RUNNER, PORTAL, dashboard, mine, values()), ["etl-runner"], [])
    assert found(answer) == [
        {LOGIN: "etl_monitor", PROGRAM: "SSMS", HOST: "NB-9"},
        {LOGIN: "ETL_RUNNER", PROGRAM: "streamlit", HOST: "ETL-01"},
    ]


def test_runner_and_portal_may_share_a_login() -> None:
    shared = values(login="etl_runner", program="etlportal-collector")
    assert auditor.shared_logins(hour(RUNNER, shared), ["ETL-Runner"], []).found == ()


def test_the_settings_login_is_known_without_a_session_of_its_own() -> None:
    stolen = values(login="etl_monitor", program="SSMS")
    assert auditor.shared_logins(hour(stolen), ["etl-runner"], ["ETL_MONITOR", ""]).found != ()
    nobody = auditor.shared_logins(hour(stolen), ["etl-runner", ""], [""])
    assert (nobody.found, nobody.unknown) == ((), True), "whose login it would be is not known"


@pytest.mark.parametrize(
    ("age", "offset", "named"),
    [
        (3 * DAY, timedelta(0), False),
        (3 * DAY + timedelta(minutes=1), timedelta(0), True),
        # The server's clock is three hours behind UTC, so the session opened three hours after its login_time.
        (3 * DAY + timedelta(minutes=1), -3 * HOUR, False),
        (2 * DAY + 23 * HOUR, 2 * HOUR, True),
    ],
)
def test_open_for_days(age: timedelta, offset: timedelta, named: bool) -> None:
    last = SINCE + timedelta(minutes=30)
    number = session_number(51, last - age)
    answer = auditor.long_sessions(hour(values(), sessions={number: last}), offset)
    assert bool(answer.found) is named
    if named:
        (evidence,) = answer.found
        assert dict(evidence.values) == {LOGIN: "ana", HOST: "NB-1", PROGRAM: "SSMS"}
        assert (evidence.sessions, evidence.events, evidence.session_id) == (1, None, 51)
        assert evidence.day_count == pytest.approx((age + offset) / DAY)


def test_a_long_session_counts_once_in_however_many_hours_and_states_it_was_seen() -> None:
    number = session_number(51, SINCE - 5 * DAY)
    running = (*values()[:4], "running", *values()[5:])
    hours = [
        hour(values(), running, start=SINCE + step * HOUR, sessions={number: SINCE + step * HOUR}) for step in range(3)
    ]
    (evidence,) = auditor.long_sessions([*hours[1], *hours[2], *hours[0]], timedelta(0)).found
    assert (evidence.first, evidence.last) == (SINCE, SINCE + 2 * HOUR)
    assert evidence.day_count == pytest.approx(5 + 2 / 24)

"""The demo's sessions: the same session stays the same at any sampling time."""

from __future__ import annotations

from datetime import datetime, timedelta

from demo.sessions import EVENT_COLUMNS, RUNNER_PROGRAM, runner_session, sessions_at

MONDAY = datetime.fromisoformat("2026-03-09 15:00")


def test_a_session_seen_twice_is_one_session() -> None:
    first, soon, later = (
        {(one.session_id, one.login_time) for one in sessions_at(MONDAY + after)}
        for after in (timedelta(0), timedelta(minutes=1), timedelta(days=4))
    )
    assert len(first & soon) >= len(first) - 2
    assert len(first & later) <= 2


def test_no_two_open_sessions_share_a_number() -> None:
    for hour in range(0, 24 * 8):
        at = MONDAY + timedelta(hours=hour)
        open_now = [*sessions_at(at), runner_session(at, hour)]
        assert len({one.session_id for one in open_now}) == len(open_now)
        assert all(one.login_time <= at for one in open_now)


def test_several_logins_hosts_programs_encrypted_and_not() -> None:
    seen = [one.habit for hour in range(48) for one in sessions_at(MONDAY + timedelta(hours=hour))]
    for attribute, least in (("login", 6), ("host", 10), ("program", 6), ("auth", 3)):
        assert len({getattr(one, attribute) for one in seen}) >= least, attribute
    assert {one.encrypted for one in seen} == {True, False}


def test_people_work_in_office_hours() -> None:
    sunday_night = datetime.fromisoformat("2026-03-09 02:00")
    people = {one.habit.host for one in sessions_at(MONDAY) if "Management Studio" in one.habit.program}
    assert people
    assert not [one for one in sessions_at(sunday_night) if one.habit.host in people]


def test_the_etl_and_the_old_dashboard_share_a_login_but_not_a_program() -> None:
    habit = runner_session(MONDAY, 3).habit
    same_login = {
        one.habit.program
        for hour in range(72)
        for one in sessions_at(MONDAY + timedelta(hours=hour))
        if one.habit.login == habit.login
    }
    assert habit.program == RUNNER_PROGRAM
    assert same_login == {"streamlit-dashboard"}


def test_an_event_fits_the_columns() -> None:
    for session in sessions_at(MONDAY):
        event = dict(zip(EVENT_COLUMNS, session.event(MONDAY), strict=True))
        assert event["event_time_utc"] == "2026-03-09 15:00:00.000"
        assert (event["client_tcp_port"] is None) == (event["net_transport"] == "Shared memory")

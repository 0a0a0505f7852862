"""The pretended sessions: the same session stays the same, whoever asks and when."""

from __future__ import annotations

from datetime import datetime, timedelta

from demo.sessions import EVENT_COLUMNS, RUNNER_PROGRAM, Sessions

MONDAY = datetime.fromisoformat("2026-03-09 15:00")


def test_a_session_keeps_its_number_and_login_time_over_a_restart() -> None:
    assert list(Sessions(7).at(MONDAY)) == list(Sessions(7).at(MONDAY))


def test_a_session_seen_twice_is_one_session() -> None:
    sessions = Sessions(7)
    first = {(one.session_id, one.login_time) for one in sessions.at(MONDAY)}
    soon = {(one.session_id, one.login_time) for one in sessions.at(MONDAY + timedelta(minutes=1))}
    later = {(one.session_id, one.login_time) for one in sessions.at(MONDAY + timedelta(days=4))}
    assert len(first & soon) >= len(first) - 2
    assert len(first & later) <= 2


def test_no_two_open_sessions_share_a_number() -> None:
    sessions = Sessions(7)
    for hour in range(0, 24 * 8):
        at = MONDAY + timedelta(hours=hour)
        open_now = [*sessions.at(at), sessions.runner(at, hour)]
        assert len({one.session_id for one in open_now}) == len(open_now)
        assert all(one.login_time <= at for one in open_now)


def test_several_logins_hosts_programs_encrypted_and_not() -> None:
    seen = [one for hour in range(48) for one in Sessions(7).at(MONDAY + timedelta(hours=hour))]
    for attribute, least in (("login_name", 6), ("host_name", 10), ("program_name", 6), ("auth_scheme", 3)):
        assert len({getattr(one, attribute) for one in seen}) >= least, attribute
    assert {one.encrypted for one in seen} == {True, False}
    assert {one.net_transport for one in seen} == {"TCP", "Shared memory"}


def test_people_work_in_office_hours() -> None:
    sunday_night = datetime.fromisoformat("2026-03-09 02:00")
    people = {one.login_name for one in Sessions(7).at(MONDAY) if "Management Studio" in one.program_name}
    assert people
    assert not [one for one in Sessions(7).at(sunday_night) if one.login_name in people]


def test_runner_and_old_dashboard_share_a_login_but_not_a_program() -> None:
    sessions = Sessions(7)
    runner = sessions.runner(MONDAY, 3)
    same_login = {one.program_name for hour in range(72) for one in sessions.at(MONDAY + timedelta(hours=hour))
                  if one.login_name == runner.login_name}  # fmt: skip
    assert same_login
    assert runner.program_name == RUNNER_PROGRAM
    assert RUNNER_PROGRAM not in same_login


def test_login_time_is_the_embedded_servers_own_which_is_utc() -> None:
    runner = Sessions(7).runner(MONDAY, 3)
    assert runner.login_time == MONDAY
    row = dict(zip(EVENT_COLUMNS, runner.row("2026-03-09 15:00:00.000"), strict=True))
    assert row["login_time"] == f"{MONDAY}.000"
    assert (row["encrypt_option"], row["captured_by"]) == ("TRUE", "SNAPSHOT_DMV")

"""Values that occur more often around failures, with cases worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.rules.audit import MOST_CONTROLS, MOST_FAILURES, Factor, Factors, factors, windows

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BACKUP, RUNNER = ("svc_backup", "BKP-01", "Backup", "master"), ("etl_runner", "ETL-01", "etl-runner", "DW")


def at(*minutes: float) -> list[datetime]:
    return [NOON + minute * MINUTE for minute in minutes]


def starts(found: list[tuple[datetime, datetime]]) -> list[float]:
    assert all(until - since == 10 * MINUTE for since, until in found)
    return [(since + 5 * MINUTE - NOON) / MINUTE for since, _ in found]


def test_starts_close_together_are_one_window() -> None:
    """A run whose pipelines failed one after the other is one failure."""
    around, otherwise = windows(at(0, 1, 9.9, 30), at(100, 105, 200))
    assert starts(around) == [0, 30]
    assert starts(otherwise) == [100, 200]


def test_a_control_shares_no_moment_with_any_failure() -> None:
    _, otherwise = windows(at(0, 9), at(-10.1, -10, 3, 18, 19, 19.1, 60))
    assert starts(otherwise) == [-10.1, 19.1, 60]


def test_the_newest_failures_and_controls_spread_evenly() -> None:
    around, otherwise = windows(at(*range(0, 100 * 20, 20)), at(*range(10_000, 10_000 + 240 * 20, 20)))
    assert len(around) == MOST_FAILURES
    assert starts(around)[0] == 40 * 20
    assert len(otherwise) == MOST_CONTROLS
    assert starts(otherwise)[:3] == [10_000, 10_040, 10_080]
    assert windows(at(0), at(*range(10_000, 10_000 + 240 * 20, 20)))[1] == otherwise, "the same ones each time"


@pytest.mark.parametrize(("failures", "controls", "said"), [(2, 20, False), (3, 19, False), (3, 20, True)])
def test_nothing_is_said_below_three_failures_and_twenty_controls(failures: int, controls: int, said: bool) -> None:
    found = factors([{BACKUP}] * failures, [{RUNNER}] * controls)
    assert (found.failures, found.controls) == (failures, controls)
    assert (found.found is not None) is said


def test_a_window_without_a_sample_says_nothing() -> None:
    assert factors([{BACKUP}, {BACKUP}, set()], [{RUNNER}] * 20) == Factors(failures=2, controls=20)
    assert factors([{BACKUP}] * 3, [{RUNNER}] * 19 + [set()]) == Factors(failures=3, controls=19)


def test_counts_and_lift() -> None:
    """The backup: around 3 of 4 failures, 75 %; in 5 of 20 others, 25 %: three times as often. The runner: always."""
    around = [{BACKUP, RUNNER}] * 3 + [{RUNNER}]
    otherwise = [{BACKUP, RUNNER}] * 5 + [{RUNNER}] * 15
    found = factors(around, otherwise).found
    assert found is not None
    assert [(each.column, each.value) for each in found] == list(enumerate(BACKUP))
    first = found[0]
    assert (first.failures, first.of_failures, first.controls, first.of_controls) == (3, 4, 5, 20)
    assert first.lift == pytest.approx(3.0)


def test_what_is_never_there_otherwise_has_no_lift() -> None:
    found = factors([{BACKUP}] * 3, [{RUNNER}] * 20).found
    assert found is not None
    assert {each.lift for each in found} == {None}


def test_twice_is_no_pattern_and_a_little_more_is_none_either() -> None:
    around = [{BACKUP, RUNNER}] * 2 + [{RUNNER}] * 8
    assert factors(around, [{RUNNER}] * 20).found == ()
    # 7 of 10 around failures, 10 of 20 otherwise: 1.4 times.
    assert factors([{BACKUP}] * 7 + [{RUNNER}] * 3, [{BACKUP}] * 10 + [{RUNNER}] * 10).found == ()


def test_two_sessions_of_a_value_in_a_window_count_once_and_no_value_not_at_all() -> None:
    other = ("svc_backup", None, "", "model")
    found = factors([{BACKUP, other}] * 3, [{RUNNER}] * 20).found
    assert found is not None
    assert Factor(column=0, value="svc_backup", failures=3, controls=0, of_failures=3, of_controls=20) in found
    assert {each.value for each in found if each.column in (1, 2)} == {"BKP-01", "Backup"}

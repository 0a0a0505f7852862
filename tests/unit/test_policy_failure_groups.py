"""New, recurring, gone, unresolved: from when it was seen and how its pipelines stand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.rules.enums import FailureState as State
from monitoring.rules.status import NEW_FOR, Standing, state_of, unresolved_in
from tests.factories import NOW, ago


@pytest.mark.parametrize(
    ("first_seen", "successes", "state"),
    [
        (ago(hours=1), {"a": None, "b": None}, State.NEW),
        (NOW - NEW_FOR, {"a": None, "b": None}, State.NEW),
        (NOW - NEW_FOR - timedelta(seconds=1), {"a": None, "b": None}, State.RECURRING),
        (ago(days=9), {"a": 11, "b": 21}, State.GONE),
        (ago(hours=1), {"a": 11, "b": 21}, State.GONE),
        (ago(days=9), {"a": 11, "b": 20}, State.RECURRING),
        (ago(days=9), {"a": 11, "b": None}, State.RECURRING),
        (ago(days=9), {"a": 11}, State.RECURRING),
        (ago(days=9), {}, State.RECURRING),
    ],
)
def test_the_state(first_seen, successes, state) -> None:
    standings = {name: Standing(success_run_id=run_id) for name, run_id in successes.items()}
    assert state_of(first_seen, {"a": 10, "b": 20}, standings, NOW) is state


def test_without_the_newest_runs_nobody_knows_whether_it_is_gone_or_back() -> None:
    for first_seen in (ago(hours=1), ago(days=9)):
        assert state_of(first_seen, {"a": 10}, None, NOW) is State.UNKNOWN


def test_unresolved_is_what_a_pipeline_still_fails_with() -> None:
    standings = {"a": Standing(fails_with="x"), "b": Standing(fails_with="y"), "c": Standing(), "d": Standing()}
    assert unresolved_in("x", {"a": 1, "b": 1, "c": 1, "gone": 1}, standings) == ("a",)
    assert unresolved_in("y", {"a": 1}, standings) == ()

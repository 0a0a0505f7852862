"""The watermark's state, and whether an execution moved it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.rules.enums import ExecutionStatus, WatermarkState
from monitoring.rules.facts import Count, History, Watermark
from monitoring.rules.status import watermark_state
from tests import factories as make
from tests.factories import NOW, W, ago

EARLIER = Watermark(W.updated_at - timedelta(hours=1), 5)


def moving(*eligible: int, step: timedelta = timedelta(minutes=10)):
    """Samples (newest first) over which W moved by `step` each."""
    return tuple(
        (
            ago(seconds=30) - number * timedelta(minutes=10),
            count,
            Watermark(W.updated_at - number * step, 1000 - number),
        )
        for number, count in enumerate(eligible)
    )


def runs(
    count: int,
    *,
    from_=lambda number: Watermark(W.updated_at - (number + 1) * timedelta(minutes=10), 999 - number),
    **more,
):
    """Finished executions every 10 minutes; execution `number` (0 = newest) began with W `from_(number)`."""
    return tuple(
        make.execution(
            100 - number,
            started_at=ago(minutes=5, seconds=30) - number * timedelta(minutes=10),
            finished_at=ago(minutes=5) - number * timedelta(minutes=10),
            watermark_from=from_(number),
            **more,
        )
        for number in range(count)
    )


def state(source=None, *, control=None, newest=None, **history) -> WatermarkState:
    parts = {"recent": runs(10), "eligible_samples": moving(*[50] * 12), **history}
    return watermark_state(
        control or make.control_row(), source or make.pending_source(50), newest, make.history(**parts), NOW
    )


def test_unread_pending_rows_are_unknown():
    assert state(make.unread_source()) is WatermarkState.UNKNOWN


@pytest.mark.parametrize(("count", "enough"), [(0, False), (2, False), (3, True)])
def test_fewer_than_three_finished_runs_are_not_enough(count, enough):
    found = state(recent=runs(count))
    assert (found is not WatermarkState.NOT_ENOUGH_HISTORY) is enough


def test_running_and_unheard_of_executions_are_no_finished_runs():
    running = make.execution(101, status=ExecutionStatus.RUNNING)
    strange = make.execution(102, status=ExecutionStatus.UNKNOWN)
    assert state(recent=(strange, running, *runs(2))) is WatermarkState.NOT_ENOUGH_HISTORY


def test_nothing_eligible_now_is_current():
    assert state(make.source()) is WatermarkState.CURRENT


def test_nothing_eligible_at_a_sample_since_the_third_newest_run_is_current():
    # The third newest run began 25.5 minutes ago: the sample of 20.5 minutes ago counts.
    assert state(eligible_samples=moving(50, 50, 0, 50)) is WatermarkState.CURRENT


def test_nothing_eligible_at_an_older_sample_is_not():
    assert state(eligible_samples=moving(50, 60, 60, 0, 50)) is not WatermarkState.CURRENT


def test_a_watermark_that_went_back_is_rewound():
    back = ((ago(minutes=1), 900, EARLIER), (ago(minutes=11), 0, W), (ago(minutes=21), 10, W))
    assert state(make.pending_source(900), control=make.control_row(watermark=EARLIER), eligible_samples=back) is (
        WatermarkState.REWOUND
    )


def test_a_run_that_began_before_the_earlier_one_is_rewound():
    begun = {0: EARLIER}
    recent = runs(5, from_=lambda number: begun.get(number, W))
    assert state(recent=recent, eligible_samples=()) is WatermarkState.REWOUND


def test_rewound_is_over_once_everything_was_taken():
    back = ((ago(minutes=1), 0, W), (ago(minutes=6), 900, EARLIER), (ago(minutes=11), 0, W))
    assert state(recent=runs(5), eligible_samples=back) is WatermarkState.CURRENT


def test_a_sample_of_the_future_is_left_out():
    future = (ago(minutes=-5), 0, W)
    assert state(eligible_samples=(future, *moving(*[50] * 12))) is not WatermarkState.CURRENT


@pytest.mark.parametrize(
    ("at", "eligible", "current"),
    [
        (timedelta(0), 0, True),
        (timedelta(seconds=-1), 0, False),
        (timedelta(0), 1, False),
    ],
)
def test_current_counts_from_the_very_start_of_the_third_newest_run(at, eligible, current):
    third = ago(minutes=25, seconds=30)
    samples = (*moving(50, 50), (third + at, eligible, Watermark(W.updated_at - timedelta(minutes=30), 0)))
    assert (state(eligible_samples=samples) is WatermarkState.CURRENT) is current


def test_a_sample_of_this_very_moment_is_replaced_by_what_was_just_read():
    assert state(eligible_samples=((NOW, 0, W), *moving(*[50] * 12))) is not WatermarkState.CURRENT


def test_a_rewind_before_the_last_ten_runs_is_history():
    # The tenth newest run began 95.5 minutes ago.
    back = ((ago(minutes=96), 50, EARLIER), (ago(minutes=97), 50, W))
    assert state(eligible_samples=(*moving(*[50] * 3), *back)) is not WatermarkState.REWOUND
    older = make.execution(90, started_at=ago(minutes=110), finished_at=ago(minutes=109), watermark_from=W)
    assert state(recent=(*runs(10), older)) is not WatermarkState.REWOUND


def test_a_rewind_during_the_tenth_newest_run_still_counts():
    # It began 95.5 minutes ago, the ninth newest 85.5 minutes ago.
    back = ((ago(minutes=94), 50, EARLIER), (ago(minutes=95), 50, W))
    recent = runs(10, from_=lambda number: None)
    assert state(recent=recent, eligible_samples=(*moving(*[50] * 3), *back)) is WatermarkState.REWOUND


def test_a_sample_that_did_not_see_the_watermark_is_no_rewind():
    blind = (ago(minutes=2), 50, None)
    assert state(eligible_samples=(blind, *moving(50, 60, 40))) is WatermarkState.DRAINING


class TestStopped:
    """Eligible in two samples, and no finish for more than max(2 x 90th percentile of gaps, 10 min)."""

    def found(self, *, finished_ago: timedelta, gap: float, eligible=(50, 50), gaps: int = 9) -> WatermarkState:
        shift = finished_ago - timedelta(minutes=5)
        recent = tuple(
            make.execution(
                100 - number,
                started_at=ago(minutes=5, seconds=30) - shift - number * timedelta(minutes=10),
                finished_at=ago(minutes=5) - shift - number * timedelta(minutes=10),
            )
            for number in range(10)
        )
        return state(recent=recent, gaps=(gap,) * gaps, eligible_samples=make.eligible_samples(*eligible))

    @pytest.mark.parametrize(
        ("finished_ago", "gap", "stopped"),
        [
            (timedelta(minutes=10), 60.0, False),
            (timedelta(minutes=10, seconds=1), 60.0, True),
            (timedelta(minutes=20), 600.0, False),
            (timedelta(minutes=20, seconds=1), 600.0, True),
        ],
    )
    def test_boundaries(self, finished_ago, gap, stopped):
        assert (self.found(finished_ago=finished_ago, gap=gap) is WatermarkState.STOPPED) is stopped

    def test_one_sample_is_not_enough(self):
        assert self.found(finished_ago=timedelta(hours=9), gap=60.0, eligible=(0, 50)) is not WatermarkState.STOPPED

    def test_two_samples_are_what_was_just_read_and_one_before(self):
        assert self.found(finished_ago=timedelta(hours=9), gap=60.0, eligible=(50,)) is WatermarkState.STOPPED
        assert self.found(finished_ago=timedelta(hours=9), gap=60.0, eligible=()) is not WatermarkState.STOPPED

    # The 90th percentile of 60, 60, 60 and 600 is 438 seconds.
    @pytest.mark.parametrize(("seconds", "stopped"), [(876, False), (877, True)])
    def test_twice_the_ninetieth_percentile(self, seconds, stopped):
        recent = tuple(
            make.execution(
                100 - number,
                started_at=ago(seconds=seconds + 30 + number * 600),
                finished_at=ago(seconds=seconds + number * 600),
                watermark_from=None,
            )
            for number in range(10)
        )
        found = state(
            recent=recent,
            gaps=(60.0, 60.0, 60.0, 600.0),
            eligible_samples=make.eligible_samples(50, every=timedelta(1)),
        )
        assert (found is WatermarkState.STOPPED) is stopped

    def test_needs_five_executions(self):
        assert self.found(finished_ago=timedelta(hours=9), gap=60.0, gaps=3) is not WatermarkState.STOPPED
        assert self.found(finished_ago=timedelta(hours=9), gap=60.0, gaps=4) is WatermarkState.STOPPED

    def test_what_was_current_before_the_runner_stopped_is_stopped(self):
        assert self.found(finished_ago=timedelta(hours=1), gap=60.0, eligible=(50, 50, 0, 0)) is WatermarkState.STOPPED


class TestStalled:
    def test_runs_that_all_began_with_todays_watermark(self):
        recent = runs(10, from_=lambda number: W if number < 3 else EARLIER)
        assert state(recent=recent, eligible_samples=make.eligible_samples(50, 50, 50)) is WatermarkState.STALLED

    def test_one_run_that_moved_it_is_no_stall(self):
        recent = runs(10, from_=lambda number: W if number < 2 else EARLIER)
        assert state(recent=recent) is not WatermarkState.STALLED

    def test_without_watermark_from_the_samples_tell(self):
        recent = runs(10, from_=lambda number: None)
        assert state(recent=recent, eligible_samples=make.eligible_samples(50, 50, 50)) is WatermarkState.STALLED
        assert state(recent=recent, eligible_samples=moving(50, 50, 50)) is not WatermarkState.STALLED
        # With what was just read two samples make three, as many as the runs; one does not.
        assert state(recent=recent, eligible_samples=make.eligible_samples(50, 50)) is WatermarkState.STALLED
        assert state(recent=recent, eligible_samples=make.eligible_samples(50)) is not WatermarkState.STALLED


def test_falling_behind_moves_but_never_shrinks():
    assert state(eligible_samples=moving(50, 50, 40, 40, 30)) is WatermarkState.FALLING_BEHIND


def test_draining_shrinks_at_least_once():
    assert state(eligible_samples=moving(50, 60, 40, 40, 30)) is WatermarkState.DRAINING


def test_a_capped_count_is_judged_by_the_watermark_itself():
    capped = make.pending_source(eligible=Count(100_000, capped=True))
    control = make.control_row(watermark=Watermark(W.updated_at + timedelta(minutes=1), 9999))
    recent = runs(10, from_=lambda number: None)
    quick = moving(*[100_000] * 6, step=timedelta(minutes=30))
    slow = moving(*[100_000] * 6, step=timedelta(minutes=1))
    assert state(capped, control=control, recent=recent, eligible_samples=quick) is WatermarkState.DRAINING
    assert state(capped, control=control, recent=recent, eligible_samples=slow) is WatermarkState.FALLING_BEHIND


def test_a_capped_count_whose_watermark_keeps_its_distance_falls_behind():
    capped = make.pending_source(eligible=Count(100_000, capped=True))
    samples = ((ago(minutes=10), 100_000, Watermark(W.updated_at - timedelta(minutes=10), 0)),)
    found = state(capped, recent=runs(10, from_=lambda number: None), eligible_samples=samples)
    assert found is WatermarkState.FALLING_BEHIND


def test_two_samples_give_a_direction():
    recent = runs(10, from_=lambda number: None)
    start = recent[-1].started_at
    one = ((start, 60, Watermark(W.updated_at - timedelta(minutes=9), 0)),)
    assert state(recent=recent, eligible_samples=one) is WatermarkState.DRAINING
    before = ((start - timedelta(seconds=1), 60, one[0][2]),)
    assert state(recent=recent, eligible_samples=before) is WatermarkState.UNKNOWN


def test_one_sample_gives_no_direction():
    assert state(eligible_samples=()) is WatermarkState.UNKNOWN


def test_eligible_rows_that_grow_while_a_run_is_not_yet_three_give_no_direction():
    recent = runs(10, from_=lambda number: W if number < 2 else EARLIER)
    assert state(recent=recent, eligible_samples=make.eligible_samples(50, 50, 50)) is WatermarkState.UNKNOWN


def test_nothing_known_is_unknown_or_too_early():
    assert watermark_state(make.control_row(), make.source(), None, History(), NOW) is WatermarkState.NOT_ENOUGH_HISTORY


@pytest.mark.parametrize(
    ("status", "begun", "ended", "moved"),
    [
        (ExecutionStatus.SUCCESS, EARLIER, W, True),
        (ExecutionStatus.SUCCESS, W, Watermark(W.updated_at, W.id + 1), True),
        (ExecutionStatus.SUCCESS, W, W, False),
        (ExecutionStatus.SUCCESS, W, EARLIER, False),
        (ExecutionStatus.SUCCESS, None, W, None),
        (ExecutionStatus.SUCCESS, W, None, None),
        # Its watermark_to is the last batch it committed; control did not move (CONTRACT 1).
        (ExecutionStatus.FAILED, EARLIER, W, False),
        (ExecutionStatus.FAILED, None, None, False),
        (ExecutionStatus.RUNNING, EARLIER, None, None),
        (ExecutionStatus.UNKNOWN, EARLIER, W, None),
    ],
)
def test_whether_an_execution_moved_the_watermark(status, begun, ended, moved):
    execution = make.execution(status=status, watermark_from=begun, watermark_to=ended)
    assert execution.watermark_moved() is moved


def test_never_loaded():
    assert Watermark(NOW.replace(year=1900), 0).never_loaded
    assert not W.never_loaded

"""The alert rules of METRICS, each at its exact boundaries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.rules.alerts import worst_first
from monitoring.rules.enums import ErrorClass, ExecutionStatus, PipelineStatus, ProblemCode, Rule, Severity
from monitoring.rules.facts import Count, History, Thresholds, Verdict, Watermark
from tests import factories as make
from tests.factories import NOW, W, ago

OK, UNKNOWN, WARNING, CRITICAL = Severity.OK, Severity.UNKNOWN, Severity.WARNING, Severity.CRITICAL
FAILED, RUNNING = ExecutionStatus.FAILED, ExecutionStatus.RUNNING
SECOND = timedelta(seconds=1)


NOTHING = Verdict(rule="", severity=OK)


def verdict(rule: Rule, *, history: History | None = None, **parts) -> Verdict:
    """Return the alert of one rule for a pipeline that is healthy except for `parts`, or NOTHING."""
    found = make.pipeline(history=history or make.history(), **parts).verdicts
    return next((each for each in found if each.rule == rule), NOTHING)


def test_a_healthy_pipeline_has_no_alert():
    assert make.pipeline().verdicts == ()


@pytest.mark.parametrize(
    "build", [make.failed_pipeline, make.late_pipeline, make.missing_pipeline, make.unread_pipeline]
)
def test_an_inactive_pipeline_never_alerts(build):
    off = build(control=make.control_row(is_active=False))
    assert off.verdicts == ()
    assert build().verdicts != ()


class TestFailed:
    def test_newest_failed(self):
        failure = make.execution(status=FAILED)
        found = verdict(
            Rule.FAILED, newest=failure, history=make.history(recent=(failure,), failing_since=ago(hours=5))
        )
        assert found.severity is CRITICAL
        assert found.since == ago(hours=5)
        assert found.values["run_id"] == 100
        assert found.values["error_class"] == ErrorClass.UNIQUE
        assert "run_entity_id=1000" in found.evidence

    def test_since_its_finish_when_the_streak_is_not_known(self):
        failure = make.execution(status=FAILED)
        assert verdict(Rule.FAILED, newest=failure).since == failure.finished_at

    def test_a_running_one_does_not_hide_the_failure(self):
        running, failure = make.execution(101, status=RUNNING), make.execution(status=FAILED)
        found = verdict(Rule.FAILED, newest=running, history=make.history(recent=(running, failure)))
        assert found.severity is CRITICAL

    def test_a_success_after_it_does(self):
        failure, success = make.execution(99, status=FAILED), make.execution(100)
        history = make.history(recent=(success, failure))
        assert verdict(Rule.FAILED, newest=success, history=history).severity is OK

    def test_a_failure_that_wrote_no_finish_and_no_message(self):
        failure = make.execution(status=FAILED, finished_at=None, error_message="")
        found = verdict(Rule.FAILED, newest=failure, history=History())
        assert (found.severity, found.since, found.values["error"]) == (CRITICAL, failure.started_at, None)

    @pytest.mark.parametrize(
        ("last_status", "severity"), [("failed", CRITICAL), ("partial", CRITICAL), ("success", OK), (None, OK)]
    )
    def test_without_an_execution_control_tells(self, last_status, severity):
        control = make.control_row(last_status=last_status)
        found = verdict(Rule.FAILED, control=control, newest=None, history=History())
        assert found.severity is severity

    def test_an_unheard_of_status_cannot_be_judged(self):
        strange = make.execution(status=ExecutionStatus.UNKNOWN, status_text="aborted")
        found = verdict(Rule.FAILED, newest=strange, history=History())
        assert (found.severity, found.values["status_text"]) == (UNKNOWN, "aborted")
        control = make.control_row(last_status="exploded")
        found = verdict(Rule.FAILED, control=control, newest=None, history=History())
        assert (found.severity, found.values["status_text"]) == (UNKNOWN, "exploded")


class TestLate:
    @pytest.mark.parametrize(
        ("lag", "severity"),
        [
            (timedelta(minutes=120), OK),
            (timedelta(minutes=120) + SECOND, WARNING),
            (timedelta(minutes=360), WARNING),
            (timedelta(minutes=360) + SECOND, CRITICAL),
        ],
    )
    def test_boundaries(self, lag, severity):
        found = verdict(Rule.LATE_WATERMARK, source=make.pending_source(7, oldest=lag))
        assert found.severity is severity
        if severity is not OK:
            assert found.since == NOW - lag
            assert found.values["eligible"] == 7

    def test_nothing_eligible_is_never_late(self):
        source = make.source(cooling=Count(10), oldest_pending_at=ago(days=9))
        assert verdict(Rule.LATE_WATERMARK, source=source).severity is OK

    def test_an_unread_source_cannot_be_judged(self):
        source = make.unread_source(make.problem(ProblemCode.PERMISSION_DENIED), exists=True)
        found = verdict(Rule.LATE_WATERMARK, source=source)
        assert (found.severity, found.values) == (UNKNOWN, {"problem": "permission_denied"})

    @pytest.mark.parametrize("exists", [None, False])
    def test_a_missing_or_unread_structure_is_told_by_its_own_rule(self, exists):
        found = verdict(Rule.LATE_WATERMARK, source=make.unread_source(exists=exists))
        assert found.severity is OK

    def test_thresholds_can_be_changed(self):
        source = make.pending_source(oldest=timedelta(minutes=11))
        limits = Thresholds(late_warning_minutes=10, late_critical_minutes=11)
        assert verdict(Rule.LATE_WATERMARK, source=source, thresholds=limits).severity is WARNING


class TestNoRecentRun:
    @pytest.mark.parametrize(
        ("age", "severity"),
        [
            (timedelta(hours=24), OK),
            (timedelta(hours=24) + SECOND, WARNING),
            (timedelta(hours=72), WARNING),
            (timedelta(hours=72) + SECOND, CRITICAL),
        ],
    )
    def test_boundaries(self, age, severity):
        old = make.execution(started_at=NOW - age - SECOND, finished_at=NOW - age)
        found = verdict(Rule.NO_RECENT_RUN, newest=old, history=History(recent=(old,)))
        assert found.severity is severity
        assert found.since == (None if severity is OK else NOW - age)

    def test_never(self):
        control = make.control_row(last_status=None, last_success_at=None)
        found = verdict(Rule.NO_RECENT_RUN, control=control, newest=None, history=History())
        assert (found.severity, found.since, found.values) == (CRITICAL, control.created_at, {"hours": None})

    def test_a_first_run_under_way_has_not_finished(self):
        control = make.control_row(last_status=None, last_success_at=None)
        running = make.execution(status=RUNNING)
        found = verdict(Rule.NO_RECENT_RUN, control=control, newest=running, history=History())
        assert found.severity is CRITICAL

    def test_control_keeps_the_finish_of_runs_that_are_gone(self):
        control = make.control_row(last_success_at=ago(hours=30))
        found = verdict(Rule.NO_RECENT_RUN, control=control, newest=None, history=History())
        assert (found.severity, found.since) == (WARNING, ago(hours=30))

    def test_a_finish_that_nobody_dated_is_unknown(self):
        control = make.control_row(last_status="failed", last_success_at=None)
        assert verdict(Rule.NO_RECENT_RUN, control=control, newest=None, history=History()).severity is UNKNOWN

    def test_unread_executions_are_not_never(self):
        control = make.control_row(last_status=None, last_success_at=None)
        found = verdict(Rule.NO_RECENT_RUN, control=control, newest=None, history=History(), newest_read=False)
        assert found.severity is OK

    def test_a_finish_of_the_future_is_recent(self):
        odd = make.execution(finished_at=NOW + timedelta(days=9))
        assert verdict(Rule.NO_RECENT_RUN, newest=odd).severity is OK


class TestRecurrentFailure:
    @pytest.mark.parametrize(
        ("failures", "executions", "severity"),
        [
            (2, 2, OK),  # at least 3
            (3, 3, CRITICAL),
            (3, 6, CRITICAL),  # exactly 50 %
            (3, 7, WARNING),
            (3, 10, WARNING),  # exactly 30 %
            (3, 11, OK),
            (29, 100, OK),
            (30, 100, WARNING),
            (49, 100, WARNING),
            (50, 100, CRITICAL),
            (0, 10, OK),
        ],
    )
    def test_boundaries(self, failures, executions, severity):
        history = make.history(failures_7d=failures, executions_7d=executions)
        assert verdict(Rule.RECURRENT_FAILURE, history=history).severity is severity

    def test_no_execution_is_silent(self):
        assert verdict(Rule.RECURRENT_FAILURE, history=make.history(executions_7d=0)).severity is OK


class TestStuck:
    def running(self, seconds: float, run_id: int = 101, **changes):
        return make.execution(run_id, status=RUNNING, started_at=ago(seconds=seconds), **changes)

    @pytest.mark.parametrize(
        ("usual", "elapsed", "severity"),
        [
            (30.0, 1800, OK),  # the floor of 30 minutes
            (30.0, 1801, WARNING),
            (1000.0, 3000, OK),  # 3 x the 95th percentile
            (1000.0, 3001, WARNING),
        ],
    )
    def test_boundaries(self, usual, elapsed, severity):
        running = self.running(elapsed)
        found = verdict(Rule.STUCK_RUN, newest=running, history=make.history(durations=(usual,) * 5))
        assert found.severity is severity
        if severity is WARNING:
            assert (found.since, found.values["orphan"]) == (running.started_at, None)

    # The 95th percentile of these is 820 seconds.
    @pytest.mark.parametrize(("elapsed", "severity"), [(2459, OK), (2461, WARNING)])
    def test_three_times_the_ninety_fifth_percentile(self, elapsed, severity):
        history = make.history(durations=(100.0, 100.0, 1000.0, 100.0, 100.0))
        assert verdict(Rule.STUCK_RUN, newest=self.running(elapsed), history=history).severity is severity

    def test_needs_five_executions(self):
        found = verdict(Rule.STUCK_RUN, newest=self.running(90_000), history=make.history(durations=(30.0,) * 4))
        assert found.severity is OK

    def test_nothing_running(self):
        assert verdict(Rule.STUCK_RUN).severity is OK

    def test_a_later_finished_run_makes_it_an_orphan(self):
        orphan, later = self.running(90_000, run_id=50), make.execution(100)
        found = verdict(Rule.STUCK_RUN, newest=later, history=make.history(recent=(later, orphan)))
        assert (found.severity, found.values["orphan"], found.values["run_id"]) == (CRITICAL, "later_run", 50)

    def test_a_later_running_one_does_not(self):
        old, newer = self.running(90_000, run_id=50), self.running(60)
        found = verdict(Rule.STUCK_RUN, newest=newer, history=make.history(recent=(newer, old)))
        assert (found.severity, found.values["orphan"]) == (WARNING, None)

    def test_an_orphan_older_than_the_recent_executions_is_still_seen(self):
        history = make.history(open=(self.running(9e6, run_id=3),))
        assert verdict(Rule.STUCK_RUN, history=history).severity is CRITICAL

    @pytest.mark.parametrize(
        ("session", "samples", "severity"),
        [
            (None, (1, 2), CRITICAL),
            (3, (1, 2), CRITICAL),
            (2, (1, 2), WARNING),
            (1, (1, 2), WARNING),
            (None, (1,), WARNING),
            (None, (), WARNING),
            (None, (1, 50), WARNING),  # the second sample is from before it began
        ],
    )
    def test_no_runner_session_in_two_samples(self, session, samples, severity):
        history = make.history(
            newest_runner_session_at=None if session is None else ago(minutes=session),
            login_samples_at=tuple(ago(minutes=minutes) for minutes in samples),
        )
        assert verdict(Rule.STUCK_RUN, newest=self.running(2400), history=history).severity is severity

    def test_the_worst_is_told(self):
        orphan, stuck, done = self.running(9000, 50), self.running(99_000, 101), make.execution(60)
        found = verdict(Rule.STUCK_RUN, newest=stuck, history=make.history(recent=(stuck, done, orphan)))
        assert found.values["run_id"] == 50


class TestStalled:
    def stalled(self, *, statuses=(ExecutionStatus.SUCCESS,) * 3, eligible=(9, 9, 9), source=None, moved=99, cutoff=2):
        recent = tuple(
            make.execution(
                100 - number,
                status=status,
                started_at=ago(minutes=6 + 10 * number),
                finished_at=ago(minutes=5 + 10 * number),
                watermark_from=Watermark(W.updated_at, 1) if number == moved else W,
            )
            for number, status in enumerate(statuses)
        )
        history = make.history(recent=recent, eligible_samples=make.eligible_samples(*eligible))
        return verdict(
            Rule.STALLED_WATERMARK,
            control=make.control_row(cutoff_minutes=cutoff),
            newest=recent[0],
            source=source or make.pending_source(9),
            history=history,
        )

    def test_all_succeeded_is_critical(self):
        found = self.stalled()
        assert (found.severity, found.since) == (CRITICAL, ago(minutes=26))
        assert found.values == {"runs": 3, "succeeded": 3, "eligible": 9}

    def test_one_failed_is_a_warning(self):
        statuses = (FAILED, ExecutionStatus.SUCCESS, ExecutionStatus.SUCCESS)
        assert self.stalled(statuses=statuses).severity is WARNING

    @pytest.mark.parametrize("moved", [0, 1, 2])
    def test_moved_once(self, moved):
        assert self.stalled(moved=moved).severity is OK

    def test_nothing_eligible_once(self):
        assert self.stalled(eligible=(9, 0, 9)).severity is OK

    def test_nothing_eligible_now(self):
        assert self.stalled(source=make.source()).severity is OK

    def test_two_runs_are_not_enough(self):
        assert self.stalled(statuses=(FAILED, FAILED)).severity is OK

    @pytest.mark.parametrize(
        ("eligible", "severity"),
        [
            ((9, 9, 9), CRITICAL),  # 0.5, 10.5 and 20.5 minutes ago: one after each run's start
            ((9, 9), OK),  # no sample between the first run and the second
            ((), OK),
            ((9, 0, 9), OK),
        ],
    )
    def test_throughout_by_the_samples(self, eligible, severity):
        found = self.stalled(eligible=eligible, source=make.pending_source(9, oldest=timedelta(minutes=20)))
        assert found.severity is severity

    # The first run began 26 minutes ago and the cutoff is 2 minutes.
    @pytest.mark.parametrize(("minutes", "severity"), [(28, CRITICAL), (27.98, OK)])
    def test_throughout_by_the_oldest_row(self, minutes, severity):
        source = make.pending_source(9, oldest=timedelta(minutes=minutes))
        assert self.stalled(eligible=(), source=source).severity is severity

    def test_without_a_cutoff_a_row_is_due_at_once(self):
        source = make.pending_source(9, oldest=timedelta(minutes=26))
        assert self.stalled(eligible=(), source=source, cutoff=0).severity is CRITICAL
        assert self.stalled(eligible=(), source=source, cutoff=1).severity is OK

    def test_a_single_waiting_row_is_enough(self):
        source = make.pending_source(1, oldest=timedelta(minutes=20))
        assert self.stalled(eligible=(1, 1, 1), source=source).severity is CRITICAL

    def test_three_runs_with_nothing_to_do_before_rows_arrived_are_no_stall(self):
        source = make.pending_source(9, oldest=timedelta(minutes=4))
        assert self.stalled(eligible=(9,), source=source).severity is OK

    def test_unread(self):
        assert self.stalled(source=make.unread_source(exists=True)).severity is OK


class TestVolumeAndDuration:
    def judged(self, rule, value, past, newest=None):
        newest = newest or make.execution(
            extracted=int(value), started_at=ago(minutes=5) - timedelta(seconds=value), finished_at=ago(minutes=5)
        )
        history = make.history(
            recent=(newest, *make.executions(3, newest=99)), volumes=tuple(past), durations=tuple(map(float, past))
        )
        return verdict(rule, newest=newest, history=history)

    # Median 1000 and MAD 100: 3.5 x 1.4826 x 100 = 518.91, above both floors.
    PAST = (900, 900, 900, 900, 900, 1100, 1100, 1100, 1100, 1100)

    @pytest.mark.parametrize("rule", [Rule.UNUSUAL_VOLUME, Rule.UNUSUAL_DURATION])
    @pytest.mark.parametrize(("value", "severity"), [(1518, OK), (1519, WARNING), (482, OK), (481, WARNING)])
    def test_boundaries(self, rule, value, severity):
        assert self.judged(rule, value, self.PAST).severity is severity

    @pytest.mark.parametrize(("rule", "floor"), [(Rule.UNUSUAL_VOLUME, 100), (Rule.UNUSUAL_DURATION, 60)])
    def test_the_floor_of_a_pipeline_that_is_always_the_same(self, rule, floor):
        assert self.judged(rule, 1000 + floor, [1000] * 10).severity is OK
        found = self.judged(rule, 1001 + floor, [1000] * 10)
        assert (found.severity, found.values["median"], found.values["high"]) == (WARNING, 1000.0, 1000.0 + floor)

    @pytest.mark.parametrize(("successes", "severity"), [(9, OK), (10, WARNING)])
    def test_needs_ten_successes(self, successes, severity):
        assert self.judged(Rule.UNUSUAL_VOLUME, 99_999, [1000] * successes).severity is severity

    def test_only_the_last_thirty_count(self):
        past = [1000] * 30 + [99_999] * 40
        assert self.judged(Rule.UNUSUAL_VOLUME, 99_999, past).severity is WARNING

    @pytest.mark.parametrize("rule", [Rule.UNUSUAL_VOLUME, Rule.UNUSUAL_DURATION])
    def test_a_failure_is_not_compared(self, rule):
        assert self.judged(rule, 0, self.PAST, newest=make.execution(status=FAILED)).severity is OK

    def test_a_finish_before_its_start_is_not_compared(self):
        odd = make.execution(started_at=ago(minutes=1), finished_at=ago(minutes=5))
        assert self.judged(Rule.UNUSUAL_DURATION, 0, self.PAST, newest=odd).severity is OK


class TestSilentNoOp:
    LONG_DUE = ago(minutes=30)

    def judged(self, *, oldest=LONG_DUE, extracted=(0, 0), statuses=(ExecutionStatus.SUCCESS,) * 2, source=None):
        recent = tuple(
            make.execution(
                100 - number,
                status=status,
                extracted=rows,
                started_at=ago(minutes=6 + 10 * number),
                finished_at=ago(minutes=5 + 10 * number),
            )
            for number, (rows, status) in enumerate(zip(extracted, statuses, strict=True))
        )
        reading = source or make.source(eligible=Count(4), oldest_eligible_at=oldest)
        return verdict(
            Rule.SILENT_NO_OP, newest=recent[0] if recent else None, source=reading, history=History(recent=recent)
        )

    # The earlier run began 16 minutes ago; the cutoff is 2 minutes: rows up to 18 minutes ago were due.
    @pytest.mark.parametrize(("minutes", "severity"), [(18, WARNING), (17.98, OK), (30, WARNING), (7, OK)])
    def test_boundaries(self, minutes, severity):
        found = self.judged(oldest=ago(minutes=minutes))
        assert found.severity is severity
        if severity is WARNING:
            assert found.since == ago(minutes=16)

    @pytest.mark.parametrize(("cutoff", "severity"), [(0, WARNING), (1, OK)])
    def test_the_cutoff_decides_when_a_row_was_due(self, cutoff, severity):
        recent = make.executions(2, extracted=0)
        source = make.source(eligible=Count(4), oldest_eligible_at=recent[1].started_at)
        control = make.control_row(cutoff_minutes=cutoff)
        found = verdict(
            Rule.SILENT_NO_OP, control=control, newest=recent[0], source=source, history=History(recent=recent)
        )
        assert found.severity is severity

    @pytest.mark.parametrize("extracted", [(0, 1), (1, 0)])
    def test_one_that_took_rows(self, extracted):
        assert self.judged(extracted=extracted).severity is OK

    def test_a_failure_is_no_success(self):
        assert self.judged(statuses=(ExecutionStatus.SUCCESS, FAILED)).severity is OK

    def test_nothing_waits(self):
        assert self.judged(source=make.source()).severity is OK

    def test_not_enough_or_unread(self):
        assert self.judged(extracted=(0,), statuses=(ExecutionStatus.SUCCESS,)).severity is OK
        assert self.judged(source=make.unread_source(exists=True)).severity is OK


class TestCoverageDrop:
    @pytest.mark.parametrize(
        ("total", "severity"), [(950, OK), (949, WARNING), (800, WARNING), (799, CRITICAL), (1000, OK), (1200, OK)]
    )
    def test_boundaries(self, total, severity):
        history = make.history(coverage_median_7d=100.0)
        found = verdict(Rule.COVERAGE_DROP, target=make.target(total=total), history=history)
        assert found.severity is severity

    def test_no_median_or_no_rows_is_silent(self):
        assert verdict(Rule.COVERAGE_DROP, history=make.history(coverage_median_7d=None)).severity is OK
        assert verdict(Rule.COVERAGE_DROP, source=make.source(total=0)).severity is OK

    def test_an_unread_target_cannot_be_judged(self):
        found = verdict(Rule.COVERAGE_DROP, target=make.unread_target(exists=True))
        assert (found.severity, found.values) == (UNKNOWN, {"problem": "timeout"})

    def test_a_missing_target_is_told_by_its_own_rule(self):
        assert verdict(Rule.COVERAGE_DROP, target=make.unread_target(exists=False)).severity is OK


class TestStructure:
    @pytest.mark.parametrize(
        ("parts", "severity", "part"),
        [
            ({}, OK, None),
            ({"mapping_valid": False}, WARNING, "mapping"),
            ({"source": make.unread_source(exists=False)}, WARNING, "source"),
            ({"target": make.unread_target(exists=False)}, WARNING, "target"),
            ({"source": make.unread_source()}, UNKNOWN, "source"),
            ({"target": make.unread_target()}, UNKNOWN, "target"),
            ({"newest": None, "newest_read": False, "history": History()}, UNKNOWN, "audit"),
        ],
    )
    def test_what_is_missing_or_unread(self, parts, severity, part):
        found = verdict(Rule.STRUCTURE, **parts)
        assert found.severity is severity
        assert found.values.get("part") == part


def test_a_pipeline_of_unknown_status_is_never_ok():
    for pipeline in (
        make.unread_pipeline(),
        make.pipeline(newest=make.execution(status=ExecutionStatus.UNKNOWN)),
        make.pipeline(newest=None, history=History(), newest_read=False),
        make.pipeline(newest=None, history=History(), control=make.control_row(last_status="odd")),
    ):
        assert pipeline.status is PipelineStatus.UNKNOWN
        assert pipeline.severity is not OK
        assert pipeline.verdicts


def test_alerts_come_worst_and_longest_first():
    verdicts = [
        Verdict(rule=Rule.FAILED, severity=severity, entity_name=name, since=since)
        for severity, name, since in [
            (WARNING, "d", ago(hours=9)),
            (CRITICAL, "c", None),
            (CRITICAL, "b", ago(hours=1)),
            (UNKNOWN, "e", ago(days=9)),
            (CRITICAL, "a", ago(hours=2)),
        ]
    ]
    assert [each.entity_name for each in worst_first(verdicts)] == ["a", "b", "c", "d", "e"]


def test_a_verdict_stays_the_same_while_the_clock_goes_on():
    """Nothing in it grows with time: an unchanged page stays unchanged."""
    running = make.execution(101, status=RUNNING, started_at=ago(hours=9))
    for parts in (
        {"source": make.pending_source(7, oldest=timedelta(hours=9))},
        {"newest": running, "history": make.history(recent=(running, *make.executions(12)))},
        {"newest": None, "history": History(), "control": make.control_row(last_success_at=ago(days=9))},
    ):
        now, later = (make.pipeline(**{**parts, "now": NOW + passed}) for passed in (0 * SECOND, 77 * SECOND))
        assert now.verdicts == later.verdicts != ()

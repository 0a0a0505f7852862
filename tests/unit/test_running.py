"""Running executions: progress only where it is known, orphans marked."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.rules.facts import Count
from monitoring.rules.running import RunningRun, running_now
from tests import factories
from tests.factories import ago, execution, run

RUNNING = ExecutionStatus.RUNNING


def _open(run_id: int = 101, **changes: Any) -> Any:
    values = {"status": RunStatus.RUNNING, "entities_requested": "dim_cliente, dim_produto, fact_vendas", **changes}
    return run(run_id, **values)


def _only(*pipelines: Any, runs: tuple[Any, ...], recent: tuple[Any, ...] = ()) -> RunningRun:
    found = running_now(factories.snapshot(*pipelines, running=runs, recent_runs=recent))
    assert len(found) == 1
    return found[0]


def test_nothing_runs() -> None:
    assert running_now(factories.snapshot()) == ()


def test_usual_and_pipelines_done() -> None:
    executions = (execution(101, "dim_cliente"), execution(101, "dim_produto", status=RUNNING))
    shown = _only(factories.running_pipeline(), runs=(_open(executions=executions),))
    assert shown.pipelines == (1, 3)
    assert [entry.execution.entity_name for entry in shown.executions] == ["dim_produto"]
    entry = shown.executions[0]
    assert entry.usual == (30.0, 30.0, 30.0)
    assert (entry.rows, entry.orphan, entry.late) == (None, False, False)


def test_counts_of_a_running_row_that_are_zero_are_no_progress() -> None:
    waiting = factories.running_pipeline(source=factories.pending_source(600))
    shown = _only(waiting, runs=(_open(executions=(execution(101, "dim_produto", status=RUNNING),)),))
    assert shown.executions[0].rows is None


@pytest.mark.parametrize(
    ("eligible", "rows"),
    [
        (Count(600), (150, 600)),
        (Count(100_000, capped=True), None),
        (Count(100), None),  # more done than there was to do: not the same rows
    ],
)
def test_a_runner_that_counts_as_it_goes_is_believed(eligible: Count, rows: tuple[int, int] | None) -> None:
    waiting = factories.running_pipeline(source=factories.pending_source(eligible))
    counting = execution(101, "dim_produto", status=RUNNING, upserted=150)
    assert _only(waiting, runs=(_open(executions=(counting,)),)).executions[0].rows == rows


def test_a_list_of_pipelines_that_may_have_been_cut_has_no_total() -> None:
    assert _only(runs=(_open(entities_requested="x" * 500),)).pipelines is None


def test_the_usual_duration_of_a_run_needs_five_of_its_kind() -> None:
    def past(count: int, **changes: Any) -> tuple[Any, ...]:
        return tuple(
            run(
                number,
                entities_requested="a",
                started_at=ago(minutes=10),
                finished_at=ago(minutes=9 - number),
                **changes,
            )
            for number in range(count)
        )

    opened = _open(entities_requested="a")
    assert _only(runs=(opened,), recent=past(4)).usual_seconds is None
    assert _only(runs=(opened,), recent=past(5)).usual_seconds == 180
    assert _only(runs=(opened,), recent=past(5, status=RunStatus.PARTIAL)).usual_seconds is None
    assert _only(runs=(_open(entities_requested="b"),), recent=past(5)).usual_seconds is None


def test_what_the_stuck_rule_calls_an_orphan_is_one() -> None:
    stuck = execution(90, "dim_produto", status=RUNNING, started_at=ago(hours=9))
    pipeline = factories.pipeline("dim_produto", newest=stuck, history=factories.history(newest_runner_session_at=None))
    assert [verdict.rule for verdict in pipeline.verdicts] == ["stuck_run"]
    shown = _only(pipeline, runs=(_open(90, executions=(stuck,)),))
    assert shown.orphan
    assert shown.executions[0].orphan
    assert shown.executions[0].late


def test_long_but_with_a_runner_is_late_not_left_behind() -> None:
    stuck = execution(101, "dim_produto", status=RUNNING, started_at=ago(hours=9))
    pipeline = factories.pipeline("dim_produto", newest=stuck)
    shown = _only(pipeline, runs=(_open(executions=(stuck,)),))
    assert (shown.orphan, shown.executions[0].orphan, shown.executions[0].late) == (False, False, True)


def test_an_open_execution_that_a_later_one_has_overtaken_is_left_behind() -> None:
    old = execution(90, "dim_cliente", status=RUNNING, started_at=ago(minutes=20))
    shown = _only(factories.pipeline(), runs=(_open(90, executions=(old,)),))
    assert shown.orphan


def test_a_run_without_open_executions() -> None:
    between = _open(101)
    assert not _only(runs=(between,), recent=(between, run(100))).orphan
    assert _only(runs=(between,), recent=(run(102), between)).orphan


def test_the_abandoned_ones_come_last() -> None:
    snapshot = factories.snapshot(
        factories.running_pipeline(), running=(_open(90), _open(103)), recent_runs=(run(102), run(100))
    )
    assert [(shown.run.run_id, shown.orphan) for shown in running_now(snapshot)] == [(103, False), (90, True)]


def test_an_execution_of_an_unknown_pipeline() -> None:
    shown = _only(runs=(_open(executions=(execution(101, "gone", status=RUNNING),)),))
    assert (shown.executions[0].usual, shown.executions[0].orphan) == (None, False)

"""A figure or the reason why there is none (web/readings.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitoring.rules.enums import ExecutionStatus, ProblemCode
from monitoring.rules.facts import Count, Pipeline, Problem
from monitoring.web import readings
from monitoring.web import readings as drawn
from monitoring.web.readings import UNREAD, Missing, PipelineReadings, Reading
from tests import factories

DENIED = Problem(code=ProblemCode.PERMISSION_DENIED, detail="SELECT denied on core.customers")


def _readings(pipeline: Pipeline) -> PipelineReadings:
    return PipelineReadings(pipeline, factories.snapshot(pipeline))


def _pipeline(**changes: Any) -> Pipeline:
    return factories.pipeline(**changes)


def test_a_value_is_known_and_needs_no_reason() -> None:
    reading = readings.reading(0.0, Missing.NOT_READ, DENIED)
    assert (reading.known, reading.unread, reading.why, reading.problem) == (True, False, None, None)


@pytest.mark.parametrize("why", sorted(Missing))
def test_every_reason_has_words_and_is_either_unread_or_no_value(why: Missing) -> None:
    reading: Reading[int] = Reading(None, why)
    assert drawn.reason(reading)
    assert reading.unread is (why in UNREAD)
    html = drawn.draw(reading, "rows")
    assert ('class="unknown"' in html) is reading.unread
    assert ('class="none"' in html) is not reading.unread


def test_what_could_not_be_read_says_the_drivers_reason() -> None:
    reading: Reading[int] = Reading(None, Missing.NOT_READ, DENIED)
    assert "SELECT denied on core.customers" in drawn.draw(reading, "rows")
    assert drawn.export_value(reading) == f"unknown: {drawn.reason(reading)}"


def test_a_reading_without_value_has_no_rank() -> None:
    assert Reading(None, Missing.NOT_READ).rank is None


@pytest.mark.parametrize(
    ("value", "rank", "exported"),
    [
        (Count(7), 7, 7),
        (Count(100_000, capped=True), 100_000, "100000+"),
        (1.23456, 1.23456, 1.235),
        (factories.NOW, factories.NOW.timestamp(), factories.NOW),
        ("Abc", "Abc", "Abc"),
    ],
)
def test_ranks_and_exported_values(value: Any, rank: Any, exported: Any) -> None:
    assert Reading(value).rank == rank
    assert drawn.export_value(Reading(value)) == exported


def _why(reading: Reading[Any]) -> Missing | None:
    assert not reading.known
    return reading.why


def test_coverage() -> None:
    assert _readings(_pipeline()).coverage.value == pytest.approx(99.0)
    assert _why(_readings(_pipeline(source=factories.source(total=0))).coverage) is Missing.SOURCE_EMPTY
    assert _why(_readings(_pipeline(source=factories.unread_source(DENIED))).coverage) is Missing.NOT_READ
    target_unread = _readings(_pipeline(target=factories.unread_target(DENIED, exists=True))).coverage
    assert (target_unread.why, target_unread.problem) == (Missing.NOT_READ, DENIED)
    assert _why(_readings(_pipeline(target=factories.target(exists=False, total=None))).coverage) is (
        Missing.TARGET_MISSING
    )
    assert _why(_readings(_pipeline(mapping_valid=False, source=factories.unread_source())).coverage) is (
        Missing.NAME_INVALID
    )


def test_latency() -> None:
    assert _readings(_pipeline()).latency.value == 0
    for why, changes in (
        (Missing.TARGET_HOLDS_LOAD_TIME, {"target": factories.target(is_load_time=True)}),
        (Missing.SOURCE_EMPTY, {"source": factories.source(total=0, newest_at=None)}),
        (Missing.TARGET_EMPTY, {"target": factories.target(total=0, newest_at=None)}),
        (Missing.TARGET_IN_FUTURE, {"target": factories.target(newest_at=factories.ahead(hours=1))}),
        (Missing.NOT_READ, {"source": factories.unread_source(DENIED)}),
        (Missing.SOURCE_MISSING, {"source": factories.source(exists=False, total=None, newest_at=None)}),
        (Missing.TARGET_MISSING, {"target": factories.target(exists=False, total=None, newest_at=None)}),
    ):
        assert _why(_readings(_pipeline(**changes)).latency) is why


def test_executions() -> None:
    never = _pipeline(newest=None)
    assert _why(_readings(never).duration) is Missing.NEVER_RUN
    assert _why(_readings(never).throughput) is Missing.NEVER_RUN
    running = factories.running_pipeline()
    assert _readings(running).duration.value == 60
    assert _why(_readings(running).throughput) is Missing.STILL_RUNNING
    assert _why(_readings(factories.failed_pipeline()).throughput) is Missing.NOT_A_SUCCESS
    backwards = factories.execution(finished_at=factories.ago(hours=1))
    assert _why(_readings(_pipeline(newest=backwards)).duration) is Missing.NOT_FINISHED


def test_a_running_executions_zero_rows_are_no_figure() -> None:
    running = factories.execution(status=ExecutionStatus.RUNNING)
    assert _why(readings.rows_of(running, 0)) is Missing.STILL_RUNNING
    assert readings.rows_of(running, 40).value == 40
    assert readings.rows_of(factories.execution(), 0).value == 0
    assert _why(readings.rows_of(None, 0)) is Missing.NEVER_RUN
    unheard = replace(running, status=ExecutionStatus.UNKNOWN)
    assert _why(readings.rows_of(unheard, 0)) is Missing.NOT_FINISHED

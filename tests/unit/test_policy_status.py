"""The status of a pipeline: the first that holds, every branch of METRICS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitoring.rules.enums import (
    FINISHED,
    RUN_FINISHED,
    ExecutionStatus,
    PipelineStatus,
    RunStatus,
)
from monitoring.rules.facts import PipelineReading, SourceReading, TargetReading
from monitoring.rules.status import pipeline_status
from tests import factories as make

THERE, ABSENT, UNREAD = True, False, None


def complete(control):
    return PipelineReading(control=control, mapping_valid=True, source=make.source(), target=make.target())


@pytest.mark.parametrize(
    ("mapping", "source", "target", "expected", "ready"),
    [
        (True, THERE, THERE, PipelineStatus.OK, True),
        (True, UNREAD, THERE, PipelineStatus.UNKNOWN, None),
        (True, THERE, UNREAD, PipelineStatus.UNKNOWN, None),
        (True, UNREAD, UNREAD, PipelineStatus.UNKNOWN, None),
        # Unknown comes first in METRICS' order, also when the other table is known to be absent.
        (True, UNREAD, ABSENT, PipelineStatus.UNKNOWN, False),
        (True, ABSENT, UNREAD, PipelineStatus.UNKNOWN, False),
        (True, ABSENT, THERE, PipelineStatus.STRUCTURE_MISSING, False),
        (True, THERE, ABSENT, PipelineStatus.STRUCTURE_MISSING, False),
        (True, ABSENT, ABSENT, PipelineStatus.STRUCTURE_MISSING, False),
        # An invalid name needs no reading.
        (False, THERE, THERE, PipelineStatus.STRUCTURE_MISSING, False),
        (False, UNREAD, UNREAD, PipelineStatus.STRUCTURE_MISSING, False),
    ],
)
def test_structure_comes_before_executions(mapping, source, target, expected, ready):
    found = PipelineReading(
        control=make.control_row(),
        mapping_valid=mapping,
        source=SourceReading(exists=source),
        target=TargetReading(exists=target),
    )
    assert pipeline_status(found, make.execution()) is expected
    assert found.structure_ready is ready


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ExecutionStatus.RUNNING, PipelineStatus.RUNNING),
        (ExecutionStatus.FAILED, PipelineStatus.FAILED),
        (ExecutionStatus.SUCCESS, PipelineStatus.OK),
        (ExecutionStatus.UNKNOWN, PipelineStatus.UNKNOWN),
    ],
)
def test_the_newest_execution_decides_whatever_control_says(status, expected):
    control = make.control_row(last_status="failed")
    newest = make.execution(status=status)
    assert pipeline_status(complete(control), newest) is expected


@pytest.mark.parametrize(
    ("last_status", "expected"),
    [
        ("failed", PipelineStatus.FAILED),
        ("partial", PipelineStatus.FAILED),
        ("success", PipelineStatus.OK),
        (" SUCCESS ", PipelineStatus.OK),
        (None, PipelineStatus.NEVER_RUN),
        ("", PipelineStatus.NEVER_RUN),
        ("  ", PipelineStatus.NEVER_RUN),
        ("running", PipelineStatus.UNKNOWN),
        ("aborted", PipelineStatus.UNKNOWN),
    ],
)
def test_without_an_execution_control_decides(last_status, expected):
    control = make.control_row(last_status=last_status)
    assert pipeline_status(complete(control), None) is expected


def test_unread_executions_are_not_never_run():
    control = make.control_row(last_status=None)
    status = pipeline_status(complete(control), None, newest_read=False)
    assert status is PipelineStatus.UNKNOWN


def test_an_inactive_pipeline_keeps_its_status():
    off = replace(make.control_row(), is_active=False)
    assert pipeline_status(complete(off), make.execution()) is PipelineStatus.OK


def test_all_statuses_but_running_and_unknown_are_finished():
    assert set(ExecutionStatus) - FINISHED == {ExecutionStatus.RUNNING, ExecutionStatus.UNKNOWN}
    assert set(RunStatus) - RUN_FINISHED == {RunStatus.RUNNING, RunStatus.UNKNOWN}

"""The run grid: which cells there are, how high, in what order."""

from __future__ import annotations

from monitoring.rules.enums import ExecutionStatus, RunStatus
from monitoring.web.graphics import CELL_HEIGHT as HEIGHT
from monitoring.web.graphics import grid_cell, grid_run, run_grid
from tests import factories
from tests.factories import ago, execution, run


def _lasting(run_id: int, name: str, seconds: int, **changes: object) -> object:
    return execution(run_id, name, started_at=ago(seconds=seconds), finished_at=factories.NOW, **changes)


def _snapshot(*runs: object, **changes: object) -> object:
    return factories.snapshot(factories.pipeline("a"), factories.pipeline("b"), recent_runs=runs, **changes)


def test_runs_are_oldest_first_and_limited() -> None:
    runs = tuple(run(number, executions=(_lasting(number, "a", 10),)) for number in range(50, 0, -1))
    grid = run_grid(_snapshot(*runs), runs=3)
    assert [shown.run_id for shown in grid.runs] == [48, 49, 50]
    assert [cell.execution.run_id for cell in grid.rows[0].cells] == [48, 49, 50]


def test_a_bar_is_measured_against_its_own_row() -> None:
    grid = run_grid(
        _snapshot(
            run(2, executions=(_lasting(2, "a", 100), _lasting(2, "b", 2))),
            run(1, executions=(_lasting(1, "a", 50), _lasting(1, "b", 1))),
        )
    )
    heights = {row.name: [cell.height for cell in row.cells] for row in grid.rows}
    assert heights["a"] == heights["b"] == [12, HEIGHT]


def test_no_part_in_a_run_is_an_empty_cell_and_no_part_at_all_is_said() -> None:
    grid = run_grid(_snapshot(run(2, executions=(_lasting(2, "a", 5),)), run(1)))
    assert [row.name for row in grid.rows] == ["a"]
    assert grid.rows[0].cells[0].execution is None
    assert "not in this run" in grid_cell(grid.rows[0].cells[0])
    assert grid.left_out == ("b",)


def test_a_pipeline_without_control_row_is_shown() -> None:
    assert run_grid(_snapshot(run(1, executions=(_lasting(1, "gone", 5),)))).rows[0].name == "gone"


def test_running_and_backwards_have_no_duration() -> None:
    grid = run_grid(
        _snapshot(
            run(2, executions=(execution(2, "a", status=ExecutionStatus.RUNNING),)),
            run(1, executions=(execution(1, "a", finished_at=ago(days=1)),)),
        )
    )
    backwards, running = grid.rows[0].cells
    assert (backwards.height, running.height) == (HEIGHT, HEIGHT)
    assert '"#1 Success"' in grid_cell(backwards)
    assert '"#2 Running"' in grid_cell(running)


def test_zero_seconds_still_draw_something() -> None:
    cell = run_grid(_snapshot(run(1, executions=(_lasting(1, "a", 0),)))).rows[0].cells[0]
    assert cell.height == HEIGHT // 5
    assert f'y="{HEIGHT - HEIGHT // 5}"' in grid_cell(cell)


def test_marks_tell_status_in_words_and_escape_what_they_show() -> None:
    mark = grid_run(run(7, status=RunStatus.PARTIAL, started_by='<b>"x"'))
    assert "#7 Partial" in mark
    assert "tone-partial" in mark
    assert "<b>" not in mark
    cell = grid_cell(
        run_grid(_snapshot(run(7, executions=(_lasting(7, "a", 65, status=ExecutionStatus.FAILED),)))).rows[0].cells[0]
    )
    assert "tone-failed" in cell
    assert "1\N{NO-BREAK SPACE}min\N{NO-BREAK SPACE}05\N{NO-BREAK SPACE}s" in cell
    assert 'tabindex="-1"' in cell
    assert 'tabindex="0"' in mark

"""The run grid: pipelines by latest runs. A cell's colour and sign tell the status, its height the duration.

The style sheet draws the sign of each status (static/css/blocks.css, .cell), so that a cell takes less than 200 bytes:
there are hundreds of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.rules.facts import Execution, Run, Snapshot
from monitoring.web.formats import duration_text, time_text
from monitoring.web.parts import sign_of

register = template.Library()

RUNS_SHOWN = 30
WIDTH = 8
HEIGHT = 20
"""The tallest bar in units of the SVG; the shortest is a fifth of it, so that it stays visible."""


class Cell(NamedTuple):
    """One pipeline in one run; `execution` None: it took no part. `height` 0..HEIGHT."""

    execution: Execution | None = None
    height: int = 0


class GridRow(NamedTuple):
    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGrid:
    """`runs` oldest first, as the cells of each row. `left_out`: pipelines without a cell in any of them."""

    runs: tuple[Run, ...]
    rows: tuple[GridRow, ...]
    left_out: tuple[str, ...]


def run_grid(snapshot: Snapshot, runs: int = RUNS_SHOWN) -> RunGrid:
    """Return the latest `runs` runs by every pipeline in one of them, with a control row or not.

    Each row has its own scale of durations.
    """
    shown = tuple(reversed(snapshot.recent_runs[:runs]))
    by_pipeline: dict[str, dict[int, Execution]] = {}
    for run in shown:
        for execution in run.executions:
            by_pipeline.setdefault(execution.entity_name, {})[run.run_id] = execution
    rows = []
    for name, executions in sorted(by_pipeline.items()):
        longest = max((_seconds(each) or 0.0 for each in executions.values()), default=0.0)
        rows.append(GridRow(name, tuple(_cell(executions.get(run.run_id), longest) for run in shown)))
    left_out = tuple(pipeline.name for pipeline in snapshot.pipelines if pipeline.name not in by_pipeline)
    return RunGrid(runs=shown, rows=tuple(rows), left_out=left_out)


def _seconds(execution: Execution) -> float | None:
    """Return the duration; None for a running execution, whose duration still grows."""
    return None if execution.running else execution.seconds


def _cell(execution: Execution | None, longest: float) -> Cell:
    if execution is None:
        return Cell()
    seconds, lowest = _seconds(execution), HEIGHT // 5
    if seconds is None:
        return Cell(execution, HEIGHT)
    return Cell(execution, lowest if longest <= 0 else lowest + round((HEIGHT - lowest) * seconds / longest))


@register.simple_tag
def grid_cell(cell: Cell) -> SafeString:
    execution = cell.execution
    if execution is None:
        return format_html('<span class="visually-hidden">{}</span>', gettext("not in this run"))
    sign, seconds = sign_of(execution.status), _seconds(execution)
    words = str(sign.word) if seconds is None else f"{sign.word}, {duration_text(seconds)}"
    bar = format_html(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none"><rect y="{}" width="{}" height="{}"/></svg>',
        WIDTH,
        HEIGHT,
        HEIGHT - cell.height,
        WIDTH,
        cell.height,
    )
    return _linked("cell", sign.tone, execution.run_id, f"#{execution.run_id} {words}", bar)


@register.simple_tag
def grid_run(run: Run) -> SafeString:
    sign = sign_of(run.status)
    words = f"#{run.run_id} {sign.word} · {time_text(run.started_at)} · {run.started_by}"
    return _linked("cell cell--run", sign.tone, run.run_id, words, SafeString(""), focus=True)


def _linked(css: str, tone: str, run_id: int, words: str, inside: SafeString, *, focus: bool = False) -> SafeString:
    """Only the runs can be reached with the Tab key: there are hundreds of cells."""
    return format_html(
        '<a class="{} tone-{}" href="{}"{} aria-label="{}" data-tip="{}">{}</a>',
        css,
        tone,
        reverse("monitoring:run", args=(run_id,)),
        SafeString("") if focus else SafeString(' tabindex="-1"'),
        words,
        words,
        inside,
    )

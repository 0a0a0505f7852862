"""Small SVG pictures. Sizes are attributes, because the CSP allows no style attribute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.rules.facts import Execution, Run, Snapshot
from monitoring.web.formats import duration_text, machine_text, time_text
from monitoring.web.parts import sign_of

WIDTH, HEIGHT, PAD = 100, 24, 2  # units of a sparkline; the page stretches it
ROOM = 1.15  # length of a progress bar / upper end of its typical range


def sparkline(points: Sequence[float | None], label: str = "") -> SafeString:
    """Return a line through `points`, oldest first; None is a gap. The last point, if it is known, has a dot."""
    known = [point for point in points if point is not None]
    if len(known) < 2:
        return format_html('<svg class="sparkline" viewBox="0 0 {} {}" aria-hidden="true"></svg>', WIDTH, HEIGHT)
    low, high = min(known), max(known)
    step = WIDTH / (len(points) - 1)

    def place(index: int, point: float) -> tuple[float, float]:
        share = (point - low) / (high - low) if high > low else 0.5
        return round(index * step, 1), round(HEIGHT - PAD - share * (HEIGHT - 2 * PAD), 1)

    placed = [None if point is None else place(index, point) for index, point in enumerate(points)]
    between_gaps = ([each for each in piece if each] for _, piece in groupby(placed, lambda each: each is None))
    # A lone point becomes a short stroke.
    pieces = (piece if len(piece) > 1 else piece * 2 for piece in between_gaps if piece)
    lines = format_html_join(
        "",
        '<polyline points="{}" vector-effect="non-scaling-stroke"/>',
        ((" ".join(f"{x:g},{y:g}" for x, y in piece),) for piece in pieces),
    )
    last = placed[-1]
    dot = (
        format_html('<path class="sparkline__dot" d="M{} {}h0" vector-effect="non-scaling-stroke"/>', *last)
        if last
        else ""
    )
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {} {}" preserveAspectRatio="none" {}>{}{}</svg>',
        WIDTH,
        HEIGHT,
        format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"'),
        lines,
        dot,
    )


def day_bars(counts: Sequence[int], label: str) -> SafeString:
    most = max((*counts, 1))
    step = WIDTH / max(len(counts), 1)
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"{}/>',
        (
            (
                f"{index * step + 0.5:.2f}",
                f"{HEIGHT - height:.2f}",
                f"{step - 1:.2f}",
                f"{height:.2f}",
                SafeString("" if count else ' class="daybars__none"'),  # nosec B703 - both are ours
            )
            for index, count in enumerate(counts)
            for height in (max(HEIGHT * count / most, 1.0),)
        ),
    )
    return format_html(
        '<svg class="daybars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        HEIGHT,
        label,
        bars,
    )


def progress(
    value: float | None = None,
    maximum: float | None = None,
    *,
    since: datetime | None = None,
    low: float | None = None,
    high: float | None = None,
    label: str = "",
) -> SafeString:
    """Return a bar, with the typical range `low` to `high` behind it.

    Either `value` of `maximum` (rows), or the time since `since` (seconds): the browser moves it, so that the HTML does
    not depend on now. With neither, the bar is open-ended.
    """
    scale = maximum or (high or 0) * ROOM
    share = None if value is None or not scale else round(min(1.0, max(0.0, value / scale)) * 100, 1)
    band = ""
    if low is not None and high is not None and scale:
        start, end = round(min(1.0, low / scale) * 100, 1), round(min(1.0, high / scale) * 100, 1)
        band = format_html('<rect class="progress__band" x="{}%" width="{}%" height="100%"/>', start, end - start)
    ticking = ""
    if since is not None and scale:
        ticking = format_html(
            ' data-progress-since="{}" data-progress-scale="{}"', machine_text(since), round(scale, 1)
        )
    open_ended = share is None and not ticking
    return format_html(
        '<svg class="progress{}" role="progressbar" aria-label="{}" aria-valuemin="0" aria-valuemax="100"{}{}>'
        '<rect class="progress__track" width="100%" height="100%"/>{}'
        '<rect class="progress__bar" width="{}%" height="100%"/></svg>',
        " progress--open" if open_ended else "",
        label,
        "" if share is None else format_html(' aria-valuenow="{}"', round(share)),
        ticking,
        band,
        100 if open_ended else share or 0,
    )


RUNS_SHOWN = 30
CELL_WIDTH, CELL_HEIGHT = 8, 20


class Cell(NamedTuple):
    """One pipeline in one run; `execution` None: it took no part. `height` 0..CELL_HEIGHT."""

    execution: Execution | None = None
    height: int = 0


class GridRow(NamedTuple):
    name: str
    cells: tuple[Cell, ...]


class RunGrid(NamedTuple):
    """`runs` oldest first, as the cells of each row. `left_out`: pipelines without a cell in any of them."""

    runs: tuple[Run, ...]
    rows: tuple[GridRow, ...]
    left_out: tuple[str, ...]


def run_grid(snapshot: Snapshot, runs: int = RUNS_SHOWN) -> RunGrid:
    """Return the latest `runs` runs by every pipeline in one of them, with a control row or not.

    The height of a bar is the duration relative to the longest of its row, at least a fifth so that it stays visible. A
    running execution has the full height.
    """
    shown = tuple(reversed(snapshot.recent_runs[:runs]))
    by_pipeline: dict[str, dict[int, Execution]] = {}
    for run in shown:
        for execution in run.executions:
            by_pipeline.setdefault(execution.entity_name, {})[run.run_id] = execution
    rows = []
    for name, executions in sorted(by_pipeline.items()):
        seconds = {run_id: _finished_seconds(each) for run_id, each in executions.items()}
        longest = max((each or 0.0 for each in seconds.values()), default=0.0)
        cells = []
        for run in shown:
            lasted, height = seconds.get(run.run_id), CELL_HEIGHT
            if lasted is not None:
                height = 4 + (round((CELL_HEIGHT - 4) * lasted / longest) if longest > 0 else 0)
            cells.append(Cell(executions[run.run_id], height) if run.run_id in executions else Cell())
        rows.append(GridRow(name, tuple(cells)))
    left_out = tuple(pipeline.name for pipeline in snapshot.pipelines if pipeline.name not in by_pipeline)
    return RunGrid(runs=shown, rows=tuple(rows), left_out=left_out)


def _finished_seconds(execution: Execution) -> float | None:
    return None if execution.running else execution.seconds


def grid_cell(cell: Cell) -> SafeString:
    """Return less than 200 bytes: there are hundreds of cells. The icon of a status is in static/css/blocks.css."""
    execution = cell.execution
    if execution is None:
        return format_html('<span class="visually-hidden">{}</span>', gettext("not in this run"))
    sign, seconds = sign_of(execution.status), _finished_seconds(execution)
    words = str(sign.word) if seconds is None else f"{sign.word}, {duration_text(seconds)}"
    bar = format_html(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none"><rect y="{}" width="{}" height="{}"/></svg>',
        CELL_WIDTH,
        CELL_HEIGHT,
        CELL_HEIGHT - cell.height,
        CELL_WIDTH,
        cell.height,
    )
    return _grid_link("cell", sign.tone, execution.run_id, f"#{execution.run_id} {words}", bar)


def grid_run(run: Run) -> SafeString:
    sign = sign_of(run.status)
    words = f"#{run.run_id} {sign.word} · {time_text(run.started_at)} · {run.started_by}"
    return _grid_link("cell cell--run", sign.tone, run.run_id, words, SafeString(""), focus=True)


def _grid_link(css: str, tone: str, run_id: int, words: str, inside: SafeString, *, focus: bool = False) -> SafeString:
    return format_html(
        '<a class="{} tone-{}" href="{}" tabindex="{}" aria-label="{words}" data-tip="{words}">{}</a>',
        css,
        tone,
        reverse("monitoring:run", args=(run_id,)),
        0 if focus else -1,  # hundreds of cells would be hundreds of tab stops
        inside,
        words=words,
    )

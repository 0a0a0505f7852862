"""The run grid's cells (selectors/run_grid.py): small HTML, as there are hundreds of them.

The sign of each status is drawn by the style sheet (static/css/blocks.css, .cell), so that a cell is a
colour, a sign, a height and words, in under 200 bytes.
"""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.rules.facts import Run
from monitoring.web.formats import duration_text, time_text
from monitoring.web.parts import sign_of
from monitoring.web.run_grid import HEIGHT, Cell

register = template.Library()

WIDTH = 8


@register.simple_tag
def grid_cell(cell: Cell) -> SafeString:
    """Return one execution's bar, linked to its run; nothing but words where the pipeline took no part."""
    execution = cell.execution
    if execution is None:
        return format_html('<span class="visually-hidden">{}</span>', gettext("not in this run"))
    sign = sign_of(execution.status)
    words = str(sign.word) if cell.seconds is None else f"{sign.word}, {duration_text(cell.seconds)}"
    bar = format_html(
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none"><rect y="{}" width="{}" height="{}"/></svg>',
        WIDTH,
        HEIGHT,
        cell.top,
        WIDTH,
        cell.height,
    )
    return _linked("cell", sign.tone, execution.run_id, f"#{execution.run_id} {words}", bar)


@register.simple_tag
def grid_run(run: Run) -> SafeString:
    """Return a run's own mark for the head of its column: its status, when and by whom on hover."""
    sign = sign_of(run.status)
    words = f"#{run.run_id} {sign.word} · {time_text(run.started_at)} · {run.started_by}"
    return _linked("cell cell--run", sign.tone, run.run_id, words, SafeString(""), focus=True)


def _linked(css: str, tone: str, run_id: int, words: str, inside: SafeString, *, focus: bool = False) -> SafeString:
    """Only the runs' own marks are stops of the Tab key: hundreds of cells would be a wall."""
    stop = SafeString("") if focus else SafeString(' tabindex="-1"')
    return format_html(
        '<a class="{} tone-{}" href="{}"{} aria-label="{}" data-tip="{}">{}</a>',
        css,
        tone,
        reverse("monitoring:run", args=(run_id,)),
        stop,
        words,
        words,
        inside,
    )

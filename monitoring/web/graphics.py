"""Small SVG pictures. Sizes are attributes, because the CSP allows no style attribute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from monitoring.web.formats import machine_text

WIDTH, HEIGHT, PAD = 100, 24, 2
"""The sparkline's own units; the page stretches it."""

ROOM = 1.15
"""How far a progress bar reaches past its usual band."""


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

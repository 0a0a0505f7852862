"""The lag ruler as SVG: `{% load ruler %}{% lag_ruler ruler id="..." label=words %}`.

Positions are percentages and there is no viewBox: it stretches with the page while its text keeps its
size. Numbers are written by Python, never by the template: a comma as decimal sign would break them.
"""

from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.pipelines.texts import MARKS
from monitoring.rules.enums import Severity
from monitoring.rules.freshness_timeline import Mark, MarkCode, Ruler, RulerState, Tick, Zone, ZoneCode
from monitoring.web.formats import DAY, HOUR, MINUTE, number_text

LANE = 18
"""Pixels of one label row."""

AXIS, THICK = 100, 26
"""Where the axis begins, pixels from the top, and how thick it is."""

HEIGHT = AXIS + THICK + 26

SMALL_AXIS, SMALL_THICK, SMALL_HEIGHT = 5, 12, 22
"""The same for the small ruler of a list: no labels."""

_SIGNS = {
    MarkCode.WATERMARK: "M-5,-9 h10 l-5,9 z",
    MarkCode.OLDEST_PENDING: "M0,-9 l5,4.5 l-5,4.5 l-5,-4.5 z",
    MarkCode.CUTOFF: "M-1,-9 h2 v9 h-2 z",
    MarkCode.NEWEST: "M-4.5,-9 h9 v9 h-9 z",
    MarkCode.NOW: "M-1.5,-9 h3 v9 h-3 z",
}
"""One shape per mark: they differ without their colours too."""

register = template.Library()


@register.simple_tag
def lag_ruler(ruler: Ruler, id: str, label: str = "") -> SafeString:
    """Return the picture, described by `label`. `id` must be the ruler's own on its page."""
    return format_html(
        '<svg class="ruler ruler--{} tone-{}" id="{}" width="100%" height="{}" role="img" aria-label="{}">'
        "{}{}{}{}{}</svg>",
        ruler.state.value,
        tone(ruler),
        id,
        HEIGHT,
        label,
        _hatching(id),
        format_html_join("", "{}", ((_zone(zone, id, AXIS, THICK),) for zone in ruler.zones)),
        format_html_join("", "{}", ((_limit(limit),) for limit in ruler.limits)),
        format_html_join("", "{}", ((_tick(tick),) for tick in ruler.ticks)),
        format_html_join("", "{}", ((_mark(mark),) for mark in ruler.marks)),
    )


@register.simple_tag
def small_ruler(ruler: Ruler, id: str) -> SafeString:
    """Return the ruler without labels, for a list whose words stand beside it."""
    return format_html(
        '<svg class="ruler ruler--small ruler--{} tone-{}" id="{}" width="100%" height="{}" aria-hidden="true">'
        "{}{}{}</svg>",
        ruler.state.value,
        tone(ruler),
        id,
        SMALL_HEIGHT,
        _hatching(id),
        format_html_join("", "{}", ((_zone(zone, id, SMALL_AXIS, SMALL_THICK),) for zone in ruler.zones)),
        format_html_join(
            "",
            '<line class="ruler__pole ruler__pole--{}" x1="{}%" x2="{}%" y1="1" y2="{}"/>',
            ((mark.code.value.replace("_", "-"), mark.x, mark.x, SMALL_HEIGHT - 1) for mark in ruler.marks),
        ),
    )


def tone(ruler: Ruler) -> str:
    """Return the tone of the ruler's state."""
    if ruler.state is RulerState.PAUSED:
        return "inactive"
    if ruler.severity is not Severity.OK:
        return {Severity.CRITICAL: "critical", Severity.WARNING: "warning"}.get(ruler.severity, "unknown")
    quiet = (RulerState.QUIET, RulerState.EMPTY, RulerState.COOLING)
    return "ok" if ruler.state in quiet else "running"


def age_text(seconds: int) -> str:
    """Return a round age by its one unit: "10 s", "5 min", "3 h", "30 d"."""
    for size, word in ((DAY, gettext("d")), (HOUR, gettext("h")), (MINUTE, gettext("min"))):
        if seconds >= size and seconds % size == 0:
            return f"{number_text(seconds // size)}\N{NO-BREAK SPACE}{word}"
    return f"{seconds}\N{NO-BREAK SPACE}{gettext('s')}"


def _hatching(id: str) -> SafeString:
    """Stripes for rows that cool: visible without colour."""
    return format_html(
        '<defs><pattern id="{}-stripes" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="ruler__stripe" width="2.5" height="6"/></pattern></defs>',
        id,
    )


def _zone(zone: Zone, id: str, y: int, height: int) -> SafeString:
    striped = zone.code is ZoneCode.UNKNOWN or (
        zone.code is ZoneCode.COOLING and zone.rows is not None and zone.rows.value > 0
    )
    filled = striped or zone.code is not ZoneCode.COOLING
    rect = format_html(
        '<rect class="ruler__zone ruler__zone--{}{}" x="{}%" y="{}" width="{}%" height="{}"/>',
        zone.code.value, "" if filled else " ruler__zone--none", zone.x, y, zone.width, height,
    )  # fmt: skip
    if not striped:
        return rect
    return format_html(
        '{}<rect x="{}%" y="{}" width="{}%" height="{}" fill="url(#{}-stripes)"/>',
        rect, zone.x, y, zone.width, height, id,
    )  # fmt: skip


def _limit(limit: Tick) -> SafeString:
    severity = limit.severity or Severity.WARNING
    return format_html(
        '<line class="ruler__limit ruler__limit--{}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>',
        severity.value, limit.x, limit.x, AXIS - 5, AXIS + THICK + 5,
    )  # fmt: skip


def _tick(tick: Tick) -> SafeString:
    return format_html(
        '<line class="ruler__tick" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
        '<text class="ruler__age" x="{}%" y="{}" text-anchor="middle">{}</text>',
        tick.x, tick.x, AXIS + THICK, AXIS + THICK + 5, tick.x, HEIGHT - 5, age_text(tick.age_seconds),
    )  # fmt: skip


def _mark(mark: Mark) -> SafeString:
    """A pole from its label to the axis. The sign sits in an own <svg>, because a transform takes no percent."""
    top = 6 + mark.lane * LANE
    return format_html(
        '<g class="ruler__mark ruler__mark--{}"><line class="ruler__pole" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
        '<svg x="{}%" y="{}" overflow="visible"><path class="ruler__sign" d="{}"/></svg>'
        '<text class="ruler__label" x="{}%" y="{}" dx="{}" text-anchor="{}">{}{}</text></g>',
        mark.code.value.replace("_", "-"),
        mark.x, mark.x, top, AXIS + THICK,
        mark.x, AXIS, _SIGNS[mark.code],
        mark.x, top + 8, "5" if mark.anchor == "start" else "-5", mark.anchor,
        "◂ " if mark.off_scale else "", MARKS[mark.code],
    )  # fmt: skip

"""Readings (selectors/readings.py) as HTML, as text and as export values: one place says why there is no value.

`{% load readings %}` then `{% reading row.eligible "rows" %}`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.policies.facts import Count, Problem
from monitoring.selectors.readings import Missing, Reading
from monitoring.templatetags import parts
from monitoring.wording import problem_text

Kind = Literal["rows", "percent", "duration", "rate", "number", "when", "age"]

REASONS = {
    Missing.NOT_READ: _("could not be read"),
    Missing.NAME_INVALID: _("the control row's table name is not valid"),
    Missing.SOURCE_MISSING: _("the source table does not exist"),
    Missing.TARGET_MISSING: _("the target table does not exist"),
    Missing.SOURCE_EMPTY: _("the source is empty"),
    Missing.TARGET_EMPTY: _("the target is empty"),
    Missing.TARGET_HOLDS_LOAD_TIME: _("the target stores when a row was loaded, not when the source changed it"),
    Missing.TARGET_IN_FUTURE: _("the target's newest row is dated in the future"),
    Missing.NEVER_RUN: _("never run"),
    Missing.STILL_RUNNING: _("still running: the runner writes this at the end"),
    Missing.NOT_FINISHED: _("it has no valid finish"),
    Missing.NOT_A_SUCCESS: _("the last execution did not succeed"),
    Missing.NO_FINISHED_RUN: _("no run finished in this time"),
    Missing.NOTHING_LOADED: _("no execution loaded rows in this time"),
    Missing.NO_PIPELINE: _("no pipeline has this figure"),
    Missing.NO_ACTIVE_PIPELINE: _("no pipeline is active"),
}

_DRAW: dict[Kind, Callable[[Any], SafeString]] = {
    "rows": parts.rows,
    "percent": parts.percent,
    "duration": parts.duration,
    "rate": parts.rate,
    "number": parts.number,
    "when": parts.when,
    "age": parts.age,
}

register = template.Library()


def reason(reading: Reading[Any]) -> str:
    """Return in words why the reading has no value, with the driver's own words where there are any."""
    problem = reading.problem
    if problem is None:
        return str(REASONS[reading.why or Missing.NOT_READ])
    words = problem_text(problem)
    return f"{words.what} ({words.detail})" if words.detail else words.what


@register.simple_tag(name="reading")
def draw(reading: Reading[Any], kind: Kind) -> SafeString:
    """Return the value, or the hatched "unknown", or the dash of "has none", each with its reason."""
    if reading.known:
        drawn = _DRAW[kind](reading.value)
        return format_html("{} {}", last_known_mark(reading.problem), drawn) if reading.problem else drawn
    return parts.unknown(reading.problem or reason(reading)) if reading.unread else parts.none(reason(reading))


@register.simple_tag(name="last_known")
def mark(problem: Problem | None) -> SafeString | str:
    """Return the sign of a last known value where `problem` kept a newer one from being read, else nothing."""
    return last_known_mark(problem) if problem is not None else ""


def last_known_mark(problem: Problem) -> SafeString:
    """Return the sign beside a value that is of an earlier reading, with why there is none newer."""
    words = gettext("last known value; none newer: %(reason)s") % {"reason": problem_text(problem).what}
    return format_html(
        '<span class="last-known" data-tip="{}">{}<span class="visually-hidden">{}</span></span>',
        words,
        parts.icon("hourglass"),
        words,
    )


def export_value(reading: Reading[Any]) -> int | float | str | datetime:
    """Return what an export cell holds: the plain number or time, "100000+" for a capped count, else the reason."""
    value = reading.value
    if isinstance(value, Count):
        return f"{value.value}+" if value.capped else value.value
    if value is None:
        word = gettext("unknown") if reading.unread else gettext("no value")
        return f"{word}: {reason(reading)}"
    if isinstance(value, float):
        return round(value, 3)
    return value  # type: ignore[no-any-return]

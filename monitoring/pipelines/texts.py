from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import Grain, Severity
from monitoring.rules.facts import Count, Pipeline
from monitoring.rules.figures import DAY, HOUR
from monitoring.rules.freshness_timeline import MarkCode, Timeline, TimelineState, ZoneCode
from monitoring.rules.integrity import Basis, CheckCode, CheckResult, Reason
from monitoring.web.formats import count, duration, moment, number, percent, speed
from monitoring.web.parts import elapsed, sentence, when
from monitoring.web.problems import problem_text

if TYPE_CHECKING:
    from monitoring.pipelines.trends import Trend

MARKS: dict[MarkCode, tuple[Any, Any, str]] = {
    MarkCode.WATERMARK: (
        pgettext_lazy("lag ruler", "Watermark"),
        _("Up to here the source is loaded."),
        "M-5,-9 h10 l-5,9 z",
    ),
    MarkCode.OLDEST_PENDING: (
        pgettext_lazy("lag ruler", "Oldest pending row"),
        _("The first row after the watermark: the one that has waited longest."),
        "M0,-9 l5,4.5 l-5,4.5 l-5,-4.5 z",
    ),
    MarkCode.CUTOFF: (
        pgettext_lazy("lag ruler", "Cutoff"),
        _("Rows younger than this are left for the next run."),
        "M-1,-9 h2 v9 h-2 z",
    ),
    MarkCode.NEWEST: (
        pgettext_lazy("lag ruler", "Latest source row"),
        _("The last change in the source."),
        "M-4.5,-9 h9 v9 h-9 z",
    ),
    MarkCode.NOW: (
        pgettext_lazy("lag ruler", "Now"),
        _("The warehouse's clock at the sample."),
        "M-1.5,-9 h3 v9 h-3 z",
    ),
}
"""Label, meaning and shape (SVG path). The marks differ in shape, not only in colour."""

ZONES: dict[ZoneCode, Any] = {
    ZoneCode.DONE: pgettext_lazy("lag ruler", "Loaded"),
    ZoneCode.ELIGIBLE: pgettext_lazy("lag ruler", "Eligible: waits for a run"),
    ZoneCode.QUIET: pgettext_lazy("lag ruler", "Idle: nothing pending"),
    ZoneCode.COOLING: pgettext_lazy("lag ruler", "Cooling: younger than the cutoff"),
    ZoneCode.UNKNOWN: pgettext_lazy("lag ruler", "Unknown: not counted"),
}

STATES: dict[TimelineState, Any] = {
    TimelineState.UNKNOWN: pgettext_lazy("lag ruler", "Unknown"),
    TimelineState.EMPTY: pgettext_lazy("lag ruler", "Empty source"),
    TimelineState.PAUSED: pgettext_lazy("lag ruler", "Switched off"),
    TimelineState.AHEAD: pgettext_lazy("lag ruler", "Watermark in the future"),
    TimelineState.LATE: pgettext_lazy("lag ruler", "Late"),
    TimelineState.NEVER_LOADED: pgettext_lazy("lag ruler", "Never loaded"),
    TimelineState.WAITING: pgettext_lazy("lag ruler", "Rows waiting"),
    TimelineState.COOLING: pgettext_lazy("lag ruler", "Just cooling"),
    TimelineState.QUIET: pgettext_lazy("lag ruler", "Idle"),
}

_SENTENCES: dict[TimelineState, Any] = {
    TimelineState.UNKNOWN: _(
        "It is not known how far behind the pipeline is: its source could not be counted in this sample."
    ),
    TimelineState.EMPTY: _("The source has no rows, so there is nothing to load."),
    TimelineState.PAUSED: _("The pipeline is switched off: %(rows)s waiting, and no run loads them."),
    TimelineState.AHEAD: _(
        "The watermark lies in the future (%(watermark)s): the runner skips every row that changes before then."
    ),
    TimelineState.LATE: _("Late: %(rows)s waiting for a run, the oldest for %(waiting)s."),
    TimelineState.NEVER_LOADED: _("Never loaded: %(rows)s waiting for the first run, the oldest for %(waiting)s."),
    TimelineState.WAITING: _("%(rows)s waiting for the next run, the oldest for %(waiting)s: within the limits."),
    TimelineState.COOLING: _(
        "Nothing to load: %(cooling)s younger than the cutoff of %(cutoff)s min, left for the next run."
    ),
    TimelineState.QUIET: _("Nothing is pending: all changes in the source are loaded."),
}
_QUIET_SINCE = _("Nothing is pending: the source's last change, at %(newest)s, is loaded.")


def tone(timeline: Timeline) -> str:
    if timeline.state is TimelineState.PAUSED:
        return "inactive"
    if timeline.severity is not Severity.OK:
        return {Severity.CRITICAL: "critical", Severity.WARNING: "warning"}.get(timeline.severity, "unknown")
    idle = (TimelineState.QUIET, TimelineState.EMPTY, TimelineState.COOLING)
    return "ok" if timeline.state in idle else "running"


def timeline_sentence(timeline: Timeline, pipeline: Pipeline, *, spoken: bool = False) -> SafeString:
    """`spoken`: for screen readers, with the times written out."""
    at, since = (moment, moment) if spoken else (when, elapsed)
    marks = {mark.code: mark.at for mark in timeline.marks}
    oldest, watermark, newest = (
        marks.get(code) for code in (MarkCode.OLDEST_PENDING, MarkCode.WATERMARK, MarkCode.NEWEST)
    )
    if timeline.state is TimelineState.QUIET and newest is not None:
        return sentence(_QUIET_SINCE, {"newest": at(newest)})
    values = {
        "rows": _rows(pipeline.source.eligible),
        "cooling": _rows(pipeline.source.cooling),
        "cutoff": number(pipeline.control.cutoff_minutes),
        "waiting": since(oldest) if oldest else "?",
        "watermark": at(watermark) if watermark else "?",
    }
    return sentence(_SENTENCES[timeline.state], values)


def _rows(rows: Count | None) -> str:
    if rows is None:
        return str(count(rows))
    return ngettext("%(number)s row", "%(number)s rows", rows.value) % {"number": count(rows)}


CHECKS: dict[CheckCode, tuple[Any, Any]] = {
    CheckCode.SOURCE_KEY_NULL: (_("Source: rows without a key"), _("Every row must have its key.")),
    CheckCode.SOURCE_KEY_DUPLICATE: (_("Source: keys used twice"), _("A key must belong to one row.")),
    CheckCode.SOURCE_UPDATED_NULL: (
        _("Source: rows without a time of change"),
        _("The runner orders rows by this time and would never see them."),
    ),
    CheckCode.SOURCE_STATUS: (
        _("Source: status outside its domain"),
        _("NULL, blank, padded or unknown words in the status column."),
    ),
    CheckCode.TARGET_KEY_NULL: (_("Target: rows without a natural key"), _("Every row must name its source row.")),
    CheckCode.TARGET_KEY_DUPLICATE: (_("Target: natural keys used twice"), _("Each source row must appear only once.")),
    CheckCode.TARGET_UPDATED_NULL: (
        _("Target: rows without an update time"),
        _("Latency is measured by this column."),
    ),
    CheckCode.TARGET_STATUS: (
        _("Target: status outside its domain"),
        _("NULL, blank, padded or unknown words in the status column."),
    ),
    CheckCode.SOFT_DELETE: (
        _("Deleted in the source, active in the target"),
        _("A row must not stay active in the target after its deletion was loaded."),
    ),
    CheckCode.FACT_REQUIRED_NULL: (
        _("Fact: rows without a dimension"),
        _("Foreign keys that are NULL. The column allows it: check whether that is intended."),
    ),
    CheckCode.FACT_NEGATIVE: (
        _("Fact: negative measures"),
        _("Values, quantities and percentages below 0."),
    ),
}
"""Title and requirement of each check."""

_REASONS: dict[Reason, Any] = {
    Reason.NO_NATURAL_KEY: _("Not checked: the target column that holds the source's key is unknown."),
    Reason.COMPOSITE_KEY: _("Does not apply: the target's key is made of several columns, not of the source's key."),
    Reason.NO_UPDATE_COLUMN: _(
        "Not checked: the target has no known update column. Name it in the pipeline's settings."
    ),
    Reason.NO_STATUS_COLUMN: _("Does not apply: the table has no status column."),
    Reason.NO_DELETED_AT: _("Does not apply: the source has no deleted_at column."),
    Reason.NO_ACTIVE_FLAG: _("Does not apply: the target has neither eh_ativo nor eh_ativa."),
    Reason.NOT_A_FACT: _("Does not apply: only facts have it."),
    Reason.NO_REQUIRED_KEYS: _("Does not apply: the target has no foreign key column."),
    Reason.NO_MEASURES: _("Does not apply: the target has no valor_, quantidade_ or percentual_ column."),
    Reason.NO_TABLE: _("Not checked: the table does not exist, or the portal's login may not see it."),
    Reason.NAME_INVALID: _("Not checked: the table's name in the control row is not valid."),
    Reason.OUT_OF_TIME: _("Not checked: the time limit for all checks was reached. Run them again at a quieter hour."),
}


def check_answer(result: CheckResult) -> str:
    if result.reason is not None:
        return str(_REASONS[result.reason])
    if result.problem is not None:
        words = problem_text(result.problem)
        return gettext("Not checked: %(what)s %(to_do)s") % {"what": words.what, "to_do": words.to_do}
    if result.basis is Basis.GUARANTEED:
        return gettext("Ruled out by a constraint of the table.")
    if not result.found:
        return gettext("None found.")
    shown = number(result.found) + ("+" if result.capped else "")
    if result.code in (CheckCode.SOURCE_KEY_DUPLICATE, CheckCode.TARGET_KEY_DUPLICATE):
        return ngettext("%(number)s key", "%(number)s keys", result.found) % {"number": shown}
    return ngettext("%(number)s row", "%(number)s rows", result.found) % {"number": shown}


def looked_at_note(result: CheckResult) -> str:
    if result.looked_at is None:
        return ""
    return gettext("At most %(number)s rows were checked.") % {"number": number(result.looked_at)}


class Figure(NamedTuple):
    title: str | Promise
    help: str
    format: str  # of static/js/charts.js
    text: Callable[[float | None], str]
    unit: str | Promise


FIGURES: dict[str, Figure] = {
    "duration": Figure(_("Duration"), "duration", "seconds", duration, _("s")),
    "throughput": Figure(_("Throughput"), "throughput", "rate", speed, _("rows/s")),
    "eligible": Figure(_("Eligible rows"), "eligible", "count", number, _("rows")),
    "served-lag": Figure(_("Served lag"), "served_lag", "seconds", duration, _("s")),
    "coverage": Figure(_("Coverage"), "coverage", "percent", percent, "%"),
}

EXECUTED = ("duration", "throughput")
"""Figures of executions. The others are figures of samples."""


def trend_note(trend: Trend) -> str:
    """Return what each point stands for, or an empty text if the points are the values themselves."""
    notes = []
    if trend.grain is not Grain.RAW:
        if trend.grain is Grain.HOUR:
            notes.append(gettext("hourly averages (roll-up), the band from lowest to highest"))
        else:
            notes.append(gettext("daily averages (roll-up) of UTC days, the band from lowest to highest"))
        if trend.step is not None and trend.step != (HOUR if trend.grain is Grain.HOUR else DAY):
            length = duration(trend.step.total_seconds())
            notes.append(gettext("each point stands for %(length)s") % {"length": length})
    elif trend.step is not None:
        length = duration(trend.step.total_seconds())
        notes.append(gettext("each point is the median of %(minutes)s") % {"minutes": length})
    if trend.cut:
        notes.append(gettext("the latest %(rows)s executions") % {"rows": number(trend.values)})
    return " · ".join(notes)


def trend_sentence(trend: Trend) -> str:
    known, written = trend.known, FIGURES[trend.figure].text
    if not known:
        return gettext("No values in this period.")
    lows = [point.value if point.low is None else point.low for point in known]
    highs = [point.value if point.high is None else point.high for point in known]
    bounds = {
        "last": written(trend.last),
        "low": written(min(value for value in lows if value is not None)),
        "high": written(max(value for value in highs if value is not None)),
    }
    if trend.last is None and trend.figure in EXECUTED:
        sentence = gettext("Lowest %(low)s, highest %(high)s.") % bounds
    else:
        sentence = gettext("Last %(last)s, lowest %(low)s, highest %(high)s.") % bounds
    if trend.band is None:
        return f"{sentence} " + gettext("Fewer than five values: no typical range yet.")
    low, median, high = map(written, trend.band)
    return f"{sentence} " + gettext("Typically %(low)s to %(high)s, median %(median)s.") % {
        "low": low,
        "high": high,
        "median": median,
    }

"""The summary's cards and charts (data for static/js/charts.js, with tones of static/css/tokens.css)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import fmean
from typing import Any, TypeVar

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from monitoring.rules.enums import Grain, Rule, RunStatus, Severity
from monitoring.rules.facts import Run, Snapshot
from monitoring.summary.queries import DayRuns, Trend, newest_point
from monitoring.web import parts
from monitoring.web.formats import duration_text, number_text, percent_text, short_day
from monitoring.web.parts import sign_of
from monitoring.web.readings import Missing, Reading, blind, draw, late_since, mark, reading, reason

T = TypeVar("T")
Card = dict[str, Any]
"""The variables of components/kpi.html."""


def cards(snapshot: Snapshot, trend: Trend, days: Sequence[DayRuns], *, at: datetime, page: str) -> list[Card]:
    """`at`: the sample's time by this machine's clock. `page`: the URL of the summary."""
    made = _Cards(snapshot, trend, days, at, page)
    return [
        made.active(),
        made.success(),
        made.failed(),
        made.last_run(),
        made.coverage(),
        made.pending(),
        made.latency(),
        made.throughput(),
    ]


class _Cards:
    def __init__(self, snapshot: Snapshot, trend: Trend, days: Sequence[DayRuns], at: datetime, page: str) -> None:
        self.snapshot, self.overview = snapshot, snapshot.overview
        self.sources_unread, self.runs_unread = blind(snapshot)
        self.days, self.at, self.page = days, at, page
        # The newest roll-up ends before now.
        self.points = trend.points if trend.grain is Grain.RAW else (*trend.points, newest_point(snapshot))
        self.runs = snapshot.recent_runs[::-1]
        self.over_window = gettext("last %(window)s") % {"window": duration_text(trend.window.total_seconds())}
        self.over_days = gettext("last %(days)d days") % {"days": len(days)}
        self.over_runs = gettext("latest %(runs)d runs") % {"runs": len(self.runs)}

    def active(self) -> Card:
        overview = self.overview
        none = Missing.NO_ACTIVE_PIPELINE if overview.active == 0 else Missing.NOT_READ
        complies = reading(overview.sla_percent, none, self.runs_unread)
        return self._card(
            [point.active_ok for point in self.points],
            self.over_window,
            label=gettext("Active pipelines"),
            value=format_html(
                gettext("{active} of {all}"), active=self._rows(overview.active), all=self._rows(overview.pipelines)
            ),
            note=format_html(gettext("SLA compliance {percent}"), percent=draw(complies, "percent")),
            severity=Severity.WARNING if complies.value is not None and complies.value < 100 else Severity.OK,
            help="active_pipelines",
            url=f"{self.page}?show=active#summary-matrix",
        )

    def success(self) -> Card:
        overview = self.overview
        return self._card(
            [day.success_percent for day in self.days],
            self.over_days,
            percent_text,
            label=gettext("Run success, 24 h"),
            value=self._rate(overview.success_rate_24h, overview.finished_24h),
            note=format_html(
                gettext("{percent} in 7 d · {runs} finished in 24 h"),
                percent=self._rate(overview.success_rate_7d, overview.finished_7d),
                runs=self._rows(overview.finished_24h),
            ),
            help="success_rate_24h",
            url=f"{self.page}#summary-charts",
        )

    def failed(self) -> Card:
        return self._card(
            [day.counts[RunStatus.FAILED] for day in self.days],
            self.over_days,
            label=gettext("Failed runs, 24 h"),
            value=self._rows(self.overview.failed_24h),
            note=format_html(gettext("partial: {runs}"), runs=self._rows(self.overview.partial_24h)),
            severity=Severity.WARNING if self.overview.failed_24h else Severity.OK,
            help="failed_24h",
            url=f"{self.page}#summary-failures",
        )

    def last_run(self) -> Card:
        run = self.overview.last_run
        if run is None:
            why = Missing.NEVER_RUN if self.snapshot.problem is None else Missing.NOT_READ
            missing: Reading[int] = reading(None, why, self.runs_unread)
            value, note, url = draw(missing, "rows"), reason(missing), f"{self.page}#summary-grid"
        else:
            value, url = parts.status(run.status), reverse("monitoring:run", args=(run.run_id,))
            note = format_html(
                gettext("#{run}, {age}, by {who}"),
                run=run.run_id,
                age=parts.age(run.finished_at or run.started_at),
                who=run.started_by,
            )
        severities = {RunStatus.FAILED: Severity.CRITICAL, RunStatus.PARTIAL: Severity.WARNING}
        return self._card(
            [run.seconds for run in self.runs],
            self.over_runs,
            duration_text,
            label=gettext("Last run"),
            value=value,
            note=note,
            severity=severities.get(run.status, Severity.OK) if run else Severity.OK,
            help="last_run",
            url=url,
        )

    def coverage(self) -> Card:
        return self._card(
            [point.coverage_percent for point in self.points],
            self.over_window,
            percent_text,
            label=gettext("Coverage"),
            value=draw(self._over_pipelines(self.overview.coverage_percent), "percent"),
            note=self._left_out() or gettext("target rows / source rows"),
            help="coverage_overall",
            url=f"{self.page}?sort=coverage#summary-matrix",
            over_sources=True,
        )

    def pending(self) -> Card:
        cooling = draw(self._over_pipelines(self.overview.cooling_total), "rows")
        note = format_html(gettext("cooling: {rows}"), rows=cooling)
        left_out = self._left_out()
        return self._card(
            [point.eligible for point in self.points],
            self.over_window,
            label=gettext("Pending rows"),
            value=draw(self._over_pipelines(self.overview.eligible_total), "rows"),
            note=format_html("{} · {}", note, left_out) if left_out else note,
            help="pending_total",
            url=f"{self.page}?sort=-eligible#summary-matrix",
            over_sources=True,
        )

    def latency(self) -> Card:
        overview = self.overview
        worst = self.snapshot.pipeline(overview.worst_lag_entity)
        since = late_since(worst) if worst and self.sources_unread is None else None
        lag = parts.elapsed(since) if since else draw(self._over_pipelines(overview.worst_lag_seconds), "duration")
        if overview.worst_lag_seconds and overview.worst_lag_entity:
            note = format_html(
                gettext("worst served lag {lag}, {pipeline}"), lag=lag, pipeline=overview.worst_lag_entity
            )
        else:
            note = format_html(gettext("worst served lag {lag}"), lag=lag)
        late = [verdict for verdict in worst.verdicts if verdict.rule == Rule.LATE_WATERMARK] if worst else []
        return self._card(
            [point.mean_latency_seconds for point in self.points],
            self.over_window,
            duration_text,
            label=gettext("Mean latency"),
            value=draw(self._over_pipelines(overview.mean_latency_seconds), "duration"),
            note=note,
            severity=late[0].severity if late else Severity.OK,
            help="mean_latency",
            url=f"{self.page}?sort=-served_lag#summary-matrix",
            over_sources=True,
        )

    def throughput(self) -> Card:
        value = self.overview.mean_throughput_24h
        nothing_loaded = value is None and self.overview.finished_24h is not None
        found: Reading[float] = reading(value, problem=self.runs_unread)
        return self._card(
            [_mean_throughput(run) for run in self.runs],
            self.over_runs,
            lambda speed: gettext("%(rows)s rows/s") % {"rows": number_text(speed)},
            label=gettext("Mean throughput, 24 h"),
            value=draw(Reading(None, Missing.NOTHING_LOADED) if nothing_loaded else found, "rate"),
            note=gettext("of executions that moved rows"),
            help="mean_throughput_24h",
            url=f"{self.page}?sort=-throughput#summary-matrix",
        )

    def _card(
        self,
        points: Sequence[float | None],
        over: str,
        form: Callable[[float], str] = number_text,
        *,
        note: SafeString | str,
        severity: Severity = Severity.OK,
        over_sources: bool = False,
        **card: Any,
    ) -> Card:
        """`points`: oldest first, None for a gap, over the time span that `over` names.

        `over_sources`: the figures also need the source databases.
        """
        unread = self.sources_unread if over_sources else self.runs_unread
        known = [point for point in points if point is not None]
        spark_label = ""
        if len(known) >= 2:
            words = {"first": known[0], "last": known[-1], "low": min(known), "high": max(known)}
            label = gettext("Trend, %(over)s: from %(first)s to %(last)s, lowest %(low)s, highest %(high)s")
            spoken = {name: form(value) for name, value in words.items()}
            spark_label = label % {"over": over, **spoken}
        return {
            "age": self.snapshot.stale_since if unread else self.at,
            "ticked": unread is None,  # the age is that of the latest sample
            "note": format_html("{} {}", mark(unread), note) if unread else note,
            "tone": "" if severity is Severity.OK else sign_of(severity).tone,
            "spark": tuple(points) if spark_label else (),
            "spark_label": spark_label,
            **card,
        }

    def _rows(self, value: int | None) -> SafeString:
        return draw(reading(value, problem=self.runs_unread), "rows")

    def _rate(self, value: float | None, finished: int | None) -> SafeString:
        """A rate has no value if no run finished, and is unknown if the runs could not be read."""
        if value is None and finished == 0:
            return draw(Reading(None, Missing.NO_FINISHED_RUN), "percent")
        return draw(reading(value, problem=self.runs_unread), "percent")

    def _over_pipelines(self, value: T | None) -> Reading[T]:
        """A figure without a value is unknown if one of the pipelines could not be read."""
        if value is None and self.overview.pipelines is not None and not self.overview.unread:
            return Reading(None, Missing.NO_PIPELINE)
        sides = (pipeline.source.problem or pipeline.target.problem for pipeline in self.snapshot.pipelines)
        return reading(value, problem=self.sources_unread or next(filter(None, sides), None))

    def _left_out(self) -> str:
        count = len(self.overview.unread)
        if not count:
            return ""
        return ngettext(
            "without %(count)d pipeline that could not be read",
            "without %(count)d pipelines that could not be read",
            count,
        ) % {"count": count}


def _mean_throughput(run: Run) -> float | None:
    known = [each.throughput for each in run.executions if each.upserted > 0 and each.throughput is not None]
    return fmean(known) if known else None


STACK = (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED, RunStatus.RUNNING, RunStatus.UNKNOWN)
"""Stacking order, from the axis up."""

ALWAYS_DRAWN = frozenset({RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED})
"""Drawn even without a run, so that the legend does not change."""

BARS = 20
"""Most pipelines in the volume chart. Its table lists all."""

FEW_BARS = 6
"""Most pipelines in a chart of normal height."""


def runs_by_day_chart(days: Sequence[DayRuns]) -> dict[str, Any]:
    shown = [status for status in STACK if status in ALWAYS_DRAWN or any(day.counts[status] for day in days)]
    return {
        "type": "bar",
        "stacked": True,
        "unit": gettext("runs"),
        "labels": [short_day(day.day) for day in days],
        "datasets": [
            {
                "label": str(sign_of(status).word),
                "tone": sign_of(status).tone,
                "data": [day.counts[status] for day in days],
            }
            for status in shown
        ],
    }


def runs_by_day_rows(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the chart's table, newest day first."""
    columns = [dataset["data"] for dataset in chart["datasets"]]
    days = zip(chart["labels"], *columns, strict=True)
    return [{"label": day, "numbers": numbers} for day, *numbers in days][::-1]


def runs_by_day_sentence(days: Sequence[DayRuns]) -> str:
    total = sum(day.total for day in days)
    if not total:
        return gettext("No run started in these %(days)d days.") % {"days": len(days)}
    finished = sum(day.finished for day in days)
    statuses = (RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.PARTIAL)
    success, failed, partial = (sum(day.counts[status] for day in days) for status in statuses)
    sentence = ngettext(
        "%(total)s run in %(days)d days: %(failed)s failed, %(partial)s partial.",
        "%(total)s runs in %(days)d days: %(failed)s failed, %(partial)s partial.",
        total,
    ) % {
        "total": number_text(total),
        "days": len(days),
        "failed": number_text(failed),
        "partial": number_text(partial),
    }
    if not finished:
        return sentence
    return f"{sentence} " + gettext("%(percent)s of the finished ones succeeded.") % {
        "percent": percent_text(100 * success / finished)
    }


def volume_chart(volumes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    shown = volumes[:BARS]
    return {
        "type": "bar",
        "horizontal": True,
        "unit": gettext("rows"),
        "labels": [volume["entity_name"] for volume in shown],
        "datasets": [
            {"label": gettext("Extracted"), "tone": "c1", "data": [volume["rows_extracted"] for volume in shown]},
            {"label": gettext("Upserted"), "tone": "c2", "data": [volume["rows_upserted"] for volume in shown]},
        ],
    }


def volume_sentence(volumes: Sequence[dict[str, Any]], days: int) -> str:
    if not volumes:
        return gettext("No execution started in these %(days)d days.") % {"days": days}
    most = volumes[0]
    return gettext(
        "%(extracted)s rows extracted and %(upserted)s upserted in %(days)d days, most of them by %(name)s (%(most)s)."
    ) % {
        "extracted": number_text(sum(volume["rows_extracted"] for volume in volumes)),
        "upserted": number_text(sum(volume["rows_upserted"] for volume in volumes)),
        "days": days,
        "name": most["entity_name"],
        "most": number_text(most["rows_upserted"]),
    }

"""The eight cards: the whole overview of METRICS, each figure a reading, with how it moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean
from typing import Any, TypeVar

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from monitoring.rules.enums import Grain, PipelineStatus, Rule, RunStatus, Severity
from monitoring.rules.facts import Count, Overview, Pipeline, Problem, Run, Snapshot
from monitoring.summary.queries import DayRuns
from monitoring.web import parts, readings
from monitoring.web.formats import duration_text, number_text, percent_text
from monitoring.web.parts import sign_of
from monitoring.web.readings import Missing, Reading, blind, late_since
from monitoring.web.trends import Trend, TrendPoint, newest_point

T = TypeVar("T")


class Basis(StrEnum):
    """What a card's sparkline is drawn over."""

    SAMPLES = "samples"
    DAYS = "days"
    RUNS = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sparkline's points, oldest first, None for a gap."""

    points: tuple[float | None, ...]
    basis: Basis

    @property
    def drawn(self) -> bool:
        return sum(point is not None for point in self.points) >= 2

    @property
    def known(self) -> tuple[float, ...]:
        return tuple(point for point in self.points if point is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpis:
    """Percent, rows, seconds, rows per second. `lines`: one per card, by the card's name.

    `blind_runs`, `blind_sources`: why the figures of runs, and those over sources and targets, are the
    last known ones (of `known_at`) and not of this sample; None: they are of this sample.
    """

    active: Reading[int]
    pipelines: Reading[int]
    sla: Reading[float]
    success_24h: Reading[float]
    success_7d: Reading[float]
    finished_24h: Reading[int]
    failed_24h: Reading[int]
    partial_24h: Reading[int]
    last_run: Run | None
    last_run_missing: Reading[int]
    coverage: Reading[float]
    eligible: Reading[Count]
    cooling: Reading[Count]
    latency: Reading[float]
    worst_lag: Reading[float]
    worst_lag_entity: str
    worst_since: datetime | None
    throughput: Reading[float]
    unread: tuple[str, ...]
    blind_runs: Problem | None
    blind_sources: Problem | None
    known_at: datetime | None
    tones: dict[str, Severity]
    lines: dict[str, Line]


def kpis(snapshot: Snapshot, trend: Trend, days: Sequence[DayRuns]) -> Kpis:
    """Return the overview as readings. `trend` and `days` are what the sparklines are made of."""
    overview = snapshot.overview
    worst = snapshot.pipeline(overview.worst_lag_entity)
    without_sources, without_runs = blind(snapshot)
    return Kpis(
        active=_read(snapshot, overview.active),
        pipelines=_read(snapshot, overview.pipelines),
        sla=_read(snapshot, overview.sla_percent, Missing.NO_ACTIVE_PIPELINE if overview.active == 0 else None),
        success_24h=_rate(snapshot, overview.success_rate_24h, overview.finished_24h),
        success_7d=_rate(snapshot, overview.success_rate_7d, overview.finished_7d),
        finished_24h=_read(snapshot, overview.finished_24h),
        failed_24h=_read(snapshot, overview.failed_24h),
        partial_24h=_read(snapshot, overview.partial_24h),
        last_run=overview.last_run,
        last_run_missing=_read(snapshot, None, Missing.NEVER_RUN if snapshot.problem is None else None),
        coverage=_over_pipelines(snapshot, overview.coverage_percent),
        eligible=_over_pipelines(snapshot, overview.eligible_total),
        cooling=_over_pipelines(snapshot, overview.cooling_total),
        latency=_over_pipelines(snapshot, overview.mean_latency_seconds),
        worst_lag=_over_pipelines(snapshot, overview.worst_lag_seconds),
        worst_lag_entity=overview.worst_lag_entity,
        worst_since=late_since(worst) if worst and without_sources is None else None,
        throughput=_throughput(snapshot),
        unread=overview.unread,
        blind_runs=without_runs,
        blind_sources=without_sources,
        known_at=snapshot.stale_since,
        tones=_tones(overview, snapshot),
        lines=_lines(snapshot, trend, days),
    )


def statuses(snapshot: Snapshot) -> tuple[tuple[PipelineStatus, int], ...]:
    """Return how many pipelines have each status, every status once, the worst first."""
    counted = dict(snapshot.overview.by_status)
    order = (
        PipelineStatus.FAILED,
        PipelineStatus.STRUCTURE_MISSING,
        PipelineStatus.UNKNOWN,
        PipelineStatus.NEVER_RUN,
        PipelineStatus.RUNNING,
        PipelineStatus.OK,
    )
    return tuple((status, counted.get(status, 0)) for status in order)


def _read(snapshot: Snapshot, value: T | None, why: Missing | None = None) -> Reading[T]:
    _, problem = blind(snapshot)
    return Reading(value) if value is not None else Reading(None, why or Missing.NOT_READ, problem)


def _rate(snapshot: Snapshot, value: float | None, finished: int | None) -> Reading[float]:
    """A rate has no value when no run finished; it is unknown when the runs could not be read."""
    if value is None and finished == 0:
        return Reading(None, Missing.NO_FINISHED_RUN)
    return _read(snapshot, value)


def _over_pipelines(snapshot: Snapshot, value: T | None) -> Reading[T]:
    """A figure over pipelines: without a value it is unknown where one of them could not be read."""
    problem, _ = blind(snapshot)
    if value is not None:
        return Reading(value)
    overview = snapshot.overview
    if overview.pipelines is None or overview.unread:
        return Reading(None, Missing.NOT_READ, problem or _first_problem(snapshot))
    return Reading(None, Missing.NO_PIPELINE)


def _first_problem(snapshot: Snapshot) -> Problem | None:
    problems = (p.source.problem or p.target.problem for p in snapshot.pipelines)
    return next((problem for problem in problems if problem is not None), None)


def _throughput(snapshot: Snapshot) -> Reading[float]:
    value = snapshot.overview.mean_throughput_24h
    if value is None and snapshot.overview.finished_24h is not None:
        return Reading(None, Missing.NOTHING_LOADED)
    return _read(snapshot, value)


def _tones(overview: Overview, snapshot: Snapshot) -> dict[str, Severity]:
    """How much a card asks for attention: only what a rule of METRICS judged, and failures."""
    worst_lag = snapshot.pipeline(overview.worst_lag_entity)
    last = overview.last_run
    last_tones = {RunStatus.FAILED: Severity.CRITICAL, RunStatus.PARTIAL: Severity.WARNING}
    return {
        "active": _tone_below(overview.sla_percent, 100),
        "failed": Severity.WARNING if overview.failed_24h else Severity.OK,
        "last": last_tones.get(last.status, Severity.OK) if last else Severity.OK,
        "latency": _lateness(worst_lag) if worst_lag else Severity.OK,
    }


def _lateness(pipeline: Pipeline) -> Severity:
    """What the rule "late watermark" says of the pipeline."""
    return next((v.severity for v in pipeline.verdicts if v.rule == Rule.LATE_WATERMARK), Severity.OK)


def _tone_below(value: float | None, limit: float) -> Severity:
    return Severity.OK if value is None or value >= limit else Severity.WARNING


def _lines(snapshot: Snapshot, trend: Trend, days: Sequence[DayRuns]) -> dict[str, Line]:
    runs = tuple(reversed(snapshot.recent_runs))
    if trend.grain is not Grain.RAW:
        # Where it has got to by now is no roll-up's to say.
        trend = replace(trend, points=(*trend.points, newest_point(snapshot)))
    return {
        "active": _samples(trend, lambda point: point.active_ok),
        "success": Line(points=tuple(day.success_percent for day in days), basis=Basis.DAYS),
        "failed": Line(points=tuple(float(day.counts[RunStatus.FAILED]) for day in days), basis=Basis.DAYS),
        "last": Line(points=tuple(_seconds(run) for run in runs), basis=Basis.RUNS),
        "coverage": _samples(trend, lambda point: point.coverage_percent),
        "pending": _samples(trend, lambda point: point.eligible),
        "latency": _samples(trend, lambda point: point.mean_latency_seconds),
        "throughput": Line(points=tuple(_mean_throughput(run) for run in runs), basis=Basis.RUNS),
    }


def _samples(trend: Trend, figure: Callable[[TrendPoint], float | None]) -> Line:
    return Line(points=tuple(figure(point) for point in trend.points), basis=Basis.SAMPLES)


def _seconds(run: Run) -> float | None:
    if run.finished_at is None or run.finished_at < run.started_at:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def _mean_throughput(run: Run) -> float | None:
    """The mean over the run's successes that moved rows; None where there is none."""
    rates = [execution.throughput for execution in run.executions if execution.upserted > 0]
    known = [rate for rate in rates if rate is not None]
    return fmean(known) if known else None


Format = Callable[[float], str]

OVER_SOURCES = frozenset({"coverage", "pending", "latency"})
"""The cards whose figures need the sources too; the others are made of control and audit tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`age`: the time that the card's figures are of; `ticked`: it is the newest sample's.
    `tone`: a status tone, "" for calm."""

    label: str
    value: SafeString
    note: SafeString | str
    help: str
    url: str
    age: datetime | None
    ticked: bool = True
    tone: str = ""
    spark: tuple[float | None, ...] = ()
    spark_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    """What all cards of one page have in common."""

    kpis: Kpis
    at: datetime
    window: timedelta
    days: int
    page: str

    def card(self, name: str, form: Format, url: str, *, note: SafeString | str, **parts_of_card: Any) -> Card:
        line = self.kpis.lines[name]
        severity = self.kpis.tones.get(name, Severity.OK)
        problem = self.kpis.blind_sources if name in OVER_SOURCES else self.kpis.blind_runs
        return Card(
            url=url if url.startswith("/") else f"{self.page}{url}",
            age=self.kpis.known_at if problem else self.at,
            ticked=problem is None,
            note=format_html("{} {}", readings.last_known_mark(problem), note) if problem else note,
            tone="" if severity is Severity.OK else sign_of(severity).tone,
            spark=line.points if line.drawn else (),
            spark_label=trend_text(line, form, self.window, self.days) if line.drawn else "",
            **parts_of_card,
        )


def rolled_up_note(grain: Grain) -> str:
    """Return what the points of the sparklines over samples are, "" when they are samples."""
    if grain is Grain.HOUR:
        return gettext("hourly averages (roll-up)")
    return gettext("daily averages (roll-up) of UTC days") if grain is Grain.DAY else ""


def cards(kpis: Kpis, at: datetime, window: timedelta, days: int, page: str) -> list[Card]:
    """Return the cards in their order. `page`: the address whose blocks they point to."""
    make = _Maker(kpis=kpis, at=at, window=window, days=days, page=page)
    return [
        _active(make),
        _success(make),
        _failed(make),
        _last_run(make),
        _coverage(make),
        _pending(make),
        _latency(make),
        _throughput_card(make),
    ]


def trend_text(line: Line, form: Format, window: timedelta, days: int) -> str:
    """Return a sparkline in words: over what, from where to where, between which bounds."""
    over = {
        Basis.SAMPLES: gettext("last %(window)s") % {"window": duration_text(window.total_seconds())},
        Basis.DAYS: gettext("last %(days)d days") % {"days": days},
        Basis.RUNS: gettext("latest %(runs)d runs") % {"runs": len(line.points)},
    }[line.basis]
    known = line.known
    return gettext("Trend, %(over)s: from %(first)s to %(last)s, lowest %(low)s, highest %(high)s") % {
        "over": over,
        "first": form(known[0]),
        "last": form(known[-1]),
        "low": form(min(known)),
        "high": form(max(known)),
    }


def _active(make: _Maker) -> Card:
    kpis = make.kpis
    return make.card(
        "active",
        number_text,
        "?show=active#summary-matrix",
        label=gettext("Active pipelines"),
        value=_joined(
            gettext("{active} of {all}"),
            active=readings.draw(kpis.active, "rows"),
            all=readings.draw(kpis.pipelines, "rows"),
        ),
        note=_joined(gettext("SLA compliance {percent}"), percent=readings.draw(kpis.sla, "percent")),
        help="active_pipelines",
    )


def _success(make: _Maker) -> Card:
    kpis = make.kpis
    return make.card(
        "success",
        percent_text,
        "#summary-charts",
        label=gettext("Run success, 24 h"),
        value=readings.draw(kpis.success_24h, "percent"),
        note=_joined(
            gettext("{percent} in 7 d · {runs} finished in 24 h"),
            percent=readings.draw(kpis.success_7d, "percent"),
            runs=readings.draw(kpis.finished_24h, "rows"),
        ),
        help="success_rate_24h",
    )


def _failed(make: _Maker) -> Card:
    kpis = make.kpis
    return make.card(
        "failed",
        number_text,
        "#summary-failures",
        label=gettext("Failed runs, 24 h"),
        value=readings.draw(kpis.failed_24h, "rows"),
        note=_joined(gettext("partial: {runs}"), runs=readings.draw(kpis.partial_24h, "rows")),
        help="failed_24h",
    )


def _last_run(make: _Maker) -> Card:
    run = make.kpis.last_run
    if run is None:
        value = readings.draw(make.kpis.last_run_missing, "rows")
        return make.card(
            "last",
            duration_text,
            "#summary-grid",
            label=gettext("Last run"),
            value=value,
            note=readings.reason(make.kpis.last_run_missing),
            help="last_run",
        )
    url = reverse("monitoring:run", args=(run.run_id,))
    return make.card(
        "last",
        duration_text,
        url,
        label=gettext("Last run"),
        value=parts.status(run.status),
        note=_joined(
            gettext("#{run}, {age}, by {who}"),
            run=run.run_id,
            age=parts.age(run.finished_at or run.started_at),
            who=run.started_by,
        ),
        help="last_run",
    )


def _coverage(make: _Maker) -> Card:
    return make.card(
        "coverage",
        percent_text,
        "?sort=coverage#summary-matrix",
        label=gettext("Coverage"),
        value=readings.draw(make.kpis.coverage, "percent"),
        note=_left_out(make.kpis) or gettext("target rows / source rows"),
        help="coverage_overall",
    )


def _pending(make: _Maker) -> Card:
    cooling = readings.draw(make.kpis.cooling, "rows")
    note = _joined(gettext("cooling: {rows}"), rows=cooling)
    left_out = _left_out(make.kpis)
    return make.card(
        "pending",
        number_text,
        "?sort=-eligible#summary-matrix",
        label=gettext("Pending rows"),
        value=readings.draw(make.kpis.eligible, "rows"),
        note=format_html("{} · {}", note, left_out) if left_out else note,
        help="pending_total",
    )


def _latency(make: _Maker) -> Card:
    kpis = make.kpis
    lag = parts.elapsed(kpis.worst_since) if kpis.worst_since else readings.draw(kpis.worst_lag, "duration")
    named = kpis.worst_lag.known and kpis.worst_lag.value and kpis.worst_lag_entity
    note = (
        _joined(gettext("worst served lag {lag}, {pipeline}"), lag=lag, pipeline=kpis.worst_lag_entity)
        if named
        else _joined(gettext("worst served lag {lag}"), lag=lag)
    )
    return make.card(
        "latency",
        duration_text,
        "?sort=-served_lag#summary-matrix",
        label=gettext("Mean latency"),
        value=readings.draw(kpis.latency, "duration"),
        note=note,
        help="mean_latency",
    )


def _throughput_card(make: _Maker) -> Card:
    return make.card(
        "throughput",
        lambda value: gettext("%(rows)s rows/s") % {"rows": number_text(value)},
        "?sort=-throughput#summary-matrix",
        label=gettext("Mean throughput, 24 h"),
        value=readings.draw(make.kpis.throughput, "rate"),
        note=gettext("of executions that moved rows"),
        help="mean_throughput_24h",
    )


def _left_out(kpis: Kpis) -> str:
    """Say that a sum is not of all pipelines: never silently less."""
    if not kpis.unread:
        return ""
    return ngettext(
        "without %(count)d pipeline that could not be read",
        "without %(count)d pipelines that could not be read",
        len(kpis.unread),
    ) % {"count": len(kpis.unread)}


def _joined(sentence: str, **values: Any) -> SafeString:
    """Return a translated sentence with values of HTML in its braces."""
    return format_html(sentence, **values)

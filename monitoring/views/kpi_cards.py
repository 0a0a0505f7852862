"""The eight KPI cards in the reader's language: what selectors/kpis.py found, as components/kpi.html wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from monitoring.enums import Grain, Severity
from monitoring.selectors.kpis import Basis, Kpis, Line
from monitoring.templatetags import parts, readings
from monitoring.templatetags.formats import duration_text, number_text, percent_text
from monitoring.templatetags.signs import sign_of

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
        _throughput(make),
    ]


def trend_text(line: Line, form: Format, window: timedelta, days: int) -> str:
    """Return a sparkline in words: over what, from where to where, between which bounds."""
    over = {
        Basis.SAMPLES: gettext("last %(window)s") % {"window": duration_text(window.total_seconds())},
        Basis.DAYS: gettext("last %(days)d days") % {"days": days},
        Basis.RUNS: gettext("newest %(runs)d runs") % {"runs": len(line.points)},
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


def _throughput(make: _Maker) -> Card:
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

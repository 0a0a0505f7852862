"""Judges pipelines, and computes the figures over all of them and the summary sentence of every page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean

from monitoring.rules.alerts import pipeline_verdicts
from monitoring.rules.enums import PipelineStatus, SentenceCode, Severity
from monitoring.rules.facts import (
    Count,
    Execution,
    History,
    Overview,
    Pipeline,
    PipelineReading,
    Problem,
    Run,
    Snapshot,
    Thresholds,
    Verdict,
)
from monitoring.rules.figures import figures, usable
from monitoring.rules.status import pipeline_status, watermark_state

NO_THRESHOLDS_CHANGED = Thresholds()


def judged(
    reading: PipelineReading,
    *,
    newest: Execution | None,
    history: History,
    now: datetime,
    thresholds: Thresholds = NO_THRESHOLDS_CHANGED,
    owner: str = "",
    required: bool = False,
    newest_read: bool = True,
) -> Pipeline:
    """`newest_read` False: the audit tables could not be read (see pipeline_status)."""
    control, source, target = reading.control, reading.source, reading.target
    pipeline = Pipeline(
        control=control,
        mapping_valid=reading.mapping_valid,
        source=source,
        target=target,
        status=pipeline_status(reading, newest, newest_read=newest_read),
        newest=newest,
        figures=figures(source=source, target=target, newest=newest, history=history, now=now),
        watermark_state=watermark_state(control, source, newest, history, now),
        thresholds=thresholds,
        owner=owner,
        required=required,
    )
    return replace(pipeline, verdicts=pipeline_verdicts(pipeline, history, now))


ALERTING = frozenset({Severity.WARNING, Severity.CRITICAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """The finished runs that started in a window: `finished` = success + failed + partial."""

    success: int = 0
    failed: int = 0
    partial: int = 0

    @property
    def finished(self) -> int:
        return self.success + self.failed + self.partial

    @property
    def success_rate(self) -> float | None:
        """In percent."""
        return 100 * self.success / self.finished if self.finished > 0 else None


def overview(
    pipelines: Sequence[Pipeline] | None,
    *,
    day: RunCounts | None,
    week: RunCounts | None,
    throughputs: Iterable[tuple[int, float]] | None,
    last_run: Run | None,
) -> Overview:
    """Return the overview. None for what could not be read.

    `day` and `week` count the runs started in the last 24 hours and 7 days. `throughputs` holds
    (upserted rows, seconds) of each successful run entity of the last 24 hours.
    """
    known = pipelines or ()
    active = [pipeline for pipeline in known if pipeline.control.is_active]
    worst = _worst_lag(active)
    latencies = usable(pipeline.figures.latency_seconds for pipeline in active)
    return Overview(
        active=None if pipelines is None else len(active),
        pipelines=None if pipelines is None else len(known),
        success_rate_24h=day.success_rate if day else None,
        success_rate_7d=week.success_rate if week else None,
        finished_24h=day.finished if day else None,
        finished_7d=week.finished if week else None,
        failed_24h=day.failed if day else None,
        partial_24h=day.partial if day else None,
        last_run=last_run,
        coverage_percent=_coverage(known),
        eligible_total=_total([pipeline.source.eligible for pipeline in known]),
        cooling_total=_total([pipeline.source.cooling for pipeline in known]),
        mean_latency_seconds=fmean(latencies) if latencies else None,
        worst_lag_seconds=worst[0] if worst else None,
        worst_lag_entity=worst[1] if worst else "",
        mean_throughput_24h=_mean_throughput(throughputs),
        by_status=() if pipelines is None else tuple((status, _count(known, status)) for status in PipelineStatus),
        sla_percent=_compliance(active),
        unread=tuple(pipeline.name for pipeline in known if _unread(pipeline)),
    )


def needs_attention(pipeline: Pipeline) -> bool:
    return any(verdict.severity in ALERTING for verdict in pipeline.verdicts)


def _coverage(pipelines: Sequence[Pipeline]) -> float | None:
    """Sum of target totals / sum of source totals over the pipelines that have both, in percent."""
    both = [
        (pipeline.source.total, pipeline.target.total)
        for pipeline in pipelines
        if pipeline.source.total is not None and pipeline.target.total is not None
    ]
    source = sum(pair[0] for pair in both)
    return 100 * sum(pair[1] for pair in both) / source if source > 0 else None


def _total(counts: Sequence[Count | None]) -> Count | None:
    """Sum what is known, at least that many when one was capped; None when nothing is known."""
    known = [count for count in counts if count is not None]
    if not known:
        return None
    return Count(sum(count.value for count in known), any(count.capped for count in known))


def _worst_lag(active: Sequence[Pipeline]) -> tuple[float, str] | None:
    lags = [
        (pipeline.figures.served_lag_seconds, pipeline.name)
        for pipeline in active
        if pipeline.figures.served_lag_seconds is not None
    ]
    return max(lags, key=lambda pair: pair[0], default=None)


def _mean_throughput(rows: Iterable[tuple[int, float]] | None) -> float | None:
    """Mean of upserted / max(1, seconds) over those that moved rows; None when none did."""
    speeds = [upserted / max(1.0, seconds) for upserted, seconds in rows or () if upserted > 0 and seconds >= 0]
    return fmean(speeds) if speeds else None


def _compliance(active: Sequence[Pipeline]) -> float | None:
    """Active pipelines without an open alert / active, in percent; one that cannot be judged does not comply."""
    if not active:
        return None
    return 100 * sum(pipeline.severity is Severity.OK for pipeline in active) / len(active)


def _count(pipelines: Sequence[Pipeline], status: PipelineStatus) -> int:
    return sum(pipeline.status is status for pipeline in pipelines)


def _unread(pipeline: Pipeline) -> bool:
    source, target = pipeline.source, pipeline.target
    return source.total is None or target.total is None or source.eligible is None or source.cooling is None


WORST_NAMED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """Counts are pipelines.

    `worst`: the worst verdict of each of the two worst pipelines (or of the pre-flight). `since`: the time of the
    figures (stale), or since when a database is not read. `names`: unreachable aliases, or unjudged pipelines.
    """

    code: SentenceCode
    severity: Severity
    attention: int = 0
    unknown: int = 0
    active: int = 0
    checks: int = 0
    worst: tuple[Verdict, ...] = ()
    since: datetime | None = None
    names: tuple[str, ...] = ()
    problem: Problem | None = None


def verdict_sentence(snapshot: Snapshot | None, *, stale: bool = False) -> Sentence:
    """Return the first sentence that applies, in SentenceCode's order. `snapshot` None: no sample was ever taken."""
    if snapshot is None:
        return Sentence(code=SentenceCode.NOTHING_SAMPLED, severity=Severity.UNKNOWN)
    active = [pipeline for pipeline in snapshot.pipelines if pipeline.control.is_active]
    if stale:
        return _say(SentenceCode.STALE, Severity.UNKNOWN, active, since=snapshot.sampled_at)
    down = [reading for reading in snapshot.connections if not reading.reachable]
    if down:
        return _say(
            SentenceCode.UNREACHABLE,
            Severity.CRITICAL,
            active,
            since=snapshot.stale_since,
            names=tuple(reading.alias for reading in down),
            problem=down[0].problem,
        )
    if snapshot.problem is not None:
        return _say(
            SentenceCode.NOT_READ, Severity.UNKNOWN, active, since=snapshot.stale_since, problem=snapshot.problem
        )
    if not snapshot.pipelines:
        return Sentence(code=SentenceCode.NO_PIPELINES, severity=Severity.UNKNOWN)
    return _judged(snapshot, active)


def _judged(snapshot: Snapshot, active: list[Pipeline]) -> Sentence:
    if not active:
        return _say(SentenceCode.NONE_ACTIVE, Severity.UNKNOWN, active)
    if any(needs_attention(pipeline) for pipeline in active):
        worst = max((pipeline.severity for pipeline in active), key=lambda severity: severity.rank)
        return _say(SentenceCode.ATTENTION, worst, active)
    unread = tuple(pipeline.name for pipeline in active if pipeline.severity is Severity.UNKNOWN)
    if unread:
        return _say(SentenceCode.UNKNOWN, Severity.UNKNOWN, active, names=unread)
    portal = [verdict for verdict in snapshot.verdicts if verdict.severity in ALERTING]
    if portal:
        return Sentence(
            code=SentenceCode.PREFLIGHT,
            severity=max((verdict.severity for verdict in portal), key=lambda severity: severity.rank),
            active=len(active),
            checks=len(portal),
            worst=tuple(portal[:WORST_NAMED]),
        )
    return _say(SentenceCode.ALL_WELL, Severity.OK, active)


def _say(
    code: SentenceCode,
    severity: Severity,
    active: list[Pipeline],
    *,
    since: datetime | None = None,
    names: tuple[str, ...] = (),
    problem: Problem | None = None,
) -> Sentence:
    attention = [pipeline for pipeline in active if needs_attention(pipeline)]
    return Sentence(
        code=code,
        severity=severity,
        attention=len(attention),
        unknown=sum(pipeline.severity is Severity.UNKNOWN for pipeline in active),
        active=len(active),
        worst=_worst(attention),
        since=since,
        names=names,
        problem=problem,
    )


def _worst(pipelines: list[Pipeline]) -> tuple[Verdict, ...]:
    each = [min(pipeline.verdicts, key=lambda verdict: verdict.order) for pipeline in pipelines]
    return tuple(sorted(each, key=lambda verdict: verdict.order)[:WORST_NAMED])

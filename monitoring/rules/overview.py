"""Judges pipelines, and computes the figures over all of them and the summary sentence of every page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import itemgetter
from statistics import fmean

from monitoring.rules.alerts import pipeline_verdicts, worst_first
from monitoring.rules.enums import RUN_FINISHED, PipelineStatus, RunStatus, SentenceCode, Severity
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


def judged(
    reading: PipelineReading,
    *,
    newest: Execution | None,
    history: History,
    now: datetime,
    thresholds: Thresholds,
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


def needs_attention(pipeline: Pipeline) -> bool:
    return any(verdict.severity in ALERTING for verdict in pipeline.verdicts)


def overview(
    pipelines: Sequence[Pipeline] | None,
    *,
    day: Mapping[str, int] | None,
    week: Mapping[str, int] | None,
    throughputs: Iterable[tuple[int, float]] | None,
    last_run: Run | None,
) -> Overview:
    """Return the overview. None for what could not be read.

    `day` and `week` count the runs started in the last 24 hours and 7 days by their RunStatus. `throughputs` holds
    (upserted rows, seconds) of each successful run entity of the last 24 hours.
    """
    known = pipelines or ()
    active = [pipeline for pipeline in known if pipeline.control.is_active]
    lags = [(lag, pipeline.name) for pipeline in active if (lag := pipeline.figures.served_lag_seconds) is not None]
    worst_lag, worst_name = max(lags, key=itemgetter(0), default=(None, ""))
    latencies = usable(pipeline.figures.latency_seconds for pipeline in active)
    speeds = [upserted / max(1.0, seconds) for upserted, seconds in throughputs or () if upserted > 0 and seconds >= 0]
    # A pipeline that cannot be judged does not comply.
    healthy = sum(pipeline.severity is Severity.OK for pipeline in active)
    statuses = Counter(pipeline.status for pipeline in known)
    finished_24h, success_rate_24h = _finished(day)
    finished_7d, success_rate_7d = _finished(week)
    return Overview(
        active=None if pipelines is None else len(active),
        pipelines=None if pipelines is None else len(known),
        success_rate_24h=success_rate_24h,
        success_rate_7d=success_rate_7d,
        finished_24h=finished_24h,
        finished_7d=finished_7d,
        failed_24h=None if day is None else day.get(RunStatus.FAILED, 0),
        partial_24h=None if day is None else day.get(RunStatus.PARTIAL, 0),
        last_run=last_run,
        coverage_percent=_coverage(known),
        eligible_total=_total(pipeline.source.eligible for pipeline in known),
        cooling_total=_total(pipeline.source.cooling for pipeline in known),
        mean_latency_seconds=fmean(latencies) if latencies else None,
        worst_lag_seconds=worst_lag,
        worst_lag_entity=worst_name,
        mean_throughput_24h=fmean(speeds) if speeds else None,
        by_status=() if pipelines is None else tuple((status, statuses[status]) for status in PipelineStatus),
        sla_percent=100 * healthy / len(active) if active else None,
        unread=tuple(
            each.name
            for each in known
            if None in (each.source.total, each.target.total, each.source.eligible, each.source.cooling)
        ),
    )


def _finished(counts: Mapping[str, int] | None) -> tuple[int | None, float | None]:
    """Return how many runs have finished, and how many percent of them succeeded."""
    if counts is None:
        return None, None
    finished = sum(counts.get(status, 0) for status in RUN_FINISHED)
    return finished, 100 * counts.get(RunStatus.SUCCESS, 0) / finished if finished > 0 else None


def _coverage(pipelines: Sequence[Pipeline]) -> float | None:
    """Sum of target totals / sum of source totals over the pipelines that have both, in percent."""
    totals = [(pipeline.source.total, pipeline.target.total) for pipeline in pipelines]
    both = [(source, target) for source, target in totals if source is not None and target is not None]
    rows = sum(source for source, _ in both)
    return 100 * sum(target for _, target in both) / rows if rows > 0 else None


def _total(counts: Iterable[Count | None]) -> Count | None:
    """Sum what is known, at least that many when one was capped; None when nothing is known."""
    known = [count for count in counts if count is not None]
    return Count(sum(each.value for each in known), any(each.capped for each in known)) if known else None


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
    attention = [pipeline for pipeline in active if needs_attention(pipeline)]
    counted = Sentence(
        code=SentenceCode.ALL_WELL,
        severity=Severity.OK,
        attention=len(attention),
        unknown=sum(pipeline.severity is Severity.UNKNOWN for pipeline in active),
        active=len(active),
        worst=worst_first(worst_first(pipeline.verdicts)[0] for pipeline in attention)[:WORST_NAMED],
    )
    unsure = replace(counted, severity=Severity.UNKNOWN)
    if stale:
        return replace(unsure, code=SentenceCode.STALE, since=snapshot.sampled_at)
    down = [reading for reading in snapshot.connections if not reading.reachable]
    if down:
        return replace(
            counted,
            code=SentenceCode.UNREACHABLE,
            severity=Severity.CRITICAL,
            since=snapshot.stale_since,
            names=tuple(reading.alias for reading in down),
            problem=down[0].problem,
        )
    if snapshot.problem is not None:
        return replace(unsure, code=SentenceCode.NOT_READ, since=snapshot.stale_since, problem=snapshot.problem)
    if not active:
        return replace(unsure, code=SentenceCode.NONE_ACTIVE if snapshot.pipelines else SentenceCode.NO_PIPELINES)
    return _judged(snapshot, active, counted)


def _judged(snapshot: Snapshot, active: list[Pipeline], counted: Sentence) -> Sentence:
    if counted.attention:
        return replace(counted, code=SentenceCode.ATTENTION, severity=counted.worst[0].severity)
    if counted.unknown:
        names = tuple(pipeline.name for pipeline in active if pipeline.severity is Severity.UNKNOWN)
        return replace(counted, code=SentenceCode.UNKNOWN, severity=Severity.UNKNOWN, names=names)
    portal = [verdict for verdict in snapshot.verdicts if verdict.severity in ALERTING]
    if not portal:
        return counted
    return replace(
        counted,
        code=SentenceCode.PREFLIGHT,
        severity=max((verdict.severity for verdict in portal), key=lambda severity: severity.rank),
        checks=len(portal),
        worst=tuple(portal[:WORST_NAMED]),
    )

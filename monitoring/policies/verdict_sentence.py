"""The one sentence that opens every page: a code and its values; wording makes it words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.enums import SentenceCode, Severity
from monitoring.policies.alerts import worst_first
from monitoring.policies.facts import Pipeline, Problem, Snapshot, Verdict
from monitoring.policies.overview import ALERTING, needs_attention

WORST_NAMED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What to say. Counts are pipelines; `active` is how many of them are switched on.

    `worst`: the worst verdict of each of the two worst pipelines (or of the pre-flight). `since`:
    when the figures are from (stale), or since when a database is not read. `names`: unreachable
    aliases, or the pipelines that could not be judged.
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
    """Return what is to be said of this snapshot, the first that holds of SentenceCode's order.

    `snapshot` None: nothing was ever sampled. `stale`: the collector has not ticked for long.
    """
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
    """The worst verdict of each pipeline, of the two worst pipelines."""
    each = [min(pipeline.verdicts, key=worst_first) for pipeline in pipelines]
    return tuple(sorted(each, key=worst_first)[:WORST_NAMED])

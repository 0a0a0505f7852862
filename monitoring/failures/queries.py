"""Failures grouped by their fingerprint, from the portal's copy: one pass over an index that holds only failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery

from monitoring.collector.snapshot import Current
from monitoring.models import CollectorState, RunEntityCopy
from monitoring.models.executions import shown_error
from monitoring.rules.enums import ErrorClass, ExecutionStatus, FailureState
from monitoring.rules.error_text import FINGERPRINT_VERSION, ErrorText, parse
from monitoring.rules.failure_groups import GONE_AFTER, Standing, state_of, unresolved_in
from monitoring.summary.queries import days_until
from monitoring.web import readings
from monitoring.web.cache import cached_once

PAIRS = 2000
"""Pairs of fingerprint and pipeline that are read, those seen last: a bound for messages that are all different."""
BATCH = 200
SAME_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCount:
    """How often it happened on one of the viewer's days."""

    day: date
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePart:
    """A group's part in one pipeline. `still`: its newest finished execution failed with it; None: unknown."""

    entity_name: str
    count: int
    first_seen: datetime
    last_seen: datetime
    last_run_id: int
    still: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Failures with the same fingerprint. `error` is the newest one's, as the reader may see it."""

    fingerprint: str
    error: ErrorText
    state: FailureState
    count: int
    runs: int
    parts: tuple[PipelinePart, ...]
    first_seen: datetime
    last_seen: datetime
    last_run_id: int
    newest_id: int
    days: tuple[DayCount, ...]

    @property
    def kind(self) -> ErrorClass:
        return self.error.error_class

    @property
    def message(self) -> str:
        return self.error.text

    @property
    def pipelines(self) -> tuple[str, ...]:
        return tuple(part.entity_name for part in self.parts)

    @property
    def unresolved(self) -> tuple[str, ...]:
        """The pipelines that still fail with it, as far as that is known."""
        return tuple(part.entity_name for part in self.parts if part.still)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroups:
    """The groups, last seen first. `cut`: there were more than PAIRS. `regrouping`: the collector has not updated the
    fingerprints of older failures yet."""

    rows: tuple[FailureGroup, ...]
    cut: bool = False
    regrouping: bool = False


def failure_groups(current: Current, zone: tzinfo, *, logins: bool) -> FailureGroups:
    """Return all groups in the copy, computed once per snapshot, zone and permission."""
    at, known = current.sampled_at or current.now, newest_known(current)
    key = f"failure-groups:{zone}:{current.version}:{known}:{logins}"
    return cached_once(key, lambda: _all(at, zone, known, logins), fresh=lambda _: SAME_SECONDS)


def failure_group(fingerprint: str, current: Current, zone: tzinfo, *, logins: bool) -> FailureGroup | None:
    """Return one group, None when the copy holds no such failure."""
    at = current.sampled_at or current.now
    rows = _grouped(_failed().filter(fingerprint=fingerprint), at, zone, newest_known(current), logins)[0]
    return rows[0] if rows else None


def newest_known(current: Current) -> bool:
    """Return whether the copies have the newest runs: a collector is running and could read the audit tables."""
    return not current.stale and (current.snapshot is None or readings.blind(current.snapshot)[1] is None)


def executions(fingerprint: str) -> QuerySet[RunEntityCopy]:
    """Return the group's failed executions, unordered and not yet evaluated."""
    return _failed().filter(fingerprint=fingerprint)


def select(
    rows: Iterable[FailureGroup],
    *,
    kind: ErrorClass | None = None,
    states: Iterable[FailureState] = (),
    pipeline: str = "",
    unresolved: bool = False,
    text: str = "",
) -> list[FailureGroup]:
    """Return the groups that match all of what is asked, whatever the text's case.

    `unresolved` keeps those of which nobody knows whether they are resolved.
    """
    wanted, name, needle = frozenset(states), pipeline.strip().casefold(), text.strip().casefold()
    return [
        row
        for row in rows
        if (kind is None or row.kind is kind)
        and (not wanted or row.state in wanted)
        and (not name or any(name == each.casefold() for each in row.pipelines))
        and (not unresolved or row.unresolved or row.state is FailureState.UNKNOWN)
        and (not needle or needle in "\n".join((row.message, row.error.words, *row.pipelines)).casefold())
    ]


def _failed() -> QuerySet[RunEntityCopy]:
    return RunEntityCopy.objects.filter(fingerprint__isnull=False)


def _all(now: datetime, zone: tzinfo, known: bool, logins: bool) -> FailureGroups:
    rows, cut = _grouped(_failed(), now, zone, known, logins)
    version = CollectorState.objects.values_list("fingerprint_version", flat=True).first()
    return FailureGroups(rows=rows, cut=cut, regrouping=version is not None and version != FINGERPRINT_VERSION)


def _grouped(
    failed: QuerySet[RunEntityCopy], now: datetime, zone: tzinfo, known: bool, logins: bool
) -> tuple[tuple[FailureGroup, ...], bool]:
    aggregated: QuerySet[Any, Any] = (
        failed.values("fingerprint", "entity_name")
        .annotate(
            times=Count("pk"),
            first_seen=Min("started_at"),
            last_seen=Max("started_at"),
            last_run_id=Max("run_id"),
            newest_id=Max("run_entity_id"),
        )
        .order_by("-last_seen", "fingerprint", "entity_name")
    )
    pairs: list[dict[str, Any]] = list(aggregated[: PAIRS + 1])
    if not pairs:
        return (), False
    by_print: dict[str, list[dict[str, Any]]] = {}
    for pair in pairs[:PAIRS]:
        by_print.setdefault(pair["fingerprint"], []).append(pair)
    newest = {pair["entity_name"]: pair["newest_id"] for pair in sorted(pairs, key=lambda each: each["newest_id"])}
    standings = _standings(newest.values()) if known else None
    errors = _shown_errors((max(pair["newest_id"] for pair in group) for group in by_print.values()), logins)
    runs = _runs([fingerprint for fingerprint, group in by_print.items() if len(group) > 1])
    days = _days(failed, days_until(now, zone))
    read = _Read(standings=standings, errors=errors, runs=runs, days=days)
    groups = [_group(fingerprint, group, read, now) for fingerprint, group in by_print.items()]
    return tuple(groups), len(pairs) > PAIRS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The data of the groups beside their parts, each read in one statement for all groups."""

    standings: dict[str, Standing] | None
    errors: dict[int, ErrorText]
    runs: dict[str, int]
    days: dict[str, tuple[DayCount, ...]]


def _group(fingerprint: str, pairs: list[dict[str, Any]], read: _Read, now: datetime) -> FailureGroup:
    last_runs = {pair["entity_name"]: pair["last_run_id"] for pair in pairs}
    first_seen = min(pair["first_seen"] for pair in pairs)
    still = None if read.standings is None else unresolved_in(fingerprint, last_runs, read.standings)
    newest = max(pairs, key=lambda pair: pair["newest_id"])
    count = sum(pair["times"] for pair in pairs)
    return FailureGroup(
        fingerprint=fingerprint,
        error=read.errors.get(newest["newest_id"]) or parse(""),
        state=state_of(first_seen, last_runs, read.standings, now),
        count=count,
        runs=read.runs.get(fingerprint, count),
        parts=tuple(
            PipelinePart(
                entity_name=pair["entity_name"],
                count=pair["times"],
                first_seen=pair["first_seen"],
                last_seen=pair["last_seen"],
                last_run_id=pair["last_run_id"],
                still=None if still is None else pair["entity_name"] in still,
            )
            for pair in pairs
        ),
        first_seen=first_seen,
        last_seen=max(pair["last_seen"] for pair in pairs),
        last_run_id=max(last_runs.values()),
        newest_id=newest["newest_id"],
        days=read.days.get(fingerprint, read.days[""]),
    )


def _standings(newest_ids: Iterable[int]) -> dict[str, Standing]:
    """Return each pipeline's standing; `newest_ids`: one failed execution of each, for its name."""
    own = RunEntityCopy.objects.filter(entity_name=OuterRef("entity_name")).order_by("-run_id", "-run_entity_id")
    success, failed = ExecutionStatus.SUCCESS.value, ExecutionStatus.FAILED.value
    found: dict[str, Standing] = {}
    for ids in _batches(newest_ids):
        rows = (
            RunEntityCopy.objects.filter(run_entity_id__in=ids)
            .annotate(
                fails_with=Subquery(own.filter(status__in=[success, failed]).values("fingerprint")[:1]),
                success_run_id=Subquery(own.filter(status=success).values("run_id")[GONE_AFTER - 1 : GONE_AFTER]),
            )
            .values_list("entity_name", "fails_with", "success_run_id")
        )
        found |= {
            name: Standing(fails_with=fails_with or "", success_run_id=run_id) for name, fails_with, run_id in rows
        }
    return found


def _days(failed: QuerySet[RunEntityCopy], days: Sequence[tuple[date, datetime]]) -> dict[str, tuple[DayCount, ...]]:
    """Return the failures per day by fingerprint; under "" the days of one without any."""
    starts = [start for _, start in days]
    ends = [*starts[1:], starts[-1] + timedelta(days=2)]
    per_day = {
        f"d{index}": Count("pk", filter=Q(started_at__gte=start, started_at__lt=end))
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
    counted: QuerySet[Any, Any] = failed.filter(started_at__gte=starts[0]).order_by("fingerprint").values("fingerprint")
    rows: list[dict[str, Any]] = list(counted.annotate(**per_day))
    found = {
        row["fingerprint"]: tuple(DayCount(day=day, count=row[f"d{index}"]) for index, (day, _) in enumerate(days))
        for row in rows
    }
    return {**found, "": tuple(DayCount(day=day, count=0) for day, _ in days)}


def _shown_errors(newest_ids: Iterable[int], logins: bool) -> dict[int, ErrorText]:
    found: dict[int, ErrorText] = {}
    for ids in _batches(newest_ids):
        rows = RunEntityCopy.objects.filter(run_entity_id__in=ids)
        for copy in rows.only("status", "error_message", "error", "error_with_logins"):
            error = shown_error(copy, logins=logins)
            if error is not None:
                found[copy.run_entity_id] = error
    return found


def _runs(fingerprints: Sequence[str]) -> dict[str, int]:
    """Return the number of runs by fingerprint: a run may have the failure in several pipelines."""
    found: dict[str, int] = {}
    for some in _batches(fingerprints):
        own: QuerySet[Any, Any] = _failed().filter(fingerprint__in=some).order_by("fingerprint").values("fingerprint")
        counted: list[Any] = list(own.annotate(different=Count("run_id", distinct=True)))
        found |= {row["fingerprint"]: row["different"] for row in counted}
    return found


def _batches(values: Iterable[Any]) -> Iterable[list[Any]]:
    listed = list(values)
    return (listed[start : start + BATCH] for start in range(0, len(listed), BATCH))

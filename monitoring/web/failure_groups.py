"""Failures grouped by their fingerprint, from the portal's copy: one pass over an index that holds only failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from monitoring.access import CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.models import CollectorState, RunEntityCopy
from monitoring.models.executions import shown_error
from monitoring.rules.enums import ErrorClass, ExecutionStatus, FailureState
from monitoring.rules.error_text import FINGERPRINT_VERSION, ErrorText, parse
from monitoring.rules.figures import days_until
from monitoring.rules.status import GONE_AFTER, Standing, state_of, unresolved_in
from monitoring.web import readings
from monitoring.web.cache import cached_once
from monitoring.web.failure_texts import advice_for
from monitoring.web.formats import number_text, short_day

PAIRS = 2000
"""Pairs of fingerprint and pipeline that are read, those seen last: a bound for messages that are all different."""
SAME_SECONDS = 60
SHORT = 5
"""Groups shown on another page than their own."""


class DayCount(NamedTuple):
    """Failures on one of the reader's days."""

    day: date
    number: int


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
    newest_id: int
    days: tuple[DayCount, ...]

    @property
    def kind(self) -> ErrorClass:
        return self.error.error_class

    @property
    def pipelines(self) -> tuple[str, ...]:
        return tuple(part.entity_name for part in self.parts)

    @property
    def unresolved(self) -> tuple[str, ...]:
        """The pipelines that still fail with it, as far as that is known."""
        return tuple(part.entity_name for part in self.parts if part.still)

    @property
    def first_seen(self) -> datetime:
        return min(part.first_seen for part in self.parts)

    @property
    def last_seen(self) -> datetime:
        return max(part.last_seen for part in self.parts)

    @property
    def last_run_id(self) -> int:
        return max(part.last_run_id for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroups:
    """The groups, last seen first. `cut`: there were more than PAIRS. `regrouping`: the collector has not updated the
    fingerprints of older failures yet."""

    rows: tuple[FailureGroup, ...]
    cut: bool = False
    regrouping: bool = False


def in_short(current: Current, user: AbstractBaseUser | AnonymousUser, url: str, pipeline: str = "") -> dict[str, Any]:
    """Return the variables of monitoring/failures/_short.html: the unresolved groups first, then the last seen."""
    found = failure_groups(current, logins=may(user, CONNECTIONS))
    own = [group for group in found.rows if not pipeline or pipeline in group.pipelines]
    own.sort(key=lambda group: (not group.unresolved, -group.last_seen.timestamp()))
    items = [
        {
            "group": group,
            "words": advice_for(group.error),
            "bars": [day.number for day in group.days],
            "sentence": days_sentence(group.days),
        }
        for group in own[:SHORT]
    ]
    known = not any(group.state is FailureState.UNKNOWN for group in own)
    more = max(len(own) - SHORT, 0)
    return {"groups": items, "more": more, "url": url, "regrouping": found.regrouping, "known": known}


def days_sentence(days: Sequence[DayCount]) -> str:
    """Return what the bars per day show, for screen readers."""
    total = sum(day.number for day in days)
    if not total:
        return gettext("Not in the last %(days)d days.") % {"days": len(days)}
    most = max(days, key=lambda day: day.number)
    return ngettext(
        "%(total)s time in the last %(days)d days, most often on %(day)s (%(most)s).",
        "%(total)s times in the last %(days)d days, most often on %(day)s (%(most)s).",
        total,
    ) % {
        "total": number_text(total),
        "days": len(days),
        "day": short_day(most.day),
        "most": number_text(most.number),
    }


def failure_groups(current: Current, *, logins: bool) -> FailureGroups:
    """Return all groups in the copy, with days of the current time zone.

    Computed once per snapshot, zone and permission. `logins`: the reader may see logins.
    """
    zone = timezone.get_current_timezone()
    key = f"failure-groups:{zone}:{current.version}:{newest_known(current)}:{logins}"
    return cached_once(key, lambda: _all(current, logins), fresh=lambda _: SAME_SECONDS)


def _all(current: Current, logins: bool) -> FailureGroups:
    rows, cut = _grouped(_failed(), current, logins)
    version = CollectorState.objects.values_list("fingerprint_version", flat=True).first()
    return FailureGroups(rows=rows, cut=cut, regrouping=version is not None and version != FINGERPRINT_VERSION)


def failure_group(fingerprint: str, current: Current, *, logins: bool) -> FailureGroup | None:
    """Return one group, None when the copy holds no such failure."""
    rows, _ = _grouped(executions(fingerprint), current, logins)
    return rows[0] if rows else None


def newest_known(current: Current) -> bool:
    """Return whether the copies have the newest runs: a collector is running and could read the audit tables."""
    return not current.stale and (current.snapshot is None or readings.blind(current.snapshot)[1] is None)


def executions(fingerprint: str) -> QuerySet[RunEntityCopy]:
    """Return the group's failed executions, unordered and not yet evaluated."""
    return _failed().filter(fingerprint=fingerprint)


def _failed() -> QuerySet[RunEntityCopy]:
    return RunEntityCopy.objects.filter(fingerprint__isnull=False)


def _grouped(failed: QuerySet[RunEntityCopy], current: Current, logins: bool) -> tuple[tuple[FailureGroup, ...], bool]:
    """Return the groups of these executions, and whether there were more than PAIRS."""
    aggregated: QuerySet[Any, Any] = (
        failed.values("fingerprint", "entity_name")
        .annotate(
            count=Count("pk"),
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
    newest_ids = {fingerprint: max(pair["newest_id"] for pair in own) for fingerprint, own in by_print.items()}
    now = current.sampled_at or current.now
    failed_ids = {pair["entity_name"]: pair["newest_id"] for pair in pairs}
    standings = _standings(failed_ids.values()) if newest_known(current) else None
    errors = _errors(newest_ids.values(), logins)
    runs = _runs([fingerprint for fingerprint, own in by_print.items() if len(own) > 1])
    days = _days(failed, now)
    groups = []
    for fingerprint, own in by_print.items():
        last_runs = {pair["entity_name"]: pair["last_run_id"] for pair in own}
        still = None if standings is None else unresolved_in(fingerprint, last_runs, standings)
        parts = tuple(_part(pair, still) for pair in own)
        count = sum(part.count for part in parts)
        groups.append(
            FailureGroup(
                fingerprint=fingerprint,
                error=errors.get(newest_ids[fingerprint]) or parse(""),
                state=state_of(min(part.first_seen for part in parts), last_runs, standings, now),
                count=count,
                runs=runs.get(fingerprint, count),
                parts=parts,
                newest_id=newest_ids[fingerprint],
                days=days.get(fingerprint, days[""]),
            )
        )
    return tuple(groups), len(pairs) > PAIRS


def _part(pair: dict[str, Any], still: Iterable[str] | None) -> PipelinePart:
    values = {name: value for name, value in pair.items() if name not in ("fingerprint", "newest_id")}
    return PipelinePart(**values, still=None if still is None else pair["entity_name"] in still)


def _standings(failed_ids: Iterable[int]) -> dict[str, Standing]:
    """Return each pipeline's standing. `failed_ids`: one failed execution of each."""
    own = RunEntityCopy.objects.filter(entity_name=OuterRef("entity_name")).order_by("-run_id", "-run_entity_id")
    success, failed = ExecutionStatus.SUCCESS.value, ExecutionStatus.FAILED.value
    rows = (
        RunEntityCopy.objects.filter(run_entity_id__in=list(failed_ids))
        .annotate(
            fails_with=Subquery(own.filter(status__in=[success, failed]).values("fingerprint")[:1]),
            success_run_id=Subquery(own.filter(status=success).values("run_id")[GONE_AFTER - 1 : GONE_AFTER]),
        )
        .values_list("entity_name", "fails_with", "success_run_id")
    )
    return {name: Standing(fails_with=fails_with or "", success_run_id=run_id) for name, fails_with, run_id in rows}


def _days(failed: QuerySet[RunEntityCopy], now: datetime) -> dict[str, tuple[DayCount, ...]]:
    """Return the failures per day by fingerprint; under "" the days of one without any."""
    days = days_until(now, timezone.get_current_timezone())
    starts = [start for _, start in days]
    ends = [*starts[1:], starts[-1] + timedelta(days=2)]
    per_day = {
        f"d{index}": Count("pk", filter=Q(started_at__gte=start, started_at__lt=end))
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    }
    counted: QuerySet[Any, Any] = failed.filter(started_at__gte=starts[0]).order_by("fingerprint").values("fingerprint")
    found = {
        row["fingerprint"]: tuple(DayCount(day, row[f"d{index}"]) for index, (day, _) in enumerate(days))
        for row in counted.annotate(**per_day)
    }
    return {**found, "": tuple(DayCount(day, 0) for day, _ in days)}


def _errors(newest_ids: Iterable[int], logins: bool) -> dict[int, ErrorText | None]:
    rows = RunEntityCopy.objects.filter(run_entity_id__in=list(newest_ids))
    copies = rows.only("status", "error_message", "error", "error_with_logins")
    return {copy.run_entity_id: shown_error(copy, logins=logins) for copy in copies}


def _runs(fingerprints: Sequence[str]) -> dict[str, int]:
    """Return the number of runs by fingerprint: a run may have the failure in several pipelines."""
    if not fingerprints:
        return {}
    own: QuerySet[Any, Any] = _failed().filter(fingerprint__in=fingerprints).order_by("fingerprint")
    counted: QuerySet[Any, Any] = own.values("fingerprint").annotate(runs=Count("run_id", distinct=True))
    return {row["fingerprint"]: row["runs"] for row in counted}

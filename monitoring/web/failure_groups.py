"""Failures grouped by their fingerprint, from the portal's copy: one pass over an index that holds only failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

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
from monitoring.web.formats import number_text, short_day
from monitoring.web.problems import advice_for

PAIRS = 2000
"""Pairs of fingerprint and pipeline that are read, those seen last: a bound for messages that are all different."""
SAME_SECONDS = 60
DayCount = tuple[date, int]
SHORT = 5  # groups shown on other pages


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePart:
    """A group's part in one pipeline. `still`: its newest finished execution failed with it; None: unknown."""

    entity_name: str
    count: int
    first_seen: datetime
    last_seen: datetime
    last_run_id: int
    newest_id: int
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
    """Last seen first. `cut`: there were more than PAIRS. `regrouping`: older failures still have old fingerprints."""

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
            "bars": [number for _, number in group.days],
            "sentence": days_sentence(group.days),
        }
        for group in own[:SHORT]
    ]
    known = not any(group.state is FailureState.UNKNOWN for group in own)
    more = max(len(own) - SHORT, 0)
    return {"groups": items, "more": more, "url": url, "regrouping": found.regrouping, "known": known}


def days_sentence(days: Sequence[DayCount]) -> str:
    total = sum(number for _, number in days)
    if not total:
        return gettext("Not in the last %(days)d days.") % {"days": len(days)}
    day, most = max(days, key=lambda each: each[1])
    return ngettext(
        "%(total)s time in the last %(days)d days, most often on %(day)s (%(most)s).",
        "%(total)s times in the last %(days)d days, most often on %(day)s (%(most)s).",
        total,
    ) % {
        "total": number_text(total),
        "days": len(days),
        "day": short_day(day),
        "most": number_text(most),
    }


def failure_groups(current: Current, *, logins: bool) -> FailureGroups:
    """Return all groups, cached per snapshot, time zone and permission. `logins`: the user may see logins."""

    def make() -> FailureGroups:
        rows, cut = _grouped(RunEntityCopy.objects.filter(fingerprint__isnull=False), current, logins)
        version = CollectorState.objects.values_list("fingerprint_version", flat=True).first()
        return FailureGroups(rows=rows, cut=cut, regrouping=version is not None and version != FINGERPRINT_VERSION)

    zone = timezone.get_current_timezone()
    key = f"failure-groups:{zone}:{current.version}:{_newest_known(current)}:{logins}"
    return cached_once(key, make, fresh=lambda _: SAME_SECONDS)


def failure_group(fingerprint: str, current: Current, *, logins: bool) -> FailureGroup | None:
    rows, _ = _grouped(executions(fingerprint), current, logins)
    return rows[0] if rows else None


def executions(fingerprint: str) -> QuerySet[RunEntityCopy]:
    return RunEntityCopy.objects.filter(fingerprint=fingerprint)


def _newest_known(current: Current) -> bool:
    """Return whether the copies have the newest runs: a collector is running and could read the audit tables."""
    return not current.stale and (current.snapshot is None or readings.blind(current.snapshot)[1] is None)


def _grouped(failed: QuerySet[RunEntityCopy], current: Current, logins: bool) -> tuple[tuple[FailureGroup, ...], bool]:
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
        by_print.setdefault(pair.pop("fingerprint"), []).append(pair)
    newest_ids = {fingerprint: max(pair["newest_id"] for pair in own) for fingerprint, own in by_print.items()}
    now = current.sampled_at or current.now
    standings = (
        _standings({pair["entity_name"]: pair["newest_id"] for pair in pairs}) if _newest_known(current) else None
    )
    copies = RunEntityCopy.objects.only("status", "error_message", "error", "error_with_logins")
    newest = copies.in_bulk(newest_ids.values())
    runs, days = _runs([fingerprint for fingerprint, own in by_print.items() if len(own) > 1]), _days(failed, now)
    groups = []
    for fingerprint, own in by_print.items():
        last_runs = {pair["entity_name"]: pair["last_run_id"] for pair in own}
        still = None if standings is None else unresolved_in(fingerprint, last_runs, standings)
        count, newest_id = sum(pair["count"] for pair in own), newest_ids[fingerprint]
        copy = newest.get(newest_id)
        groups.append(
            FailureGroup(
                fingerprint=fingerprint,
                error=(shown_error(copy, logins=logins) if copy else None) or parse(""),
                state=state_of(min(pair["first_seen"] for pair in own), last_runs, standings, now),
                count=count,
                runs=runs.get(fingerprint, count),
                parts=tuple(
                    PipelinePart(**pair, still=None if still is None else pair["entity_name"] in still) for pair in own
                ),
                newest_id=newest_id,
                days=days.get(fingerprint, days[""]),
            )
        )
    return tuple(groups), len(pairs) > PAIRS


def _standings(failed_ids: dict[str, int]) -> dict[str, Standing]:
    """Return each pipeline's standing. `failed_ids`: one failed execution of each pipeline."""
    own = RunEntityCopy.objects.filter(entity_name=OuterRef("entity_name")).order_by("-run_id", "-run_entity_id")
    success, failed = ExecutionStatus.SUCCESS.value, ExecutionStatus.FAILED.value
    rows = (
        RunEntityCopy.objects.filter(run_entity_id__in=list(failed_ids.values()))
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
    counted: QuerySet[Any, Any] = failed.filter(started_at__gte=starts[0]).order_by().values("fingerprint")
    found = {
        row["fingerprint"]: tuple((day, row[f"d{index}"]) for index, (day, _) in enumerate(days))
        for row in counted.annotate(**per_day)
    }
    return {**found, "": tuple((day, 0) for day, _ in days)}


def _runs(fingerprints: Sequence[str]) -> dict[str, int]:
    own: QuerySet[Any, Any] = RunEntityCopy.objects.filter(fingerprint__in=fingerprints).order_by()
    counted = own.values("fingerprint").annotate(runs=Count("run_id", distinct=True))
    return dict(counted.values_list("fingerprint", "runs"))

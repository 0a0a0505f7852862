"""Read one window of the login events and compare it with the values that were seen before.

A window is read once for all users. The events of a past hour do not change, so they are cached.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from monitoring.collector.snapshot import current
from monitoring.models import CollectorState, ConnectionLoginEvent, RunCopy, RunEntityCopy, SeenDay, SeenHistory
from monitoring.models.executions import listed_runs
from monitoring.rules import audit
from monitoring.rules.audit import BEFORE, REMEMBERED, Answer, Factors, digest_of, folded
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Problem, Run
from monitoring.rules.login_events import (
    DATABASE,
    FACETS,
    HOST,
    LOGIN,
    PROGRAM,
    EventGroup,
    Figures,
    by_hour,
    combined,
    figures,
    hour_of,
    totals,
)
from monitoring.warehouse import login_events
from monitoring.warehouse.login_events import Bounds
from monitoring.warehouse.reader import ReadFailed
from monitoring.web.cache import cache, cached_once

WINDOWS = {"6h": 6, "24h": 24, "48h": 48, "7d": 168}
"""Hours of each window on the page. The last of them is the current, incomplete hour."""
DEFAULT_WINDOW = "24h"
EXTRACTION = (LOGIN, PROGRAM, HOST)
NONE = "∅"
"""Filter value in the URL for "no value": NULL or an empty text."""

FRESH_SECONDS = 20.0
LONG_FRESH_SECONDS = 60.0
PROBLEM_SECONDS = 5.0
"""Short, so that a failing warehouse is retried soon, but not by every user."""


Window = str | tuple[datetime, datetime]
"""A key of WINDOWS, or the start and the end (excluded) of a range."""


def _key(window: Window) -> str:
    return window if isinstance(window, str) else "-".join(f"{end.astimezone(UTC):%Y%m%d%H%M%S}" for end in window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The events of one window, or the `problem` with reading them.

    `failures_known` is False if the portal's copy of the runs does not cover the window. `facets`: column to the
    figures of its values. `extraction`: the figures in the sources' database. `remembered_since`: start of the memory
    that the answers are compared with. `cut`: the hour with which the window starts because it had too many sessions.
    `stamp` changes with everything else here.
    """

    window: Window
    bounds: Bounds | None = None
    hours: dict[datetime, Figures] = field(default_factory=dict)
    totals: Figures | None = None
    facets: dict[str, tuple[Figures, ...]] = field(default_factory=dict)
    extraction: tuple[Figures, ...] = ()
    answers: tuple[Answer, ...] = ()
    remembered_since: datetime | None = None
    failures_known: bool = False
    cut: datetime | None = None
    problem: Problem | None = None
    stamp: str = ""

    @property
    def ends(self) -> tuple[datetime, datetime]:
        """The start and end (excluded) of what was read."""
        if self.bounds is None:
            raise ValueError("the window could not be read")
        return self.cut or self.bounds.since, self.bounds.until or self.bounds.now + timedelta(minutes=1)


def activity(window: Window) -> Activity:
    """Read the window once for all users: two statements on `dw` and four on `default`."""

    def fresh(found: Activity) -> float:
        if found.problem is not None:
            return PROBLEM_SECONDS
        return FRESH_SECONDS if isinstance(window, str) and WINDOWS[window] <= 48 else LONG_FRESH_SECONDS

    return cached_once(f"connections:{_key(window)}", lambda: _read(window), fresh=fresh)


def _read(window: Window) -> Activity:
    try:
        if isinstance(window, str):
            bounds = login_events.bounds(WINDOWS[window])
        else:
            bounds = login_events.bounds_between(*window)
        groups, cut = event_groups(bounds)
    except ReadFailed as failure:
        return Activity(window=window, problem=failure.problem, stamp=f"problem:{failure.problem.code}")
    # The end of a range is excluded, and so is an hour that starts there.
    until = bounds.now if bounds.until is None else min(bounds.now, bounds.until - timedelta(microseconds=1))
    failures = failures_between(bounds.since, bounds.until)
    hours = by_hour(groups, failures, since=cut or bounds.since, until=until)
    whole = combined(groups)
    known, usual, reaches_back = history(whole, bounds.since)
    answers = (
        audit.new_identities(whole, bounds.since, known, reaches_back),
        audit.unencrypted(whole, _server_names()),
        audit.unusual_hours(groups, bounds.since, usual, reaches_back),
        audit.shared_logins(whole, settings.RUNNER_PROGRAMS, [str(settings.DATABASES["dw"].get("USER") or "")]),
        audit.long_sessions(groups, bounds.offset),
    )
    stamped = repr((bounds.first, bounds.newest, bounds.since, hours, cut, answers))
    return Activity(
        window=window,
        bounds=bounds,
        hours=hours,
        totals=totals(whole),
        facets={name: figures(whole, (column,)) for column, name in enumerate(FACETS)},
        extraction=figures(whole, EXTRACTION, lambda values: folded(values[DATABASE]) == folded(settings.OLTP_NAME)),
        answers=answers,
        remembered_since=reaches_back,
        failures_known=failures is not None,
        cut=cut,
        stamp=hashlib.blake2b(stamped.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest(),
    )


def _server_names() -> list[str]:
    """Return the names of the database server, as a session from the server itself has them in host_name."""
    snapshot = current().snapshot
    names = []
    for reading in snapshot.connections if snapshot else ():
        host = reading.terms.host if reading.terms else ""
        first = host.partition(".")[0]
        names += [reading.server.partition("\\")[0], host, "" if first.isdigit() else first]
    return [name for name in names if name]


HOURS_SECONDS = 3_600
GRACE = timedelta(minutes=5)
"""An hour can get events this long after its end, from a snapshot that waited for a lock."""


def event_groups(bounds: Bounds) -> tuple[list[EventGroup], datetime | None]:
    """Return the events of a window, oldest hour first, and the hour with which they start if they were too many.

    At most one statement. The past hours of a window that ends now are cached until the window moves on by an hour or
    its first key changes, as in a table that was emptied or replaced. Raises ReadFailed.
    """
    if bounds.first is None:
        return [], None
    if bounds.until is not None:
        return login_events.hours(bounds.first, bounds.since, bounds.newest, bounds.until)
    key = f"connections:hours:{bounds.since:%Y%m%d%H}:{bounds.first}"
    past, since, cut = cache.get(key) or ([], bounds.since, None)
    first_key = max((group.last_key for group in past), default=bounds.first - 1) + 1
    news, cut_now = login_events.hours(first_key, since)
    groups, cut = (news, cut_now) if cut_now else ([*past, *news], cut)
    over = hour_of(bounds.now - GRACE)
    cache.set(key, ([group for group in groups if group.hour < over], max(over, bounds.since), cut), HOURS_SECONDS)
    return groups, cut


def failures_between(since: datetime, until: datetime | None) -> list[datetime] | None:
    """Return the start times of the failed run entities, or None if the copy does not reach back to `since`."""
    state = CollectorState.objects.filter(pk=CollectorState.SINGLETON).only("copied_to_run_id", "copied_all").first()
    if state is None or state.copied_to_run_id is None:
        return None
    if not state.copied_all and not RunCopy.objects.filter(started_at__lt=since).exists():
        return None
    failed = RunEntityCopy.objects.filter(started_at__gte=since, status__iexact=ExecutionStatus.FAILED.value)
    if until is not None:
        failed = failed.filter(started_at__lt=until)
    return list(failed.order_by("started_at").values_list("started_at", flat=True))


CHUNK = 500
"""Digests per IN list."""


def history(
    groups: Iterable[EventGroup], since: datetime
) -> tuple[dict[int, set[str]], dict[str, tuple[frozenset[int], int]], datetime | None]:
    """Return what was seen in the 30 days before `since`, as `new_identities` and `unusual_hours` want it.

    The values of each column, the hours of each login, and the start of the history. One statement per CHUNK values.
    """
    reach = SeenHistory.objects.filter(pk=SeenHistory.SINGLETON).first()
    if reach is None or reach.reaches_back is None or reach.read_until < since:
        return {}, {}, None
    texts = {folded(group.values[column]) for group in groups for column in REMEMBERED}
    by_digest = {digest_of(text): text for text in texts}
    known: defaultdict[int, set[str]] = defaultdict(set)
    days: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    in_time = SeenDay.objects.filter(
        day__range=((since - BEFORE).date(), since.date()), last_seen__gte=since - BEFORE, first_seen__lt=since
    )
    digests = sorted(by_digest)
    for start in range(0, len(digests), CHUNK):
        for row in in_time.filter(digest__in=digests[start : start + CHUNK]):
            if hours := _hours_before(row, since):
                column, text = FACETS.index(row.column), by_digest[row.digest]
                known[column].add(text)
                if column == LOGIN:
                    days[text].append((row.day.weekday(), hours))
    kept = reach.read_until - timedelta(days=settings.CONNECTION_HISTORY_DAYS)
    hours_of = {login: (audit.week_hours(masks), len(masks)) for login, masks in days.items()}
    return dict(known), hours_of, max(reach.reaches_back, kept)


def _hours_before(row: SeenDay, since: datetime) -> int:
    """Return the hours (as bits) of the row that are in the 30 days before `since`."""
    hours = row.hours
    if row.day == since.date():
        # If `since` is within an hour, the row's first hour counts: its first sample was before `since`.
        hours &= (1 << (since.hour + (row.first_seen.hour == since.hour))) - 1
    if row.day == (since - BEFORE).date():
        hours &= ~((1 << (since - BEFORE).hour) - 1)
    return hours


MOST_RUNS = 25
MOST_STARTS = 50_000


def factors(found: Activity) -> Factors | Problem | None:
    """Return what is connected more often around the window's failures. None: the failures are not known.

    Two statements on `default`, and one on `dw` if there are enough failures.
    """
    if not found.failures_known:
        return found.problem
    return cached_once(
        f"connections:factors:{_key(found.window)}",
        lambda: _factors(found),
        fresh=lambda value: PROBLEM_SECONDS if isinstance(value, Problem) else LONG_FRESH_SECONDS,
    )


def _factors(found: Activity) -> Factors | Problem:
    since, until = found.ends
    entities = RunEntityCopy.objects.filter(started_at__gte=since, started_at__lt=until).order_by("-started_at")
    starts = entities.values_list("started_at", flat=True)
    failed = starts.filter(status__iexact=ExecutionStatus.FAILED.value)[:MOST_STARTS]
    others = starts.filter(status__iexact=ExecutionStatus.SUCCESS.value)[:MOST_STARTS]
    around, otherwise = audit.windows(failed, others)
    if not audit.enough(around, otherwise):
        return Factors(failures=len(around), controls=len(otherwise))
    try:
        sampled = login_events.factors_in([*around, *otherwise])
    except ReadFailed as failure:
        return failure.problem
    return audit.factors(sampled[: len(around)], sampled[len(around) :])


def window_runs(found: Activity) -> tuple[tuple[Run, ...], int]:
    """Return the newest runs of the window, and the number of all. At most two statements on `default`."""
    if found.problem is not None:
        return (), 0
    since, until = found.ends
    runs = RunCopy.objects.filter(started_at__gte=since, started_at__lt=until).order_by("-started_at", "-run_id")
    # Users with access to the connection audit may see logins.
    shown = listed_runs(runs[:MOST_RUNS], logins=True)
    return shown, len(shown) if len(shown) < MOST_RUNS else runs.count()


def matching(bounds: Bounds | None, narrowing: Mapping[str, str]) -> QuerySet[ConnectionLoginEvent]:
    """Return the window's events with these values (column to value or NONE), newest first, by the primary key."""
    if bounds is None or bounds.first is None:
        return ConnectionLoginEvent.objects.none()
    rows = ConnectionLoginEvent.objects.filter(connection_event_id__gte=bounds.first)
    if bounds.newest is not None:
        rows = rows.filter(connection_event_id__lte=bounds.newest)
    if bounds.until is not None:
        rows = rows.filter(event_time_utc__gte=bounds.since, event_time_utc__lt=bounds.until)
    for name, value in narrowing.items():
        if value == NONE:
            rows = rows.filter(Q(**{f"{name}__isnull": True}) | Q(**{name: ""}))
        else:
            rows = rows.filter(**{name: value})
    return rows.order_by("-connection_event_id")

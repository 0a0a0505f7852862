"""Who is signed in: what the login events say of the runner's sessions, and what our own login may do."""

from __future__ import annotations

from django.conf import settings

from monitoring.collector.memory import NO_SESSIONS, Sessions
from monitoring.policies.facts import ConnectionReading, Problem
from monitoring.policies.preflight_facts import Rights
from monitoring.warehouse.audit import session_samples
from monitoring.warehouse.permissions import read_rights
from monitoring.warehouse.reader import ReadFailed

SESSION_EVENTS = 2000
SESSION_SAMPLES = 10


def rights_of(dw: ConnectionReading) -> Rights | Problem | None:
    """What our own login may do on `dw`, or why that could not be read. None: not applicable, or not asked."""
    if not dw.reachable:
        return None
    try:
        return read_rights(dw.alias)
    except ReadFailed as failure:
        return failure.problem


def runner_sessions(dw: ConnectionReading) -> Sessions:
    """What the newest login events say of the runner's sessions.

    Where no sample at all shows the runner's program, its name here is probably not the one that is
    configured: then the samples prove nothing, and none are given.
    """
    if not dw.reachable:
        return NO_SESSIONS
    try:
        events = session_samples(dw.alias, SESSION_EVENTS)
    except ReadFailed:
        return NO_SESSIONS  # the pre-flight tells that the table cannot be read
    programs = tuple(name.lower() for name in settings.RUNNER_PROGRAMS)
    runners = [when for when, program in events if program.lower().startswith(programs)]
    if not runners:
        return NO_SESSIONS
    times = sorted({when.replace(microsecond=0) for when, _ in events}, reverse=True)
    return Sessions(runner_at=max(runners), sampled_at=tuple(times[:SESSION_SAMPLES]))

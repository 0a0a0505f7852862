"""The doctor's reading: both databases and the portal's own, once, now, without a collector and without writing.

Every question has a time limit. A database that does not answer in time is reported as not answering.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from etlportal.budget import OutOfTime, begin, wait
from monitoring.collector.judge import pipeline_facts, preflight_facts
from monitoring.collector.memory import Memory, Structure
from monitoring.collector.portal import default_decisions, deploy_messages, read_portal, unread_portal
from monitoring.collector.read import DW, OLTP, Looked, look
from monitoring.collector.remedies import remedies
from monitoring.collector.store import Decisions, required_names
from monitoring.rules.doctor import PortalFacts, Readiness, portal_checks, readiness
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import ConnectionReading, Preflight, Problem
from monitoring.rules.preflight import preflight
from monitoring.warehouse.errors import problem_from
from monitoring.warehouse.permissions import Remedy
from monitoring.warehouse.reader import connection_reading, failed_reading

CONNECT_SECONDS = 7.0
"""5 s for connecting (etlportal.application) and 2 for the first answer. The databases are tried at the same time."""
LOOK_SECONDS = 30.0
"""For everything that is read from the databases that answered."""

Answer = TypeVar("Answer")


class NoAnswer(Exception):
    """A question is still waiting for its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found. `abandoned`: a question is still waiting for its answer in a thread of its own."""

    preflight: Preflight
    connections: tuple[ConnectionReading, ...]
    remedies: tuple[Remedy, ...]
    abandoned: bool

    @property
    def readiness(self) -> Readiness:
        return readiness(self.preflight)


class Doctor:
    """One examination. SQLite is read in this thread, because its answers do not take long."""

    def __init__(self) -> None:
        self.abandoned = False

    def examine(self) -> Diagnosis:
        """Examine everything once. A database that fails is a finding; only a defect raises."""
        deadline = time.monotonic() + CONNECT_SECONDS
        waiting = (
            {} if settings.EMBEDDED else {alias: begin(partial(connection_reading, alias)) for alias in (DW, OLTP)}
        )
        portal, decided = self._portal(deadline)
        dead = {alias: problem for alias, asked in waiting.items() if (problem := self._why(alias, asked, deadline))}
        looked = self._look(decided, dead)
        facts = preflight_facts(looked, pipeline_facts(looked), required_names(decided))
        found = preflight(facts)
        own = portal_checks(replace(portal, settings_messages=deploy_messages(portal)))
        return Diagnosis(
            preflight=replace(found, checks=(*found.checks, *own)),
            connections=(facts.dw, facts.oltp),
            remedies=() if settings.EMBEDDED else remedies(looked, settings.DATABASES[DW].get("USER") or ""),
            abandoned=self.abandoned,
        )

    def _portal(self, deadline: float) -> tuple[PortalFacts, dict[str, Decisions]]:
        if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            return read_portal()
        try:
            return self._answer(begin(read_portal), deadline - time.monotonic())
        except NoAnswer as error:
            return unread_portal(Problem(code=ProblemCode.UNREACHABLE, detail=str(error))), default_decisions()

    def _why(self, alias: str, asked: Future[ConnectionReading], deadline: float) -> Problem | None:
        """Return why a database does not answer, None when it does."""
        try:
            reading = self._answer(asked, deadline - time.monotonic())
        except NoAnswer as error:
            return Problem(code=ProblemCode.UNREACHABLE, detail=str(error))
        except Exception as error:
            return problem_from(error, alias, connecting=True)
        if reading.reachable:
            return None
        return reading.problem or Problem(code=ProblemCode.UNREACHABLE)

    def _answer(self, asked: Future[Answer], seconds: float) -> Answer:
        """Return the answer, or raise what the question raised. Raises NoAnswer after `seconds`."""
        try:
            return wait(asked, seconds)
        except OutOfTime as error:
            if asked.done():
                raise
            self.abandoned = True
            raise NoAnswer(f"no answer within {max(0.0, seconds):.0f} s") from error

    def _look(self, decided: Mapping[str, Decisions], dead: Mapping[str, Problem]) -> Looked:
        memory = Memory()
        question: Callable[[], Looked] = partial(look, memory, decided, lambda: None, copying=False, dead=dead)
        if settings.EMBEDDED:
            return question()
        try:
            return self._answer(begin(question), LOOK_SECONDS)
        except NoAnswer as error:
            return _given_up(memory, dead, Problem(code=ProblemCode.TIMEOUT, detail=str(error)))


def _given_up(memory: Memory, dead: Mapping[str, Problem], problem: Problem) -> Looked:
    """Return what is known after LOOK_SECONDS: perhaps the databases' structure."""
    structure = memory.structure or Structure(
        at=time.monotonic(),
        connections={alias: failed_reading(alias, dead.get(alias, problem)) for alias in (DW, OLTP)},
        catalogs={alias: dead.get(alias, problem) for alias in (DW, OLTP)},
        asked={},
        checked_at=timezone.now(),
    )
    return Looked(now=timezone.now(), structure=structure, problem=problem)

"""The doctor's findings for a terminal: a sign and a word per check, what is wrong, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby

from monitoring.collector.diagnosis import Diagnosis
from monitoring.enums import CheckState
from monitoring.management.doctor.script import printable, script
from monitoring.policies.doctor import CheckGroup, group_of
from monitoring.policies.facts import Check, Problem
from monitoring.wording import check_text, connection_facts, problem_text
from monitoring.wording.doctor import GROUPS, READINESS, counts_text
from monitoring.wording.labels import label

WIDTH = 110
SIGNS = {CheckState.PASSED: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.UNKNOWN: "?"}
PLAIN_SIGNS = {CheckState.PASSED: "+", CheckState.WARNING: "!", CheckState.FAILED: "x", CheckState.UNKNOWN: "?"}
_COLOURS = {CheckState.PASSED: "32", CheckState.WARNING: "33", CheckState.FAILED: "31", CheckState.UNKNOWN: "35"}


class TextReport:
    """Writes a diagnosis as lines. `colour`: signs and words are coloured; `plain`: ASCII signs only."""

    def __init__(self, diagnosis: Diagnosis, *, colour: bool, plain: bool) -> None:
        self._diagnosis = diagnosis
        self._colour = colour
        self._signs = PLAIN_SIGNS if plain else SIGNS
        self._arrow = "->" if plain else "→"
        self._reasons: set[Problem] = set()
        self._words = max(len(label(state)) for state in CheckState)

    def lines(self) -> Iterator[str]:
        """Yield the whole report, line by line."""
        checks = self._diagnosis.preflight.checks
        for group in CheckGroup:
            yield str(GROUPS[group])
            for entity, own in groupby((c for c in checks if group_of(c) is group), key=lambda c: c.entity_name):
                yield from self._entity(entity, list(own))
            yield ""
        if sql := script(self._diagnosis.remedies):
            yield from (*sql.splitlines(), "")
        readiness = self._diagnosis.readiness
        yield f"{READINESS[readiness]}: {counts_text([check.state for check in checks])}"

    def _entity(self, entity: str, checks: list[Check]) -> Iterator[str]:
        """A pipeline's checks: those that passed in one line, the others each with what to do."""
        before = f"{entity}: " if entity else ""
        passed = [check_text(check).label for check in checks if entity and check.state is CheckState.PASSED]
        if passed:
            yield from self._wrapped(CheckState.PASSED, before + ", ".join(passed))
        others = [check for check in checks if not entity or check.state is not CheckState.PASSED]
        for follows, same in groupby(others, key=self._told):
            if follows is None:
                for check in same:
                    yield from self._check(check, before)
            else:
                labels = ", ".join(check_text(check).label for check in same)
                yield from self._wrapped(CheckState.UNKNOWN, f"{before}{labels}: {problem_text(follows).what}")

    def _told(self, check: Check) -> Problem | None:
        """The reason why it could not be found out, when that was told in full above; else None."""
        return check.problem if check.state is CheckState.UNKNOWN and check.problem in self._reasons else None

    def _check(self, check: Check, before: str = "") -> Iterator[str]:
        words = check_text(check)
        found = f": {words.detail}" if words.detail else ""
        yield from self._wrapped(check.state, f"{before}{words.label}{found}")
        indent = " " * (self._words + 5)
        if words.to_do:
            yield from textwrap.wrap(
                printable(f"{self._arrow} {words.to_do}"), WIDTH, initial_indent=indent, subsequent_indent=indent + "  "
            )
        if check.problem is not None:
            self._reasons.add(check.problem)
        if check.problem is not None and check.problem.detail and check.state is not CheckState.PASSED:
            yield f"{indent}{printable(_driver_words(check.problem))}"
        if check.code.endswith(".connection"):
            yield from (f"{indent}{name}: {printable(value)}" for name, value in connection_facts(check))

    def _wrapped(self, state: CheckState, text: str) -> Iterator[str]:
        head = f"  {self._signs[state]} {label(state):<{self._words}} "
        first, *others = textwrap.wrap(printable(text), WIDTH - len(head)) or [""]
        yield self._coloured(head, state) + first
        yield from (" " * len(head) + other for other in others)

    def _coloured(self, text: str, state: CheckState) -> str:
        return f"\033[{_COLOURS[state]}m{text}\033[0m" if self._colour else text


def _driver_words(problem: Problem) -> str:
    numbers = ", ".join(str(number) for number in (problem.sqlstate, problem.native) if number)
    return f"[{numbers}] {problem.detail}" if numbers else problem.detail

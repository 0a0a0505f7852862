"""Asking the statements of the checks: each has its time, and so have all of them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from etlportal.budget import budget
from monitoring.policies import integrity as policy
from monitoring.policies.facts import Problem
from monitoring.policies.integrity import CheckCode, CheckResult, Reason
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.reader import ReadFailed, Row, rows

STATEMENT_SECONDS = 6.0
TOTAL_SECONDS = 20.0
"""How long one statement, and all checks of one pipeline together, may take."""


class CannotAsk(Exception):
    """A check does not apply (a Reason), or what it needs could not be read (a Problem)."""

    def __init__(self, why: Reason | Problem) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(slots=True)
class Session:
    """Runs the statements, counts their time, and stops when the whole of it is used up."""

    clock: Callable[[], float]
    ends_at: float
    spent: float = 0.0  # seconds, by the check that is being answered

    @property
    def milliseconds(self) -> float:
        return round(self.spent * 1000, 1)

    def ask(self, alias: str, sql: Sql) -> list[Row]:
        """Return the rows. Raises ReadFailed, and CannotAsk when no time is left."""
        started = self.clock()
        left = self.ends_at - started
        if left <= 0:
            raise CannotAsk(Reason.OUT_OF_TIME)
        try:
            with budget(min(STATEMENT_SECONDS, left)):
                return rows(alias, sql)
        finally:
            self.spent += self.clock() - started

    def answer(self, code: CheckCode, look: Callable[[], CheckResult]) -> CheckResult:
        """Return what `look` found, or why it could not look. Never raises for a database's answer."""
        self.spent = 0.0
        try:
            return look()
        except ReadFailed as failure:
            return policy.could_not_look(code, failure.problem, self.milliseconds)
        except CannotAsk as refusal:
            return policy.not_asked(code, refusal.why)

    def found(
        self,
        code: CheckCode,
        violations: list[str],
        columns: Iterable[str],
        *,
        looked_at: int | None,
        soft: bool = False,
    ) -> CheckResult:
        """Return the result of having looked, with the time that it took."""
        return policy.found(
            code, violations, columns=columns, milliseconds=self.milliseconds, looked_at=looked_at, soft=soft
        )

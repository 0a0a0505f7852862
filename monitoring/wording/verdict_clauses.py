"""Who and what in a few words, per rule: the pieces of the opening sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext_lazy as _

from monitoring.enums import Rule
from monitoring.policies.facts import Verdict
from monitoring.wording.checks import check_label
from monitoring.wording.units import number, percent
from monitoring.wording.verdict_values import Words, age_of, number_of, time_of, value_of


def _failed_clause(verdict: Verdict) -> Words:
    if verdict.since is None:
        return _("%(who)s failed"), {}
    return _("%(who)s has been failing since %(at)s"), {"at": time_of(verdict.since)}


def _late_clause(verdict: Verdict) -> Words:
    return _("%(who)s has been late for %(age)s"), {"age": age_of(verdict.since)}


def _no_run_clause(verdict: Verdict) -> Words:
    if value_of(verdict, "hours") is None:
        return _("%(who)s has never finished a run"), {}
    return _("%(who)s has not finished a run for %(age)s"), {"age": age_of(verdict.since)}


def _recurrent_clause(verdict: Verdict) -> Words:
    return _("%(who)s failed in %(percent)s of its executions"), {"percent": percent(number_of(verdict, "percent"), 0)}


def _stuck_clause(verdict: Verdict) -> Words:
    if value_of(verdict, "orphan"):
        return _("%(who)s has a run that never ended, started %(at)s"), {"at": time_of(verdict.since)}
    return _("%(who)s has been running for %(age)s"), {"age": age_of(verdict.since)}


def _stalled_clause(verdict: Verdict) -> Words:
    return _("%(who)s runs, but its watermark has not moved since %(at)s"), {"at": time_of(verdict.since)}


def _volume_clause(verdict: Verdict) -> Words:
    return _unusual(verdict, _("%(who)s moved unusually many rows"), _("%(who)s moved unusually few rows")), {}


def _duration_clause(verdict: Verdict) -> Words:
    return _unusual(verdict, _("%(who)s took unusually long"), _("%(who)s was unusually quick")), {}


def _no_op_clause(verdict: Verdict) -> Words:
    return _("%(who)s succeeds without taking the rows that wait"), {}


def _coverage_clause(verdict: Verdict) -> Words:
    return _("%(who)s lost %(points)s points of coverage"), {"points": number(number_of(verdict, "points"), 1)}


def _structure_clause(verdict: Verdict) -> Words:
    part = value_of(verdict, "part")
    if part == "mapping":
        return _("%(who)s has an invalid table name"), {}
    if part == "source":
        return _("%(who)s has no source table"), {}
    return _("%(who)s has no target table"), {}


def _preflight_clause(verdict: Verdict) -> Words:
    name = check_label(str(value_of(verdict, "check") or ""))
    if verdict.entity_name:
        return _("%(who)s: “%(check)s” failed"), {"check": name}
    return _("“%(check)s” failed"), {"check": name}


def _unusual(verdict: Verdict, more: Any, less: Any) -> Any:
    value, middle = number_of(verdict, "value"), number_of(verdict, "median")
    return less if value is not None and middle is not None and value < middle else more


CLAUSES: dict[Rule, Callable[[Verdict], Words]] = {
    Rule.FAILED: _failed_clause,
    Rule.LATE_WATERMARK: _late_clause,
    Rule.NO_RECENT_RUN: _no_run_clause,
    Rule.RECURRENT_FAILURE: _recurrent_clause,
    Rule.STUCK_RUN: _stuck_clause,
    Rule.STALLED_WATERMARK: _stalled_clause,
    Rule.UNUSUAL_VOLUME: _volume_clause,
    Rule.UNUSUAL_DURATION: _duration_clause,
    Rule.SILENT_NO_OP: _no_op_clause,
    Rule.COVERAGE_DROP: _coverage_clause,
    Rule.STRUCTURE: _structure_clause,
    Rule.PREFLIGHT: _preflight_clause,
}

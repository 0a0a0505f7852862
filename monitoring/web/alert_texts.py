"""The texts of an alert: label, clause for the page's first sentence, reason and next step.

The values of an alert may come from an older version of the portal, so a missing value is "unknown" in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from monitoring.rules.enums import ErrorClass, ProblemCode, Rule, SentenceCode, Severity
from monitoring.rules.facts import Verdict
from monitoring.web.check_texts import check_advice, check_label
from monitoring.web.formats import duration, number, percent
from monitoring.web.labels import label
from monitoring.web.parts import elapsed, pipeline_link, sentence, when
from monitoring.web.problems import class_text, code_text

Vocabulary = TypeVar("Vocabulary", bound=StrEnum)
Template = Callable[[Verdict], Any]
"""Returns a lazy translation."""


def _number(verdict: Verdict, name: str) -> float | None:
    value = verdict.values.get(name)
    return float(value) if isinstance(value, int | float) else None


def _member(vocabulary: type[Vocabulary], value: object) -> Vocabulary | None:
    return next((each for each in vocabulary if each.value == value), None)


def _unusual(verdict: Verdict, more: Any, less: Any) -> Any:
    value, median = _number(verdict, "value"), _number(verdict, "median")
    return less if value is not None and median is not None and value < median else more


_MISSING_PART = {
    "mapping": _("%(who)s has an invalid table name"),
    "source": _("%(who)s has no source table"),
    "target": _("%(who)s has no target table"),
}

CLAUSES: dict[Rule, Template] = {
    Rule.FAILED: lambda v: _("%(who)s has been failing since %(at)s") if v.since else _("%(who)s failed"),
    Rule.LATE_WATERMARK: lambda v: _("%(who)s has been late for %(age)s"),
    Rule.NO_RECENT_RUN: lambda v: (
        _("%(who)s has never finished a run")
        if v.values.get("hours") is None
        else _("%(who)s has not finished a run for %(age)s")
    ),
    Rule.RECURRENT_FAILURE: lambda v: _("%(who)s failed in %(percent)s of its executions"),
    Rule.STUCK_RUN: lambda v: (
        _("%(who)s has a run that never ended, started %(at)s")
        if v.values.get("orphan")
        else _("%(who)s has been running for %(age)s")
    ),
    Rule.STALLED_WATERMARK: lambda v: _("%(who)s runs, but its watermark has not moved since %(at)s"),
    Rule.UNUSUAL_VOLUME: lambda v: _unusual(
        v, _("%(who)s moved unusually many rows"), _("%(who)s moved unusually few rows")
    ),
    Rule.UNUSUAL_DURATION: lambda v: _unusual(v, _("%(who)s took unusually long"), _("%(who)s was unusually quick")),
    Rule.SILENT_NO_OP: lambda v: _("%(who)s succeeds without loading the waiting rows"),
    Rule.COVERAGE_DROP: lambda v: _("%(who)s lost %(points)s points of coverage"),
    Rule.STRUCTURE: lambda v: _MISSING_PART.get(str(v.values.get("part")), _MISSING_PART["target"]),
    Rule.PREFLIGHT: lambda v: _("%(who)s: “%(check)s” failed") if v.entity_name else _("“%(check)s” failed"),
}


def _failed(verdict: Verdict) -> Any:
    if _member(ErrorClass, verdict.values.get("error_class")) is None:
        return _("The control row says that its last run failed; the run itself is no longer stored.")
    if not verdict.values.get("error"):
        return _("Run %(run)s failed and does not say why.")
    return _("Run %(run)s failed (%(class)s): %(meaning)s")


def _stuck(verdict: Verdict) -> Any:
    orphan = verdict.values.get("orphan")
    if orphan == "later_run":
        return _("Run %(run)s is still marked as running after %(age)s, but a later run has finished: it was killed.")
    if orphan == "no_session":
        return _("Run %(run)s is still marked as running after %(age)s, but no runner is connected.")
    return _("Run %(run)s has been running for %(age)s; the limit is %(limit)s.")


REASONS: dict[Rule, Template] = {
    Rule.FAILED: _failed,
    Rule.LATE_WATERMARK: lambda v: _("%(rows)s; the oldest has been waiting for %(age)s, the limit is %(limit)s."),
    Rule.NO_RECENT_RUN: lambda v: (
        _("It is active, but no run of it has ever finished.")
        if _number(v, "hours") is None
        else _("Its latest run finished %(age)s ago; the limit is %(limit)s.")
    ),
    Rule.RECURRENT_FAILURE: lambda v: _(
        "%(failures)s of %(executions)s executions of the last 7 days failed (%(percent)s)."
    ),
    Rule.STUCK_RUN: _stuck,
    Rule.STALLED_WATERMARK: lambda v: (
        _("The watermark did not move over %(runs)s finished runs, all of them successes. %(rows)s.")
        if v.values.get("succeeded") == v.values.get("runs")
        else _("The watermark did not move over %(runs)s finished runs. %(rows)s.")
    ),
    Rule.UNUSUAL_VOLUME: lambda v: _(
        "Its latest success extracted %(value)s rows; the typical range is %(low)s to %(high)s (median %(median)s)."
    ),
    Rule.UNUSUAL_DURATION: lambda v: _(
        "Its latest success took %(value)s; the typical range is %(low)s to %(high)s (median %(median)s)."
    ),
    Rule.SILENT_NO_OP: lambda v: _(
        "Its last %(runs)s successes extracted nothing, although rows were waiting before they started. %(rows)s."
    ),
    Rule.COVERAGE_DROP: lambda v: _("Coverage is %(percent)s; its median of 7 days is %(median)s."),
    Rule.STRUCTURE: lambda v: (
        _("“%(table)s” is not a mapping of the form schema.table.")
        if v.values.get("part") == "mapping"
        else _("The table %(table)s does not exist.")
    ),
    Rule.PREFLIGHT: lambda v: (
        _("The check “%(check)s” failed: %(problem)s.")
        if _member(ProblemCode, v.values.get("problem"))
        else _("The check “%(check)s” failed.")
    ),
}

NEXT: dict[Rule, Any] = {
    Rule.FAILED: _("Open the run, read the error and its advice, and check whether the watermark moved."),
    Rule.LATE_WATERMARK: _("Check that its runs still start and finish, and how fast they work off the waiting rows."),
    Rule.NO_RECENT_RUN: _("Check the runner's schedule and that it lists this pipeline."),
    Rule.RECURRENT_FAILURE: _("Compare its failures: a repeated error has a single cause."),
    Rule.STUCK_RUN: _(
        "Look for the runner's process and for blocking. If the process is gone, close its rows in the audit tables."
    ),
    Rule.STALLED_WATERMARK: _("Compare watermark_from and watermark_to of these runs with ctl.etl_control."),
    Rule.UNUSUAL_VOLUME: _(
        "Check whether the source really changed that much, or whether a filter or load went wrong."
    ),
    Rule.UNUSUAL_DURATION: _("Compare its volume; if that is typical, look for blocking or a missing index."),
    Rule.SILENT_NO_OP: _("Check the runner's options (dry run, limited batches) and its source query."),
    Rule.COVERAGE_DROP: _("Compare source and target: look for deletions in the target or a bulk load in the source."),
    Rule.STRUCTURE: _("Correct the table's name in ctl.etl_control, or have the table created."),
    Rule.PREFLIGHT: _("Open the pre-flight: the failed check says what to do."),
}
_RETRY = _("The next sample tries again. The pre-flight shows what is wrong.")


def verdict_label(verdict: Verdict) -> str:
    if verdict.severity is Severity.UNKNOWN:
        return label(SentenceCode.UNKNOWN)
    rule = _member(Rule, verdict.rule)
    return label(rule) if rule else verdict.rule


def verdict_clause(verdict: Verdict) -> SafeString:
    """Return for example "fact_vendas has been late for 3 h 12 min"."""
    rule = _member(Rule, verdict.rule)
    if rule is None or verdict.severity is Severity.UNKNOWN:
        return _filled(verdict, _("%(who)s cannot be evaluated"))
    return _filled(verdict, CLAUSES[rule](verdict))


def verdict_text(verdict: Verdict) -> SafeString:
    rule = _member(Rule, verdict.rule)
    if verdict.severity is Severity.UNKNOWN:
        if verdict.values.get("status_text"):
            return _filled(verdict, _("The audit tables contain the unknown status “%(status)s”."))
        return _filled(verdict, _("It could not be evaluated: %(problem)s."))
    return _filled(verdict, REASONS[rule](verdict)) if rule else sentence(verdict.rule)


def verdict_next(verdict: Verdict) -> str:
    rule, problem = _member(Rule, verdict.rule), _member(ProblemCode, verdict.values.get("problem"))
    if verdict.severity is Severity.UNKNOWN:
        return code_text(problem).to_do if problem and problem is not ProblemCode.NOT_READ else str(_RETRY)
    if rule is Rule.FAILED and (error_class := _member(ErrorClass, verdict.values.get("error_class"))):
        return class_text(error_class)[1]
    if rule is Rule.PREFLIGHT and (check := verdict.values.get("check")):
        return check_advice(str(check), problem) or str(NEXT[rule])
    return str(NEXT[rule]) if rule else ""


def _filled(verdict: Verdict, template: Any) -> SafeString:
    places = re.findall(r"%\((\w+)\)s", str(template))
    return sentence(template, {name: _PLACES[name](verdict) for name in places})


def _measured(name: str) -> Callable[[Verdict], str]:
    units: dict[str, Callable[[float | None], str]] = {Rule.UNUSUAL_DURATION: duration, Rule.COVERAGE_DROP: percent}
    return lambda verdict: units.get(verdict.rule, number)(_number(verdict, name))


def _limit_seconds(verdict: Verdict) -> float | None:
    for name, seconds in (("limit_seconds", 1), ("limit_minutes", 60), ("hours", 3600)):
        if (limit := _number(verdict, name)) is not None:
            return limit * seconds
    return None


def _rows(verdict: Verdict) -> str:
    rows = _number(verdict, "eligible")
    if rows is None:
        return str(_("Rows are waiting"))
    shown = number(rows) + ("+" if verdict.values.get("capped") else "")
    return ngettext("%(rows)s row is waiting", "%(rows)s rows are waiting", int(rows)) % {"rows": shown}


_PLACES: dict[str, Callable[[Verdict], Any]] = {
    "who": lambda v: pipeline_link(v.entity_name) if v.entity_name else verdict_label(v),
    "at": lambda v: when(v.since) if v.since else duration(None),
    "age": lambda v: elapsed(v.since) if v.since else duration(None),
    "rows": _rows,
    "limit": lambda v: duration(_limit_seconds(v)),
    "run": lambda v: v.values.get("run_id"),
    "class": lambda v: label(ErrorClass(str(v.values.get("error_class")))),
    "meaning": lambda v: class_text(ErrorClass(str(v.values.get("error_class"))))[0],
    "check": lambda v: check_label(str(v.values.get("check") or "")),
    "problem": lambda v: label(_member(ProblemCode, v.values.get("problem")) or ProblemCode.NOT_READ),
    "status": lambda v: v.values.get("status_text"),
    "table": lambda v: v.values.get("table"),
    "percent": lambda v: percent(_number(v, "percent"), 1 if v.rule == Rule.COVERAGE_DROP else 0),
    "points": lambda v: number(_number(v, "points"), 1),
    **{name: _measured(name) for name in ("value", "median", "low", "high", "runs", "failures", "executions")},
}

"""What a verdict's values hold, read without ever raising: a verdict may come from an older version."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ErrorClass, ProblemCode, Rule, SentenceCode, Severity
from monitoring.rules.facts import Verdict
from monitoring.web.check_texts import check_advice, check_label
from monitoring.web.failure_texts import class_text
from monitoring.web.formats import duration, number, percent
from monitoring.web.labels import label
from monitoring.web.problems import code_text
from monitoring.web.texts import Part, Text, age, entity, text, time

Words = tuple[Any, dict[str, Any]]
"""A lazy template and the values of its places."""

Vocabulary = TypeVar("Vocabulary", bound=StrEnum)


def member(vocabulary: type[Vocabulary], value: object) -> Vocabulary | None:
    """Return the member that `value` names, None when it names none."""
    return next((each for each in vocabulary if each.value == value), None)


def value_of(verdict: Verdict, name: str) -> str | int | float | None:
    """Return one of the verdict's values, None when it has none of that name."""
    return (verdict.values or {}).get(name)


def number_of(verdict: Verdict, name: str) -> float | None:
    """Return one of the verdict's values as a number, None when it is not one."""
    value = value_of(verdict, name)
    return float(value) if isinstance(value, int | float) else None


def age_of(since: datetime | None) -> Part:
    """Return the time passed since `since` as a part that ticks, "unknown" without it."""
    return age(since) if since else Part(duration(None))


def time_of(at: datetime | None) -> Part:
    """Return the moment as a part, "unknown" without it."""
    return time(at) if at else Part(duration(None))


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
    return _("%(who)s succeeds without loading the waiting rows"), {}


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


_MINUTE = 60


def _failed(verdict: Verdict) -> Words:
    error_class = member(ErrorClass, value_of(verdict, "error_class"))
    run = value_of(verdict, "run_id")
    if error_class is None:
        return _("The control row says that its last run failed; the run itself is no longer stored."), {}
    values = {"run": run, "meaning": class_text(error_class)[0], "class": label(error_class)}
    if not value_of(verdict, "error"):
        return _("Run %(run)s failed and does not say why."), values
    return _("Run %(run)s failed (%(class)s): %(meaning)s"), values


def _late(verdict: Verdict) -> Words:
    limit = number_of(verdict, "limit_minutes")
    values = {
        "age": age_of(verdict.since),
        "rows": _rows(verdict),
        "limit": duration(None if limit is None else limit * _MINUTE),
    }
    return _("%(rows)s; the oldest has been waiting for %(age)s, the limit is %(limit)s."), values


def _no_run(verdict: Verdict) -> Words:
    hours = number_of(verdict, "hours")
    if hours is None:
        return _("It is active, but no run of it has ever finished."), {}
    return (
        _("Its latest run finished %(age)s ago; the limit is %(limit)s."),
        {"age": age_of(verdict.since), "limit": duration(hours * _MINUTE * _MINUTE)},
    )


def _recurrent(verdict: Verdict) -> Words:
    return (
        _("%(failures)s of %(executions)s executions of the last 7 days failed (%(percent)s)."),
        {
            "failures": number(number_of(verdict, "failures")),
            "executions": number(number_of(verdict, "executions")),
            "percent": percent(number_of(verdict, "percent"), 0),
        },
    )


def _stuck(verdict: Verdict) -> Words:
    values = {
        "run": value_of(verdict, "run_id"),
        "age": age_of(verdict.since),
        "limit": duration(number_of(verdict, "limit_seconds")),
    }
    orphan = value_of(verdict, "orphan")
    if orphan == "later_run":
        return _(
            "Run %(run)s is still marked as running after %(age)s, but a later run has finished: it was killed."
        ), values
    if orphan == "no_session":
        return _("Run %(run)s is still marked as running after %(age)s, but no runner is connected."), values
    return _("Run %(run)s has been running for %(age)s; the limit is %(limit)s."), values


def _stalled(verdict: Verdict) -> Words:
    values = {"runs": number(number_of(verdict, "runs")), "rows": _rows(verdict)}
    if value_of(verdict, "succeeded") == value_of(verdict, "runs"):
        return _("The watermark did not move over %(runs)s finished runs, all of them successes. %(rows)s."), values
    return _("The watermark did not move over %(runs)s finished runs. %(rows)s."), values


def _volume(verdict: Verdict) -> Words:
    values = {name: number(number_of(verdict, name)) for name in ("value", "median", "low", "high")}
    return (
        _("Its latest success extracted %(value)s rows; the typical range is %(low)s to %(high)s (median %(median)s)."),
        values,
    )


def _duration(verdict: Verdict) -> Words:
    values = {name: duration(number_of(verdict, name)) for name in ("value", "median", "low", "high")}
    return _("Its latest success took %(value)s; the typical range is %(low)s to %(high)s (median %(median)s)."), values


def _no_op(verdict: Verdict) -> Words:
    values = {"runs": number(number_of(verdict, "runs")), "rows": _rows(verdict)}
    return _(
        "Its last %(runs)s successes extracted nothing, although rows were waiting before they started. %(rows)s."
    ), values


def _coverage(verdict: Verdict) -> Words:
    return (
        _("Coverage is %(percent)s; its median of 7 days is %(median)s."),
        {"percent": percent(number_of(verdict, "percent")), "median": percent(number_of(verdict, "median"))},
    )


def _structure(verdict: Verdict) -> Words:
    table = value_of(verdict, "table")
    if value_of(verdict, "part") == "mapping":
        return _("“%(table)s” is not a mapping of the form schema.table."), {"table": table}
    return _("The table %(table)s does not exist."), {"table": table}


def _preflight(verdict: Verdict) -> Words:
    values = {"check": check_label(str(value_of(verdict, "check") or ""))}
    code = member(ProblemCode, value_of(verdict, "problem"))
    if code:
        return _("The check “%(check)s” failed: %(problem)s."), {**values, "problem": label(code)}
    return _("The check “%(check)s” failed."), values


def _rows(verdict: Verdict) -> str:
    rows = number_of(verdict, "eligible")
    if rows is None:
        return gettext("Rows are waiting")
    shown = number(rows) + ("+" if value_of(verdict, "capped") else "")
    return ngettext("%(rows)s row is waiting", "%(rows)s rows are waiting", int(rows)) % {"rows": shown}


REASONS: dict[Rule, Callable[[Verdict], Words]] = {
    Rule.FAILED: _failed,
    Rule.LATE_WATERMARK: _late,
    Rule.NO_RECENT_RUN: _no_run,
    Rule.RECURRENT_FAILURE: _recurrent,
    Rule.STUCK_RUN: _stuck,
    Rule.STALLED_WATERMARK: _stalled,
    Rule.UNUSUAL_VOLUME: _volume,
    Rule.UNUSUAL_DURATION: _duration,
    Rule.SILENT_NO_OP: _no_op,
    Rule.COVERAGE_DROP: _coverage,
    Rule.STRUCTURE: _structure,
    Rule.PREFLIGHT: _preflight,
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
    """Return the rule's name; for what could not be judged, that."""
    if verdict.severity is Severity.UNKNOWN:
        return label(SentenceCode.UNKNOWN)
    rule = _rule(verdict)
    return label(rule) if rule else verdict.rule


def verdict_clause(verdict: Verdict) -> Text:
    """Return who and what in a few words, without a full stop: "fact_vendas has been late for 3 h 12 min"."""
    rule = _rule(verdict)
    who: Any = entity(verdict.entity_name) if verdict.entity_name else verdict_label(verdict)
    if rule is None or verdict.severity is Severity.UNKNOWN:
        return text(_("%(who)s cannot be evaluated"), {"who": who})
    template, values = CLAUSES[rule](verdict)
    return text(template, {"who": who, **values})


def verdict_text(verdict: Verdict) -> Text:
    """Return why, as one sentence, without the pipeline's name."""
    rule = _rule(verdict)
    if verdict.silent:
        return text(_SILENT.get(str(value_of(verdict, "reason")), _SILENT["no_value"]))
    if verdict.severity is Severity.UNKNOWN:
        return _unknown(verdict)
    if verdict.severity is Severity.OK:
        return text(_("Nothing unusual."))
    if rule is None:
        return text(verdict.rule)
    template, values = REASONS[rule](verdict)
    return text(template, values)


def verdict_next(verdict: Verdict) -> str:
    """Return the next step."""
    rule = _rule(verdict)
    if verdict.severity is Severity.UNKNOWN:
        code = member(ProblemCode, value_of(verdict, "problem"))
        return code_text(code).to_do if code and code is not ProblemCode.NOT_READ else str(_RETRY)
    if rule is Rule.FAILED and (error_class := member(ErrorClass, value_of(verdict, "error_class"))):
        return class_text(error_class)[1]
    if rule is Rule.PREFLIGHT and (check := value_of(verdict, "check")):
        return check_advice(str(check), member(ProblemCode, value_of(verdict, "problem"))) or str(NEXT[rule])
    return str(NEXT[rule]) if rule else ""


_SILENT: dict[str, Any] = {
    "history": _("Not enough history to evaluate this yet."),
    "structure": _("Not evaluated: its tables are missing or could not be checked."),
    "unread": _("Not evaluated: the required data could not be read."),
    "no_value": _("Not evaluated: there is no value to compare."),
}


def _unknown(verdict: Verdict) -> Text:
    status = value_of(verdict, "status_text")
    if status:
        return text(_("The audit tables contain the unknown status “%(status)s”."), {"status": status})
    code = member(ProblemCode, value_of(verdict, "problem")) or ProblemCode.NOT_READ
    return text(_("It could not be evaluated: %(problem)s."), {"problem": label(code)})


def _rule(verdict: Verdict) -> Rule | None:
    return member(Rule, verdict.rule)

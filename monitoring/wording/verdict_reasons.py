"""Why a rule holds, as a sentence with its values."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from monitoring.enums import ErrorClass, ProblemCode, Rule
from monitoring.policies.facts import Verdict
from monitoring.wording.checks import check_label
from monitoring.wording.failures import class_text
from monitoring.wording.labels import label
from monitoring.wording.units import duration, number, percent
from monitoring.wording.verdict_values import Words, age_of, member, number_of, value_of

_MINUTE = 60


def _failed(verdict: Verdict) -> Words:
    error_class = member(ErrorClass, value_of(verdict, "error_class"))
    run = value_of(verdict, "run_id")
    if error_class is None:
        return _("The control row says that its last run failed; the run itself is not kept any more."), {}
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
        _("Its newest run finished %(age)s ago; the limit is %(limit)s."),
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
        return _("Run %(run)s has been “running” for %(age)s, but a later run has finished: it was killed."), values
    if orphan == "no_session":
        return _("Run %(run)s has been “running” for %(age)s, but no runner is connected any more."), values
    return _("Run %(run)s has been running for %(age)s; unusual beyond %(limit)s."), values


def _stalled(verdict: Verdict) -> Words:
    values = {"runs": number(number_of(verdict, "runs")), "rows": _rows(verdict)}
    if value_of(verdict, "succeeded") == value_of(verdict, "runs"):
        return _("The watermark did not move over %(runs)s finished runs, all of them successes. %(rows)s."), values
    return _("The watermark did not move over %(runs)s finished runs. %(rows)s."), values


def _volume(verdict: Verdict) -> Words:
    values = {name: number(number_of(verdict, name)) for name in ("value", "median", "low", "high")}
    return (
        _("Its newest success extracted %(value)s rows; usual are %(low)s to %(high)s (median %(median)s)."),
        values,
    )


def _duration(verdict: Verdict) -> Words:
    values = {name: duration(number_of(verdict, name)) for name in ("value", "median", "low", "high")}
    return _("Its newest success took %(value)s; usual are %(low)s to %(high)s (median %(median)s)."), values


def _no_op(verdict: Verdict) -> Words:
    values = {"runs": number(number_of(verdict, "runs")), "rows": _rows(verdict)}
    return _(
        "Its last %(runs)s successes extracted nothing, although rows were due before they began. %(rows)s."
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
        return gettext("Rows wait")
    shown = number(rows) + ("+" if value_of(verdict, "capped") else "")
    return ngettext("%(rows)s row waits", "%(rows)s rows wait", int(rows)) % {"rows": shown}


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

"""What an alert rule says: a clause for the opening sentence, the reason, the next step."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from monitoring.enums import ErrorClass, ProblemCode, Rule, SentenceCode, Severity
from monitoring.policies.facts import Verdict
from monitoring.wording.checks import check_advice
from monitoring.wording.failures import class_text
from monitoring.wording.labels import label
from monitoring.wording.problems import code_text
from monitoring.wording.text import Text, entity, text
from monitoring.wording.verdict_clauses import CLAUSES
from monitoring.wording.verdict_reasons import REASONS
from monitoring.wording.verdict_values import member, value_of

NEXT: dict[Rule, Any] = {
    Rule.FAILED: _("Open the run, read the error and its advice, and see whether the watermark moved."),
    Rule.LATE_WATERMARK: _("See whether its runs still start and finish, and how fast they drain the rows that wait."),
    Rule.NO_RECENT_RUN: _("Check the runner's schedule and that it lists this pipeline."),
    Rule.RECURRENT_FAILURE: _("Compare its failures: the same error again and again has one cause."),
    Rule.STUCK_RUN: _("Look for the runner's process and for blocking; if it is gone, close its rows in the audit."),
    Rule.STALLED_WATERMARK: _("Compare watermark_from and watermark_to of these runs with ctl.etl_control."),
    Rule.UNUSUAL_VOLUME: _("Ask whether the source changed that much, or whether a filter or a load went wrong."),
    Rule.UNUSUAL_DURATION: _("Compare its volume; if that is usual, look for blocking or a missing index."),
    Rule.SILENT_NO_OP: _("Check the runner's options (dry run, limited batches) and its source query."),
    Rule.COVERAGE_DROP: _("Compare source and target: look for deletions in the target or a bulk load in the source."),
    Rule.STRUCTURE: _("Correct the table's name in ctl.etl_control, or have the table created."),
    Rule.PREFLIGHT: _("Open the pre-flight: the failed check says what to do."),
}
_RETRY = _("The next sample tries again; the pre-flight says what stands in the way.")


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
        return text(_("%(who)s cannot be judged"), {"who": who})
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
    "history": _("Not enough history to judge this yet."),
    "structure": _("Not judged: its tables are missing or could not be looked up."),
    "unread": _("Not judged: what it needs could not be read."),
    "no_value": _("Not judged: there is no value to compare."),
}


def _unknown(verdict: Verdict) -> Text:
    status = value_of(verdict, "status_text")
    if status:
        return text(_("The audit says “%(status)s”, a status that the contract does not know."), {"status": status})
    code = member(ProblemCode, value_of(verdict, "problem")) or ProblemCode.NOT_READ
    return text(_("It could not be judged: %(problem)s."), {"problem": label(code)})


def _rule(verdict: Verdict) -> Rule | None:
    return member(Rule, verdict.rule)

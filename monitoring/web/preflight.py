"""The two blocks at the top of every page: the sentence about the health of all pipelines, and the pre-flight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.collector.snapshot import Current
from monitoring.rules.enums import CheckState, ProblemCode, SentenceCode
from monitoring.rules.facts import Check, Preflight, Snapshot
from monitoring.rules.overview import Sentence, verdict_sentence
from monitoring.rules.preflight import collector_check
from monitoring.web.alert_texts import verdict_clause
from monitoring.web.blocks import Block
from monitoring.web.check_texts import check_text, connection_facts
from monitoring.web.labels import label
from monitoring.web.parts import Sign, pipeline_link, sign_of, when
from monitoring.web.parts import sentence as text
from monitoring.web.problems import detail_text, problem_text

NAMES_SHOWN = 3
_DATABASES = {"dw": "DW", "oltp": "OLTP"}


def sentence_text(sentence: Sentence) -> SafeString:
    values: dict[str, Any] = {
        "active": sentence.active,
        "attention": sentence.attention,
        "checks": sentence.checks,
        "count": sentence.unknown,
        "at": when(sentence.since) if sentence.since else "",
        "reason": label(sentence.problem.code) if sentence.problem else "",
        "names": gettext(" and ").join(_DATABASES.get(alias, alias) for alias in sentence.names),
    }
    if sentence.code is SentenceCode.ATTENTION:
        clauses = [verdict_clause(verdict) for verdict in sentence.worst]
        values["listed"] = _listed(clauses, sentence.attention - len(clauses))
    elif sentence.code is SentenceCode.UNKNOWN:
        shown = sentence.names[:NAMES_SHOWN]
        values["listed"] = _listed((pipeline_link(name) for name in shown), len(sentence.names) - len(shown))
    said = text(_template(sentence), values)
    if sentence.code is SentenceCode.ATTENTION and sentence.unknown:
        said += text(
            ngettext(" %(count)s cannot be evaluated.", " %(count)s cannot be evaluated.", sentence.unknown), values
        )
    return said


def _template(sentence: Sentence) -> str:
    templates = {
        SentenceCode.NOTHING_SAMPLED: gettext("No sample yet: the collector has not run."),
        SentenceCode.STALE: (
            gettext("The figures are from %(at)s: the collector has taken no sample since.")
            if sentence.since
            else gettext("The figures are out of date: the collector is not running.")
        ),
        SentenceCode.UNREACHABLE: _unreachable(sentence),
        SentenceCode.NOT_READ: gettext("The control and audit tables could not be read: %(reason)s."),
        SentenceCode.NO_PIPELINES: gettext("ctl.etl_control lists no pipelines yet."),
        SentenceCode.NONE_ACTIVE: gettext("No pipeline is active, so nothing is evaluated."),
        SentenceCode.ATTENTION: ngettext(
            "%(attention)s of %(active)s pipelines needs attention: %(listed)s.",
            "%(attention)s of %(active)s pipelines need attention: %(listed)s.",
            sentence.attention,
        ),
        SentenceCode.UNKNOWN: ngettext(
            "%(count)s of %(active)s pipelines cannot be evaluated: %(listed)s.",
            "%(count)s of %(active)s pipelines cannot be evaluated: %(listed)s.",
            sentence.unknown,
        ),
        SentenceCode.PREFLIGHT: ngettext(
            "The pipelines are healthy, but %(checks)s pre-flight check failed.",
            "The pipelines are healthy, but %(checks)s pre-flight checks failed.",
            sentence.checks,
        ),
        SentenceCode.ALL_WELL: ngettext(
            "The one active pipeline is healthy.", "All %(active)s active pipelines are healthy.", sentence.active
        ),
    }
    return templates[sentence.code]


def _unreachable(sentence: Sentence) -> str:
    count = len(sentence.names)
    if sentence.since and sentence.problem:
        return ngettext(
            "%(names)s has not answered since %(at)s (%(reason)s). Showing the last known figures.",
            "%(names)s have not answered since %(at)s (%(reason)s). Showing the last known figures.",
            count,
        )
    if sentence.since:
        return ngettext(
            "%(names)s has not answered since %(at)s. Showing the last known figures.",
            "%(names)s have not answered since %(at)s. Showing the last known figures.",
            count,
        )
    if sentence.problem:
        return ngettext("%(names)s does not answer: %(reason)s.", "%(names)s do not answer: %(reason)s.", count)
    return ngettext("%(names)s does not answer.", "%(names)s do not answer.", count)


def _listed(items: Iterable[SafeString], more: int) -> SafeString:
    listed, *rest = [*items] or [SafeString("")]
    for item in rest:
        listed = text(gettext("%(first)s, %(second)s"), {"first": listed, "second": item})
    if more > 0:
        listed = text(
            ngettext("%(first)s, and %(more)s more", "%(first)s, and %(more)s more", more),
            {"first": listed, "more": more},
        )
    return listed


class VerdictBlock(Block):
    name = "verdict"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/_verdict.html"

    def context(self, current: Current) -> dict[str, Any]:
        sentence = verdict_sentence(current.snapshot, stale=current.stale)
        connections = current.snapshot.connections if current.snapshot else ()
        return {
            "sentence": sentence,
            "tone": sign_of(sentence.severity).tone,
            "words": sentence_text(sentence),
            "down": [
                {"reading": reading, "words": problem_text(reading.problem)}
                for reading in connections
                if not reading.reachable
            ],
            "collector_silent": current.stale,
        }


FAILED_SHOWN = 8  # the others are in the list of all checks

_ANSWERS = {
    True: Sign("ok", "check", pgettext_lazy("readiness", "yes")),
    False: Sign("failed", "x", pgettext_lazy("readiness", "no")),
    None: Sign("unknown", "question", pgettext_lazy("readiness", "unknown")),
}

_REQUIRED: dict[str, str | Promise] = {
    "required.ready": pgettext_lazy("required pipeline", "ready"),
    "required.active": pgettext_lazy("required pipeline", "active"),
}


def with_check(snapshot: Snapshot, more: Check) -> Preflight:
    """Return the newest pre-flight with a check that a tick cannot make: of its own age."""
    kept = (check for check in snapshot.preflight.checks if check.code != more.code)
    return replace(snapshot.preflight, checks=(*kept, more))


def new_failures(failed: Sequence[Check]) -> list[Check]:
    return [check for check in failed if not _follows(check, failed)]


def _follows(check: Check, failed: Sequence[Check]) -> bool:
    """Whether it follows from another failed check: a database that is down, a missing table, a pipeline not listed."""
    if check.code.endswith(".connection"):
        return False
    if check.state is CheckState.UNKNOWN and any(
        other.code.endswith(".connection") and _reason(check) in (None, _reason(other)) for other in failed
    ):
        return True
    mine = [other for other in failed if other.entity_name == check.entity_name and other.code != check.code]
    if check.code == "pipeline.ready":
        return bool(mine)
    listed = check.values.get("listed")
    return check.code == "required.active" and listed == 0 and any(other.code == "required.ready" for other in mine)


def _reason(check: Check) -> ProblemCode | None:
    return check.problem.code if check.problem else None


class PreflightBlock(Block):
    name = "preflight"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/_preflight.html"

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {"preflight": None}
        age = current.age.total_seconds() if current.age is not None else None
        preflight = with_check(current.snapshot, collector_check(age, collecting=current.collecting))
        failed = preflight.failed
        shown = new_failures(failed)[:FAILED_SHOWN]
        required: dict[str, list[dict[str, Any]]] = {}
        pipelines: dict[str, list[dict[str, Any]]] = {}
        for check in preflight.checks:
            if check.code in _REQUIRED:
                item = {"state": check.state, "word": _REQUIRED[check.code], "tone": sign_of(check.state).tone}
                required.setdefault(check.entity_name, []).append(item)
            elif check.entity_name:
                pipelines.setdefault(check.entity_name, []).append(entry(check))
        return {
            "preflight": preflight,
            "passed": sum(check.state is CheckState.PASSED for check in preflight.checks),
            "all_failed": failed,
            "ticked_at": current.ticked_at,
            "readiness": readiness(preflight),
            "required": list(required.items()),
            "failed": [entry(check) for check in shown],
            "more_failed": sum(check not in shown and check.code not in _REQUIRED for check in failed),
            "general": [entry(check) for check in preflight.checks if not check.entity_name],
            "pipelines": list(pipelines.items()),
        }


def readiness(preflight: Preflight) -> list[dict[str, Any]]:
    found = (
        (_("Ready for monitoring"), preflight.ready_for_monitoring, "ready_for_monitoring"),
        (_("Ready for the first run"), preflight.ready_for_first_run, "ready_for_first_run"),
        (_("Ready for all active"), preflight.ready_for_all_active, "ready_for_all_active"),
    )
    return [{"name": name, "answer": _ANSWERS[answer], "help": code} for name, answer, code in found]


def entry(check: Check) -> dict[str, Any]:
    return {
        "check": check,
        "passed": check.state is CheckState.PASSED,
        "tone": sign_of(check.state).tone,
        "words": check_text(check),
        "facts": connection_facts(check) if check.code.endswith(".connection") else (),
        "detail": detail_text(check.problem) if check.problem else "",
    }


OPENING: tuple[type[Block], ...] = (VerdictBlock, PreflightBlock)

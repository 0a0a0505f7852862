"""The two blocks that open every page: the verdict in one sentence, and the pre-flight under it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.enums import CheckState
from monitoring.policies.facts import Check, Preflight
from monitoring.policies.preflight import collector_check
from monitoring.policies.verdict_sentence import verdict_sentence
from monitoring.selectors.preflight import PipelineChecks, PreflightView, preflight_view
from monitoring.selectors.snapshot import Current
from monitoring.templatetags.signs import Sign, sign_of
from monitoring.views.blocks import Block
from monitoring.wording import check_text, connection_facts, detail_text, problem_text, sentence_text

FAILED_SHOWN = 8
"""Checks that did not pass and are shown at once; the others are in the list of all."""


class VerdictBlock(Block):
    """One sentence: is anything wrong, since when. Figures that are too old say so first."""

    name = "verdict"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/_verdict.html"

    def context(self, current: Current) -> dict[str, Any]:
        sentence = verdict_sentence(current.snapshot, stale=current.stale)
        down = (
            [reading for reading in current.snapshot.connections if not reading.reachable] if current.snapshot else []
        )
        return {
            "sentence": sentence,
            "tone": sign_of(sentence.severity).tone,
            "words": sentence_text(sentence),
            "down": [{"reading": reading, "words": problem_text(reading.problem)} for reading in down],
            "collector_silent": current.stale,
        }


class PreflightBlock(Block):
    """All checks: a calm line when they passed, the failed ones with what to do when not."""

    name = "preflight"
    same_for_all = True
    follows_address = False
    template_name = "monitoring/_preflight.html"

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {"view": None}
        age = current.age.total_seconds() if current.age is not None else None
        view = preflight_view(current.snapshot, collector_check(age, collecting=current.collecting))
        return {
            "view": view,
            "ticked_at": current.ticked_at,
            "readiness": readiness(view.preflight),
            "required": [_required(pipeline) for pipeline in view.required],
            "failed": [entry(check) for check in view.told[:FAILED_SHOWN]],
            "more_failed": _not_shown(view),
            "general": _entries(view.general),
            "pipelines": _pipelines(view),
        }


OPENING: tuple[type[Block], ...] = (VerdictBlock, PreflightBlock)
"""The blocks that every page begins with."""

_ANSWERS = {
    True: Sign("ok", "check", pgettext_lazy("readiness", "yes")),
    False: Sign("failed", "x", pgettext_lazy("readiness", "no")),
    None: Sign("unknown", "question", pgettext_lazy("readiness", "unknown")),
}

_REQUIRED: dict[str, str | Promise] = {
    "required.ready": pgettext_lazy("required pipeline", "ready"),
    "required.active": pgettext_lazy("required pipeline", "active"),
}


def readiness(preflight: Preflight) -> list[dict[str, Any]]:
    """Return the three readiness lines: name, answer (yes, no, unknown) as a sign, the help's code."""
    found = (
        (_("Ready for monitoring"), preflight.ready_for_monitoring, "ready_for_monitoring"),
        (_("Ready for the first run"), preflight.ready_for_first_run, "ready_for_first_run"),
        (_("Ready for all active"), preflight.ready_for_all_active, "ready_for_all_active"),
    )
    return [{"name": name, "answer": _ANSWERS[answer], "help": code} for name, answer, code in found]


def entry(check: Check) -> dict[str, Any]:
    """Return one check as the lists show it: its sign, its words, what a connection told."""
    return {
        "check": check,
        "passed": check.state is CheckState.PASSED,
        "tone": sign_of(check.state).tone,
        "words": check_text(check),
        "facts": connection_facts(check) if check.code.endswith(".connection") else (),
        "detail": detail_text(check.problem) if check.problem else "",
    }


def _not_shown(view: PreflightView) -> int:
    """Return how many failed checks are in the list of all only: beyond the first, or following from another."""
    own_line = [check for check in view.failed if check.code in _REQUIRED]
    shown = [*view.told[:FAILED_SHOWN], *own_line]
    return sum(check not in shown for check in view.failed)


def _entries(checks: Iterable[Check]) -> list[dict[str, Any]]:
    return [entry(check) for check in checks]


def _pipelines(view: PreflightView) -> list[dict[str, Any]]:
    return [{"name": found.entity_name, "entries": _entries(found.checks)} for found in view.pipelines]


def _required(pipeline: PipelineChecks) -> dict[str, Any]:
    """Return a required pipeline with its two checks, each as a sign and a word."""
    checks = [
        {"state": check.state, "word": _REQUIRED.get(check.code, check.code), "tone": sign_of(check.state).tone}
        for check in pipeline.checks
    ]
    return {"name": pipeline.entity_name, "checks": checks, "good": pipeline.good}

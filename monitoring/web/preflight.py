"""The pre-flight as every page shows it: what did not pass first, then everything in groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.collector.snapshot import Current
from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import Check, ConnectionReading, Preflight, Snapshot
from monitoring.rules.overview import verdict_sentence
from monitoring.rules.preflight import collector_check
from monitoring.web.blocks import Block
from monitoring.web.check_texts import check_text, connection_facts
from monitoring.web.headline import sentence_text
from monitoring.web.parts import Sign, sign_of
from monitoring.web.problems import detail_text, problem_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineChecks:
    """One pipeline's own checks, in the order in which they were made."""

    entity_name: str
    checks: tuple[Check, ...]

    @property
    def good(self) -> bool:
        return all(check.state is CheckState.PASSED for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightView:
    """The pre-flight as it is shown: what did not pass first, then everything in groups.

    `told`: of the failed ones those that say something new; "not ready" follows from another check.
    """

    preflight: Preflight
    passed: int
    failed: tuple[Check, ...]
    told: tuple[Check, ...]
    general: tuple[Check, ...]
    pipelines: tuple[PipelineChecks, ...]
    required: tuple[PipelineChecks, ...]
    connections: tuple[ConnectionReading, ...]

    @property
    def green(self) -> bool:
        return not self.failed


def preflight_view(snapshot: Snapshot, *more: Check) -> PreflightView:
    """Return the newest pre-flight, grouped: general checks, each pipeline's, the required pipelines'.

    `more`: checks that the collector's tick cannot make itself, such as its own age.
    """
    codes = {check.code for check in more}
    kept = tuple(check for check in snapshot.preflight.checks if check.code not in codes)
    preflight = replace(snapshot.preflight, checks=(*kept, *more))
    failed = preflight.failed
    general = tuple(check for check in preflight.checks if not check.entity_name)
    required = [check for check in preflight.checks if check.entity_name and check.code.startswith("required.")]
    others = [check for check in preflight.checks if check.entity_name and not check.code.startswith("required.")]
    return PreflightView(
        preflight=preflight,
        passed=sum(check.state is CheckState.PASSED for check in preflight.checks),
        failed=failed,
        told=tuple(check for check in failed if not _follows(check, failed)),
        general=general,
        pipelines=_by_pipeline(others),
        required=_by_pipeline(required),
        connections=snapshot.connections,
    )


def _follows(check: Check, failed: Iterable[Check]) -> bool:
    """Whether it only repeats what another check says: not ready because something is missing, not
    found out because the database is down, not active because it is not listed at all."""
    if check.code.endswith(".connection"):
        return False
    if check.state is CheckState.UNKNOWN and any(
        other.code.endswith(".connection") and _reason(check) in (None, _reason(other)) for other in failed
    ):
        return True
    mine = [other for other in failed if other.entity_name == check.entity_name and other.code != check.code]
    if check.code == "pipeline.ready":
        return bool(mine)
    listed = (check.values or {}).get("listed")
    return check.code == "required.active" and listed == 0 and any(other.code == "required.ready" for other in mine)


def _reason(check: Check) -> ProblemCode | None:
    return check.problem.code if check.problem else None


def _by_pipeline(checks: Iterable[Check]) -> tuple[PipelineChecks, ...]:
    grouped: dict[str, list[Check]] = {}
    for check in checks:
        grouped.setdefault(check.entity_name, []).append(check)
    return tuple(PipelineChecks(entity_name=name, checks=tuple(found)) for name, found in grouped.items())


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

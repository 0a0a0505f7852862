"""The pre-flight as every page shows it: what did not pass first, then everything in groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from monitoring.enums import CheckState, ProblemCode
from monitoring.policies.facts import Check, ConnectionReading, Preflight, Snapshot


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

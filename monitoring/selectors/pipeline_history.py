"""One pipeline's executions and failures, from the portal's copy: indexed by pipeline, paged by key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower, Trim

from monitoring import scope
from monitoring.enums import ExecutionStatus
from monitoring.models import RunEntityCopy
from monitoring.selectors.local_cache import cache
from monitoring.selectors.run_lines import ExecutionLine, execution_line
from monitoring.selectors.runs import execution_of_copy

FAILURES = 5
"""Failures shown: the newest."""

KEPT_SECONDS = 120


def executions(name: str, statuses: Iterable[ExecutionStatus] = ()) -> QuerySet[RunEntityCopy]:
    """Return the pipeline's copied run entities with one of `statuses` (all without any), not yet evaluated.

    A status that the portal does not know counts as UNKNOWN.
    """
    found = RunEntityCopy.objects.filter(entity_name=name)
    wanted = frozenset(statuses)
    if not wanted:
        return found
    known = [status.value for status in ExecutionStatus if status is not ExecutionStatus.UNKNOWN]
    condition = Q(word__in=[status.value for status in wanted])
    if ExecutionStatus.UNKNOWN in wanted:
        condition |= ~Q(word__in=known)
    return found.alias(word=Lower(Trim("status"))).filter(condition)


def failures(name: str, now: datetime, shown: int = FAILURES, *, logins: bool) -> tuple[list[ExecutionLine], bool]:
    """Return the pipeline's newest failures, and whether there are more.

    One statement per snapshot (`now`) and scope: copies change only when a snapshot does.
    """
    stamp, key_name = scope.reader_scope().stamp, name.encode("utf-8", "surrogatepass").hex()
    key = f"pipeline-failures-{now.timestamp()}-{shown}-{key_name}-{logins}-{stamp}"
    kept: tuple[list[ExecutionLine], bool] | None = cache.get(key)
    if kept is None:
        kept = _failures(name, shown, logins)
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def _failures(name: str, shown: int, logins: bool) -> tuple[list[ExecutionLine], bool]:
    copies = list(executions(name, [ExecutionStatus.FAILED]).order_by("-run_id", "-run_entity_id")[: shown + 1])
    found = [execution_line(execution_of_copy(copy, logins=logins)) for copy in copies[:shown]]
    return found, len(copies) > shown

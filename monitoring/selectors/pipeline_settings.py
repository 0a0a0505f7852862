"""What people decided about the pipelines, with METRICS' defaults where they decided nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from django.conf import settings

from monitoring.models import PipelineSettings
from monitoring.policies.facts import Thresholds

_NAMES = {each.name for each in fields(Thresholds)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Of one pipeline. Empty texts and None: nothing was decided, the usual applies."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    watermark_column: str = ""
    target_column: str = ""
    target_is_load_time: bool | None = None
    owner: str = ""
    required: bool = False


def decisions() -> dict[str, Decisions]:
    """Return the decisions by pipeline, for those that have a row or are required by default. One statement."""
    required = frozenset(settings.REQUIRED_PIPELINES)
    found = {row.entity_name: _decided(row, required) for row in PipelineSettings.objects.all()}
    return {name: Decisions(required=True) for name in required} | found


def required_names(decided: dict[str, Decisions]) -> tuple[str, ...]:
    """Return the required pipelines by name, whether they exist or not."""
    return tuple(sorted(name for name, each in decided.items() if each.required))


def _decided(row: PipelineSettings, required: Iterable[str]) -> Decisions:
    limits = {name: value for name in _NAMES if (value := getattr(row, name, None)) is not None}
    return Decisions(
        thresholds=Thresholds(**limits),
        watermark_column=row.watermark_expression.strip(),
        target_column=row.target_updated_column.strip(),
        target_is_load_time=row.target_updated_is_load_time,
        owner=row.owner,
        required=row.is_required if row.is_required is not None else row.entity_name in required,
    )

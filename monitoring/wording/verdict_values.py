"""What a verdict's values hold, read without ever raising: a verdict may come from an older version."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from monitoring.policies.facts import Verdict
from monitoring.wording.text import Part, age, time
from monitoring.wording.units import duration

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

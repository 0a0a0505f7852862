from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Model

from monitoring.access import COLUMNS
from monitoring.models import EtlRunEntity, scope
from monitoring.models.managers import HIDDEN, ScopedRun, fill_in
from monitoring.rules.masking import mask_login, mask_logins

MASKS: dict[str, Callable[[str], str]] = {"started_by": mask_login, "error_message": mask_logins}


def mask_rows(rows: Iterable[Any]) -> list[Any]:
    """Return the rows as the reader of this request may see them."""
    found = list(rows)
    if scope.pipelines() is not None:
        fill_in(row for row in found if isinstance(row, ScopedRun))
    if not scope.reader_scope().logins:
        for row in found:
            _mask(row)
    return found


def _mask(row: Any) -> None:
    for name, mask in MASKS.items():
        if _is_masked(type(row), name) and (value := getattr(row, name)):
            setattr(row, name, mask(value))
    if isinstance(row, EtlRunEntity) and EtlRunEntity.run.is_cached(row):
        _mask(row.run)


def searchable(model: type[Model], names: Iterable[str]) -> list[str]:
    """Return the searchable columns: a search in a hidden column would reveal its values."""
    limited = issubclass(model, ScopedRun) and scope.pipelines() is not None
    hidden = {*HIDDEN, "entities_requested"} if limited else set()
    logins = scope.reader_scope().logins
    return [name for name in names if name not in hidden and (logins or not _is_masked(model, name))]


def _is_masked(model: type[Model], name: str) -> bool:
    return f"{model._meta.label_lower}.{name}" in COLUMNS

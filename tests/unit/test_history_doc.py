"""docs/history.md names every table of the portal's own, and the retentions as they are set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from monitoring.models.managers import of_pipelines

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "history.md").read_text(encoding="utf-8")
OWN = [model for model in apps.get_app_config("monitoring").get_models() if model._meta.managed]


@pytest.mark.parametrize("model", OWN, ids=lambda model: model.__name__)
def test_every_table_has_its_line(model: type) -> None:
    assert f"`{model._meta.db_table}`" in DOCUMENT  # type: ignore[attr-defined]


@pytest.mark.parametrize("setting", sorted(set(re.findall(r"[A-Z_]+_DAYS(?=`)", DOCUMENT))))
def test_every_retention_is_as_it_says(setting: str) -> None:
    assert re.search(rf"`{setting}` {getattr(settings, setting)}\b", DOCUMENT)


@pytest.mark.parametrize("model", OWN, ids=lambda model: model.__name__)
def test_every_table_about_pipelines_narrows_by_itself(model: type) -> None:
    """ADR 16: a table with a pipeline's name shows each reader theirs, whoever asks it."""
    if "entity_name" in {field.name for field in model._meta.fields}:  # type: ignore[attr-defined]
        manager = model._default_manager  # type: ignore[attr-defined]
        assert type(manager).__qualname__ == type(of_pipelines()).__qualname__

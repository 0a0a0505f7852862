"""Each of the portal's own tables that names a pipeline narrows itself to the reader's scope (ADR 16)."""

from __future__ import annotations

import pytest
from django.apps import apps

from monitoring.models.managers import PipelinesManager

OWN = [model for model in apps.get_app_config("monitoring").get_models() if model._meta.managed]


@pytest.mark.parametrize("model", OWN, ids=lambda model: model.__name__)
def test_a_table_about_pipelines_narrows_by_itself(model: type) -> None:
    if "entity_name" in {field.name for field in model._meta.fields}:  # type: ignore[attr-defined]
        assert isinstance(model._default_manager, PipelinesManager)  # type: ignore[attr-defined]

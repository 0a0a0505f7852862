"""A VARCHAR column is compared with a VARCHAR: an NVARCHAR would convert the column, row by row."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.db import connections
from django.db.models import F

from monitoring.models import EtlControl, EtlRunEntity


def sql_of(queryset: Any, vendor: str) -> tuple[str, tuple[Any, ...]]:
    compiler = queryset.using("dw").query.get_compiler("dw")
    with mock.patch.object(type(connections["dw"]), "vendor", vendor):
        return compiler.as_sql()


@pytest.mark.parametrize(("vendor", "mark"), [("microsoft", "CAST(%s AS VARCHAR(100))"), ("sqlite", "%s")])
def test_exact(vendor: str, mark: str) -> None:
    for queryset in (EtlControl.objects.filter(pk="dim_cliente"), EtlRunEntity.objects.filter(entity_name="x")):
        sql, params = sql_of(queryset, vendor)
        assert f"[entity_name] = {mark}" in sql or f'"entity_name" = {mark}' in sql
        assert len(params) == 1


def test_columns_are_compared_as_they_are() -> None:
    sql, params = sql_of(EtlControl.objects.filter(source_table=F("target_table")), "microsoft")
    assert "CAST" not in sql
    assert params == ()

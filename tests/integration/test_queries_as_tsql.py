"""Django's queries on the warehouse as T-SQL: every list, filter, search and page of the admin.

tests/conftest.py lints each query of every test. These tests make all queries that depend on a user's choices, and
check that they were linted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.urls import reverse

from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity
from tests.support import tsql_queries
from tests.support.warehouse import NOW

MODELS = (EtlControl, EtlRun, EtlRunEntity, ConnectionLoginEvent)
TEXTS = ("dim", "100%_[a]\\", "é", "日本", "x" * 300, "7", "#7")


@pytest.fixture
def row_keys(warehouse: Any) -> dict[str, Any]:
    """A row of each table, in the present: periods count back from now."""
    from django.utils import timezone

    warehouse.now = timezone.now().replace(microsecond=0)
    warehouse.control()
    run_id = warehouse.execution()
    event = warehouse.login_event()
    return {"etlcontrol": "dim_cliente", "etlrun": run_id, "etlrunentity": 1, "connectionloginevent": event}


def asked_of(model: type[Any]) -> list[dict[str, Any]]:
    """Every way to ask for the model's list: each choice of each filter, searches, periods, pages, orders."""
    owner = admin.site._registry.get(model) or _registered(model)
    queries: list[dict[str, Any]] = [{}, *({"q": text} for text in TEXTS), *({"o": str(n)} for n in range(-3, 12))]
    for spec in owner.list_filter:
        choices = spec(None, {}, model, owner).lookup_choices
        queries += [{spec.parameter_name: value} for value, _title in choices]
        queries += [{spec.parameter_name: value, "q": "dim", "window": "30d"} for value, _title in choices]
    moments = {"since": f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}", "until": f"{NOW:%Y-%m-%d}"}
    queries += [moments, {**moments, "q": "x"}, {"older": "5"}, {"newer": "0"}, {"run": "1"}, {"newer": "0", "q": "a"}]
    return queries


def _registered(model: type[Any]) -> Any:
    from django.contrib.admin.sites import all_sites

    return next(site._registry[model] for site in all_sites if model in site._registry)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_of_the_admin(client_as: Any, row_keys: Any, model: type[Any]) -> None:
    name = model._meta.model_name
    client = client_as("admin")
    with tsql_queries.heard() as statements:
        for query in asked_of(model):
            response = client.get(reverse(f"admin:monitoring_{name}_changelist") + f"?{urlencode(query)}")
            assert response.status_code == 200, query
        client.get(reverse(f"admin:monitoring_{name}_change", args=[row_keys[name]]))
    assert all(alias == "dw" for alias, _, _ in statements)
    texts = [sql for _, sql, _ in statements if model._meta.db_table in sql]
    assert any(" LIKE " in sql for sql in texts), "a search was asked"
    assert not any(" COUNT(" in sql for sql in texts), "lists are never counted"
    if model is not EtlControl:
        assert any("CAST(%s AS DATETIME2(" in sql for _, sql, _ in statements), "a period was asked"
        assert all("TOP " in sql or "MIN(" in sql or "MAX(" in sql for sql in texts), "every list stops somewhere"
    for sql in texts:
        assert "OFFSET 0 ROWS" in sql or "OFFSET" not in sql, "nothing is skipped by number"


def test_the_harness_refuses_a_query_that_would_scan(warehouse: Any) -> None:
    """Asked by code that is no test: the portal's."""
    code = compile("list(queryset)", "portal.py", "exec")
    exec(code, {"queryset": EtlRun.objects.filter(status="failed")})
    with pytest.raises(pytest.fail.Exception, match="function around the indexed column started_at"):
        exec(code, {"queryset": EtlRun.objects.filter(started_at__date=NOW.date())})
    with pytest.raises(pytest.fail.Exception, match="unbounded COUNT"):
        exec(compile("queryset.count()", "portal.py", "exec"), {"queryset": EtlRun.objects.all()})

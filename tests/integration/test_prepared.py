"""Statements that are put together once: the same rows as Django's own, and never a row of before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from etlportal.prepared import Prepared
from monitoring import accounts, scope
from monitoring.models import CollectorState, PipelineSettings, UserPreferences
from monitoring.selectors import pipelines
from tests.support.queries import queries


def test_a_row_is_what_django_would_have_made(users: dict[str, User]) -> None:
    UserPreferences.objects.create(user=users["viewer"], language="pt-br", time_zone="UTC")
    for user in users.values():
        with queries(default=1):
            found = accounts._users.first(user.pk)
            assert found is not None
            language = getattr(found, "preferences", None) and found.preferences.language
        plain = accounts._rows().get(pk=user.pk)
        assert found == plain
        assert language == ("pt-br" if user == users["viewer"] else None)
        left = {key: value for key, value in vars(found).items() if key != "_state"}
        assert left == {key: value for key, value in vars(plain).items() if key != "_state"}
        assert found._state.fields_cache.keys() == plain._state.fields_cache.keys()
        assert (found._state.db, found._state.adding) == ("default", False)


def test_what_is_left_out_is_read_when_it_is_asked_for(db: None) -> None:
    CollectorState.objects.create(pk=1, payload=b"{}", version="v")
    found = Prepared(lambda: CollectorState.objects.defer("payload")).first(1)
    assert found is not None
    assert found.get_deferred_fields() == {"payload"}
    assert bytes(found.payload) == b"{}"


def test_nobody(db: None) -> None:
    assert accounts._users.first(4711) is None


def test_a_query_that_does_not_ask_once_is_refused(db: None) -> None:
    """The place of the value must be known for sure."""
    doubtful = Prepared(lambda: User.objects.filter(pk__lt=31_991))
    with pytest.raises(ValueError, match="not asked for once"):
        doubtful.first(1)


def test_rights_that_are_taken_end_at_once(client_as: Any, users: dict[str, User]) -> None:
    client = client_as("viewer")
    assert client.get("/").status_code == 200
    users["viewer"].groups.clear()
    assert client.get("/").status_code == 403
    users["viewer"].groups.add(Group.objects.get(name="viewer"))
    assert client.get("/").status_code == 200
    User.objects.filter(pk=users["viewer"].pk).update(is_active=False)
    assert client.get("/").status_code == 302


def test_a_session_that_is_over_is_over(client_as: Any) -> None:
    client: Client = client_as("viewer")
    assert client.get("/").status_code == 200
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get("/").status_code == 302
    client = client_as("viewer")
    assert client.get("/").status_code == 200
    Session.objects.all().delete()
    assert client.get("/").status_code == 302


@pytest.mark.django_db
def test_a_driver_with_numbers_of_its_own_finds_the_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """psycopg's are subclasses of int, made when the statement is put together."""

    class Wide(int):
        pass

    def adapted(value: int | None, _: str) -> int | None:
        return value if value is None else Wide(value)

    monkeypatch.setattr(connection.ops, "adapt_integerfield_value", adapted)
    CollectorState.objects.create(pk=1, version="v")
    rows = Prepared(CollectorState.objects.all)
    found = rows.first(1)
    assert found is not None and found.version == "v"
    assert rows.first(2) is None


def test_a_value_is_asked_for_as_it_is_stored(db: None) -> None:
    PipelineSettings.objects.create(entity_name="a\0b", masked_columns="segredo")
    assert pipelines.decisions("a\0b").masked_columns == ("segredo",)


def test_what_was_decided_about_others_pipelines_is_not_told(db: None) -> None:
    PipelineSettings.objects.create(entity_name="dim_cliente", owner="ana")
    with scope.seeing(scope.Sight(pipelines=frozenset({"dim_data"}))):
        assert pipelines.decisions("dim_cliente").owner == ""
    assert pipelines.decisions("dim_cliente").owner == "ana"

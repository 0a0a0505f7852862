"""The first administrator from the environment: created once; existing accounts are never changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from etlportal.environment import Secret
from monitoring.accounts.first_admin import make_first_admin
from monitoring.models import TrailEntry

PASSWORD = "Correct horse 9$"
pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(settings: Any) -> None:
    settings.FIRST_ADMIN = ("boss", Secret(PASSWORD), "boss@example.com")


def test_migrate_makes_it(asked: None) -> None:
    call_command("migrate", verbosity=0)
    boss = User.objects.get()
    assert (boss.username, boss.email, boss.is_superuser, boss.is_active) == ("boss", "boss@example.com", True, True)
    assert boss.check_password(PASSWORD)
    assert list(boss.groups.values_list("name", flat=True)) == ["admin"]
    assert TrailEntry.objects.filter(action="user_changed", object="user boss").exists()


def test_once(asked: None) -> None:
    assert make_first_admin() is not None
    User.objects.get().set_password("another one 7!")
    User.objects.update(is_active=False)
    before = User.objects.values().get()
    assert make_first_admin() is None
    assert User.objects.values().get() == before


def test_where_there_is_a_superuser_nothing_is_made(asked: None) -> None:
    User.objects.create_superuser("other", "", "x")
    assert make_first_admin() is None
    assert User.objects.count() == 1


def test_an_account_of_that_name_is_not_raised(asked: None, caplog: pytest.LogCaptureFixture) -> None:
    User.objects.create_user("boss", "", "x")
    assert make_first_admin() is None
    assert not User.objects.get().is_superuser
    assert "nothing was done" in caplog.text


def test_nothing_is_made_unasked() -> None:
    call_command("migrate", verbosity=0)
    assert not User.objects.exists()


@pytest.mark.parametrize(("name", "password"), [("boss", "12345678"), ("boss", "boss"), ("not a name!", PASSWORD)])
def test_what_nobody_may_have_is_refused(settings: Any, name: str, password: str) -> None:
    settings.FIRST_ADMIN = (name, Secret(password), "")
    with pytest.raises(ImproperlyConfigured, match="PORTAL_ADMIN_USER") as caught:
        make_first_admin()
    assert password not in str(caught.value).replace("PORTAL_ADMIN_USER, _PASSWORD, _EMAIL", "")
    assert not User.objects.exists()

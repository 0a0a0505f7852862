"""The demo's data in the portal's own database: one user per group, and resetting copies."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group as AuthGroup
from django.db import connection, transaction

from monitoring.models import (
    CollectorState,
    PipelineRollup,
    PipelineSample,
    RunCopy,
    RunEntityCopy,
)
from monitoring.rules.enums import Group

PASSWORD = "demo"  # noqa: S105 # nosec B105 - public on purpose: it opens the pretended warehouse only


class DemoRefused(Exception):
    """The demo may not change this portal or server."""


def refuse_real_warehouse() -> None:
    if not settings.EMBEDDED:
        raise DemoRefused("ETL_SQL_SERVER is set: the demo only runs over the embedded warehouse.")


def create_demo_users() -> list[str]:
    refuse_real_warehouse()
    names = [group.value for group in Group]
    users = get_user_model().objects
    missing = sorted(set(names) - set(users.values_list("username", flat=True)), key=names.index)
    hashed = make_password(PASSWORD) if missing else ""  # once: a hash takes half a second
    for name in missing:
        admin = name == Group.ADMIN.value
        with transaction.atomic():
            user = users.create(
                username=name, email=f"{name}@example.com", password=hashed, is_staff=admin, is_superuser=admin
            )
            user.groups.add(AuthGroup.objects.get_or_create(name=name)[0])
    return names


def forget_copies() -> None:
    """Delete all copies: a new warehouse restarts run ids at 1. Raises DemoRefused over a real warehouse."""
    refuse_real_warehouse()
    history = (PipelineSample, PipelineRollup, RunEntityCopy, RunCopy)
    for model in (CollectorState, *history):
        model._base_manager.all().delete()


def forget_everything(warehouse: Path) -> None:
    """Delete the embedded warehouse and a SQLite `default`. Raises DemoRefused over a real warehouse."""
    refuse_real_warehouse()
    shutil.rmtree(warehouse, ignore_errors=True)
    if connection.vendor != "sqlite":
        return  # the copies are forgotten when the new warehouse is built
    name = Path(str(connection.settings_dict["NAME"]))
    connection.close()
    for suffix in ("", "-wal", "-shm"):
        name.with_name(name.name + suffix).unlink(missing_ok=True)

"""The demonstration's users: one per group, password `demo`. They exist only over the embedded warehouse."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group as AuthGroup
from django.db import transaction

from monitoring.enums import Group

PASSWORD = "demo"  # noqa: S105 # nosec B105 - printed on purpose, for a warehouse that is pretended


class DemoRefused(Exception):
    """A real SQL Server is configured: nothing of the demonstration may touch this portal."""


def refuse_real_warehouse() -> None:
    """Raise DemoRefused unless the warehouse is the embedded one."""
    if not settings.EMBEDDED:
        raise DemoRefused("ETL_SQL_SERVER is set: the demonstration only runs over the embedded warehouse.")


def create_demo_users() -> list[str]:
    """Create the users that are not there yet; return the names of all four. Raises DemoRefused."""
    refuse_real_warehouse()
    users = get_user_model()
    for group in Group:
        with transaction.atomic():
            user, created = users.objects.get_or_create(
                username=group.value,
                defaults={
                    "email": f"{group.value}@example.com",
                    "is_staff": group is Group.ADMIN,
                    "is_superuser": group is Group.ADMIN,
                },
            )
            if created:
                user.set_password(PASSWORD)
                user.save(update_fields=["password"])
                user.groups.add(AuthGroup.objects.get_or_create(name=group.value)[0])
    return [group.value for group in Group]

"""Create the first administrator from PORTAL_ADMIN_* after `migrate`. Existing accounts are never changed."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group as AuthGroup
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import transaction
from django.utils import timezone

from monitoring.rules.enums import Group, TrailAction
from monitoring.web.activity import record

logger = logging.getLogger(__name__)


def make_first_admin(sender: Any = None, using: str = "default", **kwargs: Any) -> User | None:
    """Return None if a superuser exists or the name is taken. Raises ImproperlyConfigured for invalid values."""
    if settings.FIRST_ADMIN is None or using != "default":
        return None
    name, password, email = settings.FIRST_ADMIN
    with transaction.atomic():
        if User.objects.filter(is_superuser=True).exists():
            return None
        if User.objects.filter(username=name).exists():
            logger.error("PORTAL_ADMIN_USER is the name of an account that is no administrator: nothing was done")
            return None
        user = User(username=name, email=email, is_staff=True, is_superuser=True)
        try:
            user.clean_fields(exclude=["password"])
            validate_password(password, user)
        except ValidationError as error:
            # Without the values: the name may be a password in the wrong variable.
            reasons = " ".join(error.messages)
            raise ImproperlyConfigured(f"PORTAL_ADMIN_USER, _PASSWORD, _EMAIL cannot be used: {reasons}") from None
        user.set_password(password)
        user.save()
        user.groups.add(*AuthGroup.objects.filter(name=Group.ADMIN))
        record(
            action=TrailAction.USER_CHANGED,
            by="manage.py migrate",
            now=timezone.now(),
            object=f"user {name}",
            change="added",
            what="first administrator",
        )
    logger.warning("the first administrator was made, as PORTAL_ADMIN_USER says")
    return user

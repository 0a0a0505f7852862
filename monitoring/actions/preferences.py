"""A reader's own choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from monitoring.models import UserPreferences


@transaction.atomic
def set_preferences(*, by: User, changes: Mapping[str, Any]) -> UserPreferences:
    """Store `changes` (field to valid value) in the preferences of `by`; other fields stay as they are."""
    preferences, _created = UserPreferences.objects.update_or_create(user=by, defaults=dict(changes))
    return preferences

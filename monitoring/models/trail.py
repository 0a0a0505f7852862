"""The activity log: append-only, deleted by age only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignCharField, ForeignJSONField


class AppendOnly(Exception):
    """Raised on changing or deleting an entry."""


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise AppendOnly("The trail is append-only.")


class TrailQuerySet(models.QuerySet["TrailEntry"]):
    update = bulk_update = update_or_create = delete = _refuse

    def expire(self, *, before: datetime, limit: int) -> int:
        """Delete at most `limit` entries older than `before`, oldest first. Return their number."""
        keys = list(self.filter(at__lt=before).order_by("at", "pk").values_list("pk", flat=True)[:limit])
        if keys:
            models.QuerySet.delete(self.filter(pk__in=keys))
        return len(keys)


class TrailEntry(models.Model):
    at = models.DateTimeField(_("when"))
    user_name = ForeignCharField(_("user"), max_length=150, blank=True)
    address = ForeignCharField(_("from address"), max_length=48, blank=True)
    action = models.CharField(_("action"), max_length=30)
    object = ForeignCharField(_("object"), max_length=200, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10)
    detail = ForeignJSONField(_("detail"), default=dict)

    objects = TrailQuerySet.as_manager()

    class Meta:
        verbose_name = _("trail entry")
        verbose_name_plural = _("trail")
        ordering = ("-id",)
        indexes = [models.Index(fields=("at",), name="trail_time")]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.user_name} {self.action}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry. Raises AppendOnly for an existing one."""
        if not self._state.adding:
            _refuse()
        super().save(*args, **{**kwargs, "force_insert": True})

    delete = _refuse

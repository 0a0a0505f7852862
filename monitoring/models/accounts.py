"""Settings of accounts: sign-up and required second factors."""

from __future__ import annotations

from typing import Self

from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class PortalSettings(models.Model):
    """One row. The defaults are closed."""

    SINGLETON = 1

    signup_open = models.BooleanField(
        _("sign-up is open"),
        default=False,
        help_text=_("Whoever reaches the sign-in page may make an account. It opens nothing without a group."),
    )
    signup_viewer = models.BooleanField(
        _("who signs up becomes a viewer"),
        default=False,
        help_text=_("Otherwise an administrator gives each new account its group."),
    )
    superusers_need_second_factor = models.BooleanField(
        _("superusers need a second factor"),
        default=False,
        help_text=_("Asked of every superuser, whatever the groups."),
    )

    class Meta:
        verbose_name = _("account settings")
        verbose_name_plural = _("account settings")
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return gettext("Account settings")

    @classmethod
    def load(cls) -> Self:
        """Return the row, or the defaults if there is none."""
        return cls.objects.filter(pk=cls.SINGLETON).first() or cls(pk=cls.SINGLETON)


class GroupPolicy(models.Model):
    """What members of a group need in addition to a password."""

    group = models.OneToOneField(Group, verbose_name=_("group"), on_delete=models.CASCADE, related_name="policy")
    require_second_factor = models.BooleanField(
        _("second factor required"),
        default=False,
        help_text=_("A member without one is led to set one up before anything else opens."),
    )

    class Meta:
        verbose_name = _("sign-in rule of a group")
        verbose_name_plural = _("sign-in rules of groups")
        ordering = ("group__name",)

    def __str__(self) -> str:
        return self.group.name

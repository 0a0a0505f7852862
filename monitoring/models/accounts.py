from __future__ import annotations

from typing import Self

from django.contrib.admin import display
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignJSONField


class PortalSettings(models.Model):
    """A single row. The defaults are closed."""

    SINGLETON = 1

    signup_open = models.BooleanField(
        _("sign-up is open"),
        default=False,
        help_text=_("Anyone who reaches the sign-in page can create an account. Without a group it gives no access."),
    )
    signup_viewer = models.BooleanField(
        _("new users become viewers"),
        default=False,
        help_text=_("Otherwise an administrator gives each new account its group."),
    )
    superusers_need_second_factor = models.BooleanField(
        _("superusers need a second factor"),
        default=False,
        help_text=_("Required for every superuser, regardless of groups."),
    )

    class Meta:
        verbose_name = _("account settings")
        verbose_name_plural = _("account settings")
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return gettext("Account settings")

    @classmethod
    def load(cls) -> Self:
        return cls.objects.filter(pk=cls.SINGLETON).first() or cls(pk=cls.SINGLETON)


class GroupPolicy(models.Model):
    group = models.OneToOneField(Group, verbose_name=_("group"), on_delete=models.CASCADE, related_name="policy")
    require_second_factor = models.BooleanField(
        _("second factor required"),
        default=False,
        help_text=_("Members without a second factor must set one up before they can use the portal."),
    )

    class Meta:
        verbose_name = _("sign-in rule of a group")
        verbose_name_plural = _("sign-in rules of groups")
        ordering = ("group__name",)

    def __str__(self) -> str:
        return self.group.name


MOST_PIPELINES = 500
"""Names per group: they are statement parameters, and SQL Server allows about 2,000."""


class GroupScope(models.Model):
    """Limits a group to some pipelines. An empty list is a limit too: members see none.

    A user in limited groups sees the union of their lists, whatever other groups the user has: a limit wins.
    """

    group = models.OneToOneField(Group, models.CASCADE, related_name="scope", verbose_name=_("group"))
    entity_names = ForeignJSONField(_("pipelines"), default=list, blank=True)

    class Meta:
        verbose_name = _("limit to pipelines")
        verbose_name_plural = _("limits to pipelines")

    def __str__(self) -> str:
        return f"{self.group}: {self.names}"

    def clean(self) -> None:
        names = self.entity_names
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValidationError({"entity_names": _("A list of names is needed.")})
        if len(names) > MOST_PIPELINES:
            too_many = ValidationError(_("A group may list %(most)d pipelines."), params={"most": MOST_PIPELINES})
            raise ValidationError({"entity_names": too_many})

    @property
    @display(description=_("pipelines"))
    def names(self) -> str:
        return ", ".join(self.entity_names) or "-"

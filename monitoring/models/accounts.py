"""Settings of accounts: sign-up and required second factors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.models.fields import ForeignJSONField


class PortalSettings(models.Model):
    """One row. The defaults are closed."""

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
        """Return the row, or the defaults if there is none."""
        return cls.objects.filter(pk=cls.SINGLETON).first() or cls(pk=cls.SINGLETON)


class GroupPolicy(models.Model):
    """What members of a group need in addition to a password."""

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
"""Names that one group may list: they are parameters of the statements, and a server takes about 2,000."""


class GroupScope(models.Model):
    """Limits a group to some pipelines. An empty list is a limit too: its members see none.

    Without a row the group is not limited. Who is in a limited group sees what all their limited groups
    list together, whatever other groups they are in: a limit wins.
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
    def names(self) -> str:
        """The pipelines in one line."""
        return ", ".join(self.entity_names) or "-"

    @classmethod
    def of(cls, user: Any) -> frozenset[str]:
        """Return what the limited groups of a user list together. One statement."""
        return joined(cls.objects.filter(group__user=user).order_by("pk").values_list("entity_names", flat=True))


def joined(lists: Iterable[list[str]]) -> frozenset[str]:
    """Return the names of all the lists together."""
    return frozenset(name for names in lists for name in names)

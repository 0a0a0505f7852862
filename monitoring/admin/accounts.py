"""Users, groups and sign-in settings. Models that hold secrets (second factors, sessions, tokens) have no page."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from monitoring.admin import filters
from monitoring.admin.readonly import never
from monitoring.models import GroupPolicy, GroupScope, PortalSettings
from monitoring.rules.enums import TrailAction
from monitoring.web.activity import note

for _model in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)
admin.site.unregister(User)


@admin.register(User)
class PortalUserAdmin(UserAdmin):
    """Django's user admin with two actions for lost devices."""

    actions = ("remove_second_factors", "end_sessions")
    show_full_result_count = False

    @admin.action(description=_("Remove the second factors of the selected users"), permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        users = self._within_reach(request, queryset)
        for user in users:
            with transaction.atomic():
                Authenticator.objects.filter(user=user).delete()
                note(request, TrailAction.SECOND_FACTOR_REMOVED, user.get_username(), factor="all")
        text = ngettext(
            "The second factors of %(number)d user were removed.",
            "The second factors of %(number)d users were removed.",
            len(users),
        )
        self.message_user(request, text % {"number": len(users)}, messages.SUCCESS)

    @admin.action(description=_("End all sessions of the selected users"), permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        sessions = 0
        for user in self._within_reach(request, queryset):
            with transaction.atomic():
                mine = list(UserSession.objects.filter(user=user))
                for session in mine:
                    session.end()
                note(request, TrailAction.SESSION_ENDED, user.get_username(), sessions=len(mine))
            sessions += len(mine)
        text = ngettext("%(number)d session was ended.", "%(number)d sessions were ended.", sessions)
        self.message_user(request, text % {"number": sessions}, messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[Any, ...]:
        """Only a superuser may create superusers or grant permissions to a single user."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, "is_superuser", "is_staff", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        within = request.user.is_superuser or not getattr(obj, "is_superuser", False)
        return within and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        within = request.user.is_superuser or not getattr(obj, "is_superuser", False)
        return within and super().has_delete_permission(request, obj)

    def _within_reach(self, request: HttpRequest, queryset: QuerySet[User]) -> list[User]:
        """Exclude superusers, unless a superuser asks."""
        within = queryset if request.user.is_superuser else queryset.filter(is_superuser=False)
        return list(within.order_by("pk"))


@admin.register(PortalSettings)
class PortalSettingsAdmin(admin.ModelAdmin):
    list_display = ("__str__", "signup_open", "signup_viewer", "superusers_need_second_factor")
    has_add_permission = has_delete_permission = never


class GroupRuleAdmin(admin.ModelAdmin):
    list_select_related = ("group",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("group",) if obj else ()


@admin.register(GroupPolicy)
class GroupPolicyAdmin(GroupRuleAdmin):
    list_display = ("group", "require_second_factor")


class GroupScopeForm(forms.ModelForm):
    """Offer the control rows, and listed pipelines without one."""

    entity_names = forms.MultipleChoiceField(
        label=_("pipelines"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Members of this group see only these pipelines, in every figure, list, file and page, regardless of "
            "their other groups. Members of several limited groups see the pipelines of all of them. If none is "
            "chosen, members see no pipeline. Delete this limit to remove the restriction."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "entity_names" in self.fields:
            known = {*filters.pipeline_names(), *(self.instance.entity_names if self.instance.pk else ())}
            field: Any = self.fields["entity_names"]
            field.choices = [(name, name) for name in sorted(known) if name]


@admin.register(GroupScope)
class GroupScopeAdmin(GroupRuleAdmin):
    form = GroupScopeForm
    list_display = ("group", "names")
    search_fields = ("group__name",)
    show_full_result_count = False

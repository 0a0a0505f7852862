"""Which groups see some pipelines only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from monitoring.admin import filters
from monitoring.admin.readonly import OfThePortalAdmin
from monitoring.models import GroupScope


class GroupScopeForm(forms.ModelForm):
    """Chooses among the control rows; a pipeline that is gone from them stays choosable while it is listed."""

    entity_names = forms.MultipleChoiceField(
        label=_("pipelines"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Who is in this group sees these pipelines only, in every figure, list, file and page, whatever other "
            "groups they are in; with several limited groups, those of all of them. None chosen: they see none. "
            "Delete this limit to lift it."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "entity_names" in self.fields:
            known = {*filters.pipeline_names(), *(self.instance.entity_names if self.instance.pk else ())}
            self.fields["entity_names"].choices = [(name, name) for name in sorted(known) if name]


@admin.register(GroupScope)
class GroupScopeAdmin(OfThePortalAdmin):
    form = GroupScopeForm
    list_display = ("group", "listed")
    list_select_related = ("group",)
    search_fields = ("group__name",)
    show_full_result_count = False

    @admin.display(description=_("pipelines"))
    def listed(self, row: GroupScope) -> str:
        return row.names

    def get_readonly_fields(self, request: HttpRequest, obj: GroupScope | None = None) -> tuple[str, ...]:
        """The limit of a group is that group's: it is chosen once."""
        return ("group",) if obj else ()

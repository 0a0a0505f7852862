"""The filters of the grouped failures."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import FailureState
from monitoring.web.failure_groups import FailureGroup
from monitoring.web.filters import TEXT_LENGTH, TableForm, class_choices, search_field
from monitoring.web.labels import label


def state_choices() -> list[tuple[str, str]]:
    return [(each.value, label(each)) for each in FailureState]


class FailureGroupsForm(TableForm):
    q = search_field()
    kind = forms.ChoiceField(
        label=_("Kind"),
        required=False,
        choices=lazy(class_choices, list)(),
        error_messages={"invalid_choice": _("There is no kind of failure “%(value)s”. Showing all kinds.")},
    )
    pipeline = forms.CharField(
        label=_("Pipeline"),
        required=False,
        max_length=TEXT_LENGTH,
        widget=forms.TextInput(attrs={"list": "failure-pipelines"}),
    )
    state = forms.MultipleChoiceField(
        label=_("State"),
        required=False,
        choices=lazy(state_choices, list)(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no state “%(value)s”. Showing all states.")},
    )
    unresolved = forms.BooleanField(label=_("Unresolved only"), required=False)

    def apply(self, groups: Iterable[FailureGroup]) -> list[FailureGroup]:
        """Return the groups that match. A group of an unknown state counts as unresolved."""
        values = self.values
        kind, states, unresolved = values.get("kind"), values.get("state"), values.get("unresolved")
        pipeline = (values.get("pipeline") or "").strip().casefold()
        text = (values.get("q") or "").strip().casefold()
        return [
            group
            for group in groups
            if (not kind or group.kind == kind)
            and (not states or group.state in states)
            and (not pipeline or any(pipeline == name.casefold() for name in group.pipelines))
            and (not unresolved or group.unresolved or group.state is FailureState.UNKNOWN)
            and (not text or text in "\n".join((group.error.text, group.error.words, *group.pipelines)).casefold())
        ]

"""What a reader may ask of the grouped failures through the URL."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from monitoring.failures.queries import FailureGroup, select
from monitoring.rules.enums import ErrorClass, FailureState
from monitoring.web.filters import TEXT_LENGTH, TableForm, class_choices, search_field
from monitoring.web.labels import label


def state_choices() -> list[tuple[str, str]]:
    """Return every state of a failure with its word in the reader's language."""
    return [(each.value, label(each)) for each in FailureState]


class FailureGroupsForm(TableForm):
    """The grouped failures: of a class, a pipeline, some states, those that still stand, with a text."""

    q = search_field()
    kind = forms.ChoiceField(
        label=_("Kind"),
        required=False,
        choices=lazy(class_choices, list)(),
        error_messages={"invalid_choice": _("There is no kind of failure “%(value)s”: all kinds are shown.")},
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
        error_messages={"invalid_choice": _("There is no state “%(value)s”: all states are shown.")},
    )
    unresolved = forms.BooleanField(label=_("Unresolved only"), required=False)

    def apply(self, rows: Iterable[FailureGroup]) -> list[FailureGroup]:
        """Return the groups that match what was asked for and could be used."""
        values = self.values
        kind = values.get("kind", "")
        return select(
            rows,
            kind=ErrorClass(kind) if kind else None,
            states=[FailureState(value) for value in values.get("state") or ()],
            pipeline=values.get("pipeline") or "",
            unresolved=bool(values.get("unresolved")),
            text=values.get("q") or "",
        )

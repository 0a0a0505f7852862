"""What a reader may ask of a table through the URL: validated, with a clear answer to nonsense.

A value that cannot be used is named in a message and ignored; the others keep working, and what was
typed stays in its field.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.rules.enums import ErrorClass, PipelineStatus, Severity
from monitoring.web.labels import label
from monitoring.web.readings import PipelineReadings

TEXT_LENGTH = 100


def status_choices() -> list[tuple[str, str]]:
    """Return every pipeline status with its word in the reader's language."""
    return [(status.value, label(status)) for status in PipelineStatus]


def search_field() -> forms.CharField:
    """Return the field for a text that is looked for in several columns."""
    return forms.CharField(
        label=_("Search"),
        required=False,
        max_length=TEXT_LENGTH,
        widget=forms.TextInput(attrs={"type": "search"}),
        error_messages={
            "max_length": _(
                "Search text can have at most %(limit_value)d characters; %(show_value)d were entered. The filter "
                "was ignored."
            )
        },
    )


class TableForm(forms.Form):
    """A table's filters and its sort. `sortable`: the names that `sort` may hold."""

    required_css_class = ""
    use_required_attribute = False

    sort = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, *, sortable: frozenset[str], **kwargs: Any) -> None:
        super().__init__(data, label_suffix="", **kwargs)
        self.query = data
        self.sortable = sortable

    def clean_sort(self) -> str:
        value: str = self.cleaned_data["sort"]
        if value and value not in self.sortable:
            raise forms.ValidationError(
                _("The table has no column “%(value)s”. Showing the default order."), params={"value": value[:60]}
            )
        return value

    @property
    def values(self) -> dict[str, Any]:
        """The values that can be used; a wrong one is left out."""
        self.is_valid()
        return self.cleaned_data

    @property
    def problems(self) -> list[str]:
        """What could not be used, a sentence each."""
        self.is_valid()
        return [str(message) for messages in self.errors.values() for message in messages]

    @property
    def asked(self) -> bool:
        """Whether the address asks for anything, usable or not."""
        names = [self.add_prefix(name) for name in self.fields]
        return any(name in self.data and self.query.getlist(name) != [""] for name in names)

    def others(self, data: QueryDict) -> list[tuple[str, str]]:
        """Return what of the address belongs to the page's other blocks."""
        mine = {self.add_prefix(name) for name in self.fields}
        return [(key, value) for key, values in data.lists() if key not in mine for value in values]

    @property
    def filtering(self) -> bool:
        """Whether a usable filter narrows the table (the order does not)."""
        return any(value for name, value in self.values.items() if name != "sort")


class MatrixForm(TableForm):
    """The pipeline matrix: statuses, active or not, needing attention, a text."""

    SHOW = (
        ("", pgettext_lazy("pipelines", "All")),
        ("active", pgettext_lazy("pipelines", "Active")),
        ("inactive", pgettext_lazy("pipelines", "Inactive")),
        ("attention", pgettext_lazy("pipelines", "Needing attention")),
    )

    q = search_field()
    status = forms.MultipleChoiceField(
        label=_("Status"),
        required=False,
        choices=lazy(status_choices, list)(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no status “%(value)s”. Showing all statuses.")},
    )
    show = forms.ChoiceField(
        label=_("Show"),
        required=False,
        choices=SHOW,
        error_messages={"invalid_choice": _("“%(value)s” is not an option. Showing all pipelines.")},
    )

    def apply(self, rows: list[PipelineReadings]) -> list[PipelineReadings]:
        """Return the pipelines that match what was asked for and could be used."""
        statuses, show = self.values.get("status", []), self.values.get("show", "")
        needle = self.values.get("q", "").strip().casefold()
        return [
            row
            for row in rows
            if (not statuses or row.pipeline.status in statuses)
            and (show not in ("active", "inactive") or row.pipeline.control.is_active is (show == "active"))
            and (show != "attention" or row.pipeline.severity is not Severity.OK)
            and (not needle or needle in _searched(row))
        ]


def _searched(row: PipelineReadings) -> str:
    control = row.pipeline.control
    texts = (row.name, control.source_table, control.target_table, row.pipeline.owner, row.last_error)
    return "\n".join(texts).casefold()


def class_choices() -> list[tuple[str, str]]:
    """Return every class of failure with its word, and "all" first."""
    classes = [(each.value, label(each)) for each in ErrorClass]
    return [("", str(pgettext_lazy("failures", "All"))), *classes]


def filters(request: HttpRequest, form: TableForm, label: str, page: str) -> dict[str, Any]:
    """Return the template's variables for a form on the page at `page`; `label` names it to screen readers."""
    carried = form.others(request.GET)
    clear = f"{page}?{urlencode(carried)}" if carried else page
    return {"form": form, "filter_label": label, "action": page, "carried": carried, "clear": clear}


RANGE_LABELS = {
    "24h": _("24 hours"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "1y": _("1 year"),
    "5y": _("5 years"),
}

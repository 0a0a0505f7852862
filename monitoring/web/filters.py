"""Filters and order of a table in the URL. An invalid value is named in a message and ignored."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.rules.enums import ErrorClass, PipelineStatus, Severity
from monitoring.rules.figures import DEFAULT_RANGE, RANGES
from monitoring.web.labels import label
from monitoring.web.readings import PipelineReadings

TEXT_LENGTH = 100


def choices(members: Iterable[StrEnum]) -> list[tuple[str, str]]:
    return [(member.value, label(member)) for member in members]


def status_field(members: Iterable[StrEnum]) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=_("Status"),
        required=False,
        choices=lazy(choices, list)(members),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no status “%(value)s”. Showing all statuses.")},
    )


def kind_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Kind"),
        required=False,
        choices=lazy(lambda: [("", str(pgettext_lazy("failures", "All"))), *choices(ErrorClass)], list)(),
        error_messages={"invalid_choice": _("There is no kind of failure “%(value)s”. Showing all kinds.")},
    )


def pipeline_field(datalist: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"list": datalist})
    return forms.CharField(label=_("Pipeline"), required=False, max_length=TEXT_LENGTH, widget=widget)


def search_field() -> forms.CharField:
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
        self.is_valid()
        return self.cleaned_data

    @property
    def order(self) -> str | None:
        return self.values.get("sort") or None

    @property
    def problems(self) -> list[str]:
        self.is_valid()
        return [str(message) for messages in self.errors.values() for message in messages]

    @property
    def asked(self) -> bool:
        """Whether the URL has a filter or an order, valid or not."""
        names = [self.add_prefix(name) for name in self.fields]
        return any(name in self.data and self.query.getlist(name) != [""] for name in names)

    @property
    def filtering(self) -> bool:
        return any(value for name, value in self.values.items() if name != "sort")


class MatrixForm(TableForm):
    SHOW = (
        ("", pgettext_lazy("pipelines", "All")),
        ("active", pgettext_lazy("pipelines", "Active")),
        ("inactive", pgettext_lazy("pipelines", "Inactive")),
        ("attention", pgettext_lazy("pipelines", "Needing attention")),
    )

    q = search_field()
    status = status_field(PipelineStatus)
    show = forms.ChoiceField(
        label=_("Show"),
        required=False,
        choices=SHOW,
        error_messages={"invalid_choice": _("“%(value)s” is not an option. Showing all pipelines.")},
    )

    def apply(self, rows: list[PipelineReadings]) -> list[PipelineReadings]:
        def searched(row: PipelineReadings) -> str:
            control = row.pipeline.control
            texts = (row.name, control.source_table, control.target_table, row.pipeline.owner, row.last_error)
            return "\n".join(texts).casefold()

        statuses, show = self.values.get("status", []), self.values.get("show", "")
        needle = self.values.get("q", "").strip().casefold()
        return [
            row
            for row in rows
            if (not statuses or row.pipeline.status in statuses)
            and (show not in ("active", "inactive") or row.pipeline.control.is_active is (show == "active"))
            and (show != "attention" or row.pipeline.severity is not Severity.OK)
            and (not needle or needle in searched(row))
        ]


def filters(request: HttpRequest, form: TableForm, label: str, page: str) -> dict[str, Any]:
    """Return the template's variables. `label` is for screen readers, `carried` are other blocks' parameters."""
    # Without the page in the list: it belongs to the previous filters.
    own = {form.add_prefix(name) for name in (*form.fields, "after", "before")}
    carried = [(key, value) for key, values in request.GET.lists() if key not in own for value in values]
    clear = f"{page}?{urlencode(carried)}" if carried else page
    return {"form": form, "filter_label": label, "action": page, "carried": carried, "clear": clear}


RANGE_LABELS = {
    "24h": _("24 hours"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "1y": _("1 year"),
    "5y": _("5 years"),
}


def range_choice(request: HttpRequest, parameter: str, page: str) -> dict[str, Any]:
    """Return the template's variables for a choice of RANGES in a parameter of the page's URL."""
    asked = request.GET.get(parameter, "")
    window = asked if asked in RANGES else DEFAULT_RANGE
    query, windows = request.GET.copy(), []
    for key, words in RANGE_LABELS.items():
        query[parameter] = key
        windows.append((key, words, f"{page}?{query.urlencode()}"))
    return {"window": window, "windows": windows, "unknown_window": asked[:20] if asked and asked != window else ""}

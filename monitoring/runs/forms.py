"""What a reader may ask of the list of runs through the URL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.rules.enums import RunStatus
from monitoring.runs.queries import PERIODS, RunFilter
from monitoring.web.filters import TEXT_LENGTH, TableForm
from monitoring.web.parts import sign_of

BIGINT = 2**63 - 1


def run_status_choices() -> list[tuple[str, str]]:
    """Return every run status that the ETL writes, with its word in the reader's language."""
    return [(status.value, str(sign_of(status).word)) for status in RunStatus if status is not RunStatus.UNKNOWN]


class RunsForm(TableForm):
    """The runs: by number, status, who, pipeline, period."""

    PERIOD_CHOICES = (
        ("24h", _("24 hours")),
        ("7d", _("7 days")),
        ("30d", _("30 days")),
        ("", pgettext_lazy("period", "All that the portal keeps")),
    )

    run = forms.IntegerField(
        label=_("Run"),
        required=False,
        min_value=1,
        max_value=BIGINT,
        localize=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={
            "invalid": _("A run is named by its number: what was typed is not one and is not used."),
            "min_value": _("Run numbers begin at 1: what was typed is not used."),
            "max_value": _("No run number is that large: what was typed is not used."),
        },
    )
    status = forms.MultipleChoiceField(
        label=_("Status"),
        required=False,
        choices=lazy(run_status_choices, list)(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no status “%(value)s”: all statuses are shown.")},
    )
    by = forms.CharField(label=_("Started by"), required=False, max_length=TEXT_LENGTH)
    pipeline = forms.CharField(
        label=_("Pipeline"),
        required=False,
        max_length=TEXT_LENGTH,
        widget=forms.TextInput(attrs={"list": "pipeline-names"}),
    )
    period = forms.ChoiceField(
        label=_("Period"),
        required=False,
        choices=PERIOD_CHOICES,
        error_messages={"invalid_choice": _("There is no period “%(value)s”: all periods are shown.")},
    )

    def __init__(self, *args: Any, logins: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not logins:
            del self.fields["by"]

    def others(self, data: QueryDict) -> list[tuple[str, str]]:
        """Return the other blocks' part of the address. The place in the list goes: another filter, another list."""
        return [(name, value) for name, value in super().others(data) if name not in ("after", "before")]

    def wanted(self, now: datetime) -> RunFilter:
        """Return what was asked for and could be used; periods count back from `now`."""
        values = self.values
        period = PERIODS.get(values.get("period") or "")
        return RunFilter(
            run_id=values.get("run"),
            statuses=frozenset(RunStatus(value) for value in values.get("status") or ()),
            started_by=values.get("by") or "",
            entity_name=values.get("pipeline") or "",
            since=None if period is None else now - period,
        )

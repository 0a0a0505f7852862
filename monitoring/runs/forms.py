"""The filters of the list of runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from monitoring.models import RunCopy, scope
from monitoring.models.managers import of_status
from monitoring.rules.enums import RunStatus
from monitoring.web.filters import TEXT_LENGTH, TableForm
from monitoring.web.parts import sign_of

BIGINT = 2**63 - 1
PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
SORTABLE = ("run_id", "started_at", "status", "started_by")
"""The sortable columns of the list, none of them nullable."""
NEWEST_FIRST = "-run_id"


def sortable(*, logins: bool) -> list[str]:
    """Return the columns that a reader may sort by: the order by a hidden column would reveal its values."""
    hidden = {"status"} if scope.pipelines() is not None else set()
    if not logins:
        hidden.add("started_by")
    return [name for name in SORTABLE if name not in hidden]


def run_status_choices() -> list[tuple[str, str]]:
    """Return the run statuses that the ETL writes, with their labels."""
    return [(status.value, str(sign_of(status).word)) for status in RunStatus if status is not RunStatus.UNKNOWN]


class RunsForm(TableForm):
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
            "invalid": _("Enter a run number. The filter was ignored."),
            "min_value": _("Run numbers start at 1. The filter was ignored."),
            "max_value": _("Run numbers are not that large. The filter was ignored."),
        },
    )
    status = forms.MultipleChoiceField(
        label=_("Status"),
        required=False,
        choices=lazy(run_status_choices, list)(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no status “%(value)s”. Showing all statuses.")},
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
        error_messages={"invalid_choice": _("There is no period “%(value)s”. Showing all periods.")},
    )

    def __init__(self, data: QueryDict, *, logins: bool, **kwargs: Any) -> None:
        names = sortable(logins=logins)
        super().__init__(data, sortable=frozenset([*names, *(f"-{name}" for name in names)]), **kwargs)
        if not logins:
            del self.fields["by"]

    def others(self, data: QueryDict) -> list[tuple[str, str]]:
        """Return the other blocks' part of the URL, without the page: other filters make another list."""
        return [(name, value) for name, value in super().others(data) if name not in ("after", "before")]

    @property
    def order(self) -> str:
        return self.values.get("sort") or NEWEST_FIRST

    def apply(self, now: datetime) -> QuerySet[RunCopy]:
        """Return the copied runs that match, unordered. Periods count back from `now`."""
        values = self.values
        found: QuerySet[RunCopy] = RunCopy.objects.all()
        if run_id := values.get("run"):
            found = found.filter(run_id=run_id)
        if statuses := values.get("status"):
            found = of_status(found, statuses)
        if login := values.get("by"):
            found = found.filter(started_by__icontains=login)
        if period := values.get("period"):
            found = found.filter(started_at__gte=now - PERIODS[period])
        if name := values.get("pipeline"):
            found = found.filter(run_entities__entity_name=name) if scope.within(name) else found.none()
        return found

"""The recent failures: query, table and filter form."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.models import RunEntityCopy
from monitoring.models.executions import execution_of
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.facts import Execution
from monitoring.web import parts, readings
from monitoring.web.failure_texts import advice_for as failure_text
from monitoring.web.filters import TableForm, class_choices, search_field
from monitoring.web.labels import label
from monitoring.web.tables import (
    Column,
    PipelineColumn,
    PortalTable,
    ReadingColumn,
    RunIdColumn,
    TimeColumn,
    WordsColumn,
)

FAILURES_SHOWN = 8
FAILURES_DAYS = 7
FAILURES_READ = 500
"""Failures looked at, whatever the filters: a bound for a warehouse in which everything fails."""


def recent_failures(now: datetime, days: int = FAILURES_DAYS, *, logins: bool) -> list[Execution]:
    """Return the failures of the last `days` days before `now`, the newest FAILURES_READ. One statement."""
    copies = RunEntityCopy.objects.filter(
        started_at__gte=now - timedelta(days=days), status__iexact=ExecutionStatus.FAILED.value
    ).order_by("-started_at", "-run_entity_id")
    return [execution_of(copy, logins=logins) for copy in copies[:FAILURES_READ]]


class FailedAtColumn(TimeColumn):
    """When, and how long ago."""

    def render(self, value: datetime) -> SafeString:
        return format_html("{} <br>{}", parts.when(value), parts.age(value))


class DurationColumn(ReadingColumn):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__("duration", accessor="seconds", unit="s", **kwargs)

    def rank(self, row: Execution) -> float | None:
        return row.seconds

    def render(self, value: float | None) -> SafeString:
        return readings.draw(_reading(value), self.kind)

    def value(self, value: float | None) -> Any:
        return readings.export_value(_reading(value))


def _reading(seconds: float | None) -> readings.Reading[float]:
    return readings.reading(seconds, readings.Missing.NOT_FINISHED)


class MeaningColumn(Column):
    """The class of the failure, its meaning, the names in the message, what to do."""

    def render(self, record: Execution) -> SafeString:
        words = failure_text(record.shown_error)
        names = format_html('<span class="failure__names">{}</span>', words.names) if words.names else ""
        return format_html(
            '<div class="failure"><p class="failure__kind">{}</p><p>{} {}</p><p class="failure__advice">{}</p></div>',
            words.title,
            words.meaning,
            names,
            words.advice,
        )

    def value(self, record: Execution) -> str:
        return label(record.error_class)


class MessageColumn(Column):
    """The server's own words in one line; the driver's whole text under them, to select and copy."""

    def render(self, value: str, record: Execution) -> SafeString:
        if not value:
            return parts.none(gettext("the runner wrote no message"))
        return format_html(
            '<details class="disclosure failure__message" id="failure-{}">'
            '<summary>{}<span class="failure__first">{}</span></summary><p class="mono small wrap">{}</p></details>',
            record.run_entity_id,
            parts.icon("chevron-right", "disclosure__sign"),
            record.shown_error.words,
            value,
        )


class FailuresTable(PortalTable):
    """Newest first by default."""

    key = staticmethod(lambda row: -row.run_entity_id)

    at = FailedAtColumn(accessor="ended_at", verbose_name=_("Failed at"), unit="UTC")
    entity_name = PipelineColumn(verbose_name=_("Pipeline"))
    run_id = RunIdColumn(verbose_name=_("Run"))
    kind = MeaningColumn(
        accessor="error_class",
        verbose_name=_("What it means and what to do"),
        rank=lambda row: label(row.error_class).casefold(),
    )
    meaning = WordsColumn("meaning", accessor="shown_error", verbose_name=_("Meaning"))
    advice = WordsColumn("advice", accessor="shown_error", verbose_name=_("What to do"))
    duration = DurationColumn(verbose_name=_("Duration"))
    message = MessageColumn(accessor="error_text", verbose_name=_("Message"))

    class Meta:
        order_by = "-at"
        prefix = "f-"
        empty_text = _("No failure matches.")


class FailuresForm(TableForm):
    """The recent failures: of one class, and with a text in pipeline or message."""

    PREFIX = "f"

    q = search_field()
    kind = forms.ChoiceField(
        label=_("Kind"),
        required=False,
        choices=lazy(class_choices, list)(),
        error_messages={"invalid_choice": _("There is no kind of failure “%(value)s”. Showing all kinds.")},
    )

    def apply(self, rows: Iterable[Execution]) -> list[Execution]:
        """Return the failures of that class whose pipeline, message or run holds the text."""
        kind, needle = self.values.get("kind", ""), self.values.get("q", "").strip().casefold()
        return [
            row
            for row in rows
            if (not kind or row.error_class == kind)
            and needle in f"{row.entity_name}\n{row.error_text}\n#{row.run_id}".casefold()
        ]

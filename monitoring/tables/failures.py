"""The recent failures as a table: what failed, what its message means, what to do, the driver's words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.selectors.run_lines import ExecutionLine
from monitoring.tables.base import Column, PortalTable, ReadingColumn, TimeColumn
from monitoring.tables.runs import RunIdColumn
from monitoring.templatetags import parts
from monitoring.templatetags.sentences import pipeline_link
from monitoring.wording import failure_text, label


class FailedAtColumn(TimeColumn):
    """When, and how long ago."""

    def render(self, value: datetime) -> SafeString:
        return format_html("{} <br>{}", parts.when(value), parts.age(value))


class PipelineColumn(Column):
    def render(self, value: str) -> SafeString:
        return pipeline_link(value)


class MeaningColumn(Column):
    """The class of the failure, its meaning, the names in the message, what to do."""

    def render(self, record: ExecutionLine) -> SafeString:
        words = failure_text(record.error)
        names = format_html('<span class="failure__names">{}</span>', words.names) if words.names else ""
        return format_html(
            '<div class="failure"><p class="failure__kind">{}</p><p>{} {}</p><p class="failure__advice">{}</p></div>',
            words.title,
            words.meaning,
            names,
            words.advice,
        )

    def value(self, record: ExecutionLine) -> str:
        return label(record.error.error_class)


class WordsColumn(Column):
    """One of the message's explanations; only in exports, as the page shows it inside another column."""

    def __init__(self, part: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, accessor="error", visible=False, orderable=False, **kwargs)
        self.part = part

    def value(self, record: ExecutionLine) -> str:
        return str(getattr(failure_text(record.error), self.part))


class MessageColumn(Column):
    """The server's own words in one line; the driver's whole text under them, to select and copy."""

    def render(self, value: str, record: ExecutionLine) -> SafeString:
        if not value:
            return parts.none(gettext("the runner wrote no message"))
        return format_html(
            '<details class="disclosure failure__message" id="failure-{}">'
            '<summary>{}<span class="failure__first">{}</span></summary><p class="mono small wrap">{}</p></details>',
            record.run_entity_id,
            parts.icon("chevron-right", "disclosure__sign"),
            record.error.words,
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
    meaning = WordsColumn("meaning", verbose_name=_("Meaning"))
    advice = WordsColumn("advice", verbose_name=_("What to do"))
    duration = ReadingColumn("duration", verbose_name=_("Duration"), unit="s")
    message = MessageColumn(accessor="error_message", verbose_name=_("Message"))

    class Meta:
        order_by = "-at"
        prefix = "f-"
        empty_text = _("No failure matches.")

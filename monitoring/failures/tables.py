from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import ErrorClass, FailureState
from monitoring.web import graphics, parts
from monitoring.web.failure_groups import DayCount, FailureGroup, days_sentence
from monitoring.web.filters import TableForm, choices, kind_field, pipeline_field, search_field
from monitoring.web.labels import label
from monitoring.web.parts import pipeline_link
from monitoring.web.problems import advice_for
from monitoring.web.tables import (
    EXPORT_ONLY,
    Column,
    CountColumn,
    MessageColumn,
    PipelineColumn,
    PortalTable,
    RunIdColumn,
    SecondsColumn,
    StatusColumn,
    TimeColumn,
    WordsColumn,
    YesNoColumn,
)

PIPELINES_SHOWN = 3


class FailureGroupsTable(PortalTable):
    key = staticmethod(lambda row: row.fingerprint)
    caption = _("Failures, grouped")

    kind = Column(verbose_name=_("Failure"), help="failure_group", rank=lambda row: label(row.kind).casefold())
    state = StatusColumn(verbose_name=_("State"), help="failure_state")
    count = CountColumn(verbose_name=_("Executions"))
    runs = CountColumn(verbose_name=_("Runs"))
    pipelines = Column(verbose_name=_("Pipelines"), rank=lambda row: len(row.pipelines))
    first_seen = TimeColumn(verbose_name=_("First seen"), unit="UTC")
    last_seen = TimeColumn(verbose_name=_("Last seen"), unit="UTC")
    last_run_id = RunIdColumn(verbose_name=_("Last run"))
    days = Column(verbose_name=_("Per day"), orderable=False)
    unresolved = Column(verbose_name=_("Unresolved in"), **EXPORT_ONLY)
    meaning = WordsColumn("meaning", accessor="error", verbose_name=_("Meaning"))
    advice = WordsColumn("advice", accessor="error", verbose_name=_("What to do"))
    native = Column(verbose_name=_("Error number"), accessor="error__number", **EXPORT_ONLY)
    sqlstate = Column(verbose_name=_("SQLSTATE"), accessor="error__sqlstate", **EXPORT_ONLY)
    severity = Column(verbose_name=_("Severity"), accessor="error__severity", **EXPORT_ONLY)
    constraint = Column(verbose_name=_("Constraint"), accessor="error__constraint", **EXPORT_ONLY)
    object = Column(verbose_name=_("Table or object"), accessor="error__object", **EXPORT_ONLY)
    column = Column(verbose_name=_("Column"), accessor="error__column", **EXPORT_ONLY)
    message = Column(verbose_name=_("Latest message"), accessor="error__text", **EXPORT_ONLY)
    fingerprint = Column(verbose_name=_("Fingerprint"), **EXPORT_ONLY)

    class Meta:
        order_by = "-last_seen"
        empty_text = _("No failure matches.")

    def render_kind(self, record: FailureGroup) -> SafeString:
        words = advice_for(record.error)
        names = format_html('<span class="failure__names">{}</span>', words.names) if words.names else ""
        return format_html(
            '<div class="failure"><p class="failure__kind"><a href="{}">{}</a></p><p>{} {}</p></div>',
            reverse("monitoring:failure-group", args=(record.fingerprint,)),
            words.title,
            words.meaning,
            names,
        )

    def value_kind(self, value: ErrorClass) -> str:
        return label(value)

    def render_state(self, value: FailureState, record: FailureGroup) -> SafeString:
        if not record.unresolved:
            return parts.status(value)
        return format_html('{} <span class="tag">{}</span>', parts.status(value), gettext("unresolved"))

    def value_state(self, value: FailureState) -> str:
        return label(value)

    def render_pipelines(self, value: tuple[str, ...]) -> SafeString:
        links = format_html_join(", ", "{}", ((pipeline_link(name),) for name in value[:PIPELINES_SHOWN]))
        more = len(value) - PIPELINES_SHOWN
        if more <= 0:
            return links
        return format_html("{} {}", links, ngettext("and %(more)d more", "and %(more)d more", more) % {"more": more})

    def value_pipelines(self, value: tuple[str, ...]) -> str:
        return ", ".join(value)

    def render_days(self, value: tuple[DayCount, ...]) -> SafeString:
        return graphics.day_bars([number for _, number in value], days_sentence(value))

    def value_days(self, value: tuple[DayCount, ...]) -> str:
        return " ".join(str(number) for _, number in value)

    def value_unresolved(self, value: tuple[str, ...]) -> str:
        return ", ".join(value)


class GroupExecutionsTable(PortalTable):
    presorted = True
    caption = _("Executions that failed like this")

    run_id = RunIdColumn(verbose_name=_("Run"), css="sticky")
    entity_name = PipelineColumn(verbose_name=_("Pipeline"), orderable=False)
    started_at = TimeColumn(verbose_name=_("Started"), orderable=False)
    finished_at = TimeColumn(verbose_name=_("Finished"), orderable=False)
    seconds = SecondsColumn(verbose_name=_("Duration"), orderable=False)
    extracted = CountColumn(verbose_name=_("Extracted"), orderable=False)
    error_message = MessageColumn(verbose_name=_("Message"), orderable=False)

    class Meta:
        orderable = False
        row_attrs = {"data-row": lambda record: str(record.run_entity_id)}


class GroupPartsTable(PortalTable):
    key = staticmethod(lambda row: row.entity_name)
    caption = _("Pipelines with this failure")

    entity_name = PipelineColumn(verbose_name=_("Pipeline"), orderable=False)
    still = YesNoColumn(verbose_name=_("Unresolved"), help="failure_unresolved", orderable=False)
    count = CountColumn(verbose_name=_("Executions"), orderable=False)
    first_seen = TimeColumn(verbose_name=_("First seen"), orderable=False)
    last_seen = TimeColumn(verbose_name=_("Last seen"), orderable=False)
    last_run_id = RunIdColumn(verbose_name=_("Last run"), orderable=False)


class FailureGroupsForm(TableForm):
    q = search_field()
    kind = kind_field()
    pipeline = pipeline_field("failure-pipelines")
    state = forms.MultipleChoiceField(
        label=_("State"),
        required=False,
        choices=lazy(choices, list)(FailureState),
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

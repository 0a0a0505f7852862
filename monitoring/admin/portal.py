"""The portal's own tables: editable settings, read-only collector data and activity log."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.admin import filters
from monitoring.admin.readonly import KeyedAdmin, Links, ReadOnlyAdmin, detail_url
from monitoring.models import (
    CollectorState,
    EtlRun,
    EtlRunEntity,
    PipelineRollup,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    TrailEntry,
    UserPreferences,
    scope,
)
from monitoring.rules.enums import TrailAction, TrailOutcome
from monitoring.web import labels as web_labels

RULES = (
    ("late_warning_minutes", "late_critical_minutes"),
    ("no_run_warning_hours", "no_run_critical_hours"),
    ("failure_warning_percent", "failure_critical_percent"),
    ("coverage_warning_points", "coverage_critical_points"),
)
"""Pairs of thresholds: the warning may not be above the critical one."""


class PipelineSettingsForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "entity_name" in self.fields:
            taken = set(PipelineSettings.objects.values_list("entity_name", flat=True))
            names = filters.pipeline_names()
            if names:
                free = [("", "---------"), *((name, name) for name in names if name not in taken)]
                self.fields["entity_name"] = forms.ChoiceField(
                    label=_("pipeline"),
                    choices=free,
                    help_text=_("Pipelines that have no settings yet. One row of ctl.etl_control is one pipeline."),
                )
            else:
                self.fields["entity_name"].help_text = _(
                    "The control rows cannot be read now. Enter entity_name exactly as in ctl.etl_control."
                )

    def clean_entity_name(self) -> str:
        """Refuse a pipeline outside the user's scope, even if typed."""
        name: str = self.cleaned_data["entity_name"]
        if not scope.within(name):
            raise forms.ValidationError(gettext("There is no pipeline “%(name)s” in ctl.etl_control.") % {"name": name})
        return name

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for warning, critical in RULES:
            low, high = cleaned.get(warning), cleaned.get(critical)
            if low is not None and high is not None and low > high:
                self.add_error(critical, gettext("Critical cannot come before the warning (%(low)s).") % {"low": low})
        return cleaned


@admin.register(PipelineSettings)
class PipelineSettingsAdmin(admin.ModelAdmin):
    form = PipelineSettingsForm
    list_display = (
        *("entity_name", "owner", "is_required"),
        *("late_warning_minutes", "late_critical_minutes", "updated_at"),
    )
    search_fields = ("entity_name", "owner")
    show_full_result_count = False
    readonly_fields = ("updated_at",)
    fieldsets = (
        (None, {"fields": ("entity_name", "owner", "is_required")}),
        (
            _("How to read it"),
            {"fields": ("watermark_expression", "target_updated_column", "target_updated_is_load_time")},
        ),
        (_("Checks and latest rows"), {"fields": ("status_words", "masked_columns")}),
        (_("When to warn"), {"fields": RULES, "description": _("Empty: the portal's default.")}),
        (None, {"fields": ("updated_at",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "entity_name") if obj else self.readonly_fields


@admin.register(CollectorState)
class CollectorStateAdmin(ReadOnlyAdmin):
    list_display = ("lease_holder", "lease_until", "ticked_at", "tick_milliseconds", "sampled_at", "version")
    hidden_fields = ("payload",)
    more_fields = ("snapshot_bytes",)

    @admin.display(description=_("snapshot (bytes)"))
    def snapshot_bytes(self, row: CollectorState) -> int | None:
        return len(row.payload) if row.payload is not None else None


class OwnKeyedAdmin(KeyedAdmin):
    period_at = "sampled_at"
    search_fields = ("id",)
    search_help_text = _("A row's number.")


@admin.register(PipelineSample)
class PipelineSampleAdmin(OwnKeyedAdmin):
    list_filter = (filters.WindowFilter, filters.PipelineFilter)
    list_display = (
        *("id", "sampled_at", "entity_name", "status", "source_total"),
        *("target_total", "eligible", "cooling", "served_lag_seconds", "problem"),
    )


@admin.register(PipelineRollup)
class PipelineRollupAdmin(OwnKeyedAdmin):
    period_at = "start"
    list_display = (
        *("id", "start", "grain", "entity_name", "samples", "status_worst", "source_total", "target_total"),
        *("eligible_max", "served_lag_seconds_max", "coverage_percent_last", "executions"),
        *("succeeded", "failed", "upserted", "duration_seconds_max"),
    )
    list_filter = (filters.WindowFilter, filters.GrainFilter, filters.PipelineFilter)


@admin.register(RunCopy)
class RunCopyAdmin(KeyedAdmin):
    period_at = "started_at"
    list_display = (
        *("run_id", "status", "started_at", "finished_at", "started_by", "entities_succeeded", "entities_failed"),
    )
    list_filter = (filters.WindowFilter, filters.RunStatusFilter)
    search_fields = ("run_id", "started_by", "entities_requested", "error_message")
    search_help_text = _("A run number; or text within the period (7 days by default).")

    def links(self, request: HttpRequest, obj: RunCopy) -> Links:
        return [(_("The run itself"), detail_url(request, EtlRun, obj.run_id))]


@admin.register(RunEntityCopy)
class RunEntityCopyAdmin(KeyedAdmin):
    period_model, period_at, period_key = RunCopy, "started_at", "run_id"
    list_display = (
        *("run_entity_id", "run_id", "entity_name", "status", "started_at"),
        *("finished_at", "extracted", "upserted", "soft_deleted"),
    )
    list_filter = (filters.WindowFilter, filters.ExecutionStatusFilter, filters.PipelineFilter)
    search_fields = ("run_entity_id", "entity_name", "error_message")
    search_help_text = _("A run number, or # and an execution number; or text within the period.")

    def links(self, request: HttpRequest, obj: RunEntityCopy) -> Links:
        return [(_("The execution itself"), detail_url(request, EtlRunEntity, obj.run_entity_id))]


@admin.register(UserPreferences)
class UserPreferencesAdmin(admin.ModelAdmin):
    list_display = ("user", "language", "time_zone", "theme", "auto_refresh", "refresh_seconds")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    raw_id_fields = ("user",)
    show_full_result_count = False


@admin.register(TrailEntry)
class TrailEntryAdmin(KeyedAdmin):
    period_at = "at"
    list_display = ("id", "at", "user_name", "address", "action_words", "object", "outcome_words")
    list_filter = (filters.WindowFilter, filters.ActionFilter, filters.OutcomeFilter)
    search_fields = ("id", "user_name", "address", "object")
    search_help_text = _("An entry number; or a user, address or object within the period (7 days by default).")
    hidden_fields = ("action", "outcome", "detail")
    more_fields = ("action_words", "outcome_words", "detail_json")

    @admin.display(description=_("action"))
    def action_words(self, row: TrailEntry) -> Any:
        return web_labels.label(TrailAction(row.action)) if row.action in set(TrailAction) else row.action

    @admin.display(description=_("outcome"))
    def outcome_words(self, row: TrailEntry) -> Any:
        return web_labels.label(TrailOutcome(row.outcome)) if row.outcome in set(TrailOutcome) else row.outcome

    @admin.display(description=_("detail"))
    def detail_json(self, row: TrailEntry) -> str:
        return json.dumps(row.detail, ensure_ascii=False, sort_keys=True)

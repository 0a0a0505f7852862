"""The portal's own tables: what people decide is edited here, what the collector saw is only read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring import scope
from monitoring.admin import filters
from monitoring.admin.addresses import Links, detail_url
from monitoring.admin.columns import key, moment
from monitoring.admin.readonly import KeyedAdmin, OfThePortalAdmin, ReadOnlyAdmin
from monitoring.models import (
    CollectorState,
    EtlRun,
    EtlRunEntity,
    PipelineDay,
    PipelineHour,
    PipelineRunDay,
    PipelineSample,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    UserPreferences,
)

RULES = (
    ("late_warning_minutes", "late_critical_minutes"),
    ("no_run_warning_hours", "no_run_critical_hours"),
    ("failure_warning_percent", "failure_critical_percent"),
    ("coverage_warning_points", "coverage_critical_points"),
)
"""Pairs of thresholds: the warning comes first, so it may not be above the critical one."""


class PipelineSettingsForm(forms.ModelForm):
    """Chooses among the control rows, whatever their names are; checks that thresholds make sense."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "entity_name" in self.fields:
            taken = set(PipelineSettings.objects.values_list("entity_name", flat=True))
            names = [name for name in filters.pipeline_names() if name]
            if names:
                free = [("", "---------"), *((name, name) for name in names if name not in taken)]
                self.fields["entity_name"] = forms.ChoiceField(
                    label=_("pipeline"),
                    choices=free,
                    help_text=_("Pipelines that have no settings yet. One row of ctl.etl_control is one pipeline."),
                )
            else:
                self.fields["entity_name"].help_text = _(
                    "The control rows cannot be read now: type entity_name as it stands in ctl.etl_control."
                )

    def clean_entity_name(self) -> str:
        """Nobody decides about a pipeline that they do not see, whether its name can be chosen or is typed."""
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
        "entity_name",
        "owner",
        "is_required",
        "late_warning_minutes",
        "late_critical_minutes",
        "updated_at",
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
        (_("Checks and newest rows"), {"fields": ("status_words", "masked_columns")}),
        (
            _("When to warn"),
            {"fields": RULES, "description": _("Empty: the portal's default.")},
        ),
        (None, {"fields": ("updated_at",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """The name is the key: it is chosen once."""
        return (*self.readonly_fields, "entity_name") if obj else self.readonly_fields


@admin.register(CollectorState)
class CollectorStateAdmin(ReadOnlyAdmin, OfThePortalAdmin):
    change_list_template = "admin/monitoring/whole_list.html"
    change_form_template = "admin/monitoring/detail.html"
    list_display = (
        "lease_holder",
        moment("lease_until"),
        moment("ticked_at"),
        "tick_milliseconds",
        moment("sampled_at"),
        "version",
    )
    hidden_fields = ("payload",)
    more_fields = ("snapshot_bytes",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        from monitoring.admin.paging import WholeChangeList

        return WholeChangeList

    @admin.display(description=_("snapshot (bytes)"))
    def snapshot_bytes(self, row: CollectorState) -> int | None:
        return len(row.payload) if row.payload is not None else None


class OwnKeyedAdmin(KeyedAdmin):
    """A table that the collector fills: paged by `id`, periods by its own indexed time."""

    page_key = period_key = period_column = "id"
    period_at = "sampled_at"
    list_filter = (filters.WindowFilter, filters.PipelineFilter)
    search_help_text = _("A row's number.")


@admin.register(PipelineSample)
class PipelineSampleAdmin(OwnKeyedAdmin):
    list_display = (
        key("id"),
        moment("sampled_at"),
        "entity_name",
        "status",
        "source_total",
        "target_total",
        "eligible",
        "cooling",
        "served_lag_seconds",
        "problem",
    )


class RollUpAdmin(OwnKeyedAdmin):
    figures = (
        "entity_name",
        "samples",
        "status_worst",
        "source_total",
        "target_total",
        "eligible_max",
        "served_lag_seconds_max",
        "coverage_percent_last",
    )


@admin.register(PipelineHour)
class PipelineHourAdmin(RollUpAdmin):
    period_at = "hour"
    list_display = (key("id"), moment("hour"), *RollUpAdmin.figures)


@admin.register(PipelineDay)
class PipelineDayAdmin(RollUpAdmin):
    period_at = "day"
    list_display = (key("id"), moment("day"), *RollUpAdmin.figures)


@admin.register(PipelineRunDay)
class PipelineRunDayAdmin(OwnKeyedAdmin):
    period_at = "day"
    list_display = (
        key("id"),
        moment("day"),
        "entity_name",
        "executions",
        "succeeded",
        "failed",
        "upserted",
        "duration_seconds_max",
    )


@admin.register(RunCopy)
class RunCopyAdmin(KeyedAdmin):
    page_key = period_key = period_column = "run_id"
    period_at = "started_at"
    list_display = (
        key("run_id"),
        "status",
        moment("started_at"),
        moment("finished_at"),
        "started_by",
        "entities_succeeded",
        "entities_failed",
    )
    list_filter = (filters.WindowFilter, filters.RunStatusFilter)
    search_texts = ("started_by", "entities_requested", "error_message")
    search_help_text = _("A run's number; or a text within the period (7 days unless chosen).")

    def links(self, request: HttpRequest, obj: RunCopy) -> Links:
        return [(_("The run itself"), detail_url(request, EtlRun, obj.run_id))]


@admin.register(RunEntityCopy)
class RunEntityCopyAdmin(KeyedAdmin):
    page_key = "run_entity_id"
    period_model = RunCopy
    period_at = "started_at"
    period_key = period_column = run_key = "run_id"
    list_display = (
        key("run_entity_id"),
        key("run_id"),
        "entity_name",
        "status",
        moment("started_at"),
        moment("finished_at"),
        "extracted",
        "upserted",
        "soft_deleted",
    )
    list_filter = (filters.WindowFilter, filters.ExecutionStatusFilter, filters.PipelineFilter)
    search_texts = ("entity_name", "error_message")
    search_help_text = _("A run's number, or # and a run entity's number; or a text within the period.")

    def key_column(self, term: str) -> str:
        return "run_entity_id" if term.startswith("#") else "run_id"

    def links(self, request: HttpRequest, obj: RunEntityCopy) -> Links:
        return [(_("The run entity itself"), detail_url(request, EtlRunEntity, obj.run_entity_id))]


@admin.register(UserPreferences)
class UserPreferencesAdmin(admin.ModelAdmin):
    list_display = ("user", "language", "time_zone", "theme", "auto_refresh", "refresh_seconds")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    raw_id_fields = ("user",)
    show_full_result_count = False

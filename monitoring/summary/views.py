from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.access import CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.rules.enums import Grain, PipelineStatus
from monitoring.rules.facts import Execution, Snapshot
from monitoring.rules.figures import CHART_DAYS
from monitoring.rules.running import running_now
from monitoring.summary import figures
from monitoring.summary.queries import (
    FAILURES_DAYS,
    DayRuns,
    recent_failures,
    runs_by_day,
    sample_trend,
    volume_by_pipeline,
)
from monitoring.summary.tables import FAILURES_SHOWN, FailuresForm, FailuresTable, MatrixTable
from monitoring.web import export
from monitoring.web.alert_texts import verdict_clause, verdict_next, verdict_text
from monitoring.web.blocks import Block, Page
from monitoring.web.cache import cached_once
from monitoring.web.failure_groups import in_short
from monitoring.web.filters import MatrixForm, filters, range_choice
from monitoring.web.graphics import run_grid
from monitoring.web.links import around_failed
from monitoring.web.parts import sign_of
from monitoring.web.preflight import OPENING
from monitoring.web.readings import pipeline_readings

T = TypeVar("T")

HISTORY_SECONDS = 60
"""Cache time of figures over days, while the snapshot stays the same."""

ATTENTION_SHOWN = 5

ROLLED_UP = {Grain.HOUR: _("hourly averages (roll-up)"), Grain.DAY: _("daily averages (roll-up) of UTC days")}

STATUSES = (
    PipelineStatus.FAILED,
    PipelineStatus.STRUCTURE_MISSING,
    PipelineStatus.UNKNOWN,
    PipelineStatus.NEVER_RUN,
    PipelineStatus.RUNNING,
    PipelineStatus.OK,
)
"""Worst first."""


class SummaryBlock(Block):
    same_for_all = True

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {"empty": True}
        return {"empty": False, **self.filled(current, current.snapshot)}

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        raise NotImplementedError


class SummaryAttention(SummaryBlock):
    name = "summary-attention"
    follows_address = False
    template_name = "monitoring/summary/_attention.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        total = len(snapshot.verdicts)
        return {
            "total": total,
            "more": max(0, total - ATTENTION_SHOWN),
            "judged": any(pipeline.control.is_active for pipeline in snapshot.pipelines),
            "items": [
                {
                    "severity": verdict.severity,
                    "tone": sign_of(verdict.severity).tone,
                    "what": verdict_clause(verdict),
                    "since": verdict.since,
                    "why": verdict_text(verdict),
                    "next": verdict_next(verdict),
                }
                for verdict in snapshot.verdicts[:ATTENTION_SHOWN]
            ],
        }


class SummaryRunning(SummaryBlock):
    name = "summary-running"
    follows_address = False
    template_name = "monitoring/summary/_running.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        last = next((run for run in snapshot.recent_runs if run.finished_at is not None), None)
        return {"runs": running_now(snapshot), "last": last, "problem": snapshot.problem}


class SummaryKpis(SummaryBlock):
    name = "summary-kpis"
    template_name = "monitoring/summary/_kpis.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        now, page = snapshot.sampled_at, reverse("monitoring:summary")
        choice = range_choice(self.request, "trend", page)
        window = choice["window"]
        trend = _per_version(current, f"sample-trend:{window}", lambda: sample_trend(now, window))
        return {
            "cards": figures.cards(
                snapshot, trend, _runs_by_day(current, snapshot), at=current.ticked_at or now, page=page
            ),
            **choice,
            "rolled_up": ROLLED_UP.get(trend.grain, ""),
        }


class SummaryGrid(SummaryBlock):
    name = "summary-grid"
    follows_address = False
    template_name = "monitoring/summary/_grid.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        counted = dict(snapshot.overview.by_status)
        return {"grid": run_grid(snapshot), "statuses": [(each, counted.get(each, 0)) for each in STATUSES]}


class SummaryMatrix(SummaryBlock):
    name = "summary-matrix"
    template_name = "monitoring/summary/_matrix.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        form, table, total = matrix_table(self.request, current)
        return {
            **filters(self.request, form, gettext("Filter the pipelines"), reverse("monitoring:summary")),
            "table": table,
            "total": total,
            "exports": export.links(self.request, "monitoring:summary-matrix-export"),
        }


class SummaryCharts(SummaryBlock):
    name = "summary-charts"
    follows_address = False
    template_name = "monitoring/summary/_charts.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        now, zone = snapshot.sampled_at, timezone.get_current_timezone()
        days = _runs_by_day(current, snapshot)
        runs_chart = figures.runs_by_day_chart(days)
        volumes = _per_version(current, f"volume:{zone}", lambda: volume_by_pipeline(now, zone))
        return {
            "runs_chart": runs_chart,
            "runs_rows": figures.runs_by_day_rows(runs_chart),
            "runs_sentence": figures.runs_by_day_sentence(days),
            "volumes": volumes,
            "volume_chart": figures.volume_chart(volumes),
            "volume_sentence": figures.volume_sentence(volumes, CHART_DAYS),
            "height": "md" if len(volumes) <= figures.FEW_BARS else "lg",
            "drawn": figures.BARS,
        }


class SummaryFailures(SummaryBlock):
    name = "summary-failures"
    rights = (CONNECTIONS,)
    template_name = "monitoring/summary/_failures.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        form, table, found = failures_table(self.request, current)
        table.around = around_failed(self.request)
        table.stop_at(FAILURES_SHOWN)
        return {
            **filters(self.request, form, gettext("Filter the failures"), reverse("monitoring:summary")),
            "table": table,
            "found": found,
            "failure_days": FAILURES_DAYS,
            "exports": export.links(self.request, "monitoring:summary-failures-export"),
        }


class SummaryFailureGroups(SummaryBlock):
    name = "summary-failure-groups"
    template_name = "monitoring/summary/_failure_groups.html"

    def filled(self, current: Current, snapshot: Snapshot) -> dict[str, Any]:
        return in_short(current, self.request.user, reverse("monitoring:failures"))


BLOCKS: tuple[type[Block], ...] = (
    SummaryAttention,
    SummaryRunning,
    SummaryKpis,
    SummaryGrid,
    SummaryMatrix,
    SummaryCharts,
    SummaryFailureGroups,
    SummaryFailures,
)


class SummaryPage(Page):
    name = "summary"
    template_name = "monitoring/summary.html"
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)


def _per_version(current: Current, name: str, make: Callable[[], T]) -> T:
    """Call `make` once per snapshot for all users."""
    return cached_once(f"summary:{name}:{current.version}", make, fresh=lambda value: HISTORY_SECONDS)


def _runs_by_day(current: Current, snapshot: Snapshot) -> tuple[DayRuns, ...]:
    zone = timezone.get_current_timezone()
    return _per_version(current, f"runs:{zone}", lambda: runs_by_day(snapshot.sampled_at, zone))


def matrix_table(request: HttpRequest, current: Current) -> tuple[MatrixForm, MatrixTable, int]:
    """Return the form, the table of the pipelines that match it, and the number of all pipelines."""
    rows = pipeline_readings(current.snapshot)
    form = MatrixForm(request.GET, sortable=MatrixTable.sortable())
    return form, MatrixTable(form.apply(rows), order_by=form.order), len(rows)


def failures_table(request: HttpRequest, current: Current) -> tuple[FailuresForm, FailuresTable, list[Execution]]:
    """Return the form, the table of the failures that match it, and all recent failures."""
    at = current.snapshot.sampled_at if current.snapshot else current.now
    logins = may(request.user, CONNECTIONS)
    found = _per_version(current, f"failures-{logins}", lambda: recent_failures(at, logins=logins))
    form = FailuresForm(request.GET, prefix=FailuresForm.PREFIX, sortable=FailuresTable.sortable())
    return form, FailuresTable(form.apply(found), order_by=form.order), found

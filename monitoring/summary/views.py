"""The summary: is anything wrong, since when, what to do; then what runs, the figures, the pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from monitoring.access import CONNECTIONS, may
from monitoring.collector.snapshot import Current
from monitoring.rules.facts import Run, Snapshot, Verdict
from monitoring.rules.figures import CHART_DAYS, DEFAULT_RANGE, RANGES
from monitoring.rules.running import running_now
from monitoring.summary import cards as kpi_cards
from monitoring.summary import cards as kpis
from monitoring.summary import charts, failures
from monitoring.summary import queries as summary
from monitoring.summary.failures import FailuresForm, FailuresTable
from monitoring.summary.queries import DayRuns, runs_by_day, volume_by_pipeline
from monitoring.summary.tables import MatrixTable
from monitoring.templatetags.run_grid import run_grid
from monitoring.web import export, trends
from monitoring.web.alert_texts import verdict_clause, verdict_next, verdict_text
from monitoring.web.audit_links import around_failed
from monitoring.web.blocks import Block, Page
from monitoring.web.cache import cached_once
from monitoring.web.failure_groups import in_short
from monitoring.web.filters import RANGE_LABELS, MatrixForm, TableForm
from monitoring.web.parts import sign_of
from monitoring.web.preflight import OPENING
from monitoring.web.readings import pipeline_readings

T = TypeVar("T")

HISTORY_SECONDS = 60
"""How long figures over days may be reused while the snapshot stays the same."""


class SummaryBlock(Block):
    """A block that is made of the snapshot: without one it says that nothing was sampled yet."""

    same_for_all = True

    def context(self, current: Current) -> dict[str, Any]:
        if current.snapshot is None:
            return {"empty": True}
        return {"empty": False, **self.filled(current)}

    def filled(self, current: Current) -> dict[str, Any]:
        """Return the variables of a block that has a snapshot."""
        raise NotImplementedError


class SummaryAttention(SummaryBlock):
    name = "summary-attention"
    follows_address = False
    template_name = "monitoring/summary/_attention.html"

    def filled(self, current: Current) -> dict[str, Any]:
        found = summary.attention(current.snapshot)
        judged = any(pipeline.control.is_active for pipeline in current.snapshot.pipelines)
        return {"attention": found, "judged": judged, "items": [_worded(verdict) for verdict in found.verdicts]}


class SummaryRunning(SummaryBlock):
    name = "summary-running"
    follows_address = False
    template_name = "monitoring/summary/_running.html"

    def filled(self, current: Current) -> dict[str, Any]:
        runs = running_now(current.snapshot)
        return {"runs": runs, "last": _last_finished(current.snapshot), "problem": current.snapshot.problem}


class SummaryKpis(SummaryBlock):
    name = "summary-kpis"
    template_name = "monitoring/summary/_kpis.html"

    def filled(self, current: Current) -> dict[str, Any]:
        now, here = current.snapshot.sampled_at, reverse("monitoring:summary")
        asked = self.request.GET.get("trend", "")
        window = asked if asked in RANGES else DEFAULT_RANGE
        trend = _per_version(current, f"sample-trend:{window}", lambda: trends.sample_trend(now, window))
        days = _runs_by_day(current)
        found = kpis.kpis(current.snapshot, trend, days)
        query = self.request.GET.copy()
        addresses = []
        for key, label in RANGE_LABELS.items():
            query["trend"] = key
            addresses.append((key, label, f"{here}?{query.urlencode()}"))
        return {
            "cards": kpi_cards.cards(found, current.ticked_at or now, trend.window, CHART_DAYS, here),
            "windows": addresses,
            "window": window,
            "unknown_window": asked[:20] if asked and asked != window else "",
            "rolled_up": kpi_cards.rolled_up_note(trend.grain),
        }


class SummaryGrid(SummaryBlock):
    name = "summary-grid"
    follows_address = False
    template_name = "monitoring/summary/_grid.html"

    def filled(self, current: Current) -> dict[str, Any]:
        return {"grid": run_grid(current.snapshot), "statuses": kpis.statuses(current.snapshot)}


class SummaryMatrix(SummaryBlock):
    """The pipeline matrix. Its filters and its order are the page's address."""

    name = "summary-matrix"
    template_name = "monitoring/summary/_matrix.html"

    def filled(self, current: Current) -> dict[str, Any]:
        form, table, total = matrix_table(self.request, current)
        table.caption = gettext("Pipeline matrix")
        return {
            **_filters(self.request, form, gettext("Filter the pipelines")),
            "table": table,
            "total": total,
            "exports": export.links(self.request, "monitoring:summary-matrix-export"),
        }


class SummaryCharts(SummaryBlock):
    name = "summary-charts"
    follows_address = False
    template_name = "monitoring/summary/_charts.html"

    def filled(self, current: Current) -> dict[str, Any]:
        now, zone = current.snapshot.sampled_at, timezone.get_current_timezone()
        days = _runs_by_day(current)
        volumes = _per_version(current, f"volume:{zone}", lambda: volume_by_pipeline(now, zone))
        return {
            "runs_chart": charts.runs_by_day_chart(days),
            "runs_rows": charts.runs_by_day_rows(days),
            "runs_sentence": charts.runs_by_day_sentence(days),
            "volumes": volumes,
            "volume_chart": charts.volume_chart(volumes),
            "volume_sentence": charts.volume_sentence(volumes, CHART_DAYS),
            "height": "md" if len(volumes) <= charts.FEW_BARS else "lg",
            "drawn": charts.BARS,
        }


class SummaryFailures(SummaryBlock):
    name = "summary-failures"
    rights = (CONNECTIONS,)
    template_name = "monitoring/summary/_failures.html"

    def filled(self, current: Current) -> dict[str, Any]:
        form, table, found = failures_table(self.request, current)
        matching = len(table.rows)
        table.caption = gettext("Recent failures")
        table.around = around_failed(self.request)
        table.stop_at(failures.FAILURES_SHOWN)
        return {
            **_filters(self.request, form, gettext("Filter the failures")),
            "table": table,
            "found": found,
            "matching": matching,
            "failure_days": failures.FAILURES_DAYS,
            "exports": export.links(self.request, "monitoring:summary-failures-export"),
        }


class SummaryFailureGroups(SummaryBlock):
    name = "summary-failure-groups"
    template_name = "monitoring/summary/_failure_groups.html"

    def filled(self, current: Current) -> dict[str, Any]:
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
    """Return what `make` reads from the history: once per snapshot for all its viewers."""
    return cached_once(f"summary:{name}:{current.version}", make, fresh=lambda _: HISTORY_SECONDS)


def _runs_by_day(current: Current) -> tuple[DayRuns, ...]:
    zone = timezone.get_current_timezone()
    return _per_version(current, f"runs:{zone}", lambda: runs_by_day(current.snapshot.sampled_at, zone))


def _worded(verdict: Verdict) -> dict[str, Any]:
    """Return an open verdict as the list shows it: what, since when, why, next step."""
    return {
        "severity": verdict.severity,
        "tone": sign_of(verdict.severity).tone,
        "what": verdict_clause(verdict),
        "since": verdict.since,
        "why": verdict_text(verdict),
        "next": verdict_next(verdict),
    }


def _last_finished(snapshot: Snapshot) -> Run | None:
    return next((run for run in snapshot.recent_runs if run.finished_at is not None), None)


def _filters(request: HttpRequest, form: TableForm, label: str) -> dict[str, Any]:
    """Return what components/filters.html needs: the form, and the other blocks' part of the address."""
    page = reverse("monitoring:summary")
    carried = form.others(request.GET)
    clear = f"{page}?{urlencode(carried)}" if carried else page
    return {"form": form, "filter_label": label, "action": page, "carried": carried, "clear": clear}


def matrix_table(request: HttpRequest, current: Current) -> tuple[MatrixForm, MatrixTable, int]:
    """Return the form with what was asked, the table of the rows that match, and how many there are in all."""
    rows = pipeline_readings(current.snapshot)
    form = MatrixForm(request.GET, sortable=MatrixTable.sortable())
    return form, MatrixTable(form.apply(rows), order_by=form.values.get("sort") or "name"), len(rows)


class MatrixExport(export.TableExport):
    file_name = "pipelines"

    def get_table(self, current: Current) -> MatrixTable:
        return matrix_table(self.request, current)[1]


def failures_table(request: HttpRequest, current: Current) -> tuple[FailuresForm, FailuresTable, failures.Failures]:
    """Return the form with what was asked, the table of the failures that match, and all that were found."""
    at = current.snapshot.sampled_at if current.snapshot else current.now
    logins = may(request.user, CONNECTIONS)
    found = _per_version(current, f"failures-{logins}", lambda: failures.recent_failures(at, logins=logins))
    form = FailuresForm(request.GET, prefix=FailuresForm.PREFIX, sortable=FailuresTable.sortable())
    return form, FailuresTable(form.apply(found.rows), order_by=form.values.get("sort") or "-at"), found


class FailuresExport(export.TableExport):
    file_name = "failures"

    def get_table(self, current: Current) -> FailuresTable:
        return failures_table(self.request, current)[1]

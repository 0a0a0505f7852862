"""The portal's addresses. A page's blocks have addresses of their own, named as the blocks are."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path, register_converter
from django.views.generic import View

from monitoring.accounts.views import Preferences, PreferenceSet
from monitoring.connections import views as connections
from monitoring.failures import views as failure_groups
from monitoring.pipelines import checks as pipelines_checks
from monitoring.pipelines import source_rows as pipelines_source_rows
from monitoring.pipelines import views as pipelines
from monitoring.runs import views as runs
from monitoring.summary import views as summary
from monitoring.web import health
from monitoring.web.blocks import Block
from monitoring.web.export import Listing, TableExport
from monitoring.web.links import EntityConverter
from monitoring.web.preflight import OPENING

app_name = "monitoring"

register_converter(EntityConverter, "entity")

PIPELINE = "pipelines/<entity:entity>/"
FAILURE = "runs/failures/<slug:fingerprint>/"
CONNECTION_FILES = {
    "values": connections.ConnectionsFacets,
    "extraction": connections.ConnectionsExtraction,
    "findings": connections.ConnectionsFindings,
    "factors": connections.ConnectionsFactors,
    "events": connections.ConnectionsEvents,
}


def blocks(*classes: type[Block], prefix: str = "") -> list[URLPattern]:
    """Return an address per block, named as the block is."""
    return [path(f"{prefix}blocks/{block.name}/", block.as_view(), name=block.name) for block in classes]


def download(address: str, listing: Listing, file_name: str, *, name: str) -> URLPattern:
    return path(f"{address}.<str:kind>", TableExport.as_view(listing=listing, file_name=file_name), name=name)


def export(address: str, view: type[View], name: str, **options: Any) -> URLPattern:
    return path(f"{address}.<str:kind>", view.as_view(**options), name=f"{name}-export")


urlpatterns = [
    # The pages first: an open page is requested every few seconds, and addresses are tried in this order.
    path("", summary.SummaryPage.as_view(), name="summary"),
    path("pipelines/", pipelines.PipelinesPage.as_view(), name="pipelines"),
    path(PIPELINE, pipelines.PipelinePage.as_view(), name="pipeline"),
    path("runs/", runs.RunsPage.as_view(), name="runs"),
    path("runs/<int:run_id>/", runs.RunPage.as_view(), name="run"),
    path("runs/failures/", failure_groups.FailuresPage.as_view(), name="failures"),
    path(FAILURE, failure_groups.FailureGroupPage.as_view(), name="failure-group"),
    path("connections/", connections.ConnectionsPage.as_view(), name="connections"),
    *blocks(*OPENING),
    *blocks(*summary.BLOCKS),
    download("summary/pipelines", summary.matrix_table, "pipelines", name="summary-matrix-export"),
    download("summary/failures", summary.failures_table, "failures", name="summary-failures-export"),
    *blocks(pipelines.PipelinesList),
    path("pipelines/find", pipelines.FindPipeline.as_view(), name="pipeline-find"),
    download("pipelines/health", pipelines.pipelines_table, "pipeline-health", name="pipelines-export"),
    *blocks(*pipelines.BLOCKS, prefix=PIPELINE),
    path(f"{PIPELINE}settings/", pipelines.PipelineSettingsLink.as_view(), name="pipeline-settings"),
    path(f"{PIPELINE}checks/run/", pipelines_checks.RunChecks.as_view(), name="pipeline-checks-run"),
    path(f"{PIPELINE}sample/unmask/", pipelines_source_rows.Unmask.as_view(), name="pipeline-unmask"),
    export(f"{PIPELINE}sample", pipelines_source_rows.SampleExport, "pipeline-sample"),
    export(f"{PIPELINE}trends", pipelines.PipelineTrendsExport, "pipeline-trends"),
    export(f"{PIPELINE}executions", pipelines.PipelineExecutionsExport, "pipeline-executions"),
    *blocks(*runs.BLOCKS),
    export("runs/runs", runs.RunsExport, "runs-list"),
    download("runs/control", runs.control_table, "etl-control", name="runs-control-export"),
    *blocks(failure_groups.FailureGroupsBlock, prefix="runs/failures/"),
    download("runs/failures/groups", failure_groups.groups_table, "failure-groups", name="failure-groups-export"),
    *blocks(*failure_groups.GROUP_BLOCKS, prefix=FAILURE),
    path(f"{FAILURE}unmask/", failure_groups.FailureUnmask.as_view(), name="failure-unmask"),
    export(f"{FAILURE}executions", failure_groups.FailureGroupExecutionsExport, "failure-group-executions"),
    *blocks(*runs.RUN_BLOCKS, prefix="runs/<int:run_id>/"),
    export("runs/<int:run_id>/executions", runs.RunEntitiesExport, "run-entities"),
    *blocks(*connections.BLOCKS),
    path("connections/capture/", connections.ConnectionsCapturePage.as_view(), name="connections-capture"),
    *(
        export(f"connections/{file}", connections.AuditExport, block.name, block=block)
        for file, block in CONNECTION_FILES.items()
    ),
    path("preferences/", Preferences.as_view(), name="preferences"),
    path("preferences/set/", PreferenceSet.as_view(), name="preference-set"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

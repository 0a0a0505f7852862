"""The portal's addresses. A page's blocks have addresses of their own, named as the blocks are."""

from __future__ import annotations

from django.urls import URLPattern, path, register_converter

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


urlpatterns = [
    # The pages first: whoever has one open asks for it every few seconds, and addresses are tried in this order.
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
    path(f"{PIPELINE}sample.<str:kind>", pipelines_source_rows.SampleExport.as_view(), name="pipeline-sample-export"),
    path(f"{PIPELINE}trends.<str:kind>", pipelines.PipelineTrendsExport.as_view(), name="pipeline-trends-export"),
    path(
        f"{PIPELINE}executions.<str:kind>",
        pipelines.PipelineExecutionsExport.as_view(),
        name="pipeline-executions-export",
    ),
    *blocks(*runs.BLOCKS),
    path("runs/runs.<str:kind>", runs.RunsExport.as_view(), name="runs-list-export"),
    download("runs/control", runs.control_table, "etl-control", name="runs-control-export"),
    *blocks(failure_groups.FailureGroupsBlock, prefix="runs/failures/"),
    download("runs/failures/groups", failure_groups.groups_table, "failure-groups", name="failure-groups-export"),
    *blocks(*failure_groups.GROUP_BLOCKS, prefix=FAILURE),
    path(f"{FAILURE}unmask/", failure_groups.FailureUnmask.as_view(), name="failure-unmask"),
    path(
        f"{FAILURE}executions.<str:kind>",
        failure_groups.FailureGroupExecutionsExport.as_view(),
        name="failure-group-executions-export",
    ),
    *blocks(*runs.RUN_BLOCKS, prefix="runs/<int:run_id>/"),
    path("runs/<int:run_id>/executions.<str:kind>", runs.RunEntitiesExport.as_view(), name="run-entities-export"),
    *blocks(*connections.BLOCKS),
    path("connections/capture/", connections.ConnectionsCapturePage.as_view(), name="connections-capture"),
    *(
        path(
            f"connections/{file}.<str:kind>", connections.AuditExport.as_view(block=block), name=f"{block.name}-export"
        )
        for file, block in CONNECTION_FILES.items()
    ),
    path("preferences/", Preferences.as_view(), name="preferences"),
    path("preferences/set/", PreferenceSet.as_view(), name="preference-set"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

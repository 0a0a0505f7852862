"""Pipeline health: `/pipelines/` and `/pipelines/<entity>/`."""

from monitoring.views.pipelines.checks import RunChecks
from monitoring.views.pipelines.facts import PipelineSettingsLink
from monitoring.views.pipelines.history import PipelineExecutionsExport, PipelineTrendsExport
from monitoring.views.pipelines.listing import FindPipeline, PipelinesExport, PipelinesList, PipelinesPage
from monitoring.views.pipelines.page import BLOCKS, PipelinePage
from monitoring.views.pipelines.sample import SampleExport, Unmask

__all__ = [
    "BLOCKS",
    "FindPipeline",
    "PipelineExecutionsExport",
    "PipelinePage",
    "PipelineSettingsLink",
    "PipelineTrendsExport",
    "PipelinesExport",
    "PipelinesList",
    "PipelinesPage",
    "RunChecks",
    "SampleExport",
    "Unmask",
]

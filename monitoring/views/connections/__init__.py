"""The connection audit: who was connected to the warehouse, when, from where; and one snapshot on request."""

from __future__ import annotations

from monitoring.views.connections.activity import (
    ConnectionsActivity,
    ConnectionsExtraction,
    ConnectionsFacets,
    ExtractionExport,
    FacetExport,
)
from monitoring.views.connections.capture import ConnectionsCapturePage
from monitoring.views.connections.events import ConnectionsEvents, EventsExport
from monitoring.views.connections.findings import (
    ConnectionsFactors,
    ConnectionsFindings,
    ConnectionsRuns,
    FactorsExport,
    FindingsExport,
)
from monitoring.views.connections.page import BLOCKS, ConnectionsPage

__all__ = [
    "BLOCKS",
    "ConnectionsActivity",
    "ConnectionsCapturePage",
    "ConnectionsEvents",
    "ConnectionsExtraction",
    "ConnectionsFacets",
    "ConnectionsFactors",
    "ConnectionsFindings",
    "ConnectionsPage",
    "ConnectionsRuns",
    "EventsExport",
    "ExtractionExport",
    "FacetExport",
    "FactorsExport",
    "FindingsExport",
]

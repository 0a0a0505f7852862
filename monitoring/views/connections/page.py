"""The page of the connection audit."""

from __future__ import annotations

from typing import Any, ClassVar

from monitoring.selectors.snapshot import Current
from monitoring.sight import may
from monitoring.views.blocks import Block, Page
from monitoring.views.connections.activity import ConnectionsActivity, ConnectionsExtraction, ConnectionsFacets
from monitoring.views.connections.base import CAPTURE, SEE, Asked
from monitoring.views.connections.events import ConnectionsEvents
from monitoring.views.connections.findings import ConnectionsFactors, ConnectionsFindings, ConnectionsRuns
from monitoring.views.preflight import OPENING

BLOCKS: tuple[type[Block], ...] = (
    ConnectionsActivity,
    ConnectionsFindings,
    ConnectionsFacets,
    ConnectionsExtraction,
    ConnectionsFactors,
    ConnectionsRuns,
    ConnectionsEvents,
)


class ConnectionsPage(Asked, Page):
    name = "connections"
    template_name = "monitoring/connections.html"
    permission_required = (SEE,)
    blocks: ClassVar[tuple[type[Block], ...]] = (*OPENING, *BLOCKS)

    def context(self, current: Current) -> dict[str, Any]:
        return {"may_capture": may(self.request.user, CAPTURE)}

    def version(self, state: Current) -> str:
        """Add the version of the audit, which is not in the snapshot."""
        return f"{super().version(state)} {self.activity.stamp}"

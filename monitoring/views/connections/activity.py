"""The window in figures: per hour, by the values of each column, and who reads the sources' database."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from monitoring import charts
from monitoring.event_filters import EventsForm
from monitoring.filters import TableForm
from monitoring.policies.sessions import Figures
from monitoring.selectors import connections as audit
from monitoring.selectors.snapshot import Current
from monitoring.tables.connections import ExtractionTable, FacetTable
from monitoring.views.connections.base import WINDOWS, Asked, ConnectionsBlock, ConnectionsExport, words_of
from monitoring.web import export

SHOWN = 12
"""Values on the page; the file has all of them."""
NOT_CARRIED = frozenset({"from", "to", "window", "after", "before"})


class ConnectionsActivity(ConnectionsBlock):
    name = "connections-activity"
    template_name = "monitoring/connections/_activity.html"

    def context(self, current: Current) -> dict[str, Any]:
        found, form = self.activity, self.window_form
        context = {
            "activity": found,
            "words": words_of(found.problem),
            "form": form,
            "carried": [
                (key, value) for key, values in self.request.GET.lists() if key not in NOT_CARRIED for value in values
            ],
            "windows": [
                (self.url(window=key), label, found.window.since is None and key == found.window.key)
                for key, label in WINDOWS
            ],
        }
        if found.problem or found.totals is None:
            return context
        return {
            **context,
            "chart": charts.hours_chart(found.hours, found.failures_known),
            "sentence": charts.hours_sentence(found.hours, found.totals.sessions, found.failures_known),
        }


class Facets(Asked):
    """The values of the column that was asked for, and the extraction view: as tables."""

    def facet_table(self) -> tuple[TableForm, FacetTable]:
        form = TableForm(self.request.GET, prefix="facet", sortable=FacetTable.sortable())
        order = form.values.get("sort") or "-events"
        return form, FacetTable(self.activity.facet(self.facet), url_of=self._facet_url, order_by=order)

    def extraction_table(self) -> tuple[TableForm, ExtractionTable]:
        form = TableForm(self.request.GET, prefix="extraction", sortable=ExtractionTable.sortable())
        order = form.values.get("sort") or "-events"
        return form, ExtractionTable(self.activity.extraction, url_of=self._extraction_url, order_by=order)

    def _facet_url(self, row: Figures) -> str:
        return f"{self.url(**{self.facet: row.value or audit.NONE})}#connections-events"

    def _extraction_url(self, row: Figures) -> str:
        names = ("login_name", "program_name", "host_name")
        narrowed = {name: value or audit.NONE for name, value in zip(names, row.values, strict=True)}
        database = next((each.value for each in self.activity.facet("database_name") if _is_source(each.value)), "")
        return f"{self.url(**narrowed, database_name=database or '')}#connections-events"


class ConnectionsFacets(Facets, ConnectionsBlock):
    name = "connections-facets"
    template_name = "monitoring/connections/_facets.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.facet_table()
        table.caption = gettext("Events by %(column)s") % {"column": str(EventsForm.LABELS[self.facet]).lower()}
        table.stop_at(SHOWN)
        return {
            "activity": self.activity,
            "form": form,
            "table": table,
            "total": len(self.activity.facet(self.facet)),
            "facets": [(self.url(facet=name), label, name == self.facet) for name, label in EventsForm.LABELS.items()],
            "exports": export.links(self.request, "monitoring:connections-facets-export"),
        }


class ConnectionsExtraction(Facets, ConnectionsBlock):
    name = "connections-extraction"
    template_name = "monitoring/connections/_extraction.html"

    def context(self, current: Current) -> dict[str, Any]:
        form, table = self.extraction_table()
        table.caption = gettext("Sessions in the sources' database")
        table.stop_at(SHOWN)
        return {
            "activity": self.activity,
            "form": form,
            "table": table,
            "database": audit.source_name(),
            "total": len(self.activity.extraction),
            "exports": export.links(self.request, "monitoring:connections-extraction-export"),
        }


class FacetExport(Facets, ConnectionsExport):
    """Every value of the column in the window, not only those that the page shows."""

    def window_table(self) -> FacetTable:
        self.file_name = f"connections-{self.facet.replace('_', '-')}"
        return self.facet_table()[1]


class ExtractionExport(Facets, ConnectionsExport):
    file_name = "connections-extraction"

    def window_table(self) -> ExtractionTable:
        return self.extraction_table()[1]


def _is_source(database: str | None) -> bool:
    return (database or "").casefold() == audit.source_name().casefold()

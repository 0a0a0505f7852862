from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.pipelines.texts import FIGURES, STATES, tone, trend_note
from monitoring.pipelines.trends import Trend, rounded
from monitoring.rules.enums import ExecutionStatus
from monitoring.rules.freshness_timeline import Timeline, Zone, ZoneCode
from monitoring.web import parts
from monitoring.web.filters import TableForm, status_field
from monitoring.web.readings import PipelineReadings
from monitoring.web.tables import (
    Column,
    ExecutionTable,
    PipelineNameColumn,
    PortalTable,
    ReadingColumn,
    RunIdColumn,
    StatusColumn,
    ThroughputColumn,
    TimeColumn,
    WatermarkColumn,
)


class TimelineColumn(Column):
    def render(self, record: PipelineReadings, table: PipelinesTable) -> SafeString:
        timeline = table.timelines[record.name]
        return format_html(
            '<span class="ruler-cell">{}<span class="small">{}</span></span>',
            small_timeline(timeline, f"ruler-{table.numbers[record.name]}"),
            STATES[timeline.state],
        )

    def value(self, record: PipelineReadings, table: PipelinesTable) -> str:  # type: ignore[override]
        return str(STATES[table.timelines[record.name].state])


def small_timeline(timeline: Timeline, id: str) -> SafeString:
    """Return the timeline as SVG. pipelines/_timeline.html has the large one."""
    return format_html(
        '<svg class="ruler ruler--small ruler--{} tone-{}" id="{}" width="100%" height="22" aria-hidden="true">'
        '<defs><pattern id="{}-stripes" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><rect class="ruler__stripe" width="2.5" height="6"/></pattern></defs>'
        "{}{}</svg>",
        timeline.state.value,
        tone(timeline),
        id,
        id,
        format_html_join("", "{}", ((_zone(zone, id),) for zone in timeline.zones)),
        format_html_join(
            "",
            '<line class="ruler__pole ruler__pole--{}" x1="{}%" x2="{}%" y1="1" y2="21"/>',
            ((mark.code.value, mark.x, mark.x) for mark in timeline.marks),
        ),
    )


def _zone(zone: Zone, id: str) -> SafeString:
    none = "" if zone.striped or zone.code is not ZoneCode.COOLING else " ruler__zone--none"
    stripes = f"url(#{id}-stripes)"
    place = format_html('x="{}%" y="5" width="{}%" height="12"', zone.x, zone.width)
    rect = format_html('<rect class="ruler__zone ruler__zone--{}{}" {}/>', zone.code.value, none, place)
    return format_html('{}<rect {} fill="{}"/>', rect, place, stripes) if zone.striped else rect


class StatePairColumn(StatusColumn):
    def render(self, record: PipelineReadings) -> SafeString:  # type: ignore[override]
        return parts.status(record.pipeline.status, inactive=not record.pipeline.control.is_active)


class PipelinesTable(PortalTable):
    key = staticmethod(lambda row: row.name)
    caption = _("Table of the pipelines")

    name = PipelineNameColumn(verbose_name=_("Pipeline"))
    severity = StatusColumn(accessor="pipeline__severity", verbose_name=pgettext_lazy("pipelines", "Health"))
    status = StatePairColumn(accessor="pipeline__status", verbose_name=_("Status"), help="status")
    lag_ruler = TimelineColumn(
        verbose_name=_("Freshness timeline"), accessor="name", orderable=False, attrs={"td": {"class": "ruler-td"}}
    )
    served_lag = ReadingColumn("duration", verbose_name=_("Served lag"), help="served_lag", unit="s")
    eligible = ReadingColumn("rows", verbose_name=_("Eligible"), help="eligible", unit=_("rows"))
    cooling = ReadingColumn("rows", verbose_name=_("Cooling"), help="cooling", unit=_("rows"))
    coverage = ReadingColumn("percent", verbose_name=_("Coverage"), help="coverage", unit="%")
    watermark = WatermarkColumn(
        accessor="pipeline__control__watermark", verbose_name=_("Watermark"), help="watermark", style="short"
    )
    watermark_state = StatusColumn(
        accessor="pipeline__watermark_state", verbose_name=_("Watermark state"), help="watermark_state"
    )
    last_finished_at = ReadingColumn("age", verbose_name=_("Last finished"), css="", unit="UTC")
    owner = Column(accessor="pipeline__owner", verbose_name=_("Owner"))

    class Meta:
        order_by = "-severity"
        row_attrs = {"data-row": lambda record: record.name}

    def __init__(self, rows: Iterable[PipelineReadings], timelines: dict[str, Timeline], **kwargs: Any) -> None:
        self.timelines = timelines
        # The ids of the pictures go by name, so that a refresh in another order finds each of them again.
        self.numbers = {name: number for number, name in enumerate(sorted(timelines))}
        super().__init__(rows, **kwargs)

    def render_owner(self, value: str) -> SafeString:
        return format_html("{}", value) if value else parts.none(gettext("no owner is set"))


class PipelineExecutionsTable(ExecutionTable):
    presorted = True
    caption = _("Table of the executions")

    run_id = RunIdColumn(verbose_name=_("Run"))
    throughput = ThroughputColumn(verbose_name=_("Throughput"), unit=_("rows/s"))

    class Meta:
        orderable = False
        sequence = ("run_id", "...", "moved", "watermark_from", "watermark_to", "error_class", "error_message")
        row_attrs = {"data-row": lambda record: str(record.run_entity_id)}


class TrendsTable(PortalTable):
    """One row per point. Lowest and highest are empty if the point is a single value."""

    presorted = True
    figure = Column(verbose_name=_("Figure"))
    at = TimeColumn(verbose_name=_("When"))
    value = Column(verbose_name=_("Value or average"))
    low = Column(verbose_name=_("Lowest"))
    high = Column(verbose_name=_("Highest"))
    stands_for = Column(verbose_name=_("Meaning"))

    class Meta:
        orderable = False


def trend_rows(trends: Iterable[Trend]) -> list[dict[str, Any]]:
    return [
        {
            "figure": f"{FIGURES[trend.figure].title} ({FIGURES[trend.figure].unit})",
            "at": point.at,
            "value": rounded(point.value),
            "low": rounded(point.low),
            "high": rounded(point.high),
            "stands_for": trend_note(trend),
        }
        for trend in trends
        for point in trend.known
    ]


class ExecutionsForm(TableForm):
    status = status_field(ExecutionStatus)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, prefix="x", sortable=frozenset())

    @property
    def statuses(self) -> list[ExecutionStatus]:
        return [ExecutionStatus(value) for value in self.values.get("status", [])]

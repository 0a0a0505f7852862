"""django-tables2 tables: one column class draws a cell in HTML and says what an export holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

import django_tables2
from django.utils.functional import Promise
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_tables2.data import TableListData
from django_tables2.utils import OrderBy

from monitoring.rules.enums import ErrorClass
from monitoring.rules.error_text import ErrorText
from monitoring.rules.facts import Execution, Run, Watermark
from monitoring.web import parts, readings
from monitoring.web.formats import TimeStyle, utc_text
from monitoring.web.labels import label
from monitoring.web.parts import pipeline_link, run_link, sign_of
from monitoring.web.problems import advice_for, class_text
from monitoring.web.readings import PipelineReadings, Reading


class RankedRows(TableListData):
    """Rows in memory, sorted by their columns' ranks, then by the table's key: equal rows keep their order.

    Rows without a value are last in both directions: unknown is not "least".
    """

    data: list[Any]

    def order_by(self, aliases: Iterable[str]) -> None:
        if self.table.presorted:
            return
        rows = sorted(self.data, key=self.table.key)
        for alias in reversed(list(aliases)):
            rank = self.table.columns[OrderBy(alias).bare].column.rank
            known = [row for row in rows if rank(row) is not None]
            known.sort(key=rank, reverse=alias.startswith("-"))
            rows = known + [row for row in rows if rank(row) is None]
        self.data = rows


class Column(django_tables2.Column):
    """A column of a table in memory.

    `rank`: what to sort by, by default the value. `help`: the figure's code in HELP. `css`: class of its cells.
    `unit`: named in the export's header, where the values are bare numbers.
    """

    options: ClassVar[dict[str, Any]] = {}  # default arguments of a subclass

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        options = {"empty_values": (), "css": "", **self.options, **kwargs}
        self.own_rank: Callable[[Any], Any] | None = options.pop("rank", None)
        self.help: str = options.pop("help", "")
        self.unit: str | Promise = options.pop("unit", "")
        if css := options.pop("css"):
            options.setdefault("attrs", {"td": {"class": css}, "th": {"class": css}})
        super().__init__(*args, **options)

    def rank(self, row: Any) -> Any:
        """Return what the row is sorted by, or None: rows without a value are last in both directions."""
        return self.own_rank(row) if self.own_rank else self.rank_of(self.accessor.resolve(row))

    def rank_of(self, value: Any) -> Any:
        return value.casefold() if isinstance(value, str) else value

    def value(self, value: Any) -> Any:
        """Return what an export holds: the bare value, not its HTML."""
        return value


class ReadingColumn(Column):
    options: ClassVar[dict[str, Any]] = {"css": "num"}

    def __init__(self, kind: readings.Kind, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind

    def rank_of(self, value: Reading[Any]) -> Any:
        return value.rank

    def render(self, value: Reading[Any]) -> SafeString:
        return readings.draw(value, self.kind)

    def value(self, value: Reading[Any]) -> Any:
        return readings.export_value(value)


class StatusColumn(Column):
    def rank_of(self, value: StrEnum | None) -> Any:
        return None if value is None else list(type(value)).index(value)

    def render(self, value: StrEnum) -> SafeString:
        return parts.status(value)

    def value(self, value: StrEnum) -> str:
        return str(sign_of(value).word)


class TimeColumn(Column):
    """An aware time, shown in the user's zone, exported in UTC."""

    options: ClassVar[dict[str, Any]] = {"css": "nowrap"}

    def render(self, value: datetime | None) -> SafeString:
        return parts.when(value)


class PortalTable(django_tables2.Table):
    """Base of the portal's tables. `key` returns what identifies a row, in a stable order."""

    key: Callable[[Any], Any]
    caption: str | Promise = ""
    presorted: ClassVar[bool] = False
    """True: the rows are one page of a longer list, which the database has sorted."""
    around: Callable[[Any], str] | None = None
    """Returns the URL of the connections around a failed row, "" for other rows. None: the user may not see them."""

    def __init__(self, rows: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(data=RankedRows(list(rows)), **kwargs)

    @classmethod
    def sortable(cls) -> frozenset[str]:
        names = [name for name, column in cls.base_columns.items() if column.orderable is not False]
        return frozenset([*names, *(f"-{name}" for name in names)])

    def stop_at(self, rows: int) -> None:
        if len(self.data) > rows:
            self.data.data = self.data.data[:rows]
            self.cut = rows


ERROR_SHOWN = 80  # characters of a message in a cell


class PipelineNameColumn(Column):
    def render(self, record: PipelineReadings) -> SafeString:
        pipeline = record.pipeline
        tag = format_html(' <span class="tag">{}</span>', gettext("required")) if pipeline.required else ""
        owner = format_html(' data-tip="{}"', gettext("owner: %s") % pipeline.owner) if pipeline.owner else ""
        return format_html('<span class="nowrap"{}>{}{}</span>', owner, pipeline_link(record.name), tag)


class WatermarkColumn(Column):
    def __init__(self, *args: Any, style: TimeStyle = "full", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.style = style

    def render(self, value: Watermark | None) -> SafeString:
        if value is None:
            return parts.none(gettext("the runner wrote none"))
        if value.never_loaded:
            return parts.none(gettext("never loaded"))
        return format_html(
            '<span class="nowrap">{} <span class="muted">#{}</span></span>',
            parts.when(value.updated_at, self.style),
            value.id,
        )

    def value(self, value: Watermark | None) -> str:
        if value is None:
            return ""
        return gettext("never loaded") if value.never_loaded else f"{utc_text(value.updated_at)} #{value.id}"


class CountColumn(Column):
    options: ClassVar[dict[str, Any]] = {"css": "num"}

    def render(self, value: int) -> SafeString:
        return parts.rows(value)


class SecondsColumn(Column):
    options: ClassVar[dict[str, Any]] = {"css": "num"}

    def render(self, value: float | None, record: Run | Execution) -> SafeString:
        if value is not None:
            return parts.duration(value)
        if record.running:
            return parts.elapsed(record.started_at)
        return parts.none(gettext("no finish was written after its start"))


class MessageColumn(Column):
    options: ClassVar[dict[str, Any]] = {"accessor": "error_text"}

    def render(self, record: Run | Execution) -> SafeString:
        error = record.shown_error
        return parts.error_text(error, ERROR_SHOWN) if error and error.text else parts.none(gettext("no error"))


class RunIdColumn(Column):
    def render(self, value: int | None, record: Any, table: PortalTable) -> SafeString:
        url = table.around(record) if table.around else ""
        if not url:
            return run_link(value)
        more = format_html('<a class="small cell-more" href="{}">{}</a>', url, gettext("connections"))
        return format_html("{} {}", run_link(value), more)


class PipelineColumn(Column):
    def render(self, value: str) -> SafeString:
        return pipeline_link(value)


class YesNoColumn(Column):
    def render(self, value: bool | None) -> SafeString:
        if value is None:
            return parts.unknown()
        return format_html("{}" if value else '<span class="muted">{}</span>', self.value(value))

    def value(self, value: bool | None) -> str:
        return "" if value is None else gettext("yes") if value else gettext("no")


class ThroughputColumn(Column):
    options: ClassVar[dict[str, Any]] = {"css": "num", "help": "throughput"}

    def render(self, value: float | None) -> SafeString:
        return parts.rate(value) if value is not None else parts.none(gettext("only a success has a throughput"))

    def value(self, value: float | None) -> str:
        return strip_tags(self.render(value))


EXPORT_ONLY: dict[str, Any] = {"visible": False, "orderable": False}


class WordsColumn(Column):
    """`part` of the advice for an error (FailureWords), only in exports: the page shows it in another column."""

    options: ClassVar[dict[str, Any]] = EXPORT_ONLY

    def __init__(self, part: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.part = part

    def value(self, value: ErrorText) -> str:
        return str(getattr(advice_for(value), self.part))


def moved_text(execution: Execution) -> SafeString:
    moved = execution.watermark_moved()
    if execution.running:
        return parts.none(gettext("it is written when the execution ends"))
    if moved is None:
        return parts.unknown(gettext("the runner did not write where the watermark began and ended"))
    if moved:
        return format_html("{}", gettext("moved"))
    return format_html('<strong class="tone-text-warning">{}</strong>', gettext("unchanged"))


class ExecutionTable(PortalTable):
    key = staticmethod(lambda row: row.run_entity_id)

    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"))
    seconds = SecondsColumn(verbose_name=_("Duration"), help="duration")
    extracted = CountColumn(verbose_name=_("Extracted"))
    upserted = CountColumn(verbose_name=_("Upserted"))
    soft_deleted = CountColumn(verbose_name=_("Soft-deleted"))
    throughput = ThroughputColumn(verbose_name=_("Throughput"))
    watermark_from = WatermarkColumn(verbose_name=_("Watermark from"))
    watermark_to = WatermarkColumn(verbose_name=_("Watermark to"))
    moved = YesNoColumn(verbose_name=_("Watermark moved"), accessor="watermark_moved")
    error_class = Column(verbose_name=_("Kind of failure"))
    error_message = MessageColumn(verbose_name=_("Error"))

    def render_moved(self, record: Execution) -> SafeString:
        return moved_text(record)

    def value_moved(self, value: bool | None, column: YesNoColumn) -> str:
        return column.value(value)

    def render_error_class(self, value: ErrorClass | None) -> SafeString:
        if value is None:
            return parts.none(gettext("no error"))
        return format_html('<span data-tip="{}" tabindex="0">{}</span>', class_text(value)[1], label(value))

    def value_error_class(self, value: ErrorClass | None) -> str:
        return "" if value is None else label(value)

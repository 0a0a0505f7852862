"""The audit's conclusions as tables: what an auditor asks, what is there around failures, the runs of a window."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.policies.auditor import Evidence
from monitoring.policies.cooccurrence import Factor
from monitoring.selectors.run_lines import RunLine
from monitoring.tables.base import Column, PortalTable, StatusColumn, TimeColumn
from monitoring.tables.connections import CountColumn, SampledColumn
from monitoring.templatetags import parts
from monitoring.templatetags.formats import number_text
from monitoring.templatetags.sentences import run_link
from monitoring.wording import label
from monitoring.wording.audit import evidence_detail, evidence_text, factor_text


class LinkedColumn(Column):
    """A text that leads to the row's events."""

    def __init__(self, text_of: Any, **kwargs: Any) -> None:
        super().__init__(empty_values=(), rank=lambda row: text_of(row).casefold(), **kwargs)
        self.text_of = text_of

    def render(self, record: Any, table: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', table.url_of(record), self.text_of(record))

    def value(self, record: Any) -> str:
        return str(self.text_of(record))


class QuestionColumn(Column):
    def __init__(self) -> None:
        super().__init__(verbose_name=_("Question"), rank=lambda row: list(type(row.question)).index(row.question))

    def render(self, value: Any) -> str:
        return str(label(value))

    def value(self, value: Any) -> str:
        return str(label(value))


class EventCountColumn(CountColumn):
    def render(self, value: int | None) -> SafeString:
        return parts.none(gettext("a session is listed here, not its events")) if value is None else parts.rows(value)


class DetailColumn(Column):
    """What more there is to say, or why it is not certain."""

    def __init__(self) -> None:
        super().__init__(verbose_name=_("Evidence"), accessor="question", orderable=False)

    def render(self, record: Evidence, table: Any) -> str:
        return evidence_detail(record, table.remembered_since)

    def value(self, record: Evidence, table: Any) -> str:
        return evidence_detail(record, table.remembered_since)


class FindingsTable(PortalTable):
    """Everything that was found, question by question. `url_of` gives the address of a row's events."""

    key = staticmethod(lambda row: (list(type(row.question)).index(row.question), evidence_text(row), row.first))

    question = QuestionColumn()
    what = LinkedColumn(evidence_text, verbose_name=_("Who or what"), accessor="question")
    detail = DetailColumn()
    events = EventCountColumn(verbose_name=_("Events"), help="audit_events")
    sessions = CountColumn(verbose_name=_("Sessions"), help="audit_sessions")
    first = SampledColumn(verbose_name=_("First seen"))
    last = SampledColumn(verbose_name=_("Last seen"))

    class Meta:
        prefix = "findings-"

    def __init__(self, rows: Any, *, url_of: Any, remembered_since: Any, **kwargs: Any) -> None:
        super().__init__(rows, **kwargs)
        self.url_of = url_of
        self.remembered_since = remembered_since


class OfColumn(Column):
    """In how many of the windows it was sampled."""

    def __init__(self, count: str, of: str, **kwargs: Any) -> None:
        super().__init__(css="num", accessor=count, rank=lambda row: getattr(row, count) / getattr(row, of), **kwargs)
        self.count, self.of = count, of

    def render(self, record: Factor) -> SafeString:
        return format_html('<span class="figure nowrap">{}</span>', self.value(record))

    def value(self, record: Factor) -> str:
        return gettext("%(count)d of %(all)d") % {"count": getattr(record, self.count), "all": getattr(record, self.of)}


class LiftColumn(Column):
    def __init__(self) -> None:
        super().__init__(
            verbose_name=_("Times as often"),
            css="num",
            help="audit_lift",
            accessor="lift",
            rank=lambda row: float("inf") if row.lift is None else row.lift,
        )

    def render(self, value: float | None) -> SafeString:
        if value is None:
            return format_html("{}", gettext("only around failures"))
        return format_html('<span class="figure">{}×</span>', number_text(value, 1))

    def value(self, value: float | None) -> Any:
        return gettext("only around failures") if value is None else round(value, 2)


class FactorsTable(PortalTable):
    """What is connected more often around failures than otherwise."""

    key = staticmethod(lambda row: (row.control_percent - row.failure_percent, row.column, row.value))

    factor = LinkedColumn(factor_text, verbose_name=_("Factor"), accessor="value")
    around = OfColumn("failures", "of_failures", verbose_name=_("Around failures"))
    otherwise = OfColumn("controls", "of_controls", verbose_name=_("Otherwise"))
    lift = LiftColumn()

    class Meta:
        prefix = "factors-"

    def __init__(self, rows: Any, *, url_of: Any, **kwargs: Any) -> None:
        super().__init__(rows, **kwargs)
        self.url_of = url_of


class RunNumberColumn(Column):
    def render(self, value: int) -> SafeString:
        return run_link(value)


class AroundColumn(Column):
    def render(self, record: RunLine, table: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', table.url_of(record), gettext("Connections around it"))


class WindowRunsTable(PortalTable):
    """The runs that started in the window, newest first."""

    key = staticmethod(lambda row: -row.run_id)

    run_id = RunNumberColumn(verbose_name=_("Run"))
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"))
    entities_failed = CountColumn(verbose_name=_("Failed"))
    around = AroundColumn(verbose_name=_("Connections"), accessor="run_id")

    class Meta:
        orderable = False

    def __init__(self, rows: Any, *, url_of: Any, **kwargs: Any) -> None:
        super().__init__(rows, **kwargs)
        self.url_of = url_of

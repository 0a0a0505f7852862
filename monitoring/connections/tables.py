from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.connections.texts import evidence_detail, evidence_text, pair_text
from monitoring.models import ConnectionLoginEvent
from monitoring.rules.audit import Evidence, Factor
from monitoring.rules.enums import AuditQuestion
from monitoring.rules.login_events import Figures
from monitoring.web import parts
from monitoring.web.formats import number_text
from monitoring.web.labels import label
from monitoring.web.links import around_run
from monitoring.web.tables import Column, CountColumn, PortalTable, RunIdColumn, StatusColumn, TimeColumn

ONE_LINE = 48
"""Longest text, in characters, that is not wrapped."""


class TextColumn(Column):
    def render(self, value: str | None) -> SafeString:
        if not value:
            return parts.none(gettext("not recorded"))
        return format_html('<span class="{}">{}</span>', "nowrap" if len(value) <= ONE_LINE else "wrap", value)

    def value(self, value: str | None) -> str:
        return value or ""


class NumberColumn(Column):
    def render(self, value: int | None) -> SafeString:
        if value is None:
            return parts.none(gettext("not recorded"))
        return format_html('<span class="figure">{}</span>', value)


class EncryptColumn(TextColumn):
    def render(self, value: str | None) -> SafeString:
        words = {"TRUE": gettext("yes"), "FALSE": gettext("no")}
        return super().render(words.get(value.upper(), value) if value else value)


class SecondsTimeColumn(TimeColumn):
    def render(self, value: datetime | None) -> SafeString:
        return parts.when(value, "full")


class EventsTable(PortalTable):
    """Login events by key, newest first. `offset`: UTC offset of the server's clock, in which login_time is stored."""

    offset = timedelta(0)
    key = staticmethod(lambda row: -row.connection_event_id)

    event_time_utc = SecondsTimeColumn(verbose_name=_("Sampled at"), css="nowrap")
    session_id = NumberColumn(verbose_name=_("Session"), css="num")
    login_time = TimeColumn(verbose_name=_("Logged in"), css="nowrap")
    login_name = TextColumn(verbose_name=_("Login"))
    host_name = TextColumn(verbose_name=_("Host"))
    program_name = TextColumn(verbose_name=_("Program"))
    database_name = TextColumn(verbose_name=_("Database"))
    status = TextColumn(verbose_name=_("Session status"))
    client_net_address = TextColumn(verbose_name=_("Address"))
    encrypt_option = EncryptColumn(verbose_name=_("Encrypted"))
    client_tcp_port = Column(verbose_name=_("Port"), visible=False)
    net_transport = TextColumn(verbose_name=_("Transport"), visible=False)
    protocol_type = TextColumn(verbose_name=_("Protocol"), visible=False)
    auth_scheme = TextColumn(verbose_name=_("Authentication"), visible=False)
    captured_by = TextColumn(verbose_name=_("Captured by"), visible=False)
    connection_event_id = Column(verbose_name=_("Event"), visible=False)

    class Meta:
        model = ConnectionLoginEvent
        orderable = False
        fields = ()

    def render_login_time(self, value: datetime | None) -> SafeString:
        return parts.none(gettext("not recorded")) if value is None else parts.when(value - self.offset, "full")

    def value_login_time(self, value: datetime | None) -> Any:
        return value - self.offset if value else ""


class LinkedTable(PortalTable):
    """`url_of` returns the URL of a row. `remembered_since`: start of the memory that findings were compared with."""

    url_of: Callable[[Any], str]
    remembered_since: datetime | None = None


class LinkColumn(Column):
    """The text of the row, as a link to its `url_of`."""

    def __init__(self, text: Callable[[Any], str | None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text

    def rank(self, row: Any) -> str | None:
        text = self.text(row)
        return text.casefold() if text else None

    def render(self, record: Any, table: LinkedTable) -> SafeString:
        text = self.text(record) or pgettext("login event", "(none)")
        return format_html('<a href="{}">{}</a>', table.url_of(record), text)

    def value(self, record: Any) -> str:
        return self.text(record) or ""


class PortalShareColumn(Column):
    options: ClassVar[dict[str, Any]] = {"verbose_name": _("The portal's own"), "css": "num", "unit": "%"}

    def render(self, value: float) -> SafeString:
        return parts.percent(value)


def _most_events(row: Figures) -> tuple[int, list[str]]:
    return -row.events, [(text or "").casefold() for text in row.values]


class FacetTable(LinkedTable):
    key = staticmethod(_most_events)

    value = LinkColumn(lambda row: row.value, verbose_name=_("Value"))
    events = CountColumn(verbose_name=_("Events"), help="audit_events")
    sessions = CountColumn(verbose_name=_("Sessions"), help="audit_sessions")
    first = SecondsTimeColumn(verbose_name=_("First seen"))
    last = SecondsTimeColumn(verbose_name=_("Last seen"))
    portal_percent = PortalShareColumn()


class ExtractionTable(LinkedTable):
    key = staticmethod(_most_events)

    login = LinkColumn(lambda row: row.values[0], verbose_name=_("Login"), accessor="values__0")
    program = TextColumn(verbose_name=_("Program"), accessor="values__1")
    host = TextColumn(verbose_name=_("Host"), accessor="values__2")
    events = CountColumn(verbose_name=_("Events"))
    sessions = CountColumn(verbose_name=_("Sessions"))
    first = SecondsTimeColumn(verbose_name=_("First seen"))
    last = SecondsTimeColumn(verbose_name=_("Last seen"))
    portal_percent = PortalShareColumn()


QUESTIONS = list(AuditQuestion)


class FindingsTable(LinkedTable):
    key = staticmethod(lambda row: (QUESTIONS.index(row.question), evidence_text(row), row.first))

    question = Column(verbose_name=_("Question"), rank=lambda row: QUESTIONS.index(row.question))
    what = LinkColumn(evidence_text, verbose_name=_("Who or what"), accessor="question")
    detail = Column(verbose_name=_("Details"), accessor="question", orderable=False)
    events = CountColumn(verbose_name=_("Events"), help="audit_events")
    sessions = CountColumn(verbose_name=_("Sessions"), help="audit_sessions")
    first = SecondsTimeColumn(verbose_name=_("First seen"))
    last = SecondsTimeColumn(verbose_name=_("Last seen"))

    def render_question(self, value: AuditQuestion) -> str:
        return str(label(value))

    def render_detail(self, record: Evidence) -> str:
        return evidence_detail(record, self.remembered_since)

    def render_events(self, value: int | None) -> SafeString:
        return parts.none(gettext("a session is listed here, not its events")) if value is None else parts.rows(value)

    def value_events(self, value: int | None) -> int | None:
        return value


class FactorsTable(LinkedTable):
    key = staticmethod(lambda row: (row.control_percent - row.failure_percent, row.column, row.value))

    factor = LinkColumn(lambda row: pair_text(row.column, row.value), verbose_name=_("Factor"), accessor="value")
    around = Column(
        verbose_name=_("Around failures"), accessor="failures", css="num", rank=lambda row: row.failure_percent
    )
    otherwise = Column(
        verbose_name=_("Otherwise"), accessor="controls", css="num", rank=lambda row: row.control_percent
    )
    lift = Column(
        verbose_name=_("Times as often"),
        css="num",
        help="audit_lift",
        rank=lambda row: float("inf") if row.lift is None else row.lift,
    )

    def render_around(self, record: Factor) -> SafeString:
        return _of(record.failures, record.of_failures)

    def render_otherwise(self, record: Factor) -> SafeString:
        return _of(record.controls, record.of_controls)

    def render_lift(self, value: float | None) -> SafeString:
        if value is None:
            return format_html("{}", gettext("only around failures"))
        return format_html('<span class="figure">{}×</span>', number_text(value, 1))

    def value_lift(self, value: float | None) -> Any:
        return gettext("only around failures") if value is None else round(value, 2)


def _of(count: int, whole: int) -> SafeString:
    text = gettext("%(count)d of %(all)d") % {"count": count, "all": whole}
    return format_html('<span class="figure nowrap">{}</span>', text)


class WindowRunsTable(LinkedTable):
    key = staticmethod(lambda row: -row.run_id)
    url_of = staticmethod(around_run)

    run_id = RunIdColumn(verbose_name=_("Run"))
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"))
    failed_count = CountColumn(verbose_name=_("Failed"))
    connections = LinkColumn(
        lambda row: gettext("Connections around it"), verbose_name=_("Connections"), accessor="run_id"
    )

    class Meta:
        orderable = False

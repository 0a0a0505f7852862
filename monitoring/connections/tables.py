"""The connection audit's tables: login events as they stand, and logins over the window."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from monitoring.connections.texts import evidence_detail, evidence_text, factor_text
from monitoring.models import ConnectionLoginEvent
from monitoring.rules.audit import Evidence, Factor
from monitoring.rules.facts import Run
from monitoring.rules.sessions import Figures
from monitoring.templatetags.sentences import run_link
from monitoring.web import parts
from monitoring.web.formats import number_text
from monitoring.web.labels import label
from monitoring.web.tables import Column, PortalTable, StatusColumn, TimeColumn

ONE_LINE = 48


class TextColumn(Column):
    """A text that may be missing. A short one stays on its line, whatever the table's width."""

    def render(self, value: str | None) -> SafeString:
        if not value:
            return parts.none(gettext("not recorded"))
        return format_html('<span class="{}">{}</span>', "nowrap" if len(value) <= ONE_LINE else "wrap", value)

    def value(self, value: str | None) -> str:
        return value or ""


class SessionColumn(Column):
    """session_id; together with the login time it is the session."""

    def render(self, value: int | None) -> SafeString:
        return (
            parts.none(gettext("not recorded"))
            if value is None
            else format_html('<span class="figure">{}</span>', value)
        )


class LoginTimeColumn(TimeColumn):
    """login_time, which the server writes by its own clock, as UTC: by the clock's present offset."""

    def render(self, value: datetime | None, table: Any) -> SafeString:
        if value is None:
            return parts.none(gettext("not recorded"))
        return parts.when(value - table.offset, "full")

    def value(self, value: datetime | None, table: Any) -> Any:
        return value - table.offset if value else ""


class YesNoColumn(Column):
    """encrypt_option: TRUE, FALSE or nothing."""

    def render(self, value: str | None) -> SafeString:
        if not value:
            return parts.none(gettext("not recorded"))
        return format_html("{}", {"TRUE": gettext("yes"), "FALSE": gettext("no")}.get(value.upper(), value))

    def value(self, value: str | None) -> str:
        return value or ""


class SampledColumn(TimeColumn):
    """When the sample was taken, to the second."""

    def render(self, value: datetime) -> SafeString:
        return parts.when(value, "full")


class EventsTable(PortalTable):
    """Login events in the order they came in: by key, so that no row shows on two pages.

    `offset`: how far the server's clock, by which login_time is written, is before UTC.
    """

    key = staticmethod(lambda row: -row.connection_event_id)

    event_time_utc = SampledColumn(verbose_name=_("Sampled at"), css="nowrap")
    session_id = SessionColumn(verbose_name=_("Session"), css="num")
    login_time = LoginTimeColumn(verbose_name=_("Logged in"), css="nowrap")
    login_name = TextColumn(verbose_name=_("Login"))
    host_name = TextColumn(verbose_name=_("Host"))
    program_name = TextColumn(verbose_name=_("Program"))
    database_name = TextColumn(verbose_name=_("Database"))
    status = TextColumn(verbose_name=_("Session status"))
    client_net_address = TextColumn(verbose_name=_("Address"))
    encrypt_option = YesNoColumn(verbose_name=_("Encrypted"))
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

    def __init__(self, rows: Any, *, offset: timedelta = timedelta(0), **kwargs: Any) -> None:
        super().__init__(rows, **kwargs)
        self.offset = offset


class NameColumn(Column):
    """A value that events share, a link that narrows the events to it."""

    def render(self, value: str | None, record: Figures, table: Any, column: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', table.url_of(record), value or pgettext("login event", "(none)"))

    def value(self, value: str | None) -> str:
        return value or ""


class CountColumn(Column):
    """A number of events or sessions, right-aligned."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, css="num", **kwargs)

    def render(self, value: int) -> SafeString:
        return parts.rows(value)


class ShareColumn(Column):
    """The portal's own part of the events."""

    def __init__(self) -> None:
        super().__init__(verbose_name=_("The portal's own"), accessor="portal_percent", css="num", unit="%")

    def render(self, value: float) -> SafeString:
        return parts.percent(value)


class _FiguresTable(PortalTable):
    """What values have in the window. `url_of` gives the address of a row's events."""

    key = staticmethod(lambda row: (-row.events, [(text or "").casefold() for text in row.values]))

    def __init__(self, rows: Any, *, url_of: Any, **kwargs: Any) -> None:
        super().__init__(rows, **kwargs)
        self.url_of = url_of


class FacetTable(_FiguresTable):
    """The values of one column."""

    value = NameColumn(verbose_name=_("Value"))
    events = CountColumn(verbose_name=_("Events"), help="audit_events")
    sessions = CountColumn(verbose_name=_("Sessions"), help="audit_sessions")
    first = SampledColumn(verbose_name=_("First seen"))
    last = SampledColumn(verbose_name=_("Last seen"))
    portal_percent = ShareColumn()

    class Meta:
        prefix = "facet-"


class ExtractionTable(_FiguresTable):
    """Who is in the sources' database: login, program and host together."""

    login = NameColumn(verbose_name=_("Login"), accessor="values__0")
    program = TextColumn(verbose_name=_("Program"), accessor="values__1")
    host = TextColumn(verbose_name=_("Host"), accessor="values__2")
    events = CountColumn(verbose_name=_("Events"))
    sessions = CountColumn(verbose_name=_("Sessions"))
    first = SampledColumn(verbose_name=_("First seen"))
    last = SampledColumn(verbose_name=_("Last seen"))
    portal_percent = ShareColumn()

    class Meta:
        prefix = "extraction-"


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
    def render(self, record: Run, table: Any) -> SafeString:
        return format_html('<a href="{}">{}</a>', table.url_of(record), gettext("Connections around it"))


class WindowRunsTable(PortalTable):
    """The runs that started in the window, newest first."""

    key = staticmethod(lambda row: -row.run_id)

    run_id = RunNumberColumn(verbose_name=_("Run"))
    status = StatusColumn(verbose_name=_("Status"))
    started_at = TimeColumn(verbose_name=_("Started"))
    finished_at = TimeColumn(verbose_name=_("Finished"))
    entities_failed = CountColumn(verbose_name=_("Failed"), accessor="failed_count")
    around = AroundColumn(verbose_name=_("Connections"), accessor="run_id")

    class Meta:
        orderable = False

    def __init__(self, rows: Any, *, url_of: Any, **kwargs: Any) -> None:
        super().__init__(rows, **kwargs)
        self.url_of = url_of

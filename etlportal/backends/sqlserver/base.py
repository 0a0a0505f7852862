"""mssql-django's backend with our connection string and our session.

OPTIONS, all of them optional:

- `driver`: an ODBC driver's name; else an installed one of Microsoft's, else pip's (odbc.py).
- `encrypt`, `trust_server_certificate`, `authentication`, `application_intent`, `multi_subnet_failover`:
  the connection string's (connection_string.py).
- `query_timeout`: seconds after which a statement is given up.
- `lock_timeout_ms`: how long a statement waits for somebody else's lock.
- `isolation`: "read-uncommitted" or "snapshot" (taken where the database allows it). Without: the server's own.

What a session needs is said in one batch when it opens, beside Django's execute wrappers: the guard
stays as strict as it is.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from etlportal.application import CONNECT_SECONDS, application_name
from etlportal.backends.bounded import BoundedCursor, BoundedWrapper, whole_seconds
from etlportal.backends.sqlserver import absent, odbc, session
from etlportal.backends.sqlserver.connection_string import MASK, ConnectionValueError, connection_string, keywords_of
from etlportal.budget import OutOfTime, budget

# Before pyodbc loads, which mssql does.
odbc.register(settings.DATA_DIR / "odbc")

with absent.stand_in():
    from mssql import base

# Django keeps its connections itself and looks whether they live. The driver manager's pool would hand
# out dead ones, and sessions that carry another one's settings.
base.Database.pooling = False

_TEXTS = (base.Database.SQL_WCHAR, base.Database.SQL_WVARCHAR, base.Database.SQL_WLONGVARCHAR)

USABLE_SECONDS = 1
"""How long a kept connection has to prove that it lives, before a new one is opened."""


class DatabaseWrapper(BoundedWrapper, base.DatabaseWrapper):
    """One connection to SQL Server. `isolation`: what its session reads with, None before there is one."""

    isolation: str | None = None

    @sensitive_variables()
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a session: at most CONNECT_SECONDS. Raises the driver's error without the password in it."""
        options = conn_params.get("OPTIONS", {})
        driver = odbc.driver_name(str(options.get("driver") or ""))
        try:
            text = connection_string(keywords_of(conn_params, driver=driver, application=application_name()))
        except ConnectionValueError as error:
            raise ImproperlyConfigured(f"The connection {self.alias!r} cannot be made: {error}") from None
        try:
            connection = self.opened(
                lambda: base.Database.connect(
                    text, timeout=CONNECT_SECONDS, autocommit=self.settings_dict["AUTOCOMMIT"]
                )
            )
        except base.Database.Error as error:
            raise _without(str(conn_params.get("PASSWORD") or ""), error) from None
        connection.add_output_converter(base.SQL_TIMESTAMP_WITH_TIMEZONE, base.handle_datetimeoffset)
        for text_type in _TEXTS:
            connection.add_output_converter(text_type, _text)
        return connection

    def init_connection_state(self) -> None:
        """Say in one batch how this session reads, and learn what server it is. Snapshots take a second one."""
        self._is_microsoft_driver = True
        self.driver_charset = None
        # One statement at a time: what is iterated over is fetched first.
        self.supports_mars = self.features.can_use_chunked_reads = False
        options = self.settings_dict.get("OPTIONS", {})
        raw = self.connection
        with self.wrap_database_errors:
            raw.timeout = whole_seconds(CONNECT_SECONDS)
            found = self.bounded(lambda: raw.execute(session.opening(options)).fetchone())
            isolation = options.get("isolation")
            if isolation == session.SNAPSHOT and found.snapshot == session.SNAPSHOT_ALLOWED:
                self.bounded(lambda: raw.execute(session.TAKE_SNAPSHOTS))
            elif isolation == session.SNAPSHOT:
                isolation = session.READ_UNCOMMITTED
        self.isolation = isolation
        self._known_versions[self.alias] = session.version(found.version, found.edition, self._sql_server_versions)
        self._known_azures[self.alias] = found.edition in base._AZURE_EDITIONS

    def create_cursor(self, name: str | None = None) -> Any:
        """Return a cursor whose statements end after `query_timeout`, or earlier with the budget."""
        self.connection.timeout = whole_seconds(int(self.settings_dict.get("OPTIONS", {}).get("query_timeout") or 0))
        return base.CursorWrapper(BoundedCursor(self.connection.cursor(), self), self)

    def is_usable(self) -> bool:
        """Whether the connection answers within USABLE_SECONDS: the driver's own limit would be three times that."""
        raw = self.connection
        try:
            with budget(USABLE_SECONDS):
                raw.timeout = USABLE_SECONDS
                self.bounded(lambda: raw.execute("SELECT 1").fetchone())
        except (base.Database.Error, OutOfTime):
            return False
        return True

    def _set_autocommit(self, autocommit: bool) -> None:
        # mssql-django asks @@TRANCOUNT first, for FreeTDS, and then leaves a session without one as it is.
        with self.wrap_database_errors:
            self.connection.autocommit = autocommit


def _text(raw: bytes | None) -> str | None:
    """An NVARCHAR's text. Half a pair of surrogates, which SQL Server lets in and cuts out, is no reason to fail."""
    return None if raw is None else raw.decode("utf-16-le", errors="replace")


def _without(password: str, error: Exception) -> Exception:
    """The same error, the password taken out of its texts."""
    if not password:
        return error
    texts = (password, password.replace("}", "}}"))
    arguments = list(error.args)
    for text in sorted(texts, key=len, reverse=True):
        arguments = [each.replace(text, MASK) if isinstance(each, str) else each for each in arguments]
    return type(error)(*arguments)

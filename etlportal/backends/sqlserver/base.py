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

import threading
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from etlportal.application import application_name, connect_seconds
from etlportal.backends.sqlserver import absent, odbc, session
from etlportal.backends.sqlserver.connection_string import MASK, ConnectionValueError, connection_string, keywords_of

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
SUSPECT_SECONDS = 1
"""How long that new one is waited for when the old one gave no answer at all: a page comes within three."""


class DatabaseWrapper(base.DatabaseWrapper):
    """One connection to SQL Server. `isolation`: what its session reads with, None before there is one."""

    isolation: str | None = None
    _suspect = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._statement_seconds = int(self.settings_dict["OPTIONS"].get("query_timeout") or 0)

    @property
    def statement_seconds(self) -> int:
        """Seconds after which the driver gives a statement up, 0 for never; on a connection opened later too."""
        return self._statement_seconds

    @statement_seconds.setter
    def statement_seconds(self, seconds: int) -> None:
        self._statement_seconds = seconds
        if self.connection is not None:
            self.connection.timeout = seconds

    @sensitive_variables()
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a session: at most connect_seconds(). Raises the driver's error without the password in it."""
        options = conn_params.get("OPTIONS", {})
        driver = odbc.driver_name(str(options.get("driver") or ""))
        try:
            text = connection_string(keywords_of(conn_params, driver=driver, application=application_name()))
        except ConnectionValueError as error:
            raise ImproperlyConfigured(f"The connection {self.alias!r} cannot be made: {error}") from None
        try:
            connection = base.Database.connect(
                text, timeout=self._patience(), autocommit=self.settings_dict["AUTOCOMMIT"]
            )
        except base.Database.Error as error:
            raise _without(str(conn_params.get("PASSWORD") or ""), error) from None
        finally:
            self._suspect = False
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
        try:
            with self.wrap_database_errors:
                self.connection.timeout = connect_seconds()
                found = self.connection.execute(session.opening(options)).fetchone()
                isolation = options.get("isolation")
                if isolation == session.SNAPSHOT and found.snapshot == session.SNAPSHOT_ALLOWED:
                    self.connection.execute(session.TAKE_SNAPSHOTS)
                elif isolation == session.SNAPSHOT:
                    isolation = session.READ_UNCOMMITTED
                self.connection.timeout = self.statement_seconds
        except Exception:
            # Half open it would be taken for a good one, and would read as the server likes.
            self.close()
            raise
        self.isolation = isolation
        self._known_versions[self.alias] = session.version(found.version, found.edition, self._sql_server_versions)
        self._known_azures[self.alias] = found.edition in base._AZURE_EDITIONS

    def is_usable(self) -> bool:
        """Whether the connection answers within USABLE_SECONDS.

        The driver's own limit will not do: it waits three times as long for a server that also leaves its
        request to cancel unanswered. So another thread asks, and is left alone with a connection that hangs.
        """
        connection, answered = self.connection, threading.Event()
        asker = threading.Thread(target=_ask, args=(connection, answered), daemon=True)
        asker.start()
        asker.join(USABLE_SECONDS)
        if asker.is_alive():
            self.connection, self._suspect = None, True
        return answered.is_set()

    def _patience(self) -> int:
        return SUSPECT_SECONDS if self._suspect else connect_seconds()

    def _set_autocommit(self, autocommit: bool) -> None:
        # mssql-django asks @@TRANCOUNT first, for FreeTDS, and then leaves a session without one as it is.
        with self.wrap_database_errors:
            self.connection.autocommit = autocommit


def _ask(connection: Any, answered: threading.Event) -> None:
    """Set `answered` when `connection` is alive."""
    before = connection.timeout
    with suppress(base.Database.Error):
        connection.timeout = USABLE_SECONDS
        connection.execute("SELECT 1").fetchone()
        connection.timeout = before
        answered.set()


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

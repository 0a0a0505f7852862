"""mssql-django's backend with our connection string, session settings and time limits.

OPTIONS, all optional:

- `driver`: an ODBC driver's name; else an installed one of Microsoft's, else pip's (odbc.py).
- `encrypt`, `trust_server_certificate`, `authentication`, `application_intent`, `multi_subnet_failover`:
  for the connection string (odbc.py).
- `query_timeout`: seconds after which a statement is cancelled.
- `lock_timeout_ms`: how long a statement waits for a lock.
- `isolation`: "read-uncommitted", or "snapshot" where the database allows it. Default: the server's.

Session settings are sent in one batch on connect, below Django's execute wrappers, so the guard needs no exception
for them. ADR 19 lists what this module uses of mssql-django.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables
from mssql import base

from etlportal.backends.bounded import BoundedCursor, BoundedWrapper, whole_seconds
from etlportal.backends.sqlserver import odbc
from etlportal.backends.sqlserver.odbc import ConnectionValueError, connection_string, keywords_of
from etlportal.budget import OutOfTime, budget
from etlportal.databases import CONNECT_SECONDS, READ_UNCOMMITTED, SNAPSHOT, WATCHED
from etlportal.logs import application_name

# Django keeps connections and checks them itself. The driver manager's pool would return dead ones, and sessions with
# the settings of another alias.
base.Database.pooling = False

_TEXTS = (base.Database.SQL_WCHAR, base.Database.SQL_WVARCHAR, base.Database.SQL_WLONGVARCHAR)

USABLE_SECONDS = 1
VERSIONS = {12: 2014, 13: 2016, 14: 2017, 15: 2019, 16: 2022, 17: 2025}
"""Major version to release. Azure SQL Database reports 12."""
AZURE_EDITIONS = (5, 8, 12)
"""SERVERPROPERTY('EngineEdition') of Azure SQL Database, Managed Instance and Fabric."""
FABRIC = 12
SNAPSHOT_ALLOWED = 1
"""ON in sys.databases.snapshot_isolation_state. The other values are off or in transition."""


class Cursor(base.CursorWrapper):
    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row. mssql-django would skip the rest of the result set, for other drivers' sake."""
        row = self.cursor.fetchone()
        return None if row is None else self.format_row(row)

    def format_group_by_params(self, query: str, params: Any) -> tuple[str, Any]:
        """Leave the statement of a watched database unchanged.

        mssql-django declares a variable per parameter of a statement with GROUP BY, because SQL Server takes two
        parameters for two expressions. Statements on `dw` and `oltp` group by columns only, and a variable hides its
        value from the optimizer.
        """
        if self.connection.alias in WATCHED:
            return query, params
        grouped: tuple[str, Any] = super().format_group_by_params(query, params)
        return grouped


class SqlServerWrapper(BoundedWrapper, base.DatabaseWrapper):
    """One connection to SQL Server. `isolation`: the level of its session, None before it opens."""

    isolation: str | None = None
    # Until the first connection tells; mssql-django would open one to ask.
    sql_server_version = 2017
    to_azure_sql_db = False

    @sensitive_variables()
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open a session within CONNECT_SECONDS. Raises the driver's error without the password in it."""
        options = conn_params.get("OPTIONS", {})
        driver = odbc.driver_name(str(options.get("driver") or ""))
        try:
            text = connection_string(keywords_of(conn_params, driver=driver, application=application_name()))
        except ConnectionValueError as error:
            raise ImproperlyConfigured(f"The connection {self.alias!r} cannot be made: {error}") from None
        autocommit = self.settings_dict["AUTOCOMMIT"]
        try:
            connection = self.opened(
                lambda: base.Database.connect(text, timeout=CONNECT_SECONDS, autocommit=autocommit)
            )
        except base.Database.Error as error:
            raise _without(str(conn_params.get("PASSWORD") or ""), error) from None
        connection.add_output_converter(base.SQL_TIMESTAMP_WITH_TIMEZONE, base.handle_datetimeoffset)
        for text_type in _TEXTS:
            connection.add_output_converter(text_type, _text)
        return connection

    def init_connection_state(self) -> None:
        """Send the session settings and read the server's version in one batch; snapshot isolation takes another."""
        self.driver_charset = None
        # One statement at a time: rows are fetched before they are iterated over.
        self.supports_mars = self.features.can_use_chunked_reads = False
        options = self.settings_dict.get("OPTIONS", {})
        raw = self.connection
        with self.wrap_database_errors:
            raw.timeout = whole_seconds(CONNECT_SECONDS)
            found = self.bounded(lambda: raw.execute(_opening(options)).fetchone())
            isolation = options.get("isolation")
            if isolation == SNAPSHOT and found.snapshot == SNAPSHOT_ALLOWED:
                # Elsewhere this statement succeeds and the first read fails.
                self.bounded(lambda: raw.execute("SET TRANSACTION ISOLATION LEVEL SNAPSHOT"))
            elif isolation == SNAPSHOT:
                isolation = READ_UNCOMMITTED
        self.isolation = isolation
        self.sql_server_version = _release(found.version, found.edition)
        self.to_azure_sql_db = found.edition in AZURE_EDITIONS

    def create_cursor(self, name: str | None = None) -> Cursor:
        """Return a cursor with a timeout of `query_timeout`, or less if the budget ends earlier."""
        self.connection.timeout = whole_seconds(int(self.settings_dict.get("OPTIONS", {}).get("query_timeout") or 0))
        return Cursor(BoundedCursor(self.connection.cursor(), self), self)

    def is_usable(self) -> bool:
        """Return whether the connection answers within USABLE_SECONDS; the driver's own timeout would be 3 s."""
        raw = self.connection
        try:
            with budget(USABLE_SECONDS):
                raw.timeout = USABLE_SECONDS
                self.bounded(lambda: raw.execute("SELECT 1").fetchone())
        except (base.Database.Error, OutOfTime):
            return False
        return True

    def _set_autocommit(self, autocommit: bool) -> None:
        # mssql-django reads @@TRANCOUNT first, for FreeTDS, and leaves autocommit off where it is 0.
        with self.wrap_database_errors:
            self.connection.autocommit = autocommit


def _opening(options: dict[str, Any]) -> str:
    """Return the opening batch: session settings, then one row with (version, edition, snapshot)."""
    batch = ["SET DATEFORMAT ymd", "SET DATEFIRST 7"]
    if options.get("lock_timeout_ms") is not None:
        batch.append(f"SET LOCK_TIMEOUT {int(options['lock_timeout_ms'])}")
    if options.get("isolation"):
        batch.append("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
    allowed = (
        "(SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID())"
        if options.get("isolation") == SNAPSHOT
        else "NULL"
    )
    batch.append(
        "SELECT CAST(SERVERPROPERTY('ProductVersion') AS VARCHAR(128)) AS version,"
        f" CAST(SERVERPROPERTY('EngineEdition') AS INT) AS edition, {allowed} AS snapshot"
    )
    return "; ".join(batch)


def _release(product: str, edition: int) -> int:
    """Return the server's release (2017, 2022 ...). Versions newer than VERSIONS count as its newest."""
    major = int(product.split(".", maxsplit=1)[0])
    if edition == FABRIC or major > max(VERSIONS):  # Fabric has version numbers of its own
        return max(VERSIONS.values())
    return VERSIONS.get(major, min(VERSIONS.values()))


def _text(raw: bytes | None) -> str | None:
    """Decode an NVARCHAR. SQL Server stores and cuts half surrogate pairs, so a bad one is replaced."""
    return None if raw is None else raw.decode("utf-16-le", errors="replace")


def _without(password: str, error: Exception) -> Exception:
    return type(error)(
        *(odbc.without_password(each, password) if isinstance(each, str) else each for each in error.args)
    )

"""SQL Server backend: mssql-django's, or a stand-in when pyodbc cannot be loaded."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import InterfaceError

from etlportal.backends.embedded import base as embedded
from etlportal.backends.sqlserver import odbc

# Before pyodbc is imported, because it reads the environment when it loads.
odbc.register(settings.DATA_DIR / "odbc")


class DriverMissing(embedded.DatabaseWrapper):
    """Stand-in without a driver: every connect raises SQLSTATE IM003 and says what to install.

    Pages, collector and doctor then treat a missing driver as a database that does not answer. Queries compile (as
    SQLite's) but are never sent.
    """

    vendor = "microsoft"
    display_name = "SQL Server"

    def get_connection_params(self) -> dict[str, Any]:
        return {}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        problem = odbc.driver_manager_problem() or "pyodbc can be loaded now: restart the portal"
        raise InterfaceError("IM003", f"[IM003] {problem} (0)")


try:
    from etlportal.backends.sqlserver.wrapper import SqlServerWrapper
except ImproperlyConfigured:  # raised by mssql-django when pyodbc or the driver manager cannot be loaded
    DatabaseWrapper: type[BaseDatabaseWrapper] = DriverMissing
else:
    DatabaseWrapper = SqlServerWrapper

"""The project's application: puts the execute wrappers on each connection and registers the system checks."""

import logging
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from etlportal.backends.sqlserver.odbc import driver_manager_problem
from etlportal.databases import WATCHED
from etlportal.guard import refuse_writes
from etlportal.statements import observe

logger = logging.getLogger(__name__)


class EtlPortalConfig(AppConfig):
    name = "etlportal"

    def ready(self) -> None:
        import etlportal.checks  # noqa: F401 - registers them

        connection_created.connect(wrap_statements, dispatch_uid="etlportal.wrap_statements")
        # Logged once per process; the pages show it too.
        if not settings.EMBEDDED and (problem := driver_manager_problem()):
            logger.error(problem)


def wrap_statements(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Put the execute wrappers on a new connection, once. The guard is outermost: it judges the original statement."""
    wanted = [refuse_writes, observe] if connection.alias in WATCHED else [observe]
    others = [wrapper for wrapper in connection.execute_wrappers if wrapper not in wanted]
    connection.execute_wrappers[:] = [*wanted, *others]


class PortalAdminConfig(AdminConfig):
    default_site = "etlportal.admin_site.PortalAdminSite"

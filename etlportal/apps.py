"""The plumbing's application: puts the guard on each watched connection, registers the deploy checks."""

import logging

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.db.backends.signals import connection_created

from etlportal import guard, statements
from etlportal.backends.sqlserver.odbc import driver_manager_problem

logger = logging.getLogger(__name__)


class EtlPortalConfig(AppConfig):
    name = "etlportal"

    def ready(self) -> None:
        import etlportal.checks  # noqa: F401 - registers them

        connection_created.connect(guard.install, dispatch_uid="etlportal.guard")
        connection_created.connect(statements.install, dispatch_uid="etlportal.statements")
        # Web server, collector and every command: said once, in the log, and the pages say it too.
        if not settings.EMBEDDED and (problem := driver_manager_problem()):
            logger.error(problem)


class PortalAdminConfig(AdminConfig):
    """django.contrib.admin, with our site instead of Django's."""

    default_site = "etlportal.admin_site.PortalAdminSite"

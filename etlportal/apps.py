"""The plumbing's application: puts the guard on each watched connection, registers the deploy checks."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.backends.signals import connection_created

from etlportal.guard import install


class EtlPortalConfig(AppConfig):
    name = "etlportal"

    def ready(self) -> None:
        import etlportal.checks  # noqa: F401 - registers them

        connection_created.connect(install, dispatch_uid="etlportal.guard")


class PortalAdminConfig(AdminConfig):
    """django.contrib.admin, with our site instead of Django's."""

    default_site = "etlportal.admin_site.PortalAdminSite"

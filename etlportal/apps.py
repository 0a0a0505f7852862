"""The project's application: execute wrappers on each connection, and the system checks of `manage.py check`.

A check with W runs with --deploy only. Each has an id and a hint.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from etlportal.backends.sqlserver.odbc import UNENCRYPTED, driver_manager_problem
from etlportal.databases import WATCHED
from etlportal.guard import refuse_writes
from etlportal.statements import observe

logger = logging.getLogger(__name__)


class EtlPortalConfig(AppConfig):
    name = "etlportal"

    def ready(self) -> None:
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


DEMO_USERS = ("viewer", "operator", "auditor", "admin")
DEMO_PASSWORD = "demo"  # noqa: S105 # nosec B105 - a public password, which the check looks for
POSITIVE = (
    *("SESSION_COOKIE_AGE", "COLLECT_BUSY_SECONDS", "COLLECT_IDLE_SECONDS", "SAMPLE_RETENTION_DAYS"),
    *("ROLLUP_RETENTION_DAYS", "DAY_RETENTION_DAYS", "COPY_RETENTION_DAYS", "TRAIL_RETENTION_DAYS", "PENDING_CAP"),
)


@register(Tags.files)
def data_folder(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if os.access(settings.DATA_DIR, os.W_OK | os.X_OK):
        return []
    hint = "Give the portal's user the right to write there, or set PORTAL_DATA_DIR to another folder."
    return [Error(f"The data folder {settings.DATA_DIR} cannot be written.", hint=hint, id="etlportal.E001")]


@register(Tags.compatibility)
def positive_numbers(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An interval of 0 would loop without a pause, and a retention of 0 would delete everything."""
    return [
        Error(f"{name} is {value}: it must be 1 or more.", hint=f"Correct {name} or leave it out.", id="etlportal.E003")
        for name in POSITIVE
        if (value := getattr(settings, name)) < 1
    ]


@register(Tags.database)
def no_demo_users(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    if settings.EMBEDDED or "default" not in (databases or ()):
        return []
    model = get_user_model()
    try:
        if model._meta.db_table not in connections["default"].introspection.table_names():
            return []
        users = list(model.objects.using("default").filter(username__in=DEMO_USERS).order_by("username"))
    except DatabaseError:
        return []  # Django's own check reports a database that does not answer
    names = [user.get_username() for user in users if user.check_password(DEMO_PASSWORD)]
    if not names:
        return []
    hint = "Delete them, or give them other passwords: manage.py changepassword NAME."
    text = f"Demo users with the published password exist: {', '.join(names)}."
    return [Error(text, hint=hint, id="etlportal.E002")]


@register(Tags.security, deploy=True)
def deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    real, warehouse = not settings.EMBEDDED, settings.DATABASES["dw"]
    options = warehouse["OPTIONS"]
    unverified = real and (options["encrypt"] in UNENCRYPTED or options["trust_server_certificate"] != "no")
    possible = (
        (
            *(not real, "W001", "The warehouse is the embedded demonstration."),
            "Set ETL_SQL_SERVER (and ETL_SQL_USER, ETL_SQL_PASSWORD). The demonstration is for one machine's own use.",
        ),
        (
            *("*" in settings.ALLOWED_HOSTS, "W002", "ALLOWED_HOSTS answers any host name."),
            "Set ALLOWED_HOSTS to the names people type, separated by commas.",
        ),
        (
            *(unverified, "W003", "Traffic to the SQL Server is not encrypted, or its certificate is not verified."),
            "Set ETL_SQL_ENCRYPT=yes and ETL_SQL_TRUST_SERVER_CERTIFICATE=no, and have this machine trust the "
            "authority that signed the server's certificate.",
        ),
        (
            *(
                real and warehouse.get("USER", "").lower() == "sa",
                "W004",
                "The portal signs in to the SQL Server as sa.",
            ),
            "Create the login etl_monitor with SELECT on ctl, audit, dim, fact and core (see sql/sqlserver/).",
        ),
    )
    return [Warning(text, hint=hint, id=f"etlportal.{code}") for wrong, code, text, hint in possible if wrong]

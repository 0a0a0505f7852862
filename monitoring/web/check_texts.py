"""The pre-flight in words: what was checked, what was found, what to do."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.rules.enums import CheckState, ProblemCode
from monitoring.rules.facts import Check
from monitoring.rules.preflight import CheckGroup, Readiness
from monitoring.web.formats import duration, number
from monitoring.web.problems import code_text, problem_text


class CheckWords(NamedTuple):
    label: str
    detail: str
    to_do: str


# Longest beginning wins: "dw.table.audit.etl_run" is found by "dw.table.".
LABELS: dict[str, Any] = {
    "dw.connection": _("DW connection"),
    "oltp.connection": _("OLTP connection"),
    "dw.clock": _("DW clock"),
    "oltp.clock": _("OLTP clock"),
    "server.encryption": _("Encryption"),
    "dw.isolation": _("DW: snapshot isolation"),
    "oltp.isolation": _("OLTP: snapshot isolation"),
    "dw.schema.": _("Schema %(name)s"),
    "dw.table.": _("Table %(name)s with its columns"),
    "dw.permission.": _("SELECT on %(name)s"),
    "dw.index.": _("Indexes of %(name)s"),
    "dw.execute.": _("EXECUTE on %(name)s"),
    "dw.sessions": _("Permission: VIEW SERVER STATE"),
    "pipelines.active": _("At least one active pipeline"),
    "pipeline.active": _("Active"),
    "pipeline.mapping": _("Mapping valid"),
    "pipeline.source": _("Source exists"),
    "pipeline.target": _("Target exists"),
    "pipeline.source_permission": _("SELECT on the source"),
    "pipeline.target_permission": _("SELECT on the target"),
    "pipeline.index": _("Index on (updated_at, key)"),
    "pipeline.ready": _("Ready"),
    "required.ready": _("Required: ready"),
    "required.active": _("Required: active"),
    "collector.age": _("Collector"),
}

_CLOCK_TO_DO = _(
    "Synchronise the clocks of the server and of this machine with the same time server. Until then, ages are wrong."
)
_SNAPSHOT_TO_DO = _(
    "Ask the DBA: ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON, or remove ETL_SQL_ISOLATION. Until "
    "then, the portal reads uncommitted data."
)

# Those that manage.py doctor makes besides: of the portal itself.
PORTAL_LABELS: dict[str, Any] = {
    "odbc.driver": _("ODBC driver manager and driver"),
    "portal.database": _("The portal's own database"),
    "portal.migrated": _("The portal's tables are up to date"),
    "portal.data_folder": _("The data folder can be written"),
    "portal.settings.": _("Settings, %(name)s"),
    "portal.settings": _("Settings"),
}
_ALL_LABELS = LABELS | PORTAL_LABELS

_TO_DO: dict[str, Any] = {
    "dw.connection": _("Check that the DW server is running and that the portal's ETL_SQL_ variables are right."),
    "oltp.connection": _("Check that the OLTP server is running and that the portal's ETL_SQL_ variables are right."),
    "dw.clock": _CLOCK_TO_DO,
    "oltp.clock": _CLOCK_TO_DO,
    "server.encryption": _(
        "Set ETL_SQL_ENCRYPT=yes and ETL_SQL_TRUST_SERVER_CERTIFICATE=no, and make this machine trust the "
        "authority that signed the server's certificate. Until then, the traffic can be intercepted, "
        "including the password."
    ),
    "dw.isolation": _SNAPSHOT_TO_DO,
    "oltp.isolation": _SNAPSHOT_TO_DO,
    "dw.schema.": _("Create the schema, or check that ETL_DW_DB names the right database."),
    "dw.table.": _(
        "Change the table to match the contract (sql/sqlserver), or check that ETL_DW_DB names the right database."
    ),
    "dw.permission.": _("Ask the DBA: GRANT SELECT on it to the portal's login."),
    "dw.index.": _(
        "Ask the DBA for the index: manage.py doctor prints the statement. Until then, every sample is slow."
    ),
    "dw.execute.": _(
        "Ask the DBA to GRANT EXECUTE on it to the portal's login, or to create it (sql/sqlserver): manage.py doctor "
        "prints the statement."
    ),
    "dw.sessions": _(
        "Ask the DBA for the permission: manage.py doctor prints the statement. Until then, captures taken "
        "here show only the portal's own session."
    ),
    "pipelines.active": _("Set is_active = 1 for a pipeline in ctl.etl_control, or add one."),
    "pipeline.active": _("To run it again, set is_active = 1 for it in ctl.etl_control."),
    "pipeline.mapping": _("Correct its names in ctl.etl_control: schema.table for both tables, a column for the key."),
    "pipeline.source": _("Check source_table in ctl.etl_control, or have the table created in the OLTP."),
    "pipeline.target": _("Check target_table in ctl.etl_control, or have the table created in the DW."),
    "pipeline.source_permission": _("Ask the DBA: GRANT SELECT on the source to the portal's login."),
    "pipeline.target_permission": _("Ask the DBA: GRANT SELECT on the target to the portal's login."),
    "pipeline.index": _(
        "Create an index on (updated_at, key) in the source. Without it, each sample and each run reads the "
        "whole table."
    ),
    "pipeline.ready": _("Fix its failed checks: mapping, source, target."),
    "required.ready": _("Fix this pipeline's failed checks: it is required."),
    "required.active": _(
        "Set is_active = 1 for it in ctl.etl_control, or remove it from the list of required pipelines."
    ),
    "collector.age": _("Start it (manage.py collect) and check its log."),
    "odbc.driver": _("Until then no SQL Server can be reached from this machine."),
    "portal.database": _("Check DATABASE_URL, that its server is running, and that its user may connect."),
    "portal.migrated": _("Run manage.py migrate."),
    "portal.data_folder": _("Give the portal's user write permission, or set PORTAL_DATA_DIR to another folder."),
}
_NOT_LISTED = _("Add it to ctl.etl_control, or remove it from the list of required pipelines (REQUIRED_PIPELINES).")


def check_text(check: Check) -> CheckWords:
    values = check.values
    to_do = "" if check.state is CheckState.PASSED else _to_do(check)
    return CheckWords(check_label(check.code, values), _detail(check), to_do)


def check_label(code: str, values: dict[str, Any] | None = None) -> str:
    """Return the name of a check by its code; the code itself for one without a name."""
    key = _key(code, _ALL_LABELS)
    if key is None:
        return code
    return str(_ALL_LABELS[key]) % {"name": code.removeprefix(key), **(values or {})}


def connection_facts(check: Check) -> tuple[tuple[str, str], ...]:
    values = check.values
    latency = values.get("latency_ms")
    answered = gettext("%(number)s ms") % {"number": number(latency, 1)} if isinstance(latency, int | float) else ""
    found = (
        (gettext("Server"), values.get("server")),
        (gettext("Database"), values.get("database")),
        (gettext("Driver"), values.get("driver")),
        (gettext("Answered in"), answered),
        (gettext("Clock difference"), _seconds(values.get("clock_skew_seconds"))),
        (gettext("Application intent"), values.get("intent")),
        (gettext("Isolation"), values.get("isolation")),
        (gettext("Connection"), values.get("connection_string")),
    )
    return tuple((name, str(value)) for name, value in found if value)


def check_advice(code: str, problem: ProblemCode | None = None) -> str:
    """Return what to do when this check failed.

    The driver's reason explains more than the check, unless it only says that something is missing or not allowed.
    """
    key = _key(code, _TO_DO)
    if problem is not None and (problem not in _OF_STRUCTURE or key is None):
        return code_text(problem).to_do
    return str(_TO_DO[key]) if key else ""


_OF_STRUCTURE = frozenset(
    {
        *(ProblemCode.OBJECT_MISSING, ProblemCode.COLUMN_MISSING, ProblemCode.PERMISSION_DENIED),
        *(ProblemCode.NAME_INVALID, ProblemCode.REMOTE_SYNONYM),
    }
)


def _to_do(check: Check) -> str:
    values = check.values
    if check.code.startswith("portal.settings"):
        return str(values.get("hint") or "")
    if check.code in PORTAL_LABELS and check.state is CheckState.FAILED:
        return str(_TO_DO[check.code])
    if check.problem is None and check.state is CheckState.UNKNOWN:
        return code_text(ProblemCode.NOT_READ).to_do
    if check.code.startswith("required.") and values.get("listed") == 0:
        return str(_NOT_LISTED)
    return check_advice(check.code, check.problem.code if check.problem else None)


def _detail(check: Check) -> str:
    values = check.values
    if values.get("message"):
        return str(values["message"])
    if values.get("missing"):
        return gettext("Missing columns: %(columns)s") % {"columns": values["missing"]}
    if check.problem is not None and check.state is not CheckState.PASSED:
        return problem_text(check.problem).what
    if check.state is CheckState.UNKNOWN:
        return gettext("It could not be checked.")
    return _database_detail(check, values) or _pipeline_detail(check, values)


def _database_detail(check: Check, values: dict[str, Any]) -> str:
    if check.code.endswith(".connection"):
        found = {"database": values.get("database") or "?", "server": values.get("server") or "?"}
        only_database = values.get("database") and not values.get("server")
        return str(found["database"]) if only_database else gettext("%(database)s on %(server)s") % found
    if check.code.endswith(".clock"):
        return _seconds(values.get("seconds"))
    if values.get("exists") == 0:
        return gettext("It does not exist.")
    if check.code == "server.encryption":
        return _encryption_detail(values)
    if check.code.endswith(".isolation") and check.state is CheckState.WARNING:
        return gettext("The database does not allow it.")
    return _standing_detail(check, values)


def _encryption_detail(values: dict[str, Any]) -> str:
    if not values.get("encrypted"):
        return gettext("Traffic to and from the server is not encrypted.")
    if not values.get("verified"):
        return gettext("Encrypted, but any certificate is trusted: another server could answer in its place.")
    return gettext("Encrypted, the certificate verified.")


def _standing_detail(check: Check, values: dict[str, Any]) -> str:
    if values.get("columns"):
        return gettext("Missing index: %(columns)s") % {"columns": values["columns"]}
    if check.code.startswith("dw.execute.") and check.state is not CheckState.PASSED:
        return gettext("It does not exist, or the portal's login may not execute it.")
    if values.get("pending"):
        return ngettext(
            "%(number)s migration has not been applied.",
            "%(number)s migrations have not been applied.",
            values["pending"],
        ) % {"number": number(values["pending"])}
    return str(values.get("permission") or values.get("found") or "")


def _pipeline_detail(check: Check, values: dict[str, Any]) -> str:
    code = check.code
    if code == "pipelines.active":
        return gettext("%(active)s of %(pipelines)s") % {
            "active": number(values.get("active")),
            "pipelines": number(values.get("pipelines")),
        }
    if code == "pipeline.active" and values.get("active") == 0:
        return gettext("Switched off: not evaluated.")
    if code == "pipeline.mapping":
        return f"{values.get('source')} → {values.get('target')}"
    if code.startswith("required.") and values.get("listed") == 0:
        return gettext("ctl.etl_control has no such pipeline.")
    if code == "collector.age" and check.state is not CheckState.PASSED:
        return _collector(check.state, values)
    return str(values.get("table") or "")


def _collector(state: CheckState, values: dict[str, Any]) -> str:
    if state is CheckState.WARNING:
        return gettext("The collector is not running. An open page takes a sample once a minute.")
    limit = values.get("limit_seconds")
    if limit is None:
        return gettext("It has never run.")
    return gettext("Its last sample is older than %(limit)s.") % {"limit": duration(limit)}


def _key(code: str, table: dict[str, Any]) -> str | None:
    if code in table:
        return code
    return next((key for key in table if key.endswith(".") and code.startswith(key)), None)


def _seconds(value: Any) -> str:
    # Plus zero: what rounds to nothing has no sign.
    return (
        gettext("%(number)s s") % {"number": number(round(value, 1) + 0.0, 1)} if isinstance(value, int | float) else ""
    )


GROUPS: dict[CheckGroup, Any] = {
    CheckGroup.CONNECTIONS: _("Connections"),
    CheckGroup.TABLES: _("Schemas, tables and permissions"),
    CheckGroup.PIPELINES: _("Pipelines"),
    CheckGroup.PORTAL: _("The portal itself"),
}
READINESS: dict[Readiness, Any] = {
    Readiness.READY: pgettext_lazy("doctor", "Ready"),
    Readiness.WARNINGS: pgettext_lazy("doctor", "Ready, but not everything passed"),
    Readiness.NOT_READY: pgettext_lazy("doctor", "Not ready"),
}
FOR_THE_DBA = _(
    "For the DBA: statements for the missing permissions and objects. Review and run them; the portal never does."
)

_WHY: dict[str, Any] = {
    "sessions": _("A snapshot shows all sessions only to a login with this permission."),
    "user": _(
        "The login cannot open this database. If the database is online, the login has no user in it: this "
        "statement creates one that can read. It does not help if the database is offline, being restored or "
        "missing."
    ),
    "snapshot": _(
        "ETL_SQL_ISOLATION requests snapshot isolation, which this database does not allow. It uses space in tempdb."
    ),
    "select": _("The portal has no permission to read %(name)s. (A DENY, if there is one, must be revoked as well.)"),
    "hidden": _(
        "%(name)s is not fully visible. Either it does not exist here, or this permission is missing: SQL "
        "Server hides objects that a login may not read."
    ),
    "execute": _(
        "The portal may not execute %(name)s, or it does not exist: sql/sqlserver/60_dw_procedures.sql creates it."
    ),
    "index": _(
        "The portal reads %(name)s in this order for every sample. Without the index, each read scans the "
        "whole table. Building the index blocks writers: choose a quiet hour. (Enterprise edition: add WITH "
        "(ONLINE = ON).)"
    ),
    "index_online": _(
        "The portal reads %(name)s in this order for every sample. Without the index, each read scans the whole table."
    ),
}


def why_text(code: str, values: dict[str, str]) -> str:
    return str(_WHY[code]) % values


def counts_text(states: list[CheckState]) -> str:
    """Return for example "1 failed, 12 passed"."""
    told = (
        (CheckState.FAILED, lambda n: ngettext("%(n)d failed", "%(n)d failed", n)),
        (CheckState.UNKNOWN, lambda n: ngettext("%(n)d unknown", "%(n)d unknown", n)),
        (CheckState.WARNING, lambda n: ngettext("%(n)d warning", "%(n)d warnings", n)),
        (CheckState.PASSED, lambda n: ngettext("%(n)d passed", "%(n)d passed", n)),
    )
    numbers = ((states.count(state), words) for state, words in told)
    return ", ".join(words(number) % {"n": number} for number, words in numbers if number)

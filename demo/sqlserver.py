"""The demo's shop and ETL on a real SQL Server (`manage.py demo_etl --sqlserver`), in databases made for it only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.build import SCHEDULER
from demo.dialects import SqlServer, marks
from demo.live import BY_HAND, LiveEtl, RealClock
from demo.pipelines import PIPELINES
from demo.sessions import RETENTION_DAYS, RUNNER_PROGRAM
from demo.users import DemoRefused
from etlportal.backends.sqlserver.odbc import connection_string

MARK = "etlportal_demo"
CONNECT_SECONDS = 10
_NEEDED = ("ETL_RUNNER_SERVER", "ETL_RUNNER_USER", "ETL_RUNNER_PASSWORD", "ETL_RUNNER_DW_DB", "ETL_RUNNER_OLTP_DB")


def target(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the ETL_RUNNER_ variables. They have no default, to protect existing warehouses. Raises DemoRefused."""
    found = {
        "ETL_RUNNER_PORT": "1433",
        "ETL_RUNNER_ENCRYPT": "yes",
        "ETL_RUNNER_TRUST_SERVER_CERTIFICATE": "no",
        **{name: value for name, value in environ.items() if name.startswith("ETL_RUNNER_") and value},
    }
    if path := found.get("ETL_RUNNER_PASSWORD_FILE"):
        try:
            found["ETL_RUNNER_PASSWORD"] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise DemoRefused(f"ETL_RUNNER_PASSWORD_FILE cannot be read: {error.strerror}.") from error
    if missing := [name for name in _NEEDED if not found.get(name)]:
        raise DemoRefused(f"Set {', '.join(missing)}: which server and databases, and as whom.")
    return found


def odbc_text(found: Mapping[str, str], alias: str, driver: str) -> str:
    return connection_string(
        {
            "DRIVER": driver,
            "SERVER": f"{found['ETL_RUNNER_SERVER']},{found['ETL_RUNNER_PORT']}",
            "DATABASE": found[f"ETL_RUNNER_{alias.upper()}_DB"],
            "UID": found["ETL_RUNNER_USER"],
            "PWD": found["ETL_RUNNER_PASSWORD"],
            "Encrypt": found["ETL_RUNNER_ENCRYPT"],
            "TrustServerCertificate": found["ETL_RUNNER_TRUST_SERVER_CERTIFICATE"],
            "APP": RUNNER_PROGRAM,
        }
    )


def refuse_others(dw: Any, oltp: Any) -> None:
    """Raise DemoRefused unless both databases belong to the demo and no other demo uses them."""
    for name, connection in (("dw", dw), ("oltp", oltp)):
        if not _all(connection, "SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = ?", MARK):
            raise DemoRefused(
                f"The {name} database does not carry the mark {MARK!r} of a database made for the demo "
                "(docker/databases.sql). Nothing was written."
            )
    strange = {row[0] for row in _all(dw, "SELECT entity_name FROM ctl.etl_control")} - set(PIPELINES)
    if strange:
        raise DemoRefused(f"ctl.etl_control has pipelines that are not the demo's: {', '.join(sorted(strange))}.")
    ours = (SCHEDULER, BY_HAND[0])
    others = _all(dw, f"SELECT TOP (1) started_by FROM audit.etl_run WHERE started_by NOT IN ({marks(ours)})", *ours)
    if others:
        raise DemoRefused(f"audit.etl_run has runs that {others[0][0]} started: another ETL works here.")
    lock = "SET NOCOUNT ON; DECLARE @got INT; EXEC @got = sp_getapplock ?, 'Exclusive', 'Session', 0; SELECT @got"
    if _all(dw, lock, MARK)[0][0] < 0:
        raise DemoRefused("Another demo's ETL works in this database.")
    dw.commit()


def _all(connection: Any, sql: str, *params: Any) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(sql, params) if params else cursor.execute(sql)
    return list(cursor.fetchall())


def on_server(environ: Mapping[str, str], folder: Path, clock: RealClock, pace: float = 1.0) -> LiveEtl:
    """Return the ETL on the server in the environment. `folder` may get an odbcinst.ini. Raises DemoRefused."""
    from etlportal.backends.sqlserver import odbc

    found = target(environ)
    odbc.register(folder)  # before pyodbc is imported
    if problem := odbc.driver_manager_problem():
        raise DemoRefused(problem)
    import pyodbc

    pyodbc.pooling = False

    def call(dw: Any, procedure: str) -> None:
        dw.cursor().execute(procedure)
        dw.commit()

    return LiveEtl(
        connect=lambda alias: pyodbc.connect(odbc_text(found, alias, odbc.driver_name()), timeout=CONNECT_SECONDS),
        errors=(pyodbc.Error,),
        clock=clock,
        pace=pace,
        dialect=SqlServer(),
        admit=refuse_others,
        check=lambda: None,
        sample=lambda dw: call(dw, "EXEC audit.sp_capture_connection_snapshot"),
        prune=lambda dw: call(dw, f"EXEC audit.sp_connection_audit_cleanup {RETENTION_DAYS:d}"),
    )

"""Simulated server sessions and their samples: a function of seed and time, so they survive a restart."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

SEED = 20_260_101
RUNNER_PROGRAM = "etl-runner"
"""The ETL's APP=. The dashboard that the portal replaces uses the same login with another program name."""
RETENTION_DAYS = 30
LONGEST_RUN = timedelta(minutes=30)
"""The session of a run that has been running for longer counts as ended."""

EVENT_COLUMNS = (
    *("event_time_utc", "captured_by", "session_id", "login_name", "host_name", "program_name", "database_name"),
    *("status", "login_time", "net_transport", "protocol_type", "client_net_address", "client_tcp_port"),
    *("encrypt_option", "auth_scheme"),
)
_EPOCH = datetime.fromisoformat("2024-01-01")
_OFFICE = (range(5), range(11, 22))
"""Weekdays and UTC hours: 8 to 19 in São Paulo."""


@dataclass(frozen=True, slots=True)
class Habit:
    """A client that connects every `hours` for up to `share` of them. Without `address` it is local."""

    login: str
    host: str
    program: str
    database: str
    address: str
    hours: float
    share: float
    encrypted: bool = True
    auth: str = "SQL"
    office: bool = False


_STUDIO = "Microsoft SQL Server Management Studio - Query"
_SQLCLIENT = ".Net SqlClient Data Provider"
HABITS = (
    Habit("svc_loja", "LOJA-WEB-01", "loja-api", "ECOMMERCE_OLTP", "10.20.1.11", 7, 0.98),
    Habit("svc_loja", "LOJA-WEB-02", "loja-api", "ECOMMERCE_OLTP", "10.20.1.12", 8, 0.98),
    Habit("svc_loja", "LOJA-WEB-03", "loja-api", "ECOMMERCE_OLTP", "10.20.1.13", 9, 0.98),
    Habit("svc_loja", "LOJA-WEB-04", "loja-api", "ECOMMERCE_OLTP", "10.20.1.14", 10, 0.98),
    Habit("etl_monitor", "PORTAL-01", "etlportal-web", "DW_ECOMMERCE", "10.20.2.30", 24, 0.99),
    Habit("etl_monitor", "PORTAL-01", "etlportal-web", "ECOMMERCE_OLTP", "10.20.2.30", 25, 0.99),
    Habit("etl_runner", "ETL-01", "streamlit-dashboard", "DW_ECOMMERCE", "10.20.2.20", 31, 0.6),
    Habit("svc_powerbi", "BI-GW-01", "Mashup Engine", "DW_ECOMMERCE", "10.20.3.5", 2, 0.7),
    Habit("svc_powerbi", "BI-GW-02", "Mashup Engine", "DW_ECOMMERCE", "10.20.3.6", 2.5, 0.6),
    Habit("svc_estoque", "ERP-APP-01", _SQLCLIENT, "ECOMMERCE_OLTP", "10.20.5.8", 9, 0.95, encrypted=False),
    Habit("svc_estoque", "ERP-APP-02", _SQLCLIENT, "ECOMMERCE_OLTP", "10.20.5.9", 192, 0.95, encrypted=False),
    Habit("EMPRESA\\svc_sqlagent", "SQL-PRD-01", "SQLAgent - Generic Refresher", "msdb", "", 48, 0.99,
          encrypted=False, auth="NTLM"),
    Habit("svc_backup", "BKP-01", "Backup Agent", "master", "10.20.9.4", 12, 0.15),
    Habit("EMPRESA\\ana.souza", "NB-2041", _STUDIO, "DW_ECOMMERCE", "10.30.4.51", 3.5, 0.8, auth="NTLM", office=True),
    Habit("EMPRESA\\bruno.lima", "NB-2058", _STUDIO, "DW_ECOMMERCE", "10.30.4.52", 3.5, 0.8, encrypted=False,
          auth="KERBEROS", office=True),
    Habit("EMPRESA\\carla.reis", "NB-2075", _STUDIO, "DW_ECOMMERCE", "10.30.4.53", 3.5, 0.8, encrypted=False,
          auth="KERBEROS", office=True),
    # For the audit pages: a machine with a new name each time, and an external analyst at any hour.
    Habit("svc_dbt", "CI-{turn}", "dbt", "DW_ECOMMERCE", "10.40.7.21", 20, 0.15),
    Habit("EMPRESA\\ana.souza", "VPN-07", _STUDIO, "DW_ECOMMERCE", "10.60.0.7", 40, 0.06, auth="NTLM"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a `habit`. `login_time` is naive UTC."""

    session_id: int
    habit: Habit
    login_time: datetime
    port: int
    status: str = "sleeping"

    def event(self, seen: datetime) -> tuple[object, ...]:
        habit, local = self.habit, not self.habit.address
        return (
            seen.isoformat(sep=" ", timespec="milliseconds"), "SNAPSHOT_DMV", self.session_id, habit.login, habit.host,
            habit.program, habit.database, self.status, self.login_time.isoformat(sep=" ", timespec="milliseconds"),
            "Shared memory" if local else "TCP", "TSQL", habit.address or "<local machine>",
            None if local else self.port, "TRUE" if habit.encrypted else "FALSE", habit.auth,
        )  # fmt: skip


def sessions_at(moment: datetime) -> Iterator[Session]:
    weekdays, hours = _OFFICE
    for number, habit in enumerate(HABITS):
        opened, closed, session = _turn(number, int((moment - _EPOCH) / timedelta(hours=habit.hours)))
        working = moment.weekday() in weekdays and moment.hour in hours
        if opened <= moment < closed and (working or not habit.office):
            yield session


def runner_session(started: datetime, run_id: int) -> Session:
    habit = Habit("etl_runner", "ETL-01", RUNNER_PROGRAM, "DW_ECOMMERCE", "10.20.2.20", 1, 1)
    return Session(90 + run_id % 7, habit, started, 49152 + run_id % 16000, "running")


@cache
def _turn(number: int, turn: int) -> tuple[datetime, datetime, Session]:
    habit, rng = HABITS[number], random.Random(f"{SEED}:{number}:{turn}")
    period = timedelta(hours=habit.hours)
    opened = _EPOCH + turn * period + period * (1 - habit.share) * rng.random()
    opened = opened.replace(microsecond=rng.randrange(1000) * 1000)
    closed = opened + period * habit.share * rng.uniform(0.7, 1)
    habit = replace(habit, host=habit.host.format(turn=turn))
    status = "running" if rng.random() < 0.15 else "sleeping"
    return opened, closed, Session(52 + number, habit, opened, rng.randint(49152, 65000), status)


def capture(dw: Any, now: datetime) -> None:
    """Insert one event per open session (for EXEC audit.sp_capture_connection_snapshot). The caller commits."""
    running = dw.execute(
        "SELECT run_id, started_at FROM audit.etl_run WHERE started_at >= ? AND status = 'running'",
        ((now - LONGEST_RUN).isoformat(sep=" ", timespec="seconds"),),
    )
    runners = [runner_session(datetime.fromisoformat(str(started)), run_id) for run_id, started in running.fetchall()]
    insert_events(dw, [*sessions_at(now), *runners], now)


def sample(dw: Any, now: datetime) -> None:
    capture(dw, now)
    dw.commit()


def insert_events(dw: Any, sessions: Iterable[Session], seen: datetime) -> None:
    names, values = ", ".join(EVENT_COLUMNS), ", ".join("?" for _ in EVENT_COLUMNS)
    sql = f"INSERT INTO audit.connection_login_events ({names}) VALUES ({values})"
    dw.cursor().executemany(sql, [session.event(seen) for session in sessions])


def capture_connection_snapshot(connection: sqlite3.Connection) -> None:
    """Run `capture` on a connection of the portal, inside its transaction if there is one. Raises sqlite3.Error."""
    now = datetime.now(UTC).replace(tzinfo=None)
    if connection.in_transaction:
        capture(connection, now)
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        capture(connection, now)


def clean_up(dw: Any, now: datetime) -> int:
    """Delete expired events and commit (for EXEC audit.sp_connection_audit_cleanup). Return their number."""
    before = (now - timedelta(days=RETENTION_DAYS)).isoformat(sep=" ", timespec="milliseconds")
    deleted = dw.execute("DELETE FROM audit.connection_login_events WHERE event_time_utc < ?", (before,)).rowcount
    dw.commit()
    return int(deleted)

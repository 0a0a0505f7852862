"""Who is connected to the pretended server: what `audit.sp_capture_connection_snapshot` would see.

Sessions are a pure function of the seed and the time: asked twice, before and after a restart, the
same session has the same number and the same login time. A session is the pair of the two.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from faker import Faker

OFFICE_ZONE = ZoneInfo("America/Sao_Paulo")
"""Where the shop's people work. The server's own clock shows UTC: login_time needs no conversion here."""

RUNNER_PROGRAM = "etl-runner"
"""The runner's APP=; the dashboard that the portal replaces uses the same login under another name."""

_EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 - naive UTC, as everywhere in the demonstration


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One open session. `login_time` is by the server's own clock: UTC here."""

    session_id: int
    login_name: str
    host_name: str
    program_name: str
    database_name: str
    status: str
    login_time: datetime
    net_transport: str = "TCP"
    client_net_address: str | None
    client_tcp_port: int | None
    encrypted: bool
    auth_scheme: str

    def row(self, seen_at: str) -> tuple[object, ...]:
        """Return the values of EVENT_COLUMNS for one snapshot (`seen_at`: UTC text with milliseconds)."""
        return (
            seen_at, "SNAPSHOT_DMV", self.session_id, self.login_name, self.host_name, self.program_name,
            self.database_name, self.status, self.login_time.isoformat(sep=" ", timespec="milliseconds"),
            self.net_transport, "TSQL", self.client_net_address, self.client_tcp_port,
            "TRUE" if self.encrypted else "FALSE", self.auth_scheme,
        )  # fmt: skip


EVENT_COLUMNS = (
    "event_time_utc",
    "captured_by",
    "session_id",
    "login_name",
    "host_name",
    "program_name",
    "database_name",
    "status",
    "login_time",
    "net_transport",
    "protocol_type",
    "client_net_address",
    "client_tcp_port",
    "encrypt_option",
    "auth_scheme",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Habit:
    """Somebody who connects again and again: every `every` hours, for up to `share` of them."""

    login: str
    host: str
    program: str
    database: str
    address: str | None
    every: float
    share: float
    office_hours: bool = False
    encrypted: bool = True
    auth: str = "SQL"
    transport: str = "TCP"


def _habits(seed: int) -> list[_Habit]:
    faker = Faker("pt_BR")
    faker.seed_instance(seed)
    people = [faker.user_name() for _ in range(4)]
    studio = "Microsoft SQL Server Management Studio - Query"
    shop = [
        _Habit(login="svc_loja", host=f"LOJA-WEB-{n:02}", program="loja-api", database="ECOMMERCE_OLTP",
               address=f"10.20.1.{10 + n}", every=6 + n, share=0.98)
        for n in range(1, 8)
    ]  # fmt: skip
    analysts = [
        _Habit(login=f"EMPRESA\\{name}", host=f"NB-{2041 + 17 * n}", program=studio, database="DW_ECOMMERCE",
               address=f"10.30.4.{51 + n}", every=3.5, share=0.8, office_hours=True, encrypted=n == 0,
               auth="KERBEROS" if n else "NTLM")
        for n, name in enumerate(people)
    ]  # fmt: skip
    others = [
        _Habit(login="etl_monitor", host="PORTAL-01", program="etlportal-web", database="DW_ECOMMERCE",
               address="10.20.2.30", every=24, share=0.99),
        _Habit(login="etl_monitor", host="PORTAL-01", program="etlportal-web", database="ECOMMERCE_OLTP",
               address="10.20.2.30", every=25, share=0.99),
        _Habit(login="etl_runner", host="ETL-01", program="streamlit-dashboard", database="DW_ECOMMERCE",
               address="10.20.2.20", every=31, share=0.6),
        _Habit(login="svc_powerbi", host="BI-GW-01", program="Mashup Engine", database="DW_ECOMMERCE",
               address="10.20.3.5", every=2, share=0.7),
        _Habit(login="svc_powerbi", host="BI-GW-02", program="Mashup Engine", database="DW_ECOMMERCE",
               address="10.20.3.6", every=2.5, share=0.6),
        _Habit(login="svc_estoque", host="ERP-APP-01", program=".Net SqlClient Data Provider",
               database="ECOMMERCE_OLTP", address="10.20.5.8", every=9, share=0.95, encrypted=False),
        _Habit(login="svc_estoque", host="ERP-APP-02", program=".Net SqlClient Data Provider",
               database="ECOMMERCE_OLTP", address="10.20.5.9", every=24 * 8, share=0.95, encrypted=False),
        _Habit(login="EMPRESA\\svc_sqlagent", host="SQL-PRD-01", program="SQLAgent - Generic Refresher",
               database="msdb", address=None, every=48, share=0.99, encrypted=False, auth="NTLM",
               transport="Shared memory"),
        _Habit(login="svc_backup", host="BKP-01", program="Backup Agent", database="master",
               address="10.20.9.4", every=12, share=0.15),
    ]  # fmt: skip
    # What an auditor would ask about: a machine made anew each day, an analyst at night.
    odd = [
        _Habit(login="svc_dbt", host="CI-{turn}", program="dbt", database="DW_ECOMMERCE",
               address="10.40.7.21", every=20, share=0.15),
        _Habit(login=f"EMPRESA\\{people[0]}", host="VPN-07", program=studio, database="DW_ECOMMERCE",
               address="10.60.0.7", every=40, share=0.06, auth="NTLM"),
    ]  # fmt: skip
    return shop + others + analysts + odd


class Sessions:
    """The sessions of everybody but the runner, at any time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._habits = _habits(seed)
        self._memory: dict[tuple[int, int], tuple[datetime, datetime, Session]] = {}

    def at(self, moment: datetime) -> Iterator[Session]:
        """Yield the sessions that are open at `moment` (naive UTC), by session number."""
        for number, habit in enumerate(self._habits):
            period = timedelta(hours=habit.every)
            turn = int((moment - _EPOCH) / period)
            opened, closed, session = self._turn(number, turn)
            if opened <= moment < closed and not (habit.office_hours and not _office(moment)):
                yield session

    def runner(self, started: datetime, run_id: int) -> Session:
        """Return the runner's own session of a run that started then (naive UTC)."""
        return Session(
            session_id=90 + run_id % 7,
            login_name="etl_runner",
            host_name="ETL-01",
            program_name=RUNNER_PROGRAM,
            database_name="DW_ECOMMERCE",
            status="running",
            login_time=started,
            client_net_address="10.20.2.20",
            client_tcp_port=49152 + run_id % 16000,
            encrypted=True,
            auth_scheme="SQL",
        )

    def _turn(self, number: int, turn: int) -> tuple[datetime, datetime, Session]:
        """Return when the habit's session number `turn` opens and closes, and the session."""
        known = self._memory.get((number, turn))
        if known is None:
            habit = self._habits[number]
            rng = random.Random(f"{self._seed}:{number}:{turn}")
            period = timedelta(hours=habit.every)
            opened = _EPOCH + turn * period + period * (1 - habit.share) * rng.random()
            opened = opened.replace(microsecond=rng.randrange(1000) * 1000)
            closed = opened + period * habit.share * rng.uniform(0.7, 1)
            known = opened, closed, self._session(number, turn, habit, opened, rng)
            self._memory[number, turn] = known
        return known

    def _session(self, number: int, turn: int, habit: _Habit, opened: datetime, rng: random.Random) -> Session:
        return Session(
            session_id=52 + number,
            login_name=habit.login,
            host_name=habit.host.format(turn=turn),
            program_name=habit.program,
            database_name=habit.database,
            status="running" if rng.random() < 0.15 else "sleeping",
            login_time=opened,
            net_transport=habit.transport,
            client_net_address=habit.address or "<local machine>",
            client_tcp_port=rng.randint(49152, 65000) if habit.address else None,
            encrypted=habit.encrypted,
            auth_scheme=habit.auth,
        )


def _office(moment: datetime) -> bool:
    local = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(OFFICE_ZONE)
    return local.weekday() < 5 and 8 <= local.hour < 19

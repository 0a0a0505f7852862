"""The worlds that the characterisation test records: rows of a warehouse, collected by real ticks at fixed times.

This is the only module of the test that imports application code, so that a move of modules changes one file.
A world is made of warehouse rows alone. Everything behind them (collector, rules, snapshot, queries, pages) may be
restructured without touching it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse

from monitoring.models import GroupScope, PipelineSettings
from tests.support import faults
from tests.support.addresses import ADDRESSES as ADDRESSES
from tests.support.collecting import Watcher
from tests.support.queries import FRAME
from tests.support.shop import Orders, customer, region
from tests.support.warehouse import NOW, PIPELINES, Warehouse

ALIASES = ("default", "dw", "oltp")
HEALTHY, FAILING, LATE, IDLE = "dim_cliente", "dim_produto", "fact_vendas", "dim_regiao"
SCOPE = (HEALTHY, FAILING)
UNIQUE = (
    "IntegrityError: ('23000', \"[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of UNIQUE KEY "
    "constraint 'UQ_DIM_PRODUTO_original'. Cannot insert duplicate key in object 'dim.DIM_PRODUTO'. The duplicate key "
    'value is (4711). (2627) (SQLExecDirectW)")'
)
TIMEOUT = (
    "OperationalError: ('HYT00', '[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Query timeout expired (0) "
    "(SQLExecDirectW)')"
)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


@contextmanager
def frozen(at: datetime = NOW) -> Iterator[time_machine.Coordinates]:
    """Stop Python's and SQLite's clocks at `at`. Durations measured in the process are zero."""
    with time_machine.travel(at, tick=False) as clock, pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: 0.0)
        _set_strftime(_frozen_strftime)
        try:
            yield clock
        finally:
            # SQLite cannot give a built-in function back, and the connections outlive this test.
            _set_strftime(_strftime)


_sqlite, _one_at_a_time = sqlite3.connect(":memory:", check_same_thread=False), threading.Lock()


def _set_strftime(function: Callable[..., Any]) -> None:
    for alias in ALIASES:
        connections[alias].ensure_connection()
        connections[alias].connection.create_function("strftime", -1, function, deterministic=True)


def _frozen_strftime(*arguments: Any) -> Any:
    """SQLite's strftime, with "now" taken from Python's clock."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return _strftime(*(now if str(each).lower() == "now" else each for each in arguments))


def _strftime(*arguments: Any) -> Any:
    """SQLite's strftime, asked on a connection of its own."""
    with _one_at_a_time:
        return _sqlite.execute(f"SELECT strftime({', '.join('?' * len(arguments))})", arguments).fetchone()[0]


class World:
    """A warehouse and its collector."""

    def __init__(self, clock: time_machine.Coordinates) -> None:
        self.clock = clock
        self.warehouse = Warehouse()
        self.watcher = Watcher()
        self.ticks: dict[str, dict[str, int]] = {}
        self.runs: dict[str, int] = {}
        self.up = ALIASES
        self._later: list[tuple[datetime, Callable[[], Any]]] = []

    def at(self, moment: datetime, do: Callable[..., Any], *args: Any, **values: Any) -> None:
        """Do it when the clock has reached that moment."""
        self._later.append((moment, lambda: do(*args, **values)))

    def tick_at(self, moment: datetime) -> None:
        self.at(moment, self._tick)

    def play(self) -> None:
        """Do everything in the order of its time."""
        for moment, do in sorted(self._later, key=lambda each: each[0]):
            self.clock.move_to(moment)
            do()
        self._later = []
        self.clock.move_to(NOW)

    def count_tick(self, name: str, moment: datetime) -> None:
        """Tick at that moment, and remember the statements of it."""
        self.clock.move_to(moment)
        self.ticks[name] = self.statements(self._tick)

    def statements(self, do: Callable[[], Any]) -> dict[str, int]:
        """Return how many statements that takes, per database that is up."""
        with ExitStack() as stack:
            captures = {name: stack.enter_context(CaptureQueriesContext(connections[name])) for name in self.up}
            do()
        return {name: sum(map(_counts, capture.captured_queries)) for name, capture in captures.items()}

    def _tick(self) -> None:
        self.watcher.tick()

    def newest_run(self, status: str) -> int:
        """Return the key of the newest run of that status in the warehouse; 1 where there is none."""
        sql = "SELECT MAX([run_id]) FROM [audit].[etl_run] WHERE [status] = ?"
        return self.warehouse.execute("dw", sql, [status]).fetchone()[0] or 1

    def execution(self, entity_name: str, started: datetime, seconds: int = 30, **changes: Any) -> None:
        """A finished execution, in the warehouse from its end on."""
        finished = started + timedelta(seconds=seconds)
        status = changes.get("status", "success")
        rows = 0 if status == "failed" else 100 + 7 * seconds
        values: dict[str, Any] = {"extracted_count": rows, "upserted_count": rows, **changes}
        self.at(
            finished,
            self.warehouse.execution,
            entity_name,
            entity_started_at=started,
            entity_finished_at=finished,
            watermark_to_updated_at=started - timedelta(minutes=2),
            **values,
        )

    def control(self, entity_name: str, loaded: datetime, **changes: Any) -> None:
        stamps = {"watermark_updated_at": loaded, "updated_at": loaded, "created_at": ago(days=90)}
        self.warehouse.control(entity_name, **{**stamps, **changes})


def _history(world: World, name: str, place: int, *, until: datetime = NOW, **changes: Any) -> None:
    """Twelve days of one execution a day, then one every half hour for three hours."""
    offset = timedelta(minutes=place)
    for number in range(1, 13):
        world.execution(name, ago(hours=24 * number) - offset, 20 + (number * 7 + place) % 23)
    for number in range(1, 7):
        started = ago(minutes=30 * number) - offset
        if started < until:
            world.execution(name, started, 25 + (number * 3 + place) % 11, **changes)


def _shop(world: World) -> Orders:
    """Source rows that are loaded, in each source table; a few targets."""
    orders = Orders(world.warehouse, ago(days=2))
    for number in range(4):
        item = orders.item(orders.order(ago(hours=20 - number)), ago(hours=20 - number))
        orders.discount(item, ago(hours=20 - number))
    for number in range(6):
        customer(world.warehouse, ago(hours=30 - number), orders.region)
    for number in range(1, 6):
        world.warehouse.insert(
            "dim.DIM_REGIAO", regiao_original_id=number, nome_regiao="Sul", nome_estado="Paraná", sigla_estado="PR",
            cidade="Curitiba", eh_ativo=True, data_ultima_atualizacao=ago(hours=20),
        )  # fmt: skip
    return orders


def _logins(world: World) -> None:
    """Sessions of the runner and of others over a day."""
    for number in range(12):
        when = ago(hours=2 * number, minutes=3)
        world.warehouse.login_event(event_time_utc=when, login_time=when - timedelta(minutes=1), session_id=51 + number)
    for number in range(3):
        world.warehouse.login_event(
            event_time_utc=ago(minutes=20 + number), login_time=ago(minutes=25), session_id=80, login_name="analyst",
            host_name="LAPTOP-07", program_name="SSMS", client_net_address="10.0.0.99", encrypt_option="FALSE",
        )  # fmt: skip


def _ticks(world: World) -> None:
    for minutes in (360, 300, 240, 180, 120, 90, 60, 45, 30, 15, 10, 5, 1):
        world.tick_at(ago(minutes=minutes))


def healthy(world: World) -> None:
    """Nine pipelines that load every half hour, one of them at it."""
    _shop(world)
    _logins(world)
    for place, name in enumerate(PIPELINES):
        world.control(name, ago(minutes=3), last_status="success", last_success_at=ago(minutes=4))
        _history(world, name, place + 3)
    _running(world, "fact_metas")
    _ticks(world)


def _running(world: World, name: str) -> None:
    run = {"entities_requested": name, "started_at": ago(minutes=2), "finished_at": None, "status": "running"}
    entity = {"entity_started_at": ago(minutes=2), "entity_finished_at": None, "status": "running"}
    counts = {"extracted_count": 0, "upserted_count": 0, "watermark_to_updated_at": None, "watermark_to_id": None}

    def start() -> None:
        run_id = world.warehouse.run(**run, entities_succeeded=0)
        world.warehouse.run_entity(run_id, name, **entity, **counts)

    world.at(ago(minutes=2), start)


def failing(world: World) -> None:
    """One pipeline fails since two hours, others failed and recovered, have no target, are off, never ran, or run."""
    _shop(world)
    _logins(world)
    states: dict[str, dict[str, Any]] = {
        FAILING: {"last_status": "failed", "last_success_at": ago(hours=3), "loaded": ago(hours=3)},
        "dim_equipe": {"target_table": "dim.DIM_FANTASMA", "last_status": None, "loaded": ago(days=1)},
        "dim_desconto": {"is_active": 0},
        "dim_vendedor": {"last_status": None, "last_run_id": None, "loaded": ago(days=1)},
    }
    for place, name in enumerate(PIPELINES):
        changes = {"last_status": "success", "last_success_at": ago(minutes=4), **states.get(name, {})}
        world.control(name, changes.pop("loaded", ago(minutes=3)), **changes)
        if name not in {"dim_equipe", "dim_vendedor", "dim_desconto"}:
            _history(world, name, place + 3, until=ago(hours=3) if name == FAILING else NOW)
    for number in range(1, 6):
        world.execution(FAILING, ago(minutes=25 * number), 12, status="failed", error_message=UNIQUE)
    world.execution("fact_descontos", ago(hours=9), 300, status="failed", error_message=TIMEOUT)
    world.execution("dim_desconto", ago(days=4), 40)
    both = {"entities_requested": f"{HEALTHY},{FAILING}", "started_at": ago(minutes=20), "status": "partial"}

    def mixed() -> None:
        run_id = world.warehouse.run(
            **both, finished_at=ago(minutes=18), entities_failed=1, error_message=f"{FAILING}: {UNIQUE}"
        )
        world.warehouse.run_entity(run_id, HEALTHY, entity_started_at=ago(minutes=20))
        world.warehouse.run_entity(
            run_id, FAILING, entity_started_at=ago(minutes=19), status="failed", error_message=UNIQUE,
            extracted_count=40, upserted_count=0,
        )  # fmt: skip

    world.at(ago(minutes=18), mixed)
    for number in range(7):
        region(world.warehouse, ago(hours=2, minutes=number))
    _running(world, "fact_metas")
    _ticks(world)
    PipelineSettings.objects.create(entity_name=FAILING, owner="Catalogue team")


def late(world: World) -> None:
    """Rows wait for hours in two sources, and wait longer from tick to tick; nothing failed."""
    orders = _shop(world)
    for place, name in enumerate(PIPELINES):
        loaded = ago(hours=6) if name in {LATE, HEALTHY} else ago(minutes=3)
        world.control(name, loaded, last_status="success", last_success_at=loaded + timedelta(minutes=1))
        _history(world, name, place + 3, until=loaded)
    for minutes in range(5, 350, 15):
        moment = ago(minutes=minutes)
        world.at(moment, lambda at=moment: orders.item(orders.order(at), at))
        world.at(moment, customer, world.warehouse, moment, orders.region)
    _ticks(world)


def empty(world: World) -> None:
    """A warehouse without a control row, a run or a session."""
    world.tick_at(ago(minutes=1))


def unsampled(world: World) -> None:
    """No collector has ever looked."""


def _fault(*aliases: str) -> Any:
    args = ("HYT00", "[HYT00] [Microsoft][ODBC Driver 18 for SQL Server]Login timeout expired (0) (SQLDriverConnect)")
    return faults.Fault("server off", args, faults.Code.UNREACHABLE, aliases)


WORLDS: dict[str, tuple[Callable[[World], None], tuple[str, ...], tuple[str, ...]]] = {
    "healthy": (healthy, (), ()),
    "failing": (failing, (), ()),
    "late": (late, (), ()),
    "dw_down": (failing, ("dw",), ()),
    "oltp_down": (healthy, ("oltp",), ()),
    "empty": (empty, (), ()),
    "unsampled": (unsampled, (), ()),
    "limited": (failing, (), SCOPE),
}
"""By name: what makes it, the databases that are down at the end, the pipelines that every role is limited to."""


@contextmanager
def world(name: str) -> Iterator[World]:
    """Make the world, and keep its clocks stopped and its databases down inside the block."""
    customer.count = 0  # type: ignore[attr-defined]
    make, down, limited = WORLDS[name]
    logging.disable(logging.CRITICAL)  # a failure shows figures, not what the server logged on the way
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.NOTSET)
        made = World(stack.enter_context(frozen(NOW - timedelta(days=13))))
        make(made)
        made.play()
        made.runs = {status: made.newest_run(status) for status in ("partial", "running")}
        if limited:
            limit(limited)
        if down:
            stack.enter_context(faults.struck(_fault(*down)))
            made.up = tuple(alias for alias in ALIASES if alias not in down)
        if name != "unsampled":
            made.count_tick("a tick", ago(seconds=20))
            made.count_tick("the next tick", NOW)
        yield made


def _counts(query: dict[str, str]) -> bool:
    """Return whether this is a statement, not BEGIN, COMMIT or a savepoint."""
    return not query["sql"].lstrip().upper().startswith(FRAME)


def limit(names: tuple[str, ...]) -> None:
    """Limit every role to these pipelines."""
    for group in Group.objects.all():
        GroupScope.objects.create(group=group, entity_names=list(names))


def admin_addresses() -> list[str]:
    """Return the list of each table in the admin, and the form of a new row where there is one."""
    found = []
    for model in admin.site._registry:
        for page in ("changelist", "add"):
            with suppress(NoReverseMatch):
                found.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"))
    return sorted(found)

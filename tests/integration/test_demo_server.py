"""The demonstration's ETL over a server of its own: where it refuses to write, and that it works where it may."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from django.core.management import CommandError, call_command
from sqlglot import exp

from demo import server
from demo.clock import RealClock
from demo.ddl import tables
from demo.dialects import SqliteDialect
from demo.files import WarehouseFiles
from demo.jobs import JOBS
from demo.schema import create_schema
from demo.server import ServerEtl, ShopDialect, Target, refuse_others
from demo.users import DemoRefused

COMPLETE = {
    "ETL_RUNNER_SERVER": "sql.example.com",
    "ETL_RUNNER_USER": "etl_runner",
    "ETL_RUNNER_PASSWORD": "a;PWD=b}",
    "ETL_RUNNER_DW_DB": "DW_TRIAL",
    "ETL_RUNNER_OLTP_DB": "OLTP_TRIAL",
}


@pytest.mark.parametrize("name", COMPLETE)
def test_nothing_has_a_default_that_might_be_somebodys_warehouse(name: str) -> None:
    with pytest.raises(DemoRefused, match=name):
        Target.of({**COMPLETE, name: ""})


def test_the_portals_own_variables_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COMPLETE:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name.replace("RUNNER", "SQL"), "portal")
    with pytest.raises(CommandError, match="ETL_RUNNER_SERVER"):
        call_command("demo_etl", sqlserver=True)


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from a file\n")
    environ = {**COMPLETE, "ETL_RUNNER_PASSWORD": "", "ETL_RUNNER_PASSWORD_FILE": str(file)}
    assert Target.of(environ).password == "from a file"
    file.unlink()
    with pytest.raises(DemoRefused, match="cannot be read"):
        Target.of(environ)


def test_the_connection_is_the_runners_own() -> None:
    text = Target.of(COMPLETE).text("DW_TRIAL", "ODBC Driver 18 for SQL Server")
    assert "APP=etl-runner" in text and "PWD={a;PWD=b}}}" in text
    assert "Encrypt=yes;TrustServerCertificate=no" in text


class Server:
    """Answers what `refuse_others` asks."""

    def __init__(
        self, *, mark: bool = True, pipelines: tuple[str, ...] = (), starters: tuple[str, ...] = (), lock: int = 0
    ):
        self.answers = {
            "extended_properties": [(1,)] if mark else [],
            "etl_control": [(name,) for name in pipelines],
            "etl_run ": [(name,) for name in starters],
            "sp_getapplock": [(lock,)],
        }
        self.statements: list[str] = []

    def cursor(self) -> Any:
        return self

    def execute(self, sql: str, params: Any = ()) -> None:
        self.statements.append(sql)
        assert sql.count("?") == len(params)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return next(rows for part, rows in self.answers.items() if part in self.statements[-1])


def test_databases_of_the_demonstrations_are_taken() -> None:
    dw = Server(pipelines=tuple(JOBS))
    refuse_others({"dw": dw, "oltp": Server()})
    for statement in dw.statements[:3]:
        assert isinstance(sqlglot.parse_one(statement, read="tsql"), exp.Select)


@pytest.mark.parametrize(
    ("dw", "oltp", "why"),
    [
        (Server(mark=False), Server(), "The dw database does not carry the mark"),
        (Server(), Server(mark=False), "The oltp database does not carry the mark"),
        (Server(pipelines=("dim_cliente", "dim_theirs")), Server(), "dim_theirs"),
        (Server(starters=("svc_etl",)), Server(), "runs that svc_etl started"),
        (Server(lock=-1), Server(), "Another demonstration"),
    ],
)
def test_anybody_elses_are_refused(dw: Server, oltp: Server, why: str) -> None:
    with pytest.raises(DemoRefused, match=why):
        refuse_others({"dw": dw, "oltp": oltp})


def test_the_mark_is_the_one_that_the_trials_databases_get() -> None:
    text = (Path(server.__file__).parents[1] / "docker/databases.sql").read_text("utf-8")
    assert text.count(f"@name = N'{server.MARK}'") == 2


def test_the_shops_rows_keep_their_numbers() -> None:
    on, merge, off = ShopDialect().upsert("core.regions", ["region_id", "city"], ["region_id"]).split("; ")
    assert isinstance(sqlglot.parse_one(merge, read="tsql"), exp.Merge)
    assert (on, off) == ("SET IDENTITY_INSERT core.regions ON", "SET IDENTITY_INSERT core.regions OFF;")


def test_an_empty_warehouse_is_filled_and_loaded(tmp_path: Path) -> None:
    """The loop itself, over the embedded tables; what it says to SQL Server is tested above."""
    files = WarehouseFiles(tmp_path / "warehouse")
    for schema, path in files.all().items():
        create_schema(path, schema)  # without the demonstration's extra tables: a server has none
    with closing(files.connect("dw")) as dw:
        for job in JOBS.values():
            dw.execute(
                # No cutoff: a customer who changed a minute ago is loaded before the orders that name him.
                "INSERT INTO ctl.etl_control (entity_name, source_table, target_table, source_pk_column, "
                "cutoff_minutes, created_at, updated_at) "
                "VALUES (?, 'a.b', ?, 'c', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
                (job.entity, job.target),
            )
        dw.commit()
    clock = RealClock(pace=1000.0)
    snapshots: list[int] = []

    class Etl(ServerEtl):
        def _call(self, dw: Any, procedure: str) -> None:  # type: ignore[override]
            snapshots.append(1)
            if len(snapshots) == 2:  # the end of the first run
                clock.stop()

    etl = Etl(
        connect=files.connect,
        error=sqlite3.Error,
        clock=clock,
        admit=lambda connections: None,
        dialect=SqliteDialect(),
        shop_dialect=SqliteDialect(),
    )
    etl.run_forever()
    with closing(files.connect("dw")) as dw:
        runs = dw.execute("SELECT status, entities_succeeded + entities_failed FROM audit.etl_run").fetchall()
        loaded = {name: dw.execute(f"SELECT COUNT(*) FROM {job.target}").fetchone()[0] for name, job in JOBS.items()}
    assert [entities for _, entities in runs] == [len(JOBS)]
    assert loaded["dim_regiao"] == 27 and loaded["dim_cliente"] >= 1200 and loaded["fact_vendas"] > 100
    assert "core.carriers" not in tables()


def test_a_server_that_is_away_is_tried_again() -> None:
    clock, tried = RealClock(pace=1000.0), []

    def connect(alias: str) -> Any:
        tried.append(alias)
        if len(tried) == 3:
            clock.stop()
        raise sqlite3.OperationalError("away")

    ServerEtl(connect=connect, error=sqlite3.Error, clock=clock).run_forever()
    assert tried == ["dw"] * 3

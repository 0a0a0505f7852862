"""The demo's ETL on a SQL Server: it refuses unmarked databases and works in marked ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from django.core.management import CommandError, call_command
from sqlglot import exp

import demo
from demo.pipelines import PIPELINES
from demo.runner import RealClock
from demo.simulation import add_pipelines, run_live
from demo.warehouse import MARK, DemoRefused, EmbeddedWarehouse, ServerWarehouse, odbc_text, target
from etlportal.backends.embedded.base import create_schema

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
        target({**COMPLETE, name: ""})


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
    assert target(environ)["ETL_RUNNER_PASSWORD"] == "from a file"
    file.unlink()
    with pytest.raises(DemoRefused, match="cannot be read"):
        target(environ)


def test_the_connection_is_the_runners_own() -> None:
    text = odbc_text(target(COMPLETE), "dw", "ODBC Driver 18 for SQL Server")
    assert "DATABASE=DW_TRIAL" in text
    assert "APP=etl-runner" in text and "PWD={a;PWD=b}}}" in text
    assert "Encrypt=yes;TrustServerCertificate=no" in text


class Server:
    """Answers what `ServerWarehouse.admit` asks."""

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

    def execute(self, sql: str, params: Any = ()) -> Server:
        self.statements.append(sql)
        assert sql.count("?") == len(params)
        return self

    def commit(self) -> None:
        self.statements.append("COMMIT")

    def fetchall(self) -> list[tuple[Any, ...]]:
        return next(rows for part, rows in self.answers.items() if part in self.statements[-1])


def test_databases_of_the_demonstrations_are_taken() -> None:
    dw = Server(pipelines=tuple(PIPELINES))
    ServerWarehouse.admit(dw, Server())
    for statement in dw.statements[:3]:
        assert isinstance(sqlglot.parse_one(statement, read="tsql"), exp.Select)


@pytest.mark.parametrize(
    ("dw", "oltp", "why"),
    [
        (Server(mark=False), Server(), "The dw database does not carry the mark"),
        (Server(), Server(mark=False), "The oltp database does not carry the mark"),
        (Server(pipelines=("dim_cliente", "dim_theirs")), Server(), "dim_theirs"),
        (Server(starters=("svc_other",)), Server(), "runs that svc_other started"),
        (Server(lock=-1), Server(), "Another demo"),
    ],
)
def test_anybody_elses_are_refused(dw: Server, oltp: Server, why: str) -> None:
    with pytest.raises(DemoRefused, match=why):
        ServerWarehouse.admit(dw, oltp)


def test_the_mark_is_the_one_that_the_trials_databases_get() -> None:
    text = (Path(demo.__file__).parents[1] / "docker/databases.sql").read_text("utf-8")
    assert text.count(f"@name = N'{MARK}'") == 2


def test_an_empty_warehouse_is_filled_and_loaded(tmp_path: Path) -> None:
    """The loop, on the embedded tables; its statements for SQL Server are tested above."""
    clock = RealClock(pace=1000.0)
    samples: list[int] = []

    class Sampled(EmbeddedWarehouse):
        @staticmethod
        def sample(dw: Any, now: datetime) -> None:
            samples.append(1)
            if len(samples) == 2:  # the end of the first run
                clock.stop()

    warehouse = Sampled(tmp_path / "warehouse")
    for schema, path in warehouse.files().items():
        create_schema(path, schema)
    with closing(warehouse.connect("dw")) as dw:
        add_pipelines(dw, datetime.fromisoformat("2026-01-01"))
        # No cutoff: a customer who changed a minute ago is loaded before the orders that name him.
        dw.execute("UPDATE ctl.etl_control SET cutoff_minutes = 0")
        dw.commit()
    run_live(warehouse, clock)
    with closing(warehouse.connect("dw")) as dw:
        runs = dw.execute("SELECT status, entities_succeeded + entities_failed FROM audit.etl_run").fetchall()
        loaded = {
            name: dw.execute(f"SELECT COUNT(*) FROM {pipeline.target}").fetchone()[0]
            for name, pipeline in PIPELINES.items()
        }
    assert [entities for _, entities in runs] == [len(PIPELINES)]
    assert loaded["dim_regiao"] == 27 and loaded["dim_cliente"] >= 600 and loaded["fact_vendas"] > 50


def test_a_server_that_is_away_is_tried_again(tmp_path: Path) -> None:
    clock, tried = RealClock(pace=1000.0), []

    class Away(EmbeddedWarehouse):
        def connect(self, alias: str, *, building: bool = False) -> Any:
            tried.append(alias)
            if len(tried) == 3:
                clock.stop()
            raise sqlite3.OperationalError("away")

    run_live(Away(tmp_path), clock)
    assert tried == ["dw"] * 3

"""sql/sqlserver/ is T-SQL that can be run twice, with nothing beyond the contract."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from demo.sessions import EVENT_COLUMNS
from etlportal.backends.embedded.base import SQL_FOLDER, create_schema
from tests.support import ddl
from tests.support.warehouse import PIPELINES
from tools.embedded_schema import SCHEMAS, schema_sql

FILES = sorted(ddl.SQL_FOLDER.glob("*.sql"))
COMMENT = re.compile(r"--[^\n]*")


def batches(file: Path) -> list[str]:
    """Return the batches of a file without comments."""
    parts = re.split(r"^\s*GO\s*$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [text for part in parts if (text := COMMENT.sub("", part).strip())]


def test_every_file_is_there() -> None:
    assert [file.name for file in FILES] == [
        "10_oltp_core.sql",
        "20_dw_ctl.sql",
        "30_dw_audit.sql",
        "40_dw_dim.sql",
        "50_dw_fact.sql",
        "60_dw_procedures.sql",
        "70_dw_pipelines.sql",
        "90_oltp_access.sql",
        "91_dw_access.sql",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_batch_can_be_run_again(file: Path) -> None:
    """Nothing is created without asking whether it is there, and nothing is ever dropped."""
    for batch in batches(file):
        assert not re.search(r"\b(DROP|TRUNCATE)\b", batch, re.IGNORECASE)
        first = re.sub(r"\s+", " ", batch)
        if re.search(r"\bCREATE (TABLE|INDEX|UNIQUE INDEX)\b", first):
            assert re.match(r"IF OBJECT_ID\(N'[\w.]+', N'U'\) IS NULL BEGIN ", first), first[:80]
            (named,) = re.findall(r"OBJECT_ID\(N'([\w.]+)'", first)
            assert set(re.findall(r"CREATE TABLE ([\w.]+)", first)) == {named}
            assert set(re.findall(r" ON ([\w.]+) \(", first)) <= {named}
        elif "CREATE SCHEMA" in first:
            assert re.match(r"IF SCHEMA_ID\(N'(\w+)'\) IS NULL EXEC \(N'CREATE SCHEMA \1 ", first)
        elif "PROCEDURE" in first and not first.startswith("GRANT"):
            assert first.startswith("CREATE OR ALTER PROCEDURE ")
        elif first.startswith("INSERT"):
            assert "WHERE NOT EXISTS" in first


def test_the_files_are_named_for_their_database() -> None:
    for table in ddl.tables().values():
        alias = "oltp" if table.schema == "core" else "dw"
        (file,) = [file for file in FILES if f"CREATE TABLE {table.schema}.{table.name}\n" in file.read_text("utf-8")]
        assert f"_{alias}_" in file.name


def test_the_nine_pipelines() -> None:
    text = (ddl.SQL_FOLDER / "70_dw_pipelines.sql").read_text(encoding="utf-8")
    rows = re.findall(r"\('(\w+)',\s+'([\w.]+)',\s+'([\w.]+)',\s+'(\w+)'\)", text)
    assert {name: (source, key, target) for name, source, target, key in rows} == PIPELINES


def test_the_snapshot_procedure_fills_the_events_columns() -> None:
    text = (ddl.SQL_FOLDER / "60_dw_procedures.sql").read_text(encoding="utf-8")
    (columns,) = re.findall(r"INSERT INTO audit\.connection_login_events\s+\(([^)]*)\)", text)
    names = tuple(name.strip() for name in columns.split(","))
    table = ddl.tables()["audit.connection_login_events"]
    assert names == EVENT_COLUMNS == tuple(column.name for column in table.columns if not column.identity)


def test_the_portals_login_only_reads() -> None:
    grants = []
    for file in FILES:
        for batch in batches(file):
            grants += [re.sub(r"\s+", " ", line) for line in re.findall(r"GRANT [^;]+;", batch)]
    assert sorted(grants) == [
        "GRANT EXECUTE ON audit.sp_capture_connection_snapshot TO etl_monitor;",
        "GRANT EXECUTE ON audit.sp_connection_audit_cleanup TO etl_monitor;",
        "GRANT SELECT ON SCHEMA::audit TO etl_monitor;",
        "GRANT SELECT ON SCHEMA::core TO etl_monitor;",
        "GRANT SELECT ON SCHEMA::ctl TO etl_monitor;",
        "GRANT SELECT ON SCHEMA::dim TO etl_monitor;",
        "GRANT SELECT ON SCHEMA::fact TO etl_monitor;",
    ]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_embedded_tables_are_derived_from_these(schema: str) -> None:
    """sql/embedded/ is what `make schema` writes."""
    assert (SQL_FOLDER / f"{schema}.sql").read_text("utf-8") == schema_sql(schema)
    assert sorted(SCHEMAS) == sorted(file.stem for file in SQL_FOLDER.iterdir())


@pytest.mark.parametrize(
    "definition",
    [
        "c INT NOT NULL, CONSTRAINT X FOREIGN KEY (c) REFERENCES a.b (c) INDEX",  # no T-SQL
        "c AS (1 + 1)",  # a computed column
        "c INT NOT NULL UNIQUE",  # an unnamed constraint within a column
        "c GEOGRAPHY NOT NULL",
        "c VARCHAR(MAX) NOT NULL",
        "c dbo.Money NOT NULL",
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, definition: str) -> None:
    """A definition whose meaning would be lost raises: from the parser, the reader or the SQLite writer."""
    (tmp_path / "x.sql").write_text(f"CREATE TABLE dbo.t ({definition});", encoding="utf-8")
    monkeypatch.setattr(ddl, "SQL_FOLDER", tmp_path)
    ddl.tables.cache_clear()
    try:
        with pytest.raises((ddl.DdlError, sqlglot.ParseError)):
            schema_sql("dbo")
    finally:
        ddl.tables.cache_clear()


def test_an_index_with_a_filter_is_refused() -> None:
    statement = sqlglot.parse_one("CREATE INDEX i ON a.b (c) WHERE c > 1", read="tsql")
    assert isinstance(statement, exp.Create)
    with pytest.raises(ddl.DdlError, match="Filtered"):
        ddl._index(statement)


def test_an_unknown_schema_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing_here"):
        create_schema(tmp_path / "x.sqlite3", "nothing_here")
    assert list(tmp_path.iterdir()) == []

"""The catalog on SQL Server: names matched by the server, synonyms followed."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.collector import read
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Problem
from monitoring.warehouse import catalog
from monitoring.warehouse.catalog import Catalog, describe, read_catalog
from monitoring.warehouse.dialect import Sql, SqlServer
from monitoring.warehouse.names import USUAL, TableName, folding
from monitoring.warehouse.reader import ReadFailed
from tests.support import tsql

CUSTOMERS = TableName("core", "customers")


def column(place: int, table: str, name: str, position: int = 1, schema: str = "core") -> tuple[Any, ...]:
    return (place, "column", schema, table, 0, 1, "", position, name, "datetime2", 0, 0)


def synonym(place: int, table: str, base: str) -> tuple[Any, ...]:
    return (place, "synonym", "core", table, 0, 1, base, 0, "", "dbo", None, 0)


def naming(case: int = 0, accents: int = 1) -> tuple[Any, ...]:
    return (None, "naming", "", "", 0, 1, "", case, "", None, accents, 0)


class Server:
    """Answers each statement with the next rows (or error) that it was given."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Sql]()

    def rows(self, alias: str, sql: Sql) -> list[Any]:
        self.asked.append(sql)
        assert tsql.problems(alias, sql.text, tsql.kinds_of(sql.params)) == ()
        answer = self.answers.pop(0)
        if isinstance(answer, Problem):
            raise ReadFailed(answer)
        return list(answer)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(*answers: Any) -> Server:
        made = Server(*answers)
        monkeypatch.setattr(catalog, "rows", made.rows)
        monkeypatch.setattr(catalog, "dialect_of", lambda alias: SqlServer())
        return made

    return make


def test_the_server_says_which_wanted_name_a_table_answers(server: Any) -> None:
    """Its collation decides: here both spellings are one table, and it is spelled in a third way."""
    other = TableName("core", "CUSTOMERS")
    asked = server([naming(), column(0, "Customers", "Updated_At"), column(1, "Customers", "Updated_At")])
    found = read_catalog("oltp", [CUSTOMERS, other])
    assert asked.asked[0].params[:4] == ("core", "CUSTOMERS", "core", "customers")
    for name in (CUSTOMERS, other):
        table = found.find(name)
        assert table is not None and table.name == TableName("core", "Customers")
        assert table.column("UPDATED_AT") is not None
    assert "s.name = w.schema_name COLLATE DATABASE_DEFAULT" in asked.asked[0].text
    assert "o.name = w.table_name COLLATE DATABASE_DEFAULT" in asked.asked[0].text


def test_where_case_counts_another_spelling_is_another_name(server: Any) -> None:
    other = TableName("core", "Customers")
    server([naming(case=1), column(1, "customers", "updated_at"), column(1, "customers", "Updated_At", 2)])
    found = read_catalog("oltp", [CUSTOMERS, other])
    assert found.find(other) is None
    table = found.find(CUSTOMERS)
    assert table is not None and table.column("UPDATED_AT") is None
    names = [each.name for name in ("updated_at", "Updated_At") if (each := table.column(name)) is not None]
    assert names == ["updated_at", "Updated_At"]


def test_where_accents_do_not_count(server: Any) -> None:
    server([naming(accents=0), column(0, "customers", "situação")])
    table = read_catalog("oltp", [CUSTOMERS]).find(CUSTOMERS)
    assert table is not None and table.column("SITUACAO") is not None


def test_names_as_a_database_compares_them() -> None:
    assert USUAL("ÉA") == "éa"
    assert folding(True, True)("ÉA") == "ÉA"
    assert folding(False, False)("ÉA") == "ea"


def test_a_synonym_is_read_by_its_name_and_counted_at_its_base(server: Any) -> None:
    asked = server(
        [naming(), synonym(0, "clientes", "[other].[crm].[cus]]tomers]"), column(1, "customers", "updated_at")],
        [naming(), column(0, "cus]tomers", "updated_at", schema="crm")],
    )
    wanted = TableName("core", "clientes")
    found = read_catalog("oltp", [wanted, CUSTOMERS])
    table = found.find(wanted)
    assert table is not None and table.name == wanted
    assert table.counted == TableName("crm", "cus]tomers", "other")
    assert "JOIN [other].sys.columns" in asked.asked[1].text and "HAS_PERMS_BY_NAME" not in asked.asked[1].text
    assert found.find(CUSTOMERS) is not None
    assert found.refused == {}


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("[customers]", TableName("sales", "customers")),
        ("customers", TableName("sales", "customers")),
        ("[crm].[customers]", TableName("crm", "customers")),
        ("[other]..[customers]", TableName("sales", "customers", "other")),
        ("[o.ther].[crm].[c]]u.s]", TableName("crm", "c]u.s", "o.ther")),
        ("[].[other].[crm].[customers]", TableName("crm", "customers", "other")),
    ],
)
def test_what_a_synonym_stands_for(text: str, base: TableName) -> None:
    assert catalog.base_of(TableName("core", "s"), text, "sales") == base


def test_a_synonym_of_another_server_is_refused_with_its_reason(server: Any) -> None:
    wanted = TableName("core", "far")
    asked = server([naming(), synonym(0, "far", "[srv].[db].[dbo].[t]")])
    found = read_catalog("oltp", [wanted])
    assert len(asked.asked) == 1, "nothing is asked of another server"
    assert found.find(wanted) is None
    assert found.refused[wanted].code is ProblemCode.REMOTE_SYNONYM
    assert "[srv].[db].[dbo].[t]" in found.refused[wanted].detail


@pytest.mark.parametrize(
    ("answer", "code", "exists"),
    [
        ([naming()], ProblemCode.OBJECT_MISSING, False),
        (Problem(code=ProblemCode.PERMISSION_DENIED), ProblemCode.PERMISSION_DENIED, None),
    ],
)
def test_a_synonym_that_leads_nowhere(server: Any, answer: Any, code: ProblemCode, exists: bool | None) -> None:
    wanted = TableName("core", "s")
    server([naming(), synonym(0, "s", "[other].[dbo].[t]")], answer)
    found = read_catalog("oltp", [wanted])
    assert read._missing(found, wanted).code is code
    assert read._exists(found, wanted) is exists


def test_a_name_that_is_nothing_is_missing() -> None:
    problem = read._missing(Catalog(), CUSTOMERS)
    assert problem == Problem(code=ProblemCode.OBJECT_MISSING, detail="core.customers")
    assert read._exists(Catalog(), CUSTOMERS) is False


def test_a_description_follows_a_synonym(server: Any) -> None:
    asked = server(
        [naming(), synonym(0, "clientes", "[other].[crm].[customers]")],
        [
            naming(case=1),
            (0, "column", "crm", "customers", 0, 1, "", 2, "At", "datetime2", 3, 0),
            (0, "column", "crm", "customers", 0, 1, "", 1, "Id", "bigint", 0, 0),
            (0, "index", "crm", "customers", 0, 1, "1", 1, "Id", None, None, 1),
            (0, "index", "crm", "customers", 0, 1, "2", 2, "Id", None, None, 0),
            (0, "index", "crm", "customers", 0, 1, "2", 1, "At", None, None, 0),
            (0, "check", "crm", "customers", 0, 1, "([Status]='B' OR [Status]='A')", 0, "", None, None, 0),
        ],
    )
    found = describe("oltp", TableName("core", "clientes"))
    assert found is not None and found.name == TableName("core", "clientes")
    assert found.base == TableName("crm", "customers", "other")
    assert len(asked.asked) == 2
    assert list(found.columns) == ["Id", "At"]
    assert (found.indexes, found.unique) == ((("Id",), ("At", "Id")), (("Id",),))
    assert found.keeps_unique(["At", "Id"]) and not found.keeps_unique(["At"])
    assert found.domains == {"status": ("B", "A")}
    at = found.column("At")
    assert at is not None and at.moment_type == "DATETIME2(3)"
    assert found.column("id") is None, "case counts in that database"


def test_a_description_of_a_remote_synonym_says_so(server: Any) -> None:
    server([naming(), synonym(0, "far", "[srv].[db].[dbo].[t]")])
    with pytest.raises(ReadFailed) as failure:
        describe("oltp", TableName("core", "far"))
    assert failure.value.problem.code is ProblemCode.REMOTE_SYNONYM


def test_a_description_of_nothing(server: Any) -> None:
    server([naming()])
    assert describe("oltp", TableName("core", "x")) is None

"""Error messages taken apart: the number first, in any language of the server, however cut or hostile."""

from __future__ import annotations

import time

import pytest

from monitoring.rules.driver_messages import BY_NATIVE, NAMES
from monitoring.rules.enums import ErrorClass
from monitoring.rules.error_text import parse
from tests.unit.error_messages import PORTUGUESE, REAL, SPANISH, Real

CLIENT = "[Microsoft][ODBC Driver 18 for SQL Server]"
SERVER = f"{CLIENT}[SQL Server]"


def said(text: str, native: int, *, state: str = "42000", kind: str = "ProgrammingError", more: str = "") -> str:
    """The message as the runner writes it: type and `str()` of pyodbc's exception."""
    error = f"[{state}] {SERVER}{text} ({native}) (SQLExecDirectW){more}"
    return f"{kind}: {(state, error)!r}"


ENDED = f"; [23000] {SERVER}The statement has been terminated. (3621)"
DUPLICATE = "Cannot insert duplicate key in object 'dim.DIM_CLIENTE'. The duplicate key value is (42, Ana)."

CASES: list[tuple[str, ErrorClass, dict[str, object]]] = [
    (
        said(f"Violation of UNIQUE KEY constraint 'UQ_c'. {DUPLICATE}", 2627, state="23000", more=ENDED),
        ErrorClass.UNIQUE,
        {"constraint": "UQ_c", "object": "dim.DIM_CLIENTE", "key": "42, Ana", "sqlstate": "23000", "number": 2627},
    ),
    (
        said(f"Violation of PRIMARY KEY constraint 'PK_c'. {DUPLICATE}", 2627, state="23000"),
        ErrorClass.UNIQUE,
        {"constraint": "PK_c"},
    ),
    (
        said(
            "Cannot insert duplicate key row in object 'dim.X' with unique index 'IX_x'. The duplicate key value is "
            "(7).",
            2601,
            state="23000",
        ),
        ErrorClass.UNIQUE,
        {"constraint": "IX_x", "object": "dim.X", "key": "7"},
    ),
    (
        said(
            "Violação da restrição UNIQUE KEY 'UQ_c'. Não é possível inserir a chave duplicada no objeto 'dim.D'. "
            "O valor de chave duplicada é (42).",
            2627,
            state="23000",
        ),
        ErrorClass.UNIQUE,
        {"constraint": "UQ_c", "object": "dim.D", "key": "42"},
    ),
    (
        said(
            "Infracción de la restricción UNIQUE KEY 'UQ_c'. No se puede insertar una clave duplicada en el objeto "
            "'dim.D'. El valor de la clave duplicada es (42).",
            2627,
            state="23000",
        ),
        ErrorClass.UNIQUE,
        {"constraint": "UQ_c", "object": "dim.D", "key": "42"},
    ),
    (
        said(
            'The MERGE statement conflicted with the FOREIGN KEY constraint "FK_p". The conflict occurred in database '
            '"DW_ECOMMERCE", table "dim.DIM_PRODUTO", column \'produto_id\'.',
            547,
            state="23000",
            more=ENDED,
        ),
        ErrorClass.FOREIGN_KEY,
        {"constraint": "FK_p", "object": "dim.DIM_PRODUTO", "column": "produto_id", "key": ""},
    ),
    (
        said(
            'The DELETE statement conflicted with the REFERENCE constraint "FK_p". The conflict occurred in database '
            '"DW", table "fact.F", column \'x\'.',
            547,
            state="23000",
        ),
        ErrorClass.FOREIGN_KEY,
        {"constraint": "FK_p", "object": "fact.F"},
    ),
    (
        said(
            'The INSERT statement conflicted with the CHECK constraint "CK_q". The conflict occurred in database "DW", '
            "table \"fact.F\", column 'quantidade'.",
            547,
            state="23000",
        ),
        ErrorClass.CHECK,
        {"constraint": "CK_q", "column": "quantidade"},
    ),
    (
        said(
            'A instrução INSERT conflitou com a restrição do FOREIGN KEY "FK_CHECK". O conflito ocorreu no banco de '
            'dados "DW", tabela "dim.D", column \'id\'.',
            547,
            state="23000",
        ),
        ErrorClass.FOREIGN_KEY,
        {"constraint": "FK_CHECK", "object": "dim.D"},
    ),
    (
        said(
            "Cannot insert the value NULL into column 'STOCK_QTY', table 'DW.dim.X'; column does not allow nulls. "
            "UPDATE fails.",
            515,
            state="23000",
        ),
        ErrorClass.NOT_NULL,
        {"column": "STOCK_QTY", "object": "DW.dim.X"},
    ),
    (
        said(
            "String or binary data would be truncated in table 'DW.dim.P', column 'nome'. Truncated value: 'Café'.",
            2628,
        ),
        ErrorClass.TRUNCATION,
        {"object": "DW.dim.P", "column": "nome", "key": "Café"},
    ),
    (said("String or binary data would be truncated.", 8152, state="22001"), ErrorClass.TRUNCATION, {}),
    (said("Error converting data type nvarchar to numeric.", 8114), ErrorClass.CONVERSION, {}),
    (
        said("Conversion failed when converting the varchar value '12a' to data type int.", 245, state="22018"),
        ErrorClass.CONVERSION,
        {"key": "12a"},
    ),
    (said("Arithmetic overflow error converting expression to data type int.", 8115), ErrorClass.CONVERSION, {}),
    (said("Divide by zero error encountered.", 8134, state="22012"), ErrorClass.CONVERSION, {}),
    (
        said(
            "Transaction (Process ID 61) was deadlocked on lock resources with another process and has been chosen as "
            "the deadlock victim. Rerun the transaction.",
            1205,
            state="40001",
            kind="Error",
        ),
        ErrorClass.DEADLOCK,
        {"number": 1205},
    ),
    (
        said("A transação (ID do processo 61) entrou em deadlock e foi escolhida como a vítima.", 1205, state="40001"),
        ErrorClass.DEADLOCK,
        {},
    ),
    (said("Lock request time out period exceeded.", 1222), ErrorClass.LOCK_TIMEOUT, {}),
    (
        f"OperationalError: ('HYT00', '[HYT00] {CLIENT}Query timeout expired (0) (SQLExecDirectW)')",
        ErrorClass.TIMEOUT,
        {"sqlstate": "HYT00", "number": None, "words": "Query timeout expired"},
    ),
    (
        f"OperationalError: ('HYT00', '[HYT00] {CLIENT}Login timeout expired (0) (SQLDriverConnect)')",
        ErrorClass.NETWORK,
        {},
    ),
    (
        f"OperationalError: ('08S01', '[08S01] {CLIENT}TCP Provider: Error code 0x2746 (10054) (SQLExecDirectW); "
        f"[08S01] {CLIENT}Communication link failure (10054)')",
        ErrorClass.NETWORK,
        {
            "sqlstate": "08S01",
            "number": 10054,
            "words": "TCP Provider: Error code 0x2746; Communication link failure",
        },
    ),
    (
        f"OperationalError: ('08001', '[08001] {CLIENT}SSL Provider: [error:0A000086:SSL routines::certificate verify "
        "failed:self-signed certificate] (-1) (SQLDriverConnect)')",
        ErrorClass.NETWORK,
        {},
    ),
    (
        said("The SELECT permission was denied on the object 'sellers', database 'O', schema 'core'.", 229),
        ErrorClass.PERMISSION,
        {"object": "core.sellers"},
    ),
    (
        said("A permissão SELECT foi negada no objeto 'sellers', banco de dados 'O', esquema 'core'.", 229),
        ErrorClass.PERMISSION,
        {"object": "core.sellers"},
    ),
    (
        said("Login failed for user 'etl'.", 18456, state="28000", kind="InterfaceError"),
        ErrorClass.LOGIN,
        {"sqlstate": "28000"},
    ),
    (
        said('Cannot open database "DW" requested by the login. The login failed.', 4060, state="42000"),
        ErrorClass.LOGIN,
        {"object": "DW"},
    ),
    (
        said(
            "Invalid object name 'dim.DEADLOCK_TIMEOUT'.",
            208,
            state="42S02",
            more=f"; [42S02] {SERVER}Statement(s) could not be prepared. (8180)",
        ),
        ErrorClass.MISSING_OBJECT,
        {"object": "dim.DEADLOCK_TIMEOUT", "words": "Invalid object name 'dim.DEADLOCK_TIMEOUT'."},
    ),
    (said("Could not find stored procedure 'audit.x'.", 2812), ErrorClass.MISSING_OBJECT, {"object": "audit.x"}),
    (said("Invalid column name 'STOCK_QTY'.", 207, state="42S22"), ErrorClass.MISSING_COLUMN, {"column": "STOCK_QTY"}),
    (
        said(
            "Could not allocate space for object 'dim.X'.'PK_X' in database 'DW' because the 'PRIMARY' filegroup is "
            "full.",
            1105,
        ),
        ErrorClass.SPACE,
        {"object": "dim.X"},
    ),
    (
        said("The transaction log for database 'DW' is full due to 'LOG_BACKUP'.", 9002),
        ErrorClass.LOG_FULL,
        {"object": "DW"},
    ),
    (
        "InterfaceError: ('IM002', '[IM002] [Microsoft][ODBC Driver Manager] Data source name not found and no default "
        "driver specified (0) (SQLDriverConnect)')",
        ErrorClass.DRIVER,
        {"sqlstate": "IM002"},
    ),
    (
        "Error: ('01000', \"[01000] [unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18 for SQL Server' : file "
        'not found (0) (SQLDriverConnect)")',
        ErrorClass.DRIVER,
        {},
    ),
    (
        "MissingDimensionRow: fact_vendas: no row in dim.DIM_CLIENTE with cliente_original_id = 42; load it first",
        ErrorClass.MISSING_DIMENSION_ROW,
        {"object": "dim.DIM_CLIENTE", "column": "cliente_original_id", "key": "42"},
    ),
    ("ConfigurationError: ETL_SQL_SERVER is not set", ErrorClass.CONFIGURATION, {}),
    ("ModuleNotFoundError: No module named 'pyodbc'", ErrorClass.CONFIGURATION, {}),
    ("TimeoutError: timed out", ErrorClass.TIMEOUT, {}),
    ("ConnectionResetError: [Errno 104] Connection reset by peer", ErrorClass.NETWORK, {}),
    (
        "pymssql.exceptions.OperationalError: (1205, b'Transaction (Process ID 55) was deadlocked.DB-Lib error message "
        "20018, severity 13:\\nGeneral SQL Server error: Check messages from the SQL Server\\n')",
        ErrorClass.DEADLOCK,
        {"number": 1205, "exception_type": "OperationalError"},
    ),
    (
        f"Msg 2627, Level 14, State 1, Line 1\nViolation of PRIMARY KEY constraint 'PK_a'. {DUPLICATE}",
        ErrorClass.UNIQUE,
        {"number": 2627, "constraint": "PK_a"},
    ),
    (
        "IntegrityError: ('23000', '[23000] [FreeTDS][SQL Server]Violation of UNIQUE KEY constraint (2627) "
        "(SQLExecDirectW)')",
        ErrorClass.UNIQUE,
        {"number": 2627},
    ),
    ("ValueError: bad", ErrorClass.OTHER, {"exception_type": "ValueError", "words": "bad"}),
    ("KeyError: 'x'", ErrorClass.OTHER, {"words": "'x'"}),
    ("boom", ErrorClass.OTHER, {"words": "boom", "exception_type": ""}),
    (said("Something new.", 59999), ErrorClass.OTHER, {"number": 59999}),
]


@pytest.mark.parametrize(("message", "error_class", "parts"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_real_messages(message, error_class, parts):
    failure = parse(message)
    assert failure.error_class is error_class
    assert {name: getattr(failure, name) for name in parts} == parts
    assert not failure.cut
    for wrapping in ("SQLExecDirectW", "[Microsoft]", "[SQL Server]", "(3621)", "could not be prepared"):
        assert wrapping not in failure.words


@pytest.mark.parametrize("message", [None, "", "   ", "\x00"])
def test_no_message(message):
    found = parse(message)
    assert (found.error_class, found.words, found.number, found.sqlstate) == (ErrorClass.OTHER, "", None, "")


@pytest.mark.parametrize(
    "text",
    ["Column STOCK_QTY is odd.", "BLOCK_DEADLOCKS is odd", "Coluna 'TIMEOUT' e 'LOCK' invalidas", "UNIQUELY strange"],
)
def test_names_that_look_like_errors_are_not(text):
    assert parse(text).error_class is ErrorClass.OTHER
    assert parse(said(text, 59999)).error_class is ErrorClass.OTHER


def test_a_value_that_imitates_a_number_does_not_decide():
    text = "Conversion failed when converting the varchar value '(1205) (SQLExecDirectW)' to data type int."
    assert parse(said(text, 245, state="22018")).number == 245
    text = "Invalid column name 'deadlocked on (1205)'."
    assert parse(said(text, 207, state="42S22")).error_class is ErrorClass.MISSING_COLUMN


@pytest.mark.parametrize("length", range(30, 400, 7))
def test_cut_in_the_middle(length):
    message = said(f"Violation of UNIQUE KEY constraint 'UQ_c'. {DUPLICATE}", 2627, state="23000")
    failure = parse(message[:length])
    assert failure.error_class in (ErrorClass.UNIQUE, ErrorClass.OTHER)
    assert failure.words


def test_cut_at_four_thousand():
    message = said("Violation of UNIQUE KEY constraint 'UQ_c'. " + "x" * 5000, 2627, state="23000")[:4000]
    failure = parse(message)
    assert (failure.error_class, failure.cut, failure.number, failure.sqlstate) == (
        ErrorClass.UNIQUE,
        True,
        None,
        "23000",
    )


@pytest.mark.parametrize(
    "body",
    [" ", "(", "'", "(1)", "; [23000] [", "dados binários ", "a.", "A", "[Microsoft]", "\\", '"', ")", "\n", "é"],
)
@pytest.mark.parametrize("head", ["", f"Error: ('23000', '[23000] {SERVER}"])
def test_no_message_takes_long(body, head):
    started = time.perf_counter()
    parse((head + body * 4000)[:4000])
    assert time.perf_counter() - started < 0.5


def test_every_class_but_those_without_numbers_has_one():
    wordless = {ErrorClass.DRIVER, ErrorClass.MISSING_DIMENSION_ROW, ErrorClass.CONFIGURATION,
                ErrorClass.OTHER}  # fmt: skip
    assert set(BY_NATIVE.values()) == set(ErrorClass) - wordless
    assert set(NAMES) - set(BY_NATIVE) == {544}  # names a table, is of no class


def test_quotes_that_python_escaped_do_not_end_up_in_names() -> None:
    """pyodbc's message holds both kinds of quotes, so its repr (what the runner stores) escapes the single ones."""
    message = (
        "IntegrityError: ('23000', '[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]The MERGE statement "
        'conflicted with the FOREIGN KEY constraint "FK_FACT_DESCONTOS_desconto". The conflict occurred in database '
        '"DW_ECOMMERCE", table "dim.DIM_DESCONTO", column \\\'desconto_id\\\'. (547) (SQLExecDirectW)\')'
    )
    found = parse(message)
    assert (found.number, found.column, found.constraint) == (547, "desconto_id", "FK_FACT_DESCONTOS_desconto")


@pytest.mark.parametrize("real", REAL, ids=[f"{n}-{real.kind}" for n, real in enumerate(REAL)])
def test_what_servers_and_drivers_really_say(real: Real) -> None:
    failure = parse(real.text)
    assert failure.error_class is real.kind
    assert {name: getattr(failure, name) for name in real.tells} == real.tells
    assert failure.words


def test_there_are_enough_of_them_each_with_its_source_in_three_languages() -> None:
    assert len(REAL) == len({real.text for real in REAL}) >= 60
    assert all(real.source for real in REAL)
    assert min(len(PORTUGUESE), len(SPANISH)) >= 10


def test_a_check_is_one_in_whatever_case_the_server_writes_it() -> None:
    """PostgreSQL's text behind TDS, with SQL Server's number."""
    words = "[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]new row violates check constraint"
    message = f"IntegrityError: ('23000', '{words} \"ck_x\" (547) (SQLExecDirectW)')"
    assert parse(message).error_class is ErrorClass.CHECK

"""Injected ETL failures with the messages of pyodbc and SQL Server's ODBC driver.

pyodbc's exceptions carry (SQLSTATE, text). The parts of the text are joined by "; ", each
"[state] [vendor]... text (native number)", with the ODBC function after the first.
"""

from __future__ import annotations

from dataclasses import dataclass

_CLIENT = "[Microsoft][ODBC Driver 18 for SQL Server]"
_SERVER = f"{_CLIENT}[SQL Server]"


class Error(Exception):
    """Named like pyodbc's class, as are the next three: the ETL stores the class name in the audit tables."""


class IntegrityError(Error):
    pass


class OperationalError(Error):
    pass


class ProgrammingError(Error):
    pass


class MissingDimensionRow(Exception):
    """A fact's natural key has no row in its dimension. Raised by the ETL, not by the driver."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure. With `in_rows` it needs at least one row to load."""

    kind: type[Error]
    sqlstate: str
    text: str
    in_rows: bool = False

    def error(self) -> Error:
        return self.kind(self.sqlstate, self.text)


def _server(kind: type[Error], sqlstate: str, number: int, text: str, *, in_rows: bool = False) -> Fault:
    ended = f"; [{sqlstate}] {_SERVER}The statement has been terminated. (3621)" if in_rows else ""
    return Fault(kind, sqlstate, f"[{sqlstate}] {_SERVER}{text} ({number}) (SQLExecDirectW){ended}", in_rows)


DEADLOCK = _server(
    Error, "40001", 1205,
    "Transaction (Process ID 71) was deadlocked on lock resources with another process and has been chosen as the "
    "deadlock victim. Rerun the transaction.",
)  # fmt: skip
LOCK_TIMEOUT = _server(ProgrammingError, "42000", 1222, "Lock request time out period exceeded.")
QUERY_TIMEOUT = Fault(OperationalError, "HYT00", f"[HYT00] {_CLIENT}Query timeout expired (0) (SQLExecDirectW)")
LINK_FAILURE = Fault(
    OperationalError, "08S01",
    f"[08S01] {_CLIENT}TCP Provider: Error code 0x2746 (10054) (SQLExecDirectW); "
    f"[08S01] {_CLIENT}Communication link failure (10054)",
)  # fmt: skip
PERMISSION = _server(
    ProgrammingError, "42000", 229,
    "The SELECT permission was denied on the object 'sellers', database 'ECOMMERCE_OLTP', schema 'core'.",
)  # fmt: skip
DUPLICATE_KEY = _server(
    IntegrityError, "23000", 2627,
    "Violation of UNIQUE KEY constraint 'UQ_DIM_CLIENTE_original'. Cannot insert duplicate key in object "
    "'dim.DIM_CLIENTE'. The duplicate key value is (318).",
    in_rows=True,
)  # fmt: skip
FOREIGN_KEY = _server(
    IntegrityError, "23000", 547,
    'The MERGE statement conflicted with the FOREIGN KEY constraint "FK_FACT_VENDAS_produto". The conflict occurred in '
    'database "DW_ECOMMERCE", table "dim.DIM_PRODUTO", column \'produto_id\'.',
    in_rows=True,
)  # fmt: skip
TRUNCATION = _server(
    ProgrammingError, "42000", 2628,
    "String or binary data would be truncated in table 'DW_ECOMMERCE.dim.DIM_PRODUTO', column 'nome_produto'. "
    "Truncated value: 'Cafeteira elétrica programável inox'.",
    in_rows=True,
)  # fmt: skip
CONVERSION = _server(ProgrammingError, "42000", 8114, "Error converting data type nvarchar to numeric.", in_rows=True)

"""The demo's failures read like the driver's, and the portal knows each of them."""

from __future__ import annotations

import pytest

from demo import faults
from demo.faults import Fault, MissingDimensionRow
from monitoring.rules.enums import ErrorClass
from monitoring.rules.error_text import parse

SHAPES = [
    (faults.DEADLOCK, "Error", "40001", 1205, ErrorClass.DEADLOCK),
    (faults.DUPLICATE_KEY, "IntegrityError", "23000", 2627, ErrorClass.UNIQUE),
    (faults.FOREIGN_KEY, "IntegrityError", "23000", 547, ErrorClass.FOREIGN_KEY),
    (faults.TRUNCATION, "ProgrammingError", "42000", 2628, ErrorClass.TRUNCATION),
    (faults.CONVERSION, "ProgrammingError", "42000", 8114, ErrorClass.CONVERSION),
    (faults.PERMISSION, "ProgrammingError", "42000", 229, ErrorClass.PERMISSION),
    (faults.LOCK_TIMEOUT, "ProgrammingError", "42000", 1222, ErrorClass.LOCK_TIMEOUT),
    (faults.QUERY_TIMEOUT, "OperationalError", "HYT00", None, ErrorClass.TIMEOUT),
    (faults.LINK_FAILURE, "OperationalError", "08S01", 10054, ErrorClass.NETWORK),
]


@pytest.mark.parametrize(("fault", "kind", "sqlstate", "native", "error_class"), SHAPES, ids=[s[4] for s in SHAPES])
def test_a_fault_reads_like_the_drivers_error(
    fault: Fault, kind: str, sqlstate: str, native: int | None, error_class: ErrorClass
) -> None:
    error = fault.error()
    failure = parse(f"{type(error).__name__}: {error}")
    assert (failure.exception_type, failure.sqlstate) == (kind, sqlstate)
    assert failure.error_class is error_class
    assert native is None or failure.number == native
    assert str(error).startswith(f"('{sqlstate}', ")
    assert f"[{sqlstate}] [Microsoft][ODBC Driver 18 for SQL Server]" in str(error)
    assert "(SQLExecDirectW)" in str(error)


def test_the_etls_own_error_is_known() -> None:
    error = MissingDimensionRow("fact_vendas: no row in dim.DIM_CLIENTE with id = 4; load the dimension first")
    assert parse(f"MissingDimensionRow: {error}").error_class is ErrorClass.MISSING_DIMENSION_ROW

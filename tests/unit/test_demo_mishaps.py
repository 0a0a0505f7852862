"""The demo's failures read like the driver's, and strike the same runs for the same seed."""

from __future__ import annotations

import random

import pytest

from demo import mishaps
from demo.jobs import JOBS
from demo.mishaps import Mishap, Mishaps
from monitoring.enums import ErrorClass
from monitoring.rules.error_text import parse

RNG = random.Random(1)

SHAPES = [
    (mishaps.deadlock(RNG), "Error", "40001", 1205, ErrorClass.DEADLOCK),
    (mishaps.duplicate_key(RNG, "dim.A", "UQ_A"), "IntegrityError", "23000", 2627, ErrorClass.UNIQUE),
    (mishaps.foreign_key("FK_A", "dim.B", "b_id"), "IntegrityError", "23000", 547, ErrorClass.FOREIGN_KEY),
    (mishaps.truncation("dim.A", "nome", "x"), "ProgrammingError", "42000", 2628, ErrorClass.TRUNCATION),
    (mishaps.conversion("nvarchar", "numeric"), "ProgrammingError", "42000", 8114, ErrorClass.CONVERSION),
    (mishaps.permission("core", "sellers"), "ProgrammingError", "42000", 229, ErrorClass.PERMISSION),
    (mishaps.lock_timeout(RNG), "ProgrammingError", "42000", 1222, ErrorClass.LOCK_TIMEOUT),
    (mishaps.query_timeout(RNG), "OperationalError", "HYT00", None, ErrorClass.TIMEOUT),
    (mishaps.link_failure(RNG), "OperationalError", "08S01", 10054, ErrorClass.NETWORK),
    (mishaps.missing_row("f", "dim.A", "a_id", 7), "MissingDimensionRow", "", None, ErrorClass.MISSING_DIMENSION_ROW),
]


@pytest.mark.parametrize(
    ("mishap", "kind", "sqlstate", "native", "error_class"), SHAPES, ids=lambda value: str(value)[:40]
)
def test_a_mishap_reads_like_the_drivers_error(
    mishap: Mishap, kind: str, sqlstate: str, native: int | None, error_class: ErrorClass
) -> None:
    error = mishap.error()
    failure = parse(f"{type(error).__name__}: {error}")
    assert (failure.exception_type, failure.sqlstate) == (kind, sqlstate)
    assert failure.error_class is error_class
    assert native is None or failure.number == native
    if sqlstate:
        assert str(error).startswith(f"('{sqlstate}', ")
        assert f"[{sqlstate}] [Microsoft][ODBC Driver 18 for SQL Server]" in str(error)
        assert "(SQLExecDirectW)" in str(error)


def test_every_shape_of_the_issue_happens_by_chance() -> None:
    """Over many runs each number turns up, and every pipeline is struck by something."""
    dice = Mishaps(7)
    seen, struck = set(), set()
    for run_id in range(1, 6000):
        for entity in JOBS:
            if mishap := dice.of(run_id, entity):
                seen.add(parse(f"{type(mishap.error()).__name__}: {mishap.error()}").error_class)
                struck.add(entity)
    assert seen == {shape[4] for shape in SHAPES} - {ErrorClass.MISSING_DIMENSION_ROW}
    assert struck == set(JOBS)


def test_most_runs_go_well() -> None:
    dice = Mishaps(7)
    troubled = sum(any(dice.of(run_id, entity) for entity in JOBS) for run_id in range(1, 3001))
    assert 0.03 < troubled / 3000 < 0.11


def test_the_same_seed_strikes_the_same_runs() -> None:
    def struck(seed: int) -> list[tuple[int, str, str]]:
        mishaps._episode.cache_clear()
        dice = Mishaps(seed)
        return [(run, name, found.text) for run in range(1, 400) for name in JOBS if (found := dice.of(run, name))]

    assert struck(7) == struck(7)
    assert struck(7) != struck(8)


def test_a_plan_overrides_chance() -> None:
    down = mishaps.link_failure(RNG)
    troubled = next(run for run in range(1, 500) if any(Mishaps(7).of(run, name) for name in JOBS))
    dice = Mishaps(7, {troubled: {}, 3: {"": down}, 4: {"dim_cliente": down}})
    assert [dice.of(troubled, name) for name in JOBS] == [None] * len(JOBS)
    assert all(dice.of(3, name) is down for name in JOBS)
    assert [name for name in JOBS if dice.of(4, name)] == ["dim_cliente"]


@pytest.mark.parametrize(
    ("in_rows", "after", "rows", "batches", "last", "hits"),
    [
        (False, 0, 0, 0, True, True),
        (True, 0, 0, 0, True, False),
        (True, 0, 5, 0, False, True),
        (False, 2, 5, 1, False, False),
        (False, 2, 5, 2, False, True),
        (False, 2, 5, 0, True, True),
    ],
)
def test_when_a_mishap_strikes(in_rows: bool, after: int, rows: int, batches: int, last: bool, hits: bool) -> None:
    mishap = Mishap(kind=mishaps.Error, sqlstate="40001", text="x", after_batches=after, in_rows=in_rows)
    assert mishap.hits(rows, batches, last) is hits

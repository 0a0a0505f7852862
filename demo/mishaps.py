"""What goes wrong now and then, in the words in which SQL Server's driver says it.

pyodbc's exceptions carry (SQLSTATE, text); which class is raised follows from the SQLSTATE (its
src/errors.cpp): 22 DataError, 23 IntegrityError, 42 ProgrammingError, 08 and HYT00 OperationalError,
and plain Error for what it does not know, a deadlock's 40001 among them. The text's parts are joined
by "; ", each "[state] [vendor]... text (native number)", with the ODBC function after the first.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache


class Error(Exception):
    """Named as pyodbc names them: the runner writes the class's name into the audit table."""


class DataError(Error):
    pass


class IntegrityError(Error):
    pass


class OperationalError(Error):
    pass


class ProgrammingError(Error):
    pass


class MissingDimensionRow(Exception):
    """A fact's natural key has no row in its dimension (the runner's own error, not the driver's)."""


_CLIENT = "[Microsoft][ODBC Driver 18 for SQL Server]"
_SERVER = f"{_CLIENT}[SQL Server]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """One failure of one run entity, when `after_batches` batches were committed.

    `in_rows`: it comes from the rows' content, so an entity without rows does not meet it.
    `everywhere`: it ends every entity of the run (the link is down).
    """

    kind: type[Exception]
    sqlstate: str
    text: str
    after_batches: int = 0
    in_rows: bool = False
    everywhere: bool = False

    def error(self) -> Exception:
        """Return the exception to raise."""
        return self.kind(self.sqlstate, self.text) if self.sqlstate else self.kind(self.text)

    def hits(self, rows: int, batches: int, last: bool) -> bool:
        """Whether it strikes now: `rows` are about to be written after `batches` committed batches."""
        return bool(rows or not self.in_rows) and (batches >= self.after_batches or last)


def _server(sqlstate: str, text: str, native: int, terminated: bool = False) -> str:
    end = f"; [{sqlstate}] {_SERVER}The statement has been terminated. (3621)" if terminated else ""
    return f"[{sqlstate}] {_SERVER}{text} ({native}) (SQLExecDirectW){end}"


def deadlock(rng: random.Random) -> Mishap:
    text = (
        f"Transaction (Process ID {rng.randint(52, 98)}) was deadlocked on lock resources with another process "
        "and has been chosen as the deadlock victim. Rerun the transaction."
    )
    return Mishap(kind=Error, sqlstate="40001", text=_server("40001", text, 1205), after_batches=rng.randint(0, 2))


def lock_timeout(rng: random.Random) -> Mishap:
    text = _server("42000", "Lock request time out period exceeded.", 1222)
    return Mishap(kind=ProgrammingError, sqlstate="42000", text=text)


def query_timeout(rng: random.Random) -> Mishap:
    return Mishap(
        kind=OperationalError,
        sqlstate="HYT00",
        text=f"[HYT00] {_CLIENT}Query timeout expired (0) (SQLExecDirectW)",
        after_batches=rng.randint(0, 1),
    )


def link_failure(rng: random.Random) -> Mishap:
    return Mishap(
        kind=OperationalError,
        sqlstate="08S01",
        text=(
            f"[08S01] {_CLIENT}TCP Provider: Error code 0x2746 (10054) (SQLExecDirectW); "
            f"[08S01] {_CLIENT}Communication link failure (10054)"
        ),
        everywhere=True,
    )


def permission(schema: str, table: str, database: str = "ECOMMERCE_OLTP") -> Mishap:
    text = f"The SELECT permission was denied on the object '{table}', database '{database}', schema '{schema}'."
    return Mishap(kind=ProgrammingError, sqlstate="42000", text=_server("42000", text, 229))


def duplicate_key(rng: random.Random, table: str, constraint: str) -> Mishap:
    text = (
        f"Violation of UNIQUE KEY constraint '{constraint}'. Cannot insert duplicate key in object '{table}'. "
        f"The duplicate key value is ({rng.randint(100, 9000)})."
    )
    return Mishap(
        kind=IntegrityError, sqlstate="23000", text=_server("23000", text, 2627, terminated=True), in_rows=True
    )


def foreign_key(constraint: str, table: str, column: str) -> Mishap:
    text = (
        f'The MERGE statement conflicted with the FOREIGN KEY constraint "{constraint}". The conflict occurred in '
        f'database "DW_ECOMMERCE", table "{table}", column \'{column}\'.'
    )
    return Mishap(
        kind=IntegrityError,
        sqlstate="23000",
        text=_server("23000", text, 547, terminated=True),
        after_batches=1,
        in_rows=True,
    )


def truncation(table: str, column: str, value: str) -> Mishap:
    text = (
        f"String or binary data would be truncated in table 'DW_ECOMMERCE.{table}', column '{column}'. "
        f"Truncated value: '{value}'."
    )
    return Mishap(
        kind=ProgrammingError, sqlstate="42000", text=_server("42000", text, 2628, terminated=True), in_rows=True
    )


def conversion(source: str, target: str) -> Mishap:
    text = _server("42000", f"Error converting data type {source} to {target}.", 8114)
    return Mishap(kind=ProgrammingError, sqlstate="42000", text=text, in_rows=True)


def missing_row(entity: str, table: str, natural_key: str, value: object) -> Mishap:
    text = missing_row_text(entity, table, natural_key, value)
    return Mishap(kind=MissingDimensionRow, sqlstate="", text=text, in_rows=True)


def missing_row_text(entity: str, table: str, natural_key: str, value: object) -> str:
    """Return what the runner says when a natural key has no row in its dimension."""
    return f"{entity}: no row in {table} with {natural_key} = {value}; load the dimension first"


_BY_ENTITY = {
    "dim_cliente": lambda rng: duplicate_key(rng, "dim.DIM_CLIENTE", "UQ_DIM_CLIENTE_original"),
    "dim_produto": lambda rng: truncation("dim.DIM_PRODUTO", "nome_produto", "Cafeteira elétrica programável inox"),
    "dim_regiao": lock_timeout,
    "dim_equipe": lock_timeout,
    "dim_vendedor": lambda rng: permission("core", "sellers"),
    "dim_desconto": lambda rng: truncation("dim.DIM_DESCONTO", "nome_campanha", "Semana do consumidor, leve tr"),
    "fact_vendas": lambda rng: foreign_key("FK_FACT_VENDAS_produto", "dim.DIM_PRODUTO", "produto_id"),
    "fact_metas": lambda rng: conversion("nvarchar", "numeric"),
    "fact_descontos": lambda rng: foreign_key("FK_FACT_DESCONTOS_desconto", "dim.DIM_DESCONTO", "desconto_id"),
}
_ANYWHERE = (deadlock, lock_timeout, query_timeout)
_LONGEST = 3
_WEIGHTS = {"fact_vendas": 4, "fact_descontos": 3, "dim_cliente": 3, "fact_metas": 2, "dim_produto": 2}


@dataclass(frozen=True, slots=True)
class Mishaps:
    """Which entity of which run fails, and how: a pure function of the seed and the run's number.

    About one run in 30 begins an episode of one to three runs in a row; now and then it is the link
    that is down for one run. `planned` overrides what chance says of a run: entity to mishap ("" stands
    for every entity, an empty dict for a run without any).
    """

    seed: int
    planned: Mapping[int, Mapping[str, Mishap]] = field(default_factory=dict)

    def of(self, run_id: int, entity: str) -> Mishap | None:
        """Return what goes wrong with `entity` in this run, if anything."""
        if run_id in self.planned:
            return self.planned[run_id].get(entity) or self.planned[run_id].get("")
        for start in range(run_id, max(0, run_id - _LONGEST), -1):
            episode = _episode(self.seed, start)
            if episode is not None:
                runs, victim, mishap = episode
                if run_id < start + runs and (mishap.everywhere or victim == entity):
                    return mishap
        return None


@lru_cache(maxsize=256)
def _episode(seed: int, run_id: int) -> tuple[int, str, Mishap] | None:
    """Return (how many runs, which entity, what) of the episode that begins with this run."""
    rng = random.Random(f"{seed}:{run_id}")
    if rng.random() > 1 / 30:
        return None
    if rng.random() < 0.06:
        return 1, "", link_failure(rng)
    entities = list(_BY_ENTITY)
    victim = rng.choices(entities, [_WEIGHTS.get(name, 1) for name in entities])[0]
    make = _BY_ENTITY[victim] if rng.random() < 0.55 else rng.choice(_ANYWHERE)
    return rng.randint(1, _LONGEST), victim, make(rng)

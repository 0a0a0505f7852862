"""Parse the T-SQL of sql/sqlserver/ into descriptions of tables.

Only CREATE TABLE and CREATE INDEX are parsed. Unknown syntax in them raises DdlError, so that no constraint is lost
silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

SQL_FOLDER = Path(__file__).resolve().parents[2] / "sql" / "sqlserver"
EXTRAS = Path(__file__).resolve().parents[1] / "sqlserver" / "extras.sql"
"""Tables outside the contract, of tests/sqlserver."""

_BATCH = re.compile(r"^\s*GO\s*$", re.IGNORECASE | re.MULTILINE)
_CREATES = re.compile(r"\bCREATE\s+TABLE\b", re.IGNORECASE)


class DdlError(ValueError):
    """A statement in sql/sqlserver/ has a shape that is not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. `type` is upper case without its length: "VARCHAR", "DATETIME2", "BIGINT".

    `size` is the length of a text, the precision of a time (fractional digits) or of a DECIMAL
    (then `scale` too); None where the type has none. SYSNAME is given as NVARCHAR(128).
    `default` is T-SQL without its parentheses: "0", "'running'", "SYSUTCDATETIME()".
    """

    name: str
    type: str
    size: int | None = None
    scale: int | None = None
    nullable: bool
    identity: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    columns: tuple[str, ...]
    schema: str
    table: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """`columns` are (name, descending). `include` are the columns that only cover."""

    name: str
    columns: tuple[tuple[str, bool], ...]
    include: tuple[str, ...] = ()
    unique: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    checks: tuple[Any, ...] = ()  # sqlglot expressions
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = field(default=())

    def column(self, name: str) -> Column:
        """Return the column of that name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.schema}.{self.name} has no column {name}")


@lru_cache(maxsize=2)
def tables(*, extras: bool = False) -> dict[str, Table]:
    """Return the contract's tables by "schema.name", in the order of their definition.

    With `extras`, those of tests/sqlserver too. Raises DdlError, OSError.
    """
    files = sorted(SQL_FOLDER.glob("*.sql")) + ([EXTRAS] if extras else [])
    found: dict[str, Table] = {}
    for file in files:
        for batch in _BATCH.split(file.read_text(encoding="utf-8")):
            if _CREATES.search(batch):
                table = _table(sqlglot.parse(batch, read="tsql"))
                found[f"{table.schema}.{table.name}"] = table
    return found


def _table(statements: Sequence[Any]) -> Table:
    """Return the one table that a batch creates, with the indexes created beside it."""
    creates = [create for statement in statements if statement for create in statement.find_all(exp.Create)]
    definitions = [create for create in creates if create.kind == "TABLE"]
    if len(definitions) != 1:
        raise DdlError(f"A batch must create one table, not {len(definitions)}.")
    schema = definitions[0].this
    parts: dict[str, list[Any]] = {"columns": [], "uniques": [], "checks": [], "foreign_keys": []}
    primary_key: tuple[str, ...] = ()
    for item in schema.expressions:
        if isinstance(item, exp.ColumnDef):
            parts["columns"].append(_column(item))
        elif isinstance(item, exp.Constraint):
            primary_key = _constraint(item, parts) or primary_key
        else:
            raise DdlError(f"Not understood in a table: {item.sql(dialect='tsql')}")
    return Table(
        schema=schema.this.db,
        name=schema.this.name,
        primary_key=primary_key,
        indexes=tuple(_index(create) for create in creates if create.kind == "INDEX"),
        **{name: tuple(items) for name, items in parts.items()},
    )


def _column(node: Any) -> Column:
    if node.kind is None:
        raise DdlError(f"Column {node.name} has no type: {node.sql(dialect='tsql')}")
    type_name, size, scale = _type(node.kind)
    nullable = identity = False
    default = None
    for constraint in node.constraints:
        kind = constraint.kind
        if isinstance(kind, exp.NotNullColumnConstraint):
            nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.GeneratedAsIdentityColumnConstraint):
            identity = True
        elif isinstance(kind, exp.DefaultColumnConstraint):
            default = kind.this.unnest().sql(dialect="tsql")
        else:
            raise DdlError(f"Not understood in column {node.name}: {constraint.sql(dialect='tsql')}")
    return Column(
        name=node.name, type=type_name, size=size, scale=scale, nullable=nullable, identity=identity, default=default
    )


def _type(kind: Any) -> tuple[str, int | None, int | None]:
    if kind.this is exp.DataType.Type.USERDEFINED:
        if str(kind.args["kind"]).upper() == "SYSNAME":
            return "NVARCHAR", 128, None
        raise DdlError(f"Unknown type {kind.args['kind']}")
    if not all(size.name.isdecimal() for size in kind.expressions):
        raise DdlError(f"A size must be a number: {kind.sql(dialect='tsql')}")
    sizes = [int(size.name) for size in kind.expressions]
    name = {"TIMESTAMP": "DATETIME"}.get(kind.this.value, kind.this.value)
    size, scale = [*sizes, None, None][:2]
    return name, size, scale


def _constraint(node: Any, parts: dict[str, list[Any]]) -> tuple[str, ...] | None:
    """Put the constraint into `parts`; return the columns of a primary key."""
    kinds = node.expressions
    if isinstance(kinds[0], exp.PrimaryKeyColumnConstraint) and len(kinds) == 2:
        return tuple(_names(kinds[1].this))
    kind = kinds[0]
    if isinstance(kind, exp.UniqueColumnConstraint):
        parts["uniques"].append(tuple(_names(kind.this.expressions)))
    elif isinstance(kind, exp.CheckColumnConstraint):
        parts["checks"].append(kind.this)
    elif isinstance(kind, exp.ForeignKey):
        target = kind.args["reference"].this
        parts["foreign_keys"].append(
            ForeignKey(
                columns=tuple(_names(kind.expressions)),
                schema=target.this.db,
                table=target.this.name,
                references=tuple(_names(target.expressions)),
            )
        )
    else:
        raise DdlError(f"Not understood: {node.sql(dialect='tsql')}")
    return None


def _names(nodes: Iterable[Any]) -> Iterator[str]:
    return (node.find(exp.Identifier).name for node in nodes)


def _index(create: Any) -> Index:
    index = create.this
    parameters = index.args["params"]
    if parameters.args.get("where"):
        raise DdlError(f"Filtered index {index.name} is not understood.")
    return Index(
        name=index.name,
        columns=tuple((column.this.name, bool(column.args.get("desc"))) for column in parameters.args["columns"]),
        include=tuple(_names(parameters.args.get("include") or [])),
        unique=bool(create.args.get("unique")),
    )

"""Totals, newest times and backlog of every source and target: one statement per database.

A statement is a UNION ALL of one bounded part per pipeline (and per joined table). The cost of a part does not grow
with its table: totals come from metadata, times from the end of an index, and pending rows are counted in index order,
up to a cap.

A row's `ts` is the source's update column, or the latest update time over joined tables. Joined rows fall into one case
per table: the rows whose latest time is in that table. Each case reads that table's own index on its update time, and
the cases are added up.

The tuple comparison `(ts, key) > W` is written `ts >= W AND (ts > W OR key > id)`, because both engines seek by the
first half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from etlportal.budget import budget
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Count, Problem, SourceReading, TargetReading, Watermark
from monitoring.warehouse.catalog import Column, Table
from monitoring.warehouse.dialect import Dialect, Sql, dialect_of, joined, utc
from monitoring.warehouse.errors import CONNECTION_CODES
from monitoring.warehouse.names import TableName
from monitoring.warehouse.reader import ReadFailed, Row, rows

UPDATED_AT = "updated_at"

TARGET_COLUMNS = ("data_ultima_atualizacao", "data_atualizacao")
"""The usual update columns of a target, in lookup order."""

LOAD_TIME_COLUMNS = frozenset({"data_atualizacao"})
"""Update columns with the time of the load, not of the change in the source: they give no latency."""

_ORDERS = (TableName("core", "orders"), "order_id")
JOINED_SOURCES = {
    TableName("core", "order_items").key: (_ORDERS,),
    TableName("core", "order_item_discounts").key: ((TableName("core", "order_items"), "order_item_id"), _ORDERS),
}
"""Sources whose rows change when a joined row does (CONTRACT, "Pipelines"): the tables to join, and by which column."""


def joins_of(source: TableName, configured_column: str = "") -> tuple[tuple[TableName, str], ...]:
    """Return the tables joined to `source` for its ts; none when a column was configured."""
    return () if configured_column else JOINED_SOURCES.get(source.key, ())


Answer = TypeVar("Answer")

FALLBACK_SECONDS = 10.0
"""Maximum seconds per tick to search for the failing part of a statement."""
MAX_BRANCHES, MAX_PARAMS = 400, 2000
"""Limits of one statement: SQLite accepts 500 parts of a compound SELECT, SQL Server 2,100 parameters."""


class Linked(NamedTuple):
    """One table of a source: `ts` is its update column, `on` the column that joins it to the table before it."""

    table: Table
    ts: Column
    on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceProbe:
    """`chain`: the tables of the source, the source itself first."""

    chain: tuple[Linked, ...]
    key: str
    watermark: Watermark
    cutoff_minutes: int


TargetProbe = tuple[Table, Column | None]
"""A target and its update column; without one only the total is read."""


def probe_sources(
    alias: str, probes: Mapping[str, SourceProbe], cap: int, alone: frozenset[str] = frozenset()
) -> dict[str, SourceReading | Problem]:
    """Return the reading or the problem for every name in `probes`.

    Pending rows are counted up to `cap`. Names in `alone` failed recently and are read one by one. Raises ReadFailed
    only when the database as a whole does not answer.
    """
    parts = {name: source_parts(dialect_of(alias), probe, cap) for name, probe in probes.items()}
    return _answers(alias, parts, alone, lambda found: _source_answer(found, cap))


def probe_targets(
    alias: str, probes: Mapping[str, TargetProbe], alone: frozenset[str] = frozenset()
) -> dict[str, TargetReading | Problem]:
    """Return the reading or the problem for every name in `probes`. Raises as `probe_sources` does."""
    parts = {name: [target_part(dialect_of(alias), probe)] for name, probe in probes.items()}

    def read(found: list[Row]) -> TargetReading:
        total, newest = found[0]
        return TargetReading(total=None if total is None else int(total), newest_at=utc(newest))

    return _answers(alias, parts, alone, read)


def source_parts(dialect: Dialect, probe: SourceProbe, cap: int) -> list[Sql]:
    """Return one SELECT per table of the source's chain, all of the same shape."""
    return [_case(dialect, probe, leader, cap) for leader in range(len(probe.chain))]


def target_part(dialect: Dialect, probe: TargetProbe) -> Sql:
    """Return one SELECT: total and newest update time of a target."""
    table, column = probe
    newest = Sql("CAST(NULL AS DATETIME2(3))")
    if column is not None:
        top = Sql(f"(SELECT MAX(t.{dialect.quote(column.name)}) FROM {dialect.table(table.name)} AS t)")
        newest = dialect.read_moment(top, column.moment_type)
    return "SELECT " + dialect.row_count(table.counted) + " AS total, " + newest + " AS newest"


def _case(dialect: Dialect, probe: SourceProbe, leader: int, cap: int) -> Sql:
    """Select total, newest, and eligible and cooling rows as (rows examined, rows found, oldest), for one leader."""
    base = probe.chain[0].table
    total = dialect.row_count(base.counted) if leader == 0 else Sql("CAST(NULL AS BIGINT)")
    ts, declared = _ts(dialect, probe, leader), probe.chain[leader].ts.moment_type
    cutoff = dialect.cutoff(probe.cutoff_minutes, declared)
    # The newest time over all rows is the newest of the tables' newest times, whichever table leads.
    newest = dialect.first(1, ts, f"FROM {_from(dialect, probe, leader)} ORDER BY {ts} DESC")
    sql = "SELECT " + total + " AS total, " + dialect.read_moment("(" + newest + ")", declared) + " AS newest"
    for side in ("e", "c"):
        oldest = dialect.read_moment(Sql(f"{side}.oldest"), declared)
        sql += f", {side}.examined AS {side}_examined, {side}.found AS {side}_found, " + oldest + f" AS {side}_oldest"
    sql += " FROM (" + _waiting(dialect, probe, leader, cap, f"{ts} <= " + cutoff) + ") AS e"
    return sql + " CROSS JOIN (" + _waiting(dialect, probe, leader, cap, f"{ts} > " + cutoff) + ") AS c"


def _waiting(dialect: Dialect, probe: SourceProbe, leader: int, cap: int, age: Sql) -> Sql:
    """Count the rows past the watermark and of that age. At most cap + 1 rows are examined, in index order."""
    ts, declared = _ts(dialect, probe, leader), probe.chain[leader].ts.moment_type
    w = dialect.moment(probe.watermark.updated_at, declared)
    key = f"t0.{dialect.quote(probe.key)}"
    past = f"{ts} >= " + w + f" AND ({ts} > " + w + f" OR {key} > " + Sql("%s)", (probe.watermark.id,))
    inner = dialect.first(
        cap + 1,
        f"{ts} AS ts, {_leads(dialect, probe, leader)} AS leads",
        f"FROM {_from(dialect, probe, leader)} WHERE " + past + " AND " + age + f" ORDER BY {ts}",
    )
    counted = "COUNT(*) AS examined, SUM(x.leads) AS found, MIN(CASE WHEN x.leads = 1 THEN x.ts END) AS oldest"
    return f"SELECT {counted} FROM (" + inner + ") AS x"


def _ts(dialect: Dialect, probe: SourceProbe, index: int) -> str:
    return f"t{index}.{dialect.quote(probe.chain[index].ts.name)}"


def _leads(dialect: Dialect, probe: SourceProbe, leader: int) -> str:
    """Return 1 where the leader's time is the latest; a tie belongs to the first table."""
    mine = _ts(dialect, probe, leader)
    conditions = [
        f"{mine} {'>' if other < leader else '>='} {_ts(dialect, probe, other)}"
        for other in range(len(probe.chain))
        if other != leader
    ]
    return f"CASE WHEN {' AND '.join(conditions)} THEN 1 ELSE 0 END" if conditions else "1"


def _from(dialect: Dialect, probe: SourceProbe, leader: int) -> str:
    """Join the chain's tables as t0, t1, ..., the leader first, then its neighbours outwards."""
    text = f"{dialect.table(probe.chain[leader].table.name)} AS t{leader}"
    for index in [*range(leader - 1, -1, -1), *range(leader + 1, len(probe.chain))]:
        # The later table of two contains the link.
        link, earlier = (index + 1, index) if index < leader else (index, index - 1)
        column = dialect.quote(probe.chain[link].on)
        on = f"t{link}.{column} = t{earlier}.{column}"
        text += f" {dialect.join_in_order} {dialect.table(probe.chain[index].table.name)} AS t{index} ON {on}"
    return text


def _source_answer(found: list[Row], cap: int) -> SourceReading:
    return SourceReading(
        total=next((int(row[0]) for row in found if row[0] is not None), None),
        newest_at=max(_times(row[1] for row in found), default=None),
        eligible=_count([(row[2], row[3]) for row in found], cap),
        cooling=_count([(row[5], row[6]) for row in found], cap),
        oldest_eligible_at=min(_times(row[4] for row in found), default=None),
        oldest_pending_at=min(_times(value for row in found for value in (row[4], row[7])), default=None),
    )


def _count(cases: list[tuple[int, int | None]], cap: int) -> Count:
    """Add up the cases. The count is capped ("at least") if one case was not read to its end."""
    value = sum(found or 0 for _, found in cases)
    return Count(min(value, cap), value > cap or any(examined > cap for examined, _ in cases))


def _times(moments: Iterable[object]) -> list[datetime]:
    return [when for moment in moments if (when := utc(moment)) is not None]


def _answers(
    alias: str, parts: Mapping[str, list[Sql]], alone: frozenset[str], read: Callable[[list[Row]], Answer]
) -> dict[str, Answer | Problem]:
    """Read all together, and one by one if that fails, so that only the failing part stays unknown."""
    answers: dict[str, Answer | Problem] = {}
    singly = [{name: own} for name, own in parts.items() if name in alone]
    for chunk in _chunks({name: own for name, own in parts.items() if name not in alone}):
        found, failed = _ask(alias, chunk, read)
        if failed and len(chunk) > 1:
            singly += [{name: own} for name, own in chunk.items()]
        else:
            answers |= found
    with budget(FALLBACK_SECONDS):
        # After the budget no statement is sent: NOT_READ.
        for part in singly:
            answers |= _ask(alias, part, read)[0]
    return answers


def _chunks(parts: Mapping[str, list[Sql]]) -> list[dict[str, list[Sql]]]:
    """Split parts that exceed one statement's limits: about 280 pipelines of one table each."""
    chunks: list[dict[str, list[Sql]]] = [{}] if parts else []
    branches = params = 0
    for name, own in parts.items():
        more = sum(len(part.params) for part in own)
        if chunks[-1] and (branches + len(own) > MAX_BRANCHES or params + more > MAX_PARAMS):
            chunks.append({})
            branches = params = 0
        chunks[-1][name] = own
        branches, params = branches + len(own), params + more
    return chunks


def _ask(
    alias: str, parts: Mapping[str, list[Sql]], read: Callable[[list[Row]], Answer]
) -> tuple[dict[str, Answer | Problem], bool]:
    """Return the answers of one statement, and whether it failed: then all of them are its problem."""
    selects = [
        f"SELECT {number} AS part, q.* FROM (" + part + ") AS q"
        for number, own in enumerate(parts.values())
        for part in own
    ]
    try:
        answered = rows(alias, joined(selects, " UNION ALL "))
    except ReadFailed as failure:
        if failure.problem.code in CONNECTION_CODES:
            raise
        return dict.fromkeys(parts, failure.problem), True
    found: dict[int, list[Row]] = {}
    for row in answered:
        found.setdefault(row[0], []).append(row[1:])
    answers: dict[str, Answer | Problem] = {}
    for number, name in enumerate(parts):
        try:
            answers[name] = read(found[number])
        except (ValueError, TypeError, OverflowError) as error:
            answers[name] = Problem(code=ProblemCode.OTHER, detail=str(error)[:200])
    return answers, False

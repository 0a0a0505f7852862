"""Integrity checks of one pipeline, on demand: a few bounded statements, each with a time limit.

A check is skipped if a constraint of the table already guarantees it. The others read at most SCAN_CAP rows and report
at most FOUND_CAP violations. A statement that exceeds its time limit is cancelled, and its check says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from etlportal.budget import Budget, NotBegun, budget, spending
from monitoring.models import PipelineSettings
from monitoring.rules import integrity as policy
from monitoring.rules.facts import ControlRow, Problem, Watermark
from monitoring.rules.integrity import FOUND_CAP, CheckCode, CheckResult, Reason
from monitoring.rules.masking import cell
from monitoring.warehouse.catalog import Column, Table, describe
from monitoring.warehouse.dialect import Dialect, Sql, dialect_of, joined, values
from monitoring.warehouse.names import InvalidName, parse_table
from monitoring.warehouse.probes import TARGET_COLUMNS, UPDATED_AT
from monitoring.warehouse.reader import ReadFailed, Row, rows
from monitoring.warehouse.source_rows import named, readable

DESCRIBE_SECONDS = 3.0
STATEMENT_SECONDS = 6.0
TOTAL_SECONDS = 20.0
"""Time limits of a table's description, of one statement, and of all checks of one pipeline together."""

EVIDENCE_TEXT = 60
"""Maximum characters of a value in the details."""
SCAN_CAP = 1_000_000
"""Maximum rows of a table that one check reads."""
WORDS = 50
"""Maximum distinct words of a status column that are read."""
DELETED_CAP = 5000
"""Maximum deleted source rows that are looked up in the target."""
KEYS_AT_ONCE = 1000
"""Keys per statement: each is a parameter, and SQL Server accepts 2,100."""

NATURAL_KEYS = {("fact", "fact_metas"): ("vendedor_id", "data_id", "tipo_periodo")}
"""Targets whose natural key is not one column that ends in _original_id (CONTRACT, "Pipelines")."""
MEASURES = ("valor_", "quantidade_", "percentual_")
_NUMBERS = frozenset(
    {
        *("TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT", "DECIMAL", "NUMERIC"),
        *("MONEY", "SMALLMONEY", "FLOAT", "REAL", "DOUBLE"),
    }
)
_VARCHAR = frozenset({"CHAR", "VARCHAR"})
_TEXTS = _VARCHAR | {"NCHAR", "NVARCHAR"}


class CannotAsk(Exception):
    """A check does not apply (a Reason), or its data could not be read (a Problem)."""

    def __init__(self, why: Reason | Problem) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One table of the pipeline. `total`: its rows, if known. `source_key` and `updated_column`: as configured.

    The properties raise CannotAsk or ReadFailed for a part that is missing or could not be read.
    """

    alias: str
    described: Table | Reason | Problem
    total: int | None
    source_key: str
    updated_column: str

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.alias)

    @property
    def table(self) -> Table:
        if not isinstance(self.described, Table):
            raise CannotAsk(self.described)
        return self.described

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns of the natural key: a source's one key column, a target's by the contract or by name."""
        table = self.table
        if self.alias == "oltp":
            return (named(table, self.source_key).name,)
        known = [table.column(name) for name in NATURAL_KEYS.get(table.name.key, ())]
        if known and all(known):
            return tuple(column.name for column in known if column)
        original = [column for column in table.columns.values() if column.name.casefold().endswith("_original_id")]
        found = original[0] if len(original) == 1 else table.column(self.source_key)
        if found is None:
            raise CannotAsk(Reason.NO_NATURAL_KEY)
        return (found.name,)

    @property
    def updated(self) -> str:
        """Return the column with the time of a row's change (or load)."""
        if self.alias == "oltp":
            return named(self.table, self.updated_column or UPDATED_AT).name
        for name in (self.updated_column,) if self.updated_column else TARGET_COLUMNS:
            if (column := self.table.column(name)) is not None:
                return column.name
        raise CannotAsk(Reason.NO_UPDATE_COLUMN)

    @property
    def cut_at(self) -> int | None:
        """Return SCAN_CAP if the table is larger or its size is unknown, or None if all of it is read."""
        return None if self.total is not None and self.total <= SCAN_CAP else SCAN_CAP

    def ask(self, sql: Sql) -> list[Row]:
        """Return the rows. Raises ReadFailed, and CannotAsk when no time is left."""
        try:
            with budget(STATEMENT_SECONDS), spending():
                return rows(self.alias, sql)
        except NotBegun:
            raise CannotAsk(Reason.OUT_OF_TIME) from None

    def nullable(self, name: str) -> bool:
        column = self.table.column(name)
        return column is None or column.nullable

    def listed(self, columns: Sequence[str], prefix: str = "") -> str:
        return ", ".join(f"{prefix}{self.dialect.quote(name)}" for name in columns)

    def shown(self, columns: Sequence[str]) -> str:
        """Return the columns of `s`; types that the driver cannot return are cast to text."""
        found = []
        for name in columns:
            quoted, column = f"s.{self.dialect.quote(name)}", self.table.column(name)
            if self.dialect.vendor != "sqlite" and column is not None:
                quoted = readable(quoted, column.declared, text=EVIDENCE_TEXT, binary=EVIDENCE_TEXT // 2)
            found.append(quoted)
        return ", ".join(found)

    def scanned(self, columns: str) -> Sql:
        """Return the table `s`: these columns of at most SCAN_CAP rows."""
        scan = self.dialect.first(SCAN_CAP, columns, f"FROM {self.dialect.table(self.table.name)}")
        return "(" + scan + ") AS s"

    def violations(self, shown: Sequence[str], asked: Sequence[str], condition: str) -> list[Row]:
        """Return the columns `shown` of rows that meet `condition`, in which the columns `asked` are used."""
        columns = self.listed(list(dict.fromkeys([*shown, *asked])))
        rest = "FROM " + self.scanned(columns) + f" WHERE {condition}"
        return self.ask(self.dialect.first(FOUND_CAP + 1, self.shown(shown), rest))


def side(alias: str, text: str, source_key: str, updated_column: str, total: int | None) -> Side:
    """Return the table that a control row names `text`."""
    described: Table | Reason | Problem
    try:
        with budget(DESCRIBE_SECONDS):
            described = describe(alias, parse_table(text)) or Reason.NO_TABLE
    except InvalidName:
        described = Reason.NAME_INVALID
    except ReadFailed as failure:
        described = failure.problem
    return Side(alias=alias, described=described, total=total, source_key=source_key, updated_column=updated_column)


def key_text(row: Sequence[object]) -> str:
    return " / ".join("NULL" if value is None else (cell(value).text or "")[:EVIDENCE_TEXT] for value in row)


def _any(side: Side, columns: Sequence[str], condition: str) -> str:
    return " OR ".join(f"s.{side.dialect.quote(name)} {condition}" for name in columns)


def check_key_null(side: Side, code: CheckCode) -> CheckResult:
    """Find rows where the key or a part of it is NULL. They are shown with their update time, if they have one."""
    key = side.key
    nullable = [name for name in key if side.nullable(name)]
    if not nullable:
        return policy.guaranteed(code, key)
    try:
        shown = [*key, side.updated]
    except (CannotAsk, ReadFailed):
        shown = list(key)
    found = side.violations(shown, nullable, _any(side, nullable, "IS NULL"))
    return policy.found(code, [key_text(row) for row in found], key, looked_at=side.cut_at)


def check_key_duplicate(side: Side, code: CheckCode) -> CheckResult:
    """Find keys of more than one row, with the number of rows."""
    key = side.key
    if side.table.keeps_unique(key):
        return policy.guaranteed(code, key)
    there = " AND ".join(f"s.{side.dialect.quote(name)} IS NOT NULL" for name in key)
    rest = "FROM " + side.scanned(side.listed(key))
    rest += f" WHERE {there} GROUP BY {side.listed(key, 's.')} HAVING COUNT(*) > 1"
    found = side.ask(side.dialect.first(FOUND_CAP + 1, f"{side.shown(key)}, COUNT(*)", rest))
    texts = [f"{key_text(row[:-1])} × {row[-1]}" for row in found]
    return policy.found(code, texts, key, looked_at=side.cut_at)


def check_updated_null(side: Side, code: CheckCode) -> CheckResult:
    """Find rows without an update time, which the runner never loads."""
    column = side.updated
    if not side.nullable(column):
        return policy.guaranteed(code, [column])
    found = side.violations(_named_by(side) or [column], [column], _any(side, [column], "IS NULL"))
    return policy.found(code, [key_text(row) for row in found], [column], looked_at=side.cut_at)


def _named_by(side: Side) -> tuple[str, ...]:
    """Return the key, or nothing if it is not known."""
    try:
        return side.key
    except (CannotAsk, ReadFailed):
        return ()


def check_status(side: Side, code: CheckCode, words: Sequence[str]) -> CheckResult:
    """Find rows with an unknown status. `words`: the configured allowed values.

    The status column is situacao or status, else the first that begins so.
    """
    columns = list(side.table.columns.values())
    begins = (column for column in columns if column.name.casefold().startswith(("situacao_", "status_")))
    column = side.table.column("situacao") or side.table.column("status") or next(begins, None)
    if column is None:
        raise CannotAsk(Reason.NO_STATUS_COLUMN)
    constrained = side.table.domains.get(column.name.casefold(), ())
    if constrained and not column.nullable:
        return policy.guaranteed(code, [column.name])
    name = side.dialect.quote(column.name)
    text = f"LEFT(CAST({name} AS NVARCHAR(4000)), 60)"
    if side.dialect.vendor == "sqlite":
        text = f"substr(CAST({name} AS TEXT), 1, 60)"
    rest = "FROM " + side.scanned(f"{text} AS word") + " GROUP BY s.word ORDER BY n DESC, s.word"
    found = side.ask(side.dialect.first(WORDS, "s.word, COUNT(*) AS n", rest))
    counted = [(word, int(number)) for word, number in found]
    return policy.judge_words(code, column.name, counted, allowed=words or constrained, looked_at=side.cut_at)


def check_soft_delete(source: Side, target: Side, watermark: Watermark) -> CheckResult:
    """Find rows that were deleted in the source and loaded since, but are still active in the target."""
    deleted = source.table.column("deleted_at")
    flag = target.table.column("eh_ativo") or target.table.column("eh_ativa")
    if deleted is None:
        raise CannotAsk(Reason.NO_DELETED_AT)
    if flag is None:
        raise CannotAsk(Reason.NO_ACTIVE_FLAG)
    if len(target.key) != 1:
        raise CannotAsk(Reason.COMPOSITE_KEY)
    gone = source.ask(_deleted(source, deleted, watermark))
    name = target.dialect.quote(target.key[0])
    still: list[Row] = []
    for start in range(0, min(len(gone), DELETED_CAP), KEYS_AT_ONCE):
        keys = [row[0] for row in gone[start : min(start + KEYS_AT_ONCE, DELETED_CAP)]]
        rest = f"FROM {target.dialect.table(target.table.name)} WHERE {name} IN (" + _as_stored(target, keys)
        rest += f") AND {target.dialect.quote(flag.name)} = 1"
        still += target.ask(target.dialect.first(FOUND_CAP + 1, name, rest))
    return policy.found(
        CheckCode.SOFT_DELETE,
        [key_text(row) for row in still[: FOUND_CAP + 1]],
        (deleted.name, flag.name),
        looked_at=DELETED_CAP if len(gone) > DELETED_CAP else source.cut_at,
    )


def _deleted(side: Side, deleted: Column, watermark: Watermark) -> Sql:
    """Select the keys of deleted rows up to the watermark: a deletion not loaded yet is no error."""
    changed = named(side.table, side.updated)
    moment = side.dialect.moment(watermark.updated_at, changed.moment_type)
    key, updated, gone = (f"s.{side.dialect.quote(name)}" for name in (side.key[0], changed.name, deleted.name))
    rest = "FROM " + side.scanned(side.listed((side.key[0], changed.name, deleted.name)))
    rest += f" WHERE {gone} IS NOT NULL AND ({updated} < " + moment + f" OR ({updated} = " + moment
    rest += Sql(f" AND {key} <= %s))", (watermark.id,))
    return side.dialect.first(DELETED_CAP + 1, key, rest)


def _as_stored(side: Side, keys: list[object]) -> Sql:
    """Return the keys as parameters of the type of the target's column, so that text is compared with text."""
    column = side.table.column(side.key[0])
    if column is None or column.declared not in _TEXTS or side.dialect.vendor == "sqlite":
        return values(keys)
    mark = "CAST(%s AS VARCHAR(8000))" if column.declared in _VARCHAR else "%s"
    return joined((Sql(mark, (str(key),)) for key in keys), ", ")


def check_required_null(target: Side, entity_name: str) -> CheckResult:
    """Find rows of a fact without one of its foreign keys. A NULL may be intended, so it is a warning.

    Foreign keys are the columns that end in _id, without the fact's own two keys. A foreign key may be part of the
    natural key. A column that is unique by itself is the row's own key.
    """
    _refuse_others(target, entity_name)
    alone = {keys[0] for keys in target.table.unique if len(keys) == 1}
    names = [(column.name, column.name.casefold()) for column in target.table.columns.values()]
    columns = [
        name
        for name, lower in names
        if lower.endswith("_id") and not lower.endswith("_original_id") and target.table.fold(name) not in alone
    ]
    nullable = [name for name in columns if target.nullable(name)]
    if not columns:
        raise CannotAsk(Reason.NO_REQUIRED_KEYS)
    if not nullable:
        return policy.guaranteed(CheckCode.FACT_REQUIRED_NULL, columns)
    texts = _wrong(target, nullable, "IS NULL", lambda value: value is None)
    return policy.found(CheckCode.FACT_REQUIRED_NULL, texts, nullable, looked_at=target.cut_at, soft=True)


def check_negative(target: Side, entity_name: str) -> CheckResult:
    _refuse_others(target, entity_name)
    columns = [
        column.name
        for column in target.table.columns.values()
        if column.name.casefold().startswith(MEASURES) and column.declared in _NUMBERS
    ]
    if not columns:
        raise CannotAsk(Reason.NO_MEASURES)
    texts = _wrong(target, columns, "< 0", lambda value: value is not None and value < 0)
    return policy.found(CheckCode.FACT_NEGATIVE, texts, columns, looked_at=target.cut_at)


def _refuse_others(target: Side, entity_name: str) -> None:
    if target.table.name.schema.casefold() != "fact" and not entity_name.casefold().startswith("fact"):
        raise CannotAsk(Reason.NOT_A_FACT)


def _wrong(target: Side, columns: Sequence[str], condition: str, wrong: Callable[..., bool]) -> list[str]:
    """Return "key: column = value" for the first wrong column of each row that meets the condition."""
    key = [name for name in _named_by(target) if name not in columns]
    texts = []
    for row in target.violations([*key, *columns], columns, _any(target, columns, condition)):
        pairs = list(zip(columns, row[len(key) :], strict=True))
        column, value = next((pair for pair in pairs if wrong(pair[1])), pairs[0])
        said = f"{column} = {'NULL' if value is None else value}"
        texts.append(f"{key_text(row[: len(key)])}: {said}" if key else said)
    return texts


def run_checks(
    control: ControlRow,
    settings: PipelineSettings,
    *,
    source_total: int | None = None,
    target_total: int | None = None,
) -> tuple[CheckResult, ...]:
    """Return the result of every check, in the order of CheckCode. Never raises for a database error.

    The totals are the latest sample's, and only decide whether SCAN_CAP applies.
    """
    with budget(TOTAL_SECONDS) as total:
        key, name, code = control.source_pk_column, control.entity_name, CheckCode
        source = side("oltp", control.source_table, key, settings.watermark_expression, source_total)
        target = side("dw", control.target_table, key, settings.target_updated_column, target_total)
        checks: dict[CheckCode, Callable[[], CheckResult]] = {
            code.SOURCE_KEY_NULL: partial(check_key_null, source, code.SOURCE_KEY_NULL),
            code.SOURCE_KEY_DUPLICATE: partial(check_key_duplicate, source, code.SOURCE_KEY_DUPLICATE),
            code.SOURCE_UPDATED_NULL: partial(check_updated_null, source, code.SOURCE_UPDATED_NULL),
            code.SOURCE_STATUS: partial(check_status, source, code.SOURCE_STATUS, ()),
            code.TARGET_KEY_NULL: partial(check_key_null, target, code.TARGET_KEY_NULL),
            code.TARGET_KEY_DUPLICATE: partial(check_key_duplicate, target, code.TARGET_KEY_DUPLICATE),
            code.TARGET_UPDATED_NULL: partial(check_updated_null, target, code.TARGET_UPDATED_NULL),
            code.TARGET_STATUS: partial(check_status, target, code.TARGET_STATUS, settings.allowed_words),
            code.SOFT_DELETE: partial(check_soft_delete, source, target, control.watermark),
            code.FACT_REQUIRED_NULL: partial(check_required_null, target, name),
            code.FACT_NEGATIVE: partial(check_negative, target, name),
        }
        return tuple(_answer(code, look, total) for code, look in checks.items())


def _answer(code: CheckCode, look: Callable[[], CheckResult], total: Budget) -> CheckResult:
    """Return the result with the time that was spent waiting, or the reason for its absence."""
    left = total.left()
    try:
        result = look()
    except ReadFailed as failure:
        result = policy.without_answer(code, failure.problem)
    except CannotAsk as refusal:
        result = policy.without_answer(code, refusal.why)
    return replace(result, milliseconds=round((left - total.left()) * 1000, 1))

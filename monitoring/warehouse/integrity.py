"""Integrity checks of one pipeline, on demand: a few bounded statements, each with a time limit.

A check is skipped if a constraint of the table already guarantees it. The others read at most SCAN_CAP rows and report
at most FOUND_CAP violations. A statement that exceeds its time limit is cancelled, and its check says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from etlportal.budget import Budget, NotBegun, budget, spending
from monitoring.models import PipelineSettings
from monitoring.rules import integrity as policy
from monitoring.rules.facts import ControlRow, Problem, Watermark
from monitoring.rules.integrity import FOUND_CAP, CheckCode, CheckResult, Reason
from monitoring.rules.masking import cell
from monitoring.warehouse.catalog import Column, Table, describe, named
from monitoring.warehouse.dialect import Sql, dialect_of, joined, values
from monitoring.warehouse.names import InvalidName, parse_table
from monitoring.warehouse.probes import TARGET_COLUMNS, UPDATED_AT
from monitoring.warehouse.reader import ReadFailed, Row, rows

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
_OTHER_NUMBERS = frozenset({"MONEY", "SMALLMONEY", "FLOAT", "REAL", "DOUBLE"})
"""Besides Column.is_number."""
_VARCHAR = frozenset({"CHAR", "VARCHAR"})
_TEXTS = _VARCHAR | {"NCHAR", "NVARCHAR"}


class CannotAsk(Exception):
    """A check does not apply (a Reason), or its data could not be read (a Problem)."""

    def __init__(self, why: Reason | Problem) -> None:
        super().__init__(str(why))
        self.why = why


class Side:
    """The table that a control row names `text`. `total`: its rows, if known; the others as configured.

    The properties raise CannotAsk or ReadFailed for a part that is missing or could not be read.
    """

    def __init__(self, alias: str, text: str, source_key: str, updated_column: str, total: int | None) -> None:
        self.alias, self.dialect = alias, dialect_of(alias)
        self._source_key, self._updated_column = source_key, updated_column
        self.cut_at = None if total is not None and total <= SCAN_CAP else SCAN_CAP
        """SCAN_CAP if the table is larger or its size is unknown, None if all of it is read."""
        self._described: Table | Reason | Problem
        try:
            with budget(DESCRIBE_SECONDS):
                self._described = describe(alias, parse_table(text)) or Reason.NO_TABLE
        except InvalidName:
            self._described = Reason.NAME_INVALID
        except ReadFailed as failure:
            self._described = failure.problem

    @property
    def table(self) -> Table:
        if not isinstance(self._described, Table):
            raise CannotAsk(self._described)
        return self._described

    @property
    def key(self) -> tuple[Column, ...]:
        """Return the columns of the natural key: a source's one key column, a target's by the contract or by name."""
        table = self.table
        if self.alias == "oltp":
            return (named(table, self._source_key),)
        wanted = NATURAL_KEYS.get(table.name.key, ())
        known = tuple(column for name in wanted if (column := table.column(name)) is not None)
        if known and len(known) == len(wanted):
            return known
        original = [column for column in table.columns.values() if column.name.casefold().endswith("_original_id")]
        found = original[0] if len(original) == 1 else table.column(self._source_key)
        if found is None:
            raise CannotAsk(Reason.NO_NATURAL_KEY)
        return (found,)

    @property
    def updated(self) -> Column:
        """Return the column with the time of a row's change (or load)."""
        if self.alias == "oltp":
            return named(self.table, self._updated_column or UPDATED_AT)
        for name in (self._updated_column,) if self._updated_column else TARGET_COLUMNS:
            if (column := self.table.column(name)) is not None:
                return column
        raise CannotAsk(Reason.NO_UPDATE_COLUMN)

    def ask(self, sql: Sql) -> list[Row]:
        """Return the rows. Raises ReadFailed, and CannotAsk when no time is left."""
        try:
            with budget(STATEMENT_SECONDS), spending():
                return rows(self.alias, sql)
        except NotBegun:
            raise CannotAsk(Reason.OUT_OF_TIME) from None

    def listed(self, columns: Iterable[Column], prefix: str = "") -> str:
        return ", ".join(f"{prefix}{self.dialect.quote(column.name)}" for column in columns)

    def shown(self, columns: Iterable[Column]) -> str:
        """Return the columns of `s`, cut."""
        cut = partial(self.dialect.cut, text=EVIDENCE_TEXT, binary=EVIDENCE_TEXT // 2)
        return ", ".join(cut(self.listed([column], "s."), column.declared) for column in columns)

    def scanned(self, columns: str) -> Sql:
        """Return FROM with the table as `s`: these columns of at most SCAN_CAP rows."""
        scan = self.dialect.first(SCAN_CAP, columns, f"FROM {self.dialect.table(self.table.name)}")
        return "FROM (" + scan + ") AS s"

    def violations(self, shown: Sequence[Column], asked: Sequence[Column], condition: str) -> list[Row]:
        """Return the columns `shown` of rows in which one of the columns `asked` meets `condition`."""
        met = " OR ".join(f"{self.listed([column], 's.')} {condition}" for column in asked)
        rest = self.scanned(self.listed(dict.fromkeys([*shown, *asked]))) + f" WHERE {met}"
        return self.ask(self.dialect.first(FOUND_CAP + 1, self.shown(shown), rest))


def key_text(row: Sequence[object]) -> str:
    return " / ".join((cell(value) or "")[:EVIDENCE_TEXT] if value is not None else "NULL" for value in row)


def _names(columns: Iterable[Column]) -> list[str]:
    return [column.name for column in columns]


def _if_known(read: Callable[[], Iterable[Column]]) -> tuple[Column, ...]:
    try:
        return tuple(read())
    except (CannotAsk, ReadFailed):
        return ()


def check_key_null(side: Side, code: CheckCode) -> CheckResult:
    """Find rows where the key or a part of it is NULL. They are shown with their update time, if they have one."""
    key = side.key
    return _check_null(side, code, key, [*key, *_if_known(lambda: [side.updated])])


def check_updated_null(side: Side, code: CheckCode) -> CheckResult:
    """Find rows without an update time, which the runner never loads."""
    column = side.updated
    return _check_null(side, code, [column], _if_known(lambda: side.key) or [column])


def _check_null(side: Side, code: CheckCode, columns: Sequence[Column], shown: Sequence[Column]) -> CheckResult:
    nullable = [column for column in columns if column.nullable]
    if not nullable:
        return policy.guaranteed(code, _names(columns))
    found = side.violations(shown, nullable, "IS NULL")
    return policy.found(code, [key_text(row) for row in found], _names(columns), looked_at=side.cut_at)


def check_key_duplicate(side: Side, code: CheckCode) -> CheckResult:
    """Find keys of more than one row, with the number of rows."""
    key, names = side.key, _names(side.key)
    if side.table.keeps_unique(names):
        return policy.guaranteed(code, names)
    there = " AND ".join(f"{side.listed([column], 's.')} IS NOT NULL" for column in key)
    rest = side.scanned(side.listed(key)) + f" WHERE {there} GROUP BY {side.listed(key, 's.')} HAVING COUNT(*) > 1"
    found = side.ask(side.dialect.first(FOUND_CAP + 1, f"{side.shown(key)}, COUNT(*)", rest))
    texts = [f"{key_text(row[:-1])} × {row[-1]}" for row in found]
    return policy.found(code, texts, names, looked_at=side.cut_at)


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
    rest = side.scanned(f"{text} AS word") + " GROUP BY s.word ORDER BY n DESC, s.word"
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
    key, name = target.key[0], target.listed(target.key)
    still: list[Row] = []
    for start in range(0, min(len(gone), DELETED_CAP), KEYS_AT_ONCE):
        keys = [row[0] for row in gone[start : min(start + KEYS_AT_ONCE, DELETED_CAP)]]
        rest = f"FROM {target.dialect.table(target.table.name)} WHERE {name} IN (" + _as_stored(target, key, keys)
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
    columns = (side.key[0], side.updated, deleted)
    key, updated, gone = (side.listed([column], "s.") for column in columns)
    moment = side.dialect.moment(watermark.updated_at, side.updated.moment_type)
    rest = side.scanned(side.listed(columns))
    rest += f" WHERE {gone} IS NOT NULL AND ({updated} < " + moment + f" OR ({updated} = " + moment
    rest += Sql(f" AND {key} <= %s))", (watermark.id,))
    return side.dialect.first(DELETED_CAP + 1, key, rest)


def _as_stored(side: Side, column: Column, keys: list[object]) -> Sql:
    """Return the keys as parameters of the type of the target's column, so that text is compared with text."""
    if column.declared not in _TEXTS or side.dialect.vendor == "sqlite":
        return values(keys)
    mark = "CAST(%s AS VARCHAR(8000))" if column.declared in _VARCHAR else "%s"
    return joined((Sql(mark, (str(key),)) for key in keys), ", ")


def check_required_null(target: Side, entity_name: str) -> CheckResult:
    """Find rows of a fact without one of its foreign keys. A NULL may be intended, so it is a warning.

    Foreign keys are the columns that end in _id, without the fact's own two keys. A foreign key may be part of the
    natural key. A column that is unique by itself is the row's own key.
    """
    alone = {keys[0] for keys in target.table.unique if len(keys) == 1}

    def required(column: Column) -> bool:
        name = column.name.casefold()
        own = name.endswith("_original_id") or target.table.fold(column.name) in alone
        return name.endswith("_id") and not own

    columns = _fact_columns(target, entity_name, required, Reason.NO_REQUIRED_KEYS)
    nullable = [column for column in columns if column.nullable]
    if not nullable:
        return policy.guaranteed(CheckCode.FACT_REQUIRED_NULL, _names(columns))
    texts = _wrong(target, nullable, "IS NULL", lambda value: value is None)
    return policy.found(CheckCode.FACT_REQUIRED_NULL, texts, _names(nullable), looked_at=target.cut_at, soft=True)


def check_negative(target: Side, entity_name: str) -> CheckResult:
    def measure(column: Column) -> bool:
        return column.name.casefold().startswith(MEASURES) and (column.is_number or column.declared in _OTHER_NUMBERS)

    columns = _fact_columns(target, entity_name, measure, Reason.NO_MEASURES)
    texts = _wrong(target, columns, "< 0", lambda value: value is not None and value < 0)
    return policy.found(CheckCode.FACT_NEGATIVE, texts, _names(columns), looked_at=target.cut_at)


def _fact_columns(target: Side, entity_name: str, wanted: Callable[[Column], bool], missing: Reason) -> list[Column]:
    if target.table.name.schema.casefold() != "fact" and not entity_name.casefold().startswith("fact"):
        raise CannotAsk(Reason.NOT_A_FACT)
    columns = [column for column in target.table.columns.values() if wanted(column)]
    if not columns:
        raise CannotAsk(missing)
    return columns


def _wrong(target: Side, columns: Sequence[Column], condition: str, wrong: Callable[..., bool]) -> list[str]:
    """Return "key: column = value" for the first wrong column of each row that meets the condition."""
    key = [column for column in _if_known(lambda: target.key) if column not in columns]
    texts = []
    for row in target.violations([*key, *columns], columns, condition):
        pairs = list(zip(columns, row[len(key) :], strict=True))
        column, value = next((pair for pair in pairs if wrong(pair[1])), pairs[0])
        said = f"{column.name} = {'NULL' if value is None else value}"
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
        source = Side("oltp", control.source_table, key, settings.watermark_expression, source_total)
        target = Side("dw", control.target_table, key, settings.target_updated_column, target_total)
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

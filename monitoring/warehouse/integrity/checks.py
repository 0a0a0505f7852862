"""Integrity checks of one pipeline, on demand: a few bounded statements, each with a time limit.

A check is skipped if a constraint of the table already guarantees it. The others read at most SCAN_CAP rows and report
at most FOUND_CAP violations. A statement that exceeds its time limit is cancelled, and its check says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from monitoring.models import PipelineSettings
from monitoring.rules import integrity as policy
from monitoring.rules.facts import ControlRow, Watermark
from monitoring.rules.integrity import FOUND_CAP, CheckCode, CheckResult, Reason
from monitoring.rules.masking import cell
from monitoring.warehouse.describe import readable
from monitoring.warehouse.dialect import Sql, joined, values
from monitoring.warehouse.integrity.sides import (
    TOTAL_SECONDS,
    CannotAsk,
    Session,
    Side,
    measures,
    required_keys,
    source_side,
    status_column,
    target_side,
)
from monitoring.warehouse.reader import Row

EVIDENCE_TEXT = 60
"""Maximum characters of a value in the details."""

SCAN_CAP = 1_000_000
"""Maximum rows of a table that one check reads."""


def cut_at(side: Side) -> int | None:
    """Return SCAN_CAP if the table is larger or its size is unknown, or None if all of it is read."""
    return None if side.total is not None and side.total <= SCAN_CAP else SCAN_CAP


def violations(side: Side, shown: Sequence[str], asked: Sequence[str], condition: str) -> Sql:
    """Select the columns `shown` of rows that meet `condition`. `asked`: the columns used in the condition."""
    rest = "FROM (" + scanned(side, list(dict.fromkeys([*shown, *asked]))) + f") AS s WHERE {condition}"
    return side.dialect.first(FOUND_CAP + 1, told(side, shown), rest)


def scanned(side: Side, columns: Sequence[str]) -> Sql:
    return side.dialect.first(SCAN_CAP, listed(side, columns), f"FROM {side.quoted}")


def listed(side: Side, columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{side.dialect.quote(name)}" for name in columns)


def told(side: Side, columns: Sequence[str]) -> str:
    """Return the shown columns of `s`; types that the driver cannot return are cast to text."""
    found = []
    for name in columns:
        quoted, column = f"s.{side.dialect.quote(name)}", side.description.column(name)
        if side.dialect.vendor != "sqlite" and column is not None:
            quoted = readable(quoted, column.declared, text=EVIDENCE_TEXT, binary=EVIDENCE_TEXT // 2)
        found.append(quoted)
    return ", ".join(found)


def any_null(side: Side, columns: Sequence[str]) -> str:
    return " OR ".join(f"s.{side.dialect.quote(name)} IS NULL" for name in columns)


def all_there(side: Side, columns: Sequence[str]) -> str:
    return " AND ".join(f"s.{side.dialect.quote(name)} IS NOT NULL" for name in columns)


def key_text(row: Sequence[object]) -> str:
    return " / ".join("NULL" if value is None else (cell(value).text or "")[:EVIDENCE_TEXT] for value in row)


WORDS = 50
"""Maximum distinct words of a status column that are read."""


def check_key_null(session: Session, side: Side, code: CheckCode) -> CheckResult:
    """Find rows where the key or a part of it is NULL."""
    key = side.key
    nullable = [name for name in key if side.nullable(name)]
    if not nullable:
        return policy.guaranteed(code, key)
    found = session.ask(side.alias, violations(side, [*key, *side.beside_key], nullable, any_null(side, nullable)))
    return policy.found(code, [key_text(row) for row in found], key, looked_at=cut_at(side))


def check_key_duplicate(session: Session, side: Side, code: CheckCode) -> CheckResult:
    """Find keys of more than one row, with the number of rows."""
    key = side.key
    if side.keeps_unique(key):
        return policy.guaranteed(code, key)
    grouped = listed(side, key, "s.")
    rest = "FROM (" + scanned(side, key) + f") AS s WHERE {all_there(side, key)} GROUP BY {grouped} HAVING COUNT(*) > 1"
    found = session.ask(side.alias, side.dialect.first(FOUND_CAP + 1, f"{told(side, key)}, COUNT(*)", rest))
    texts = [f"{key_text(row[:-1])} × {row[-1]}" for row in found]
    return policy.found(code, texts, key, looked_at=cut_at(side))


def check_updated_null(session: Session, side: Side, code: CheckCode) -> CheckResult:
    """Find rows without an update time, which the runner never loads."""
    column = side.updated
    if not side.nullable(column):
        return policy.guaranteed(code, [column])
    found = session.ask(side.alias, violations(side, side.named_by(column), [column], any_null(side, [column])))
    return policy.found(code, [key_text(row) for row in found], [column], looked_at=cut_at(side))


def check_status(session: Session, side: Side, code: CheckCode, words: Sequence[str]) -> CheckResult:
    """Find rows with an unknown status. `words`: the configured allowed values."""
    column = status_column(side)
    constrained = side.domain(column)
    if constrained and not side.nullable(column):
        return policy.guaranteed(code, [column])
    return policy.judge_words(
        code,
        column,
        [(word, int(number)) for word, number in session.ask(side.alias, _word_counts(side, column))],
        allowed=words or constrained,
        looked_at=cut_at(side),
    )


def _word_counts(side: Side, column: str) -> Sql:
    name = side.dialect.quote(column)
    text = f"LEFT(CAST({name} AS NVARCHAR(4000)), 60)"
    if side.dialect.vendor == "sqlite":
        text = f"substr(CAST({name} AS TEXT), 1, 60)"
    inner = side.dialect.first(SCAN_CAP, f"{text} AS word", f"FROM {side.quoted}")
    return side.dialect.first(
        WORDS, "s.word, COUNT(*) AS n", "FROM (" + inner + ") AS s GROUP BY s.word ORDER BY n DESC, s.word"
    )


DELETED_CAP = 5000
"""Maximum deleted source rows that are looked up in the target."""

KEYS_AT_ONCE = 1000
"""Keys per statement: each is a parameter, and SQL Server accepts 2,100."""

_VARCHAR = frozenset({"CHAR", "VARCHAR"})
_TEXTS = _VARCHAR | {"NCHAR", "NVARCHAR"}


def check_soft_delete(session: Session, source: Side, target: Side, watermark: Watermark) -> CheckResult:
    """Find rows that were deleted in the source and loaded since, but are still active in the target."""
    deleted = source.column("deleted_at")
    flag = target.column("eh_ativo") or target.column("eh_ativa")
    if deleted is None:
        raise CannotAsk(Reason.NO_DELETED_AT)
    if flag is None:
        raise CannotAsk(Reason.NO_ACTIVE_FLAG)
    if len(target.key) != 1:
        raise CannotAsk(Reason.COMPOSITE_KEY)
    gone = session.ask(source.alias, _deleted(source, deleted, watermark))
    keys = [row[0] for row in gone[:DELETED_CAP]]
    still: list[Row] = []
    for start in range(0, len(keys), KEYS_AT_ONCE):
        still += session.ask(target.alias, _still_active(target, flag, keys[start : start + KEYS_AT_ONCE]))
    return policy.found(
        CheckCode.SOFT_DELETE,
        [key_text(row) for row in still[: FOUND_CAP + 1]],
        (deleted, flag),
        looked_at=DELETED_CAP if len(gone) > DELETED_CAP else cut_at(source),
    )


def _deleted(side: Side, deleted: str, watermark: Watermark) -> Sql:
    """Select the keys of deleted rows up to the watermark: a deletion not loaded yet is no error."""
    key, updated, quote = side.key[0], side.updated, side.dialect.quote
    moment = side.moment(updated, watermark.updated_at)
    inner = side.dialect.first(SCAN_CAP, listed(side, (key, updated, deleted)), f"FROM {side.quoted}")
    before = f"s.{quote(updated)} < " + moment
    at = f"s.{quote(updated)} = " + moment + Sql(f" AND s.{quote(key)} <= %s", (watermark.id,))
    rest = "FROM (" + inner + f") AS s WHERE s.{quote(deleted)} IS NOT NULL AND (" + before + " OR (" + at + "))"
    return side.dialect.first(DELETED_CAP + 1, f"s.{quote(key)}", rest)


def _still_active(side: Side, flag: str, keys: list[object]) -> Sql:
    name, quote = side.dialect.quote(side.key[0]), side.dialect.quote
    rest = f"FROM {side.quoted} WHERE {name} IN (" + _as_stored(side, keys) + f") AND {quote(flag)} = 1"
    return side.dialect.first(FOUND_CAP + 1, name, rest)


def _as_stored(side: Side, keys: list[object]) -> Sql:
    """Return the keys as parameters of the type of the target's column, so that text is compared with text."""
    column = side.description.column(side.key[0])
    if column is None or column.declared not in _TEXTS or side.dialect.vendor == "sqlite":
        return values(keys)
    mark = "CAST(%s AS VARCHAR(8000))" if column.declared in _VARCHAR else "%s"
    return joined((Sql(mark, (str(key),)) for key in keys), ", ")


def check_required_null(session: Session, target: Side, entity_name: str) -> CheckResult:
    """Find rows of a fact without one of its foreign keys. A NULL may be intended, so it is a warning."""
    _refuse_others(target, entity_name)
    columns = required_keys(target)
    nullable = [name for name in columns if target.nullable(name)]
    if not columns:
        raise CannotAsk(Reason.NO_REQUIRED_KEYS)
    if not nullable:
        return policy.guaranteed(CheckCode.FACT_REQUIRED_NULL, columns)
    texts = _wrong(session, target, nullable, any_null(target, nullable), lambda value: value is None)
    return policy.found(CheckCode.FACT_REQUIRED_NULL, texts, nullable, looked_at=cut_at(target), soft=True)


def check_negative(session: Session, target: Side, entity_name: str) -> CheckResult:
    _refuse_others(target, entity_name)
    columns = measures(target)
    if not columns:
        raise CannotAsk(Reason.NO_MEASURES)
    condition = " OR ".join(f"s.{target.dialect.quote(name)} < 0" for name in columns)
    texts = _wrong(session, target, columns, condition, lambda value: value is not None and value < 0)
    return policy.found(CheckCode.FACT_NEGATIVE, texts, columns, looked_at=cut_at(target))


def _wrong(
    session: Session, target: Side, columns: Sequence[str], condition: str, wrong: Callable[..., bool]
) -> list[str]:
    """Return "key: column = value" for the first wrong column of each row that meets the condition."""
    named = [name for name in target.named_by() if name not in columns]
    found = session.ask(target.alias, violations(target, [*named, *columns], columns, condition))
    return [_violation(row, len(named), columns, wrong) for row in found]


def _violation(row: Row, keys: int, columns: Sequence[str], wrong: Callable[..., bool]) -> str:
    pairs = list(zip(columns, row[keys:], strict=True))
    column, value = next((pair for pair in pairs if wrong(pair[1])), pairs[0])
    said = f"{column} = {'NULL' if value is None else value}"
    return f"{key_text(row[:keys])}: {said}" if keys else said


def _refuse_others(target: Side, entity_name: str) -> None:
    if target.schema.casefold() != "fact" and not entity_name.casefold().startswith("fact"):
        raise CannotAsk(Reason.NOT_A_FACT)


def run_checks(
    control: ControlRow,
    settings: PipelineSettings,
    *,
    source_total: int | None = None,
    target_total: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[CheckResult, ...]:
    """Return the result of every check, in the order of CheckCode. Never raises for a database error.

    The totals are the latest sample's, and only decide whether SCAN_CAP applies.
    """
    session = Session(clock=clock, ends_at=clock() + TOTAL_SECONDS)
    key, name = control.source_pk_column, control.entity_name
    source = source_side(control.source_table, key, settings.watermark_expression, source_total)
    target = target_side(control.target_table, key, settings.target_updated_column, target_total)
    code, words = CheckCode, settings.allowed_words
    checks: dict[CheckCode, Callable[[], CheckResult]] = {
        code.SOURCE_KEY_NULL: partial(check_key_null, session, source, code.SOURCE_KEY_NULL),
        code.SOURCE_KEY_DUPLICATE: partial(check_key_duplicate, session, source, code.SOURCE_KEY_DUPLICATE),
        code.SOURCE_UPDATED_NULL: partial(check_updated_null, session, source, code.SOURCE_UPDATED_NULL),
        code.SOURCE_STATUS: partial(check_status, session, source, code.SOURCE_STATUS, ()),
        code.TARGET_KEY_NULL: partial(check_key_null, session, target, code.TARGET_KEY_NULL),
        code.TARGET_KEY_DUPLICATE: partial(check_key_duplicate, session, target, code.TARGET_KEY_DUPLICATE),
        code.TARGET_UPDATED_NULL: partial(check_updated_null, session, target, code.TARGET_UPDATED_NULL),
        code.TARGET_STATUS: partial(check_status, session, target, code.TARGET_STATUS, words),
        code.SOFT_DELETE: partial(check_soft_delete, session, source, target, control.watermark),
        code.FACT_REQUIRED_NULL: partial(check_required_null, session, target, name),
        code.FACT_NEGATIVE: partial(check_negative, session, target, name),
    }
    return tuple(session.answer(code, look) for code, look in checks.items())

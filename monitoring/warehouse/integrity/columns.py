"""Checks of one table's keys, update column and status."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.policies import integrity as policy
from monitoring.policies.integrity import FOUND_CAP, CheckCode, CheckResult, WordCount
from monitoring.warehouse.dialect import Sql
from monitoring.warehouse.integrity.session import Session
from monitoring.warehouse.integrity.sides import Side, status_column
from monitoring.warehouse.integrity.statements import (
    SCAN_CAP,
    all_there,
    any_null,
    cut_at,
    key_text,
    listed,
    scanned,
    told,
    violations,
)

WORDS = 50
"""Different words of a status column that are read."""


def check_key_null(session: Session, side: Side, code: CheckCode) -> CheckResult:
    """Rows without a key, or without a part of it."""
    key = side.key
    nullable = [name for name in key if side.nullable(name)]
    if not nullable:
        return policy.guaranteed(code, key)
    found = session.ask(side.alias, violations(side, [*key, *side.beside_key], nullable, any_null(side, nullable)))
    return session.found(code, [key_text(row) for row in found], key, looked_at=cut_at(side))


def check_key_duplicate(session: Session, side: Side, code: CheckCode) -> CheckResult:
    """Keys that more than one row has; evidence says how many."""
    key = side.key
    if side.keeps_unique(key):
        return policy.guaranteed(code, key)
    grouped = listed(side, key, "s.")
    rest = "FROM (" + scanned(side, key) + f") AS s WHERE {all_there(side, key)} GROUP BY {grouped} HAVING COUNT(*) > 1"
    found = session.ask(side.alias, side.dialect.first(FOUND_CAP + 1, f"{told(side, key)}, COUNT(*)", rest))
    texts = [f"{key_text(row[:-1])} × {row[-1]}" for row in found]
    return session.found(code, texts, key, looked_at=cut_at(side))


def check_updated_null(session: Session, side: Side, code: CheckCode) -> CheckResult:
    """Rows without a time of change: the runner would never see them."""
    column = side.updated
    if not side.nullable(column):
        return policy.guaranteed(code, [column])
    found = session.ask(side.alias, violations(side, side.named_by(column), [column], any_null(side, [column])))
    return session.found(code, [key_text(row) for row in found], [column], looked_at=cut_at(side))


def check_status(session: Session, side: Side, code: CheckCode, words: Sequence[str]) -> CheckResult:
    """Rows whose status is not a word of its domain; `words` are those that people named."""
    column = status_column(side)
    constrained = side.domain(column)
    if constrained and not side.nullable(column):
        return policy.guaranteed(code, [column])
    return policy.judge_words(
        code,
        column,
        [WordCount(word, int(number)) for word, number in session.ask(side.alias, _word_counts(side, column))],
        allowed=words or constrained,
        milliseconds=session.milliseconds,
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

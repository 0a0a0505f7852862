"""Checks of a fact's foreign keys and measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitoring.policies import integrity as policy
from monitoring.policies.integrity import CheckCode, CheckResult, Reason
from monitoring.warehouse.integrity.session import CannotAsk, Session
from monitoring.warehouse.integrity.sides import Side, measures, required_keys
from monitoring.warehouse.integrity.statements import any_null, cut_at, key_text, violations
from monitoring.warehouse.reader import Row


def check_required_null(session: Session, target: Side, entity_name: str) -> CheckResult:
    """Rows of a fact without one of its foreign keys.

    A column that allows NULL may mean it: what is found is a warning, to be looked at.
    """
    _refuse_others(target, entity_name)
    columns = required_keys(target)
    nullable = [name for name in columns if target.nullable(name)]
    if not columns:
        raise CannotAsk(Reason.NO_REQUIRED_KEYS)
    if not nullable:
        return policy.guaranteed(CheckCode.FACT_REQUIRED_NULL, columns)
    texts = _wrong(session, target, nullable, any_null(target, nullable), lambda value: value is None)
    return session.found(CheckCode.FACT_REQUIRED_NULL, texts, nullable, looked_at=cut_at(target), soft=True)


def check_negative(session: Session, target: Side, entity_name: str) -> CheckResult:
    """Rows of a fact with a measure below 0."""
    _refuse_others(target, entity_name)
    columns = measures(target)
    if not columns:
        raise CannotAsk(Reason.NO_MEASURES)
    condition = " OR ".join(f"s.{target.dialect.quote(name)} < 0" for name in columns)
    texts = _wrong(session, target, columns, condition, lambda value: value is not None and value < 0)
    return session.found(CheckCode.FACT_NEGATIVE, texts, columns, looked_at=cut_at(target))


def _wrong(
    session: Session, target: Side, columns: Sequence[str], condition: str, wrong: Callable[..., bool]
) -> list[str]:
    """Return "key: column = value" of the first wrong column of each row that meets the condition."""
    named = [name for name in target.named_by() if name not in columns]
    found = session.ask(target.alias, violations(target, [*named, *columns], columns, condition))
    return [_told(row, len(named), columns, wrong) for row in found]


def _told(row: Row, keys: int, columns: Sequence[str], wrong: Callable[..., bool]) -> str:
    pairs = list(zip(columns, row[keys:], strict=True))
    column, value = next((pair for pair in pairs if wrong(pair[1])), pairs[0])
    said = f"{column} = {'NULL' if value is None else value}"
    return f"{key_text(row[:keys])}: {said}" if keys else said


def _refuse_others(target: Side, entity_name: str) -> None:
    if target.schema.casefold() != "fact" and not entity_name.casefold().startswith("fact"):
        raise CannotAsk(Reason.NOT_A_FACT)

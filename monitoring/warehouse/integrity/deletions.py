"""Soft deletes: what was deleted in the source must not be active in the target."""

from __future__ import annotations

from monitoring.policies.facts import Watermark
from monitoring.policies.integrity import FOUND_CAP, CheckCode, CheckResult, Reason
from monitoring.warehouse.dialect import Sql, joined, values
from monitoring.warehouse.integrity.session import CannotAsk, Session
from monitoring.warehouse.integrity.sides import Side
from monitoring.warehouse.integrity.statements import SCAN_CAP, cut_at, key_text, listed
from monitoring.warehouse.reader import Row

DELETED_CAP = 5000
"""Deleted source rows that are looked up in the target."""

KEYS_AT_ONCE = 1000
"""Keys per statement: each is a parameter, and SQL Server takes 2,100."""

_VARCHAR = frozenset({"CHAR", "VARCHAR"})
_TEXTS = _VARCHAR | {"NCHAR", "NVARCHAR"}


def check_soft_delete(session: Session, source: Side, target: Side, watermark: Watermark) -> CheckResult:
    """Rows deleted in the source, loaded since, and still active in the target."""
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
    return session.found(
        CheckCode.SOFT_DELETE,
        [key_text(row) for row in still[: FOUND_CAP + 1]],
        (deleted, flag),
        looked_at=DELETED_CAP if len(gone) > DELETED_CAP else cut_at(source),
    )


def _deleted(side: Side, deleted: str, watermark: Watermark) -> Sql:
    """Keys of deleted rows at or before the watermark: a deletion that still waits is no error."""
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
    """The keys as parameters of the type of the target's column: a text is compared with texts."""
    column = side.description.column(side.key[0])
    if column is None or column.declared not in _TEXTS or side.dialect.vendor == "sqlite":
        return values(keys)
    mark = "CAST(%s AS VARCHAR(8000))" if column.declared in _VARCHAR else "%s"
    return joined((Sql(mark, (str(key),)) for key in keys), ", ")

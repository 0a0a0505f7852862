"""From an extracted row to a target row, one function per pipeline (jobs.py names the columns).

Each takes the extracted row (ts, key, deleted_at, ...), the surrogate keys that were looked up, and
the load time; each returns the target's columns in the job's order. Amounts keep the type that the
driver gave (float on SQLite, Decimal on SQL Server).
"""

from __future__ import annotations

from typing import Any

Row = tuple[Any, ...]
Found = dict[str, dict[Any, Row]]


def _active(deleted_at: Any) -> int:
    return int(deleted_at is None)


def _day(moment: Any) -> int:
    """Return a time or date as yyyymmdd, whether it came as text or as a datetime."""
    return int(str(moment)[:10].replace("-", ""))


def _percent(part: Any, whole: Any) -> Any:
    return round(100 * part / whole, 2) if whole else 0


def region(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, key, deleted_at, name, state, code, city = row
    return key, name, state, code, city, _active(deleted_at), ts


def team(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, key, deleted_at, name, kind, region_id, status = row
    return key, name, kind, found["region"][region_id][0], status, _active(deleted_at), ts


def customer(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, key, deleted_at, *identity, street, district, city, state, zip_code, status, created_at = row
    name, kind, document, email, phone, born, gender, score = identity
    address = ", ".join(part for part in (street, district, city, state) if part)[:400] or None
    return (
        key, name, kind, document, email, phone, born, gender, score, address, city, state, zip_code,
        status, _active(deleted_at), created_at, ts,
    )  # fmt: skip


def product(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, key, deleted_at, sku, name, category, brand, cost, price, status = row
    return key, sku, name, category, brand, cost, price, status, _active(deleted_at), ts


def seller(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, key, deleted_at, name, document, email, personal_email, phone, work_phone, team_id, hired_on, status = row
    team_key = found["team"][team_id][0]
    return (
        key, name, document, email, personal_email, phone, work_phone, team_key, hired_on, status,
        _active(deleted_at), ts,
    )  # fmt: skip


def campaign(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, key, deleted_at, code, name, kind, percentage, starts_on, ends_on, status = row
    return key, code, name, kind, percentage, starts_on, ends_on, status, _active(deleted_at), ts


def sale(row: Row, found: Found, loaded_at: Any) -> Row:
    _, key, deleted_at, ordered_at, customer_id, product_id, region_id, seller_id, quantity, price, status, off = row
    gross = round(quantity * price, 2)
    off = off or 0
    return (
        key, _day(ordered_at), found["customer"][customer_id][0], found["product"][product_id][0],
        found["region"][region_id][0], *found["seller"][seller_id], quantity, price, gross, off,
        round(gross - off, 2), _percent(off, gross), status, 1 - _active(deleted_at), loaded_at,
    )  # fmt: skip


def target(row: Row, found: Found, loaded_at: Any) -> Row:
    ts, _, deleted_at, seller_id, month, period, amount, quantity, achieved = row
    seller_key, team_key = found["seller"][seller_id]
    return (
        seller_key, _day(month), period, team_key, amount, achieved, quantity, _percent(achieved, amount),
        1 - _active(deleted_at), ts,
    )  # fmt: skip


def discount(row: Row, found: Found, loaded_at: Any) -> Row:
    _, key, deleted_at, item_id, discount_id, percentage, amount = row
    sale_key, customer_key, product_key, day, quantity = found["sale"][item_id]
    return (
        key, sale_key, found["campaign"][discount_id][0], customer_key, product_key, day, quantity, percentage,
        amount, 1 - _active(deleted_at), loaded_at,
    )  # fmt: skip

"""Integrity checks of one pipeline, on demand: a handful of bounded statements, each on its own clock.

What a constraint of the table already guarantees is not looked for. Everything else looks at most at
SCAN_CAP rows and counts at most FOUND_CAP violations; a statement that takes longer than its share of
the time is given up, and its check says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from monitoring.policies.facts import Watermark
from monitoring.policies.integrity import CheckCode, CheckResult
from monitoring.warehouse.integrity import columns
from monitoring.warehouse.integrity.deletions import check_soft_delete
from monitoring.warehouse.integrity.facts import check_negative, check_required_null
from monitoring.warehouse.integrity.session import TOTAL_SECONDS, Session
from monitoring.warehouse.integrity.sides import source_side, target_side

__all__ = ["Subject", "run_checks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The pipeline to check: its control row as it stands, and what people decided about it.

    Totals are the last sample's; they only tell whether SCAN_CAP cut something off.
    """

    entity_name: str
    source_table: str
    target_table: str
    source_key: str
    watermark: Watermark
    updated_column: str = ""
    target_updated_column: str = ""
    status_words: tuple[str, ...] = ()
    source_total: int | None = None
    target_total: int | None = None


def run_checks(subject: Subject, *, clock: Callable[[], float] = time.monotonic) -> tuple[CheckResult, ...]:
    """Return the result of every check, in the order of CheckCode. Never raises for a database's answer."""
    session = Session(clock=clock, ends_at=clock() + TOTAL_SECONDS)
    source = source_side(subject.source_table, subject.source_key, subject.updated_column, subject.source_total)
    target = target_side(subject.target_table, subject.source_key, subject.target_updated_column, subject.target_total)
    code, words = CheckCode, subject.status_words
    checks: dict[CheckCode, Callable[[], CheckResult]] = {
        code.SOURCE_KEY_NULL: partial(columns.check_key_null, session, source, code.SOURCE_KEY_NULL),
        code.SOURCE_KEY_DUPLICATE: partial(columns.check_key_duplicate, session, source, code.SOURCE_KEY_DUPLICATE),
        code.SOURCE_UPDATED_NULL: partial(columns.check_updated_null, session, source, code.SOURCE_UPDATED_NULL),
        code.SOURCE_STATUS: partial(columns.check_status, session, source, code.SOURCE_STATUS, ()),
        code.TARGET_KEY_NULL: partial(columns.check_key_null, session, target, code.TARGET_KEY_NULL),
        code.TARGET_KEY_DUPLICATE: partial(columns.check_key_duplicate, session, target, code.TARGET_KEY_DUPLICATE),
        code.TARGET_UPDATED_NULL: partial(columns.check_updated_null, session, target, code.TARGET_UPDATED_NULL),
        code.TARGET_STATUS: partial(columns.check_status, session, target, code.TARGET_STATUS, words),
        code.SOFT_DELETE: partial(check_soft_delete, session, source, target, subject.watermark),
        code.FACT_REQUIRED_NULL: partial(check_required_null, session, target, subject.entity_name),
        code.FACT_NEGATIVE: partial(check_negative, session, target, subject.entity_name),
    }
    return tuple(session.answer(code, look) for code, look in checks.items())

"""A time as a parameter compares rightly, as text, with the digits that the embedded column holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from monitoring.models.fields import UtcDateTimeField

SQLITE = SimpleNamespace(vendor="sqlite")
SQL_SERVER = SimpleNamespace(vendor="microsoft")
AT = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("precision", "microseconds", "sent"),
    [
        (0, 0, "2026-03-10 12:00:00"),
        (0, 500_000, "2026-03-10 12:00:00.500000"),
        (3, 0, "2026-03-10 12:00:00.000"),
        (3, 123_000, "2026-03-10 12:00:00.123"),
        (3, 123_400, "2026-03-10 12:00:00.123400"),
    ],
)
def test_the_text_that_is_sent(precision: int, microseconds: int, sent: str) -> None:
    field = UtcDateTimeField(precision=precision)
    assert field.get_db_prep_value(AT.replace(microsecond=microseconds), SQLITE) == sent


@pytest.mark.parametrize("precision", [0, 3])
def test_texts_sort_as_times_do(precision: int) -> None:
    """Stored values have the column's digits, parameters at least as many: text order is time order."""
    field = UtcDateTimeField(precision=precision)
    step = timedelta(milliseconds=1 if precision else 1000)
    spec = "milliseconds" if precision else "seconds"
    stored = [AT + step * number for number in range(3)]
    parameters = [*stored, *(moment + step / 4 for moment in stored), *(moment - step / 4 for moment in stored)]
    for moment in stored:
        column = moment.replace(tzinfo=None).isoformat(sep=" ", timespec=spec)
        for parameter in parameters:
            sent = field.get_db_prep_value(parameter, SQLITE)
            assert (column < sent, column == sent) == (moment < parameter, moment == parameter)


def test_an_offset_becomes_utc_and_sql_server_gets_a_naive_datetime() -> None:
    local = AT.astimezone(timezone(timedelta(hours=-3)))
    field = UtcDateTimeField()
    assert field.get_db_prep_value(local, SQLITE) == "2026-03-10 12:00:00"
    assert field.get_db_prep_value(local, SQL_SERVER) == AT.replace(tzinfo=None)
    assert field.get_db_prep_value(None, SQLITE) is None


def test_the_precision_is_part_of_the_definition() -> None:
    assert UtcDateTimeField(precision=3).deconstruct()[3] == {"precision": 3}
    assert UtcDateTimeField().deconstruct()[3] == {}

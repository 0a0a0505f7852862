"""Chart data: values for the script, and the sentence for screen readers."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from django.utils import translation

from monitoring.rules.enums import RunStatus
from monitoring.summary import figures
from monitoring.summary.queries import DayRuns


def _days(*counts: dict[RunStatus, int]) -> tuple[DayRuns, ...]:
    first = date(2024, 5, 2)
    return tuple(
        DayRuns(day=first + timedelta(days=number), counts={**dict.fromkeys(RunStatus, 0), **each})
        for number, each in enumerate(counts)
    )


def _volume(name: str, upserted: int) -> dict[str, Any]:
    rows = {"rows_extracted": upserted + 5, "rows_upserted": upserted}
    return {"entity_name": name, **rows, "executions": 3, "failed": 1}


def test_a_day_counts_and_rates_finished_runs_only() -> None:
    (day,) = _days({RunStatus.SUCCESS: 3, RunStatus.PARTIAL: 1, RunStatus.RUNNING: 4, RunStatus.UNKNOWN: 1})
    assert (day.total, day.finished, day.success_percent) == (9, 4, 75.0)
    assert _days({RunStatus.RUNNING: 1})[0].success_percent is None


def test_runs_are_stacked_by_status_and_rare_layers_come_when_needed() -> None:
    plain = figures.runs_by_day_chart(_days({RunStatus.SUCCESS: 3}, {}))
    assert plain["stacked"] is True
    assert [layer["label"] for layer in plain["datasets"]] == ["Success", "Partial", "Failed"]
    assert plain["datasets"][0]["data"] == [3, 0]
    more = figures.runs_by_day_chart(_days({RunStatus.UNKNOWN: 1}))
    assert [layer["tone"] for layer in more["datasets"]] == ["ok", "partial", "failed", "unknown"]
    assert json.loads(json.dumps(plain)) == plain


def test_the_table_beside_has_the_charts_numbers_newest_day_first() -> None:
    days = _days({RunStatus.SUCCESS: 1}, {RunStatus.FAILED: 2})
    chart = figures.runs_by_day_chart(days)
    rows = figures.runs_by_day_rows(chart)
    assert [row["label"] for row in rows] == chart["labels"][::-1] == ["3 May", "2 May"]
    assert [row["numbers"] for row in rows] == [[0, 0, 2], [1, 0, 0]]


def test_sentences() -> None:
    assert figures.runs_by_day_sentence(_days({}, {})) == "No run started in these 2 days."
    said = figures.runs_by_day_sentence(_days({RunStatus.SUCCESS: 1499, RunStatus.FAILED: 1}))
    assert said == "1,500 runs in 1 days: 1 failed, 0 partial. 99.9% of the finished ones succeeded."
    assert figures.runs_by_day_sentence(_days({RunStatus.RUNNING: 1})) == "1 run in 1 days: 0 failed, 0 partial."
    assert figures.volume_sentence([], 14) == "No execution started in these 14 days."
    assert figures.volume_sentence([_volume("fact_vendas", 1200), _volume("dim_cliente", 10)], 14) == (
        "1,220 rows extracted and 1,210 upserted in 14 days, most of them by fact_vendas (1,200)."
    )


def test_portuguese_days() -> None:
    with translation.override("pt-br"):
        assert figures.runs_by_day_chart(_days({}))["labels"] == ["02/05"]


def test_the_volume_chart_stops_at_its_bars() -> None:
    volumes = [_volume(f"p{number:02d}", 100 - number) for number in range(figures.BARS + 5)]
    chart = figures.volume_chart(volumes)
    assert chart["horizontal"] is True
    assert chart["labels"] == [volume["entity_name"] for volume in volumes[: figures.BARS]]
    assert all(len(layer["data"]) == figures.BARS for layer in chart["datasets"])

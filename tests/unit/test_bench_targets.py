"""The bench's table: what is met, what is not, what nobody measured; and a chart that is an SVG."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from bench.targets import chart, lines, table

PAGE = {"short": [10.0] * 40, "long": [11.0] * 40, "bare": [10.0] * 5, "first": [30.0] * 5}


def results(**changed: Any) -> dict[str, Any]:
    counts = {"statements": {"default": 9, "dw": 3, "oltp": 1}}
    found: dict[str, Any] = {
        "statements": {"viewers": 1000} | dict.fromkeys(("one", "thousand", "nine", "two_hundred"), counts),
        "pages": {"summary": {key: {"cpu": times, "wall": times} for key, times in PAGE.items()}},
        "refresh": {
            "unchanged": {"summary": {"cpu": [1.0, 1.2], "bytes": 0, "loop": [0.5, 0.5, 0.5]}},
            "moved": {"summary": {"bytes": 19_000, "cpu": [3.0]}},
        },
        "load": {
            **{
                "requests": 100,
                "seconds": 60.0,
                "minutes": 1,
                "viewers": 1000,
                "p50_ms": 5.0,
                "p95_ms": 9.0,
                "p99_ms": 240.0,
            },
            "errors": 0,
            "moves": 0,
            "loop": [0.8, 0.5, 0.7],
            "cpu_seconds": {"web": 0.25, "collector": 6.0},
            "memory_mb": [{"worker": 100.0, "collector": 80.0}, {"worker": 110.0, "collector": 85.0}],
        },
        "build": {"seconds": 170.0, "cpu_seconds": 150.0, "runs": 1_000_000},
    }
    for path, value in changed.items():
        place, *keys = path.split("__")
        inside = found[place]
        for key in keys[:-1]:
            inside = inside[key]
        inside[keys[-1]] = value
    return found


def test_all_is_met() -> None:
    made = lines(results())
    assert [each.what for each in made if each.verdict != "met"] == [
        "the same for the first reader after a sample",
        "the same: processor, for all readers but the first",
        "the same: processor",
    ]
    assert len(made) == 15
    assert next(each for each in made if each.what == "the same: processor").measured == (
        "2.50 ms a request, gunicorn's own part in it; the collector: 10 % of a core; "
        "a fixed loop beside it took 0.70 ms, 0.50 at best"
    )


def test_a_busy_warehouse_is_a_target_of_its_own() -> None:
    found = results()
    found["busy"] = {**found["load"], "moves": 20.0, "p99_ms": 251.0}
    missed = [each.what for each in lines(found) if each.verdict == "**not met**"]
    assert missed == ["1,000 viewers refreshing every 5 s, a pipeline moves every 20 s"]


def test_a_processor_at_half_its_speed_is_allowed_for_and_said() -> None:
    slow = {"cpu": [3.0, 3.0, 3.0], "bytes": 0, "loop": [0.5, 1.0, 1.0]}
    line = next(each for each in lines(results(refresh__unchanged__summary=slow)) if each.what.endswith("processor"))
    assert line.verdict == "met"
    assert line.measured == (
        "summary 1.50 ms; as measured, on a processor at 1/2.0 of its best speed at the slowest: summary 3.00 ms"
    )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"statements__thousand": {"statements": {"dw": 4, "oltp": 1}}}, "1,000"),
        ({"statements__two_hundred": {"statements": {"dw": 3, "oltp": 2}}}, "200 pipelines"),
        ({"pages__summary__long__cpu": [13.1]}, "bare SQL"),
        ({"pages__summary__long__wall": [12.1] * 40}, "95th percentile"),
        ({"refresh__unchanged__summary__cpu": [2.1]}, "nothing changed: processor"),
        ({"refresh__moved__summary__bytes": 20_100}, "one pipeline moved"),
        ({"load__p99_ms": 251.0}, "1,000 viewers"),
        ({"load__errors": 1}, "1,000 viewers"),
        ({"load__memory_mb": [{"worker": 121.0, "collector": 1.0}]}, "web worker"),
        ({"build__seconds": 181.0}, "build"),
    ],
)
def test_what_is_missed_is_said(changed: dict[str, Any], what: str) -> None:
    missed = [each for each in lines(results(**changed)) if each.verdict == "**not met**"]
    assert len(missed) == 1
    assert what in missed[0].what


def test_a_smaller_build_is_no_measurement() -> None:
    assert lines(results(build__runs=1000))[-1].verdict == "not measured"


def test_what_was_not_run_is_left_out() -> None:
    assert lines({}) == []
    assert table({"build": results()["build"]}).count("\n") == 3


def test_the_chart_is_well_formed() -> None:
    root = ElementTree.fromstring(chart(results(load__errors=3)))
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == 12
    assert len(root.findall("{http://www.w3.org/2000/svg}rect[@class='missed']")) == 1

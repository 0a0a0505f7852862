"""The eight cards: every figure of METRICS' overview, unknown with its reason, never 0 or blank."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import translation

from monitoring.rules.enums import RunStatus
from monitoring.rules.facts import Count, Overview, Snapshot
from monitoring.summary.figures import cards
from monitoring.summary.queries import DayRuns, Trend, TrendPoint
from monitoring.web.readings import Missing
from tests import factories

DAY = timedelta(hours=24)
NO_TREND = Trend(window=DAY, points=())


def _point(at: int, **changes: Any) -> TrendPoint:
    values = {"active_ok": 2, "coverage_percent": 90.0, "eligible": 5, "mean_latency_seconds": 9.0}
    return TrendPoint(at=factories.ago(hours=at), **{**values, **changes})


def _cards(snapshot: Snapshot, trend: Trend = NO_TREND, days: tuple[DayRuns, ...] = ()) -> list[SimpleNamespace]:
    return [SimpleNamespace(**card) for card in cards(snapshot, trend, days, at=factories.NOW, page="/")]


def _named(snapshot: Snapshot, **more: Any) -> dict[str, SimpleNamespace]:
    return {card.help: card for card in _cards(snapshot, **more)}


def _snapshot(**overview: Any) -> Snapshot:
    return factories.snapshot(overview=Overview(**overview))


def _has_no_value(html: str, why: Missing) -> bool:
    """Return whether the figure has no value, with a reason, which is not "unknown"."""
    return 'class="none"' in html and 'class="unknown"' not in html and str(why.label) in html


def test_there_are_eight_cards_each_with_help_link_and_age() -> None:
    cards = _cards(factories.troubled_snapshot())
    assert len(cards) == 8
    for card in cards:
        assert card.label
        assert str(card.value).strip()
        assert card.help in kpi_cards_help()
        assert card.url.startswith("/")
        assert card.age == factories.NOW


def kpi_cards_help() -> set[str]:
    from monitoring.web.labels import HELP

    return set(HELP)


def test_all_of_the_overview_is_on_the_cards() -> None:
    text = "\n".join(f"{card.label}: {card.value} {card.note}" for card in _cards(factories.troubled_snapshot()))
    for word in (
        "Active pipelines",
        "SLA compliance",
        "Run success",
        "Failed runs",
        "partial",
        "Last run",
        "Coverage",
        "Pending rows",
        "cooling",
        "Mean latency",
        "worst served lag",
        "fact_vendas",
        "throughput",
    ):
        assert word in text, word


def test_values_as_given() -> None:
    found = _named(
        _snapshot(
            active=9,
            pipelines=11,
            success_rate_24h=98.25,
            finished_24h=40,
            failed_24h=0,
            partial_24h=2,
            eligible_total=Count(100_000, capped=True),
            cooling_total=Count(7),
        )
    )
    assert ">9<" in found["active_pipelines"].value
    assert ">11<" in found["active_pipelines"].value
    assert "98.3%" in found["success_rate_24h"].value or "98.2%" in found["success_rate_24h"].value
    assert ">40<" in found["success_rate_24h"].note
    assert ">0<" in found["failed_24h"].value
    assert ">2<" in found["failed_24h"].note
    assert "100,000+" in found["pending_total"].value
    assert ">7<" in found["pending_total"].note


def test_no_run_in_the_window_is_no_value_and_unread_runs_are_unknown() -> None:
    quiet = _named(_snapshot(finished_24h=0, finished_7d=3, success_rate_7d=100.0, failed_24h=0))
    assert _has_no_value(quiet["success_rate_24h"].value, Missing.NO_FINISHED_RUN)
    assert "100%" in quiet["success_rate_24h"].note
    assert _has_no_value(quiet["mean_throughput_24h"].value, Missing.NOTHING_LOADED)


def test_a_week_without_a_finished_run_has_no_rate_either() -> None:
    quiet = _named(_snapshot(finished_24h=0, finished_7d=0, failed_24h=0))
    assert str(Missing.NO_FINISHED_RUN.label) in quiet["success_rate_24h"].note


def test_no_figure_of_an_unread_overview_is_a_zero_or_blank() -> None:
    cards = _cards(factories.snapshot(overview=Overview(), problem=factories.problem()))
    for card in cards:
        assert 'class="unknown"' in card.value, card.label
        assert "timed out" in card.value


def test_a_figure_over_pipelines_says_when_it_is_not_over_all() -> None:
    cards = _cards(factories.snapshot(factories.pipeline(), factories.unread_pipeline()))
    notes = {card.label: str(card.note) for card in cards}
    assert "without 1 pipeline that could not be read" in notes["Coverage"]
    assert "without 1 pipeline that could not be read" in notes["Pending rows"]


def test_nothing_read_of_any_pipeline_is_unknown_with_its_reason() -> None:
    found = _named(factories.snapshot(factories.unread_pipeline()))
    for name in ("coverage_overall", "mean_latency"):
        assert 'class="unknown"' in found[name].value
        assert "timed out" in found[name].value


def test_an_empty_warehouse_has_no_values_which_is_not_unknown() -> None:
    from monitoring.rules.overview import overview

    nothing = overview((), day={}, week={}, throughputs=(), last_run=None)
    found = _named(factories.snapshot(pipelines=(), overview=nothing, recent_runs=()))
    assert ">0<" in found["active_pipelines"].value
    assert ">0<" in found["failed_24h"].value
    for html, why in (
        (found["active_pipelines"].note, Missing.NO_ACTIVE_PIPELINE),
        (found["coverage_overall"].value, Missing.NO_PIPELINE),
        (found["pending_total"].value, Missing.NO_PIPELINE),
        (found["mean_latency"].value, Missing.NO_PIPELINE),
        (found["mean_latency"].note, Missing.NO_PIPELINE),
        (found["last_run"].value, Missing.NEVER_RUN),
    ):
        assert _has_no_value(html, why), why


def test_figures_of_an_earlier_reading_say_so_and_have_its_age() -> None:
    cards = {card.label: card for card in _cards(factories.unreachable_snapshot())}
    for card in cards.values():
        assert card.age == factories.ago(hours=1), card.label
        assert not card.ticked
        assert "last known value" in str(card.note), card.label

    oltp = factories.snapshot(oltp=factories.unreachable("oltp"), stale_since=factories.ago(minutes=7))
    cards = {card.label: card for card in _cards(oltp)}
    assert {label for label, card in cards.items() if not card.ticked} == {"Coverage", "Pending rows", "Mean latency"}
    assert cards["Coverage"].age == factories.ago(minutes=7)
    assert cards["Last run"].age == factories.NOW


def test_the_worst_lag_names_its_pipeline_and_ticks() -> None:
    card = _cards(factories.snapshot(factories.pipeline(), factories.late_pipeline()))[6]
    assert "fact_vendas" in str(card.note)
    assert "data-elapsed" in str(card.note)
    assert card.tone == "warning"
    calm = _cards(factories.snapshot(factories.pipeline()))[6]
    assert calm.tone == ""
    assert "dim_cliente" not in str(calm.note)


@pytest.mark.parametrize(
    ("status", "tone"), [(RunStatus.SUCCESS, ""), (RunStatus.PARTIAL, "warning"), (RunStatus.FAILED, "critical")]
)
def test_the_last_runs_tone(status: RunStatus, tone: str) -> None:
    last = factories.run(status=status, started_by="<svc>")
    card = _cards(_snapshot(last_run=last))[3]
    assert card.tone == tone
    assert "&lt;svc&gt;" in str(card.note)


def test_tones_ask_for_attention_only_where_a_rule_does() -> None:
    assert _named(factories.snapshot())["active_pipelines"].tone == ""
    assert _named(factories.snapshot(factories.failed_pipeline()))["active_pipelines"].tone == "warning"
    assert _named(_snapshot(failed_24h=0, partial_24h=0))["failed_24h"].tone == ""
    assert _named(_snapshot(failed_24h=0, partial_24h=1))["failed_24h"].tone == ""
    assert _named(_snapshot(failed_24h=1, partial_24h=0))["failed_24h"].tone == "warning"
    failed_and_last = factories.snapshot(factories.failed_pipeline(source=factories.pending_source(5)))
    assert _named(failed_and_last)["mean_latency"].tone == ""  # it failed, but it is not late


def test_lines_and_what_they_are_called() -> None:
    trend = Trend(window=DAY, points=(_point(3), _point(2, eligible=None), _point(1, eligible=900)))
    days = tuple(
        DayRuns(day=date(2024, 5, number), counts={**dict.fromkeys(RunStatus, 0), RunStatus.SUCCESS: number - 1})
        for number in (1, 2, 3)
    )
    found = _named(factories.snapshot(), trend=trend, days=days)
    assert found["pending_total"].spark == (5, None, 900)
    assert found["success_rate_24h"].spark == (None, 100.0, 100.0)
    assert found["failed_24h"].spark == (0.0, 0.0, 0.0)
    assert found["pending_total"].spark_label == (
        "Trend, last 1\N{NO-BREAK SPACE}d\N{NO-BREAK SPACE}0\N{NO-BREAK SPACE}h: from 5 to 900, lowest 5, highest 900"
    )
    assert found["failed_24h"].spark_label.startswith("Trend, last 3 days: ")
    assert _named(factories.snapshot())["pending_total"].spark == ()


@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_huge_numbers_have_separators(language: str) -> None:
    with translation.override(language):
        card = _cards(_snapshot(eligible_total=Count(123_456_789), cooling_total=Count(2_000_000_000)))[5]
    assert ("123,456,789" if language == "en" else "123.456.789") in card.value

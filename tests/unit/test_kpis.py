"""The eight cards: every figure of METRICS' overview, unknown with its reason, never 0 or blank."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import translation

from monitoring.rules.enums import PipelineStatus, RunStatus, Severity
from monitoring.rules.facts import Count, Overview, Snapshot
from monitoring.summary import cards as kpi_cards
from monitoring.summary import cards as kpis
from monitoring.summary.queries import DayRuns
from monitoring.web.formats import number_text
from monitoring.web.readings import Missing
from monitoring.web.trends import Trend, TrendPoint
from tests import factories

DAY = timedelta(hours=24)
NO_TREND = Trend(window=DAY, points=())


def _point(at: int, **changes: Any) -> TrendPoint:
    values = {
        "active": 2,
        "active_ok": 2,
        "coverage_percent": 90.0,
        "eligible": 5,
        "mean_latency_seconds": 9.0,
        "worst_lag_seconds": 1.0,
    }
    return TrendPoint(at=factories.ago(hours=at), **{**values, **changes})


def _kpis(snapshot: Snapshot, trend: Trend = NO_TREND, days: tuple[DayRuns, ...] = ()) -> kpis.Kpis:
    return kpis.kpis(snapshot, trend, days)


def _cards(snapshot: Snapshot, trend: Trend = NO_TREND, days: tuple[DayRuns, ...] = ()) -> list[kpi_cards.Card]:
    return kpi_cards.cards(_kpis(snapshot, trend, days), factories.NOW, DAY, 14, "/")


def _snapshot(**overview: Any) -> Snapshot:
    return factories.snapshot(overview=Overview(**overview))


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
    from monitoring.web.help import HELP

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
    found = _kpis(
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
    assert (found.active.value, found.pipelines.value, found.success_24h.value) == (9, 11, 98.25)
    assert (found.failed_24h.value, found.partial_24h.value) == (0, 2)
    assert found.eligible.value == Count(100_000, capped=True)


def test_no_run_in_the_window_is_no_value_and_unread_runs_are_unknown() -> None:
    quiet = _kpis(_snapshot(finished_24h=0, finished_7d=3, success_rate_7d=100.0, failed_24h=0))
    assert (quiet.success_24h.why, quiet.success_24h.unread) == (Missing.NO_FINISHED_RUN, False)
    assert quiet.success_7d.value == 100.0
    assert (quiet.throughput.why, quiet.throughput.unread) == (Missing.NOTHING_LOADED, False)

    down = factories.unreachable_snapshot()
    blind = _kpis(factories.snapshot(overview=Overview(), problem=down.problem))
    for reading in (blind.success_24h, blind.failed_24h, blind.throughput, blind.active, blind.sla, blind.coverage):
        assert reading.unread
        assert reading.problem == down.problem
    assert blind.last_run_missing.unread


def test_no_figure_of_an_unread_overview_is_a_zero_or_blank() -> None:
    cards = _cards(factories.snapshot(overview=Overview(), problem=factories.problem()))
    for card in cards:
        assert 'class="unknown"' in card.value, card.label
        assert "time-out" in card.value or "took too long" in card.value


def test_a_figure_over_pipelines_says_when_it_is_not_over_all() -> None:
    cards = _cards(factories.snapshot(factories.pipeline(), factories.unread_pipeline()))
    notes = {card.label: str(card.note) for card in cards}
    assert "without 1 pipeline that could not be read" in notes["Coverage"]
    assert "without 1 pipeline that could not be read" in notes["Pending rows"]


def test_nothing_read_of_any_pipeline_is_unknown_with_its_reason() -> None:
    found = _kpis(factories.snapshot(factories.unread_pipeline()))
    assert found.coverage.unread
    assert found.coverage.problem == factories.problem()
    assert found.latency.unread


def test_an_empty_warehouse_has_no_values_which_is_not_unknown() -> None:
    from monitoring.rules.overview import RunCounts, overview

    nothing = overview((), day=RunCounts(), week=RunCounts(), throughputs=(), last_run=None)
    found = _kpis(factories.snapshot(pipelines=(), overview=nothing, recent_runs=()))
    assert (found.active.value, found.pipelines.value, found.failed_24h.value) == (0, 0, 0)
    for reading, why in (
        (found.sla, Missing.NO_ACTIVE_PIPELINE),
        (found.coverage, Missing.NO_PIPELINE),
        (found.eligible, Missing.NO_PIPELINE),
        (found.latency, Missing.NO_PIPELINE),
        (found.worst_lag, Missing.NO_PIPELINE),
        (found.last_run_missing, Missing.NEVER_RUN),
    ):
        assert (reading.why, reading.unread) == (why, False)


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
    found = _kpis(factories.snapshot())
    assert found.tones["active"] is Severity.OK
    assert _kpis(factories.snapshot(factories.failed_pipeline())).tones["active"] is Severity.WARNING
    assert _kpis(_snapshot(failed_24h=0, partial_24h=0)).tones["failed"] is Severity.OK
    assert _kpis(_snapshot(failed_24h=0, partial_24h=1)).tones["failed"] is Severity.OK
    assert _kpis(_snapshot(failed_24h=1, partial_24h=0)).tones["failed"] is Severity.WARNING
    failed_and_last = factories.snapshot(factories.failed_pipeline(source=factories.pending_source(5)))
    assert _kpis(failed_and_last).tones["latency"] is Severity.OK  # it failed, but it is not late


def test_lines_and_what_they_are_called() -> None:
    trend = Trend(window=DAY, points=(_point(3), _point(2, eligible=None), _point(1, eligible=900)))
    days = tuple(
        DayRuns(day=date(2024, 5, number), counts={**dict.fromkeys(RunStatus, 0), RunStatus.SUCCESS: number - 1})
        for number in (1, 2, 3)
    )
    found = _kpis(factories.snapshot(), trend, days)
    assert found.lines["pending"].points == (5, None, 900)
    assert found.lines["success"].points == (None, 100.0, 100.0)
    assert found.lines["failed"].points == (0.0, 0.0, 0.0)
    assert kpi_cards.trend_text(found.lines["pending"], number_text, DAY, 14) == (
        "Trend, last 1\N{NO-BREAK SPACE}d\N{NO-BREAK SPACE}0\N{NO-BREAK SPACE}h: from 5 to 900, lowest 5, highest 900"
    )
    assert not _kpis(factories.snapshot()).lines["pending"].drawn


def test_statuses_are_all_there_worst_first() -> None:
    shown = kpis.statuses(factories.troubled_snapshot())
    assert {status for status, _ in shown} == set(PipelineStatus)
    assert shown[0] == (PipelineStatus.FAILED, 1)
    assert sum(number for _, number in shown) == 7


@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_huge_numbers_have_separators(language: str) -> None:
    with translation.override(language):
        card = _cards(_snapshot(eligible_total=Count(123_456_789), cooling_total=Count(2_000_000_000)))[5]
    assert ("123,456,789" if language == "en" else "123.456.789") in card.value

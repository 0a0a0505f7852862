"""Arithmetic of the collector: arrival rate, stored samples, changes of the version."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitoring.collector.memory import SAMPLES_KEPT, Memory
from monitoring.collector.snapshot import version_of
from monitoring.collector.tick import arrival_per_second
from monitoring.rules.facts import Count, Watermark
from tests.factories import NOW, ago, healthy_snapshot, running_pipeline, snapshot, troubled_snapshot

W = Watermark(NOW, 1)
CAP = 1000


class TestArrivals:
    def test_what_came_is_what_is_more_and_what_was_taken(self) -> None:
        samples = [(ago(minutes=50), 100, W), (ago(minutes=20), 700, W)]
        taken = [(ago(minutes=10), 300), (ago(minutes=50), 5000), (ago(minutes=55), 5000)]
        assert arrival_per_second(samples, taken, Count(400), NOW, CAP) == pytest.approx(600 / 3000)

    def test_older_than_an_hour_is_not_looked_at(self) -> None:
        samples = [(ago(minutes=61), 0, W), (ago(minutes=60), 100, W)]
        assert arrival_per_second(samples, [], Count(460), NOW, CAP) == pytest.approx(0.1)

    def test_never_below_zero(self) -> None:
        assert arrival_per_second([(ago(minutes=30), 500, W)], [], Count(10), NOW, CAP) == 0

    @pytest.mark.parametrize(
        ("samples", "eligible"),
        [
            ([], Count(5)),
            ([(ago(minutes=9, seconds=59), 5, W)], Count(5)),
            ([(ago(hours=2), 5, W)], Count(5)),
            ([(ago(minutes=-5), 5, W)], Count(5)),
            ([(ago(minutes=30), 5, W)], None),
            ([(ago(minutes=30), 5, W)], Count(CAP, capped=True)),
            ([(ago(minutes=30), CAP, W)], Count(5)),
        ],
    )
    def test_unknown_is_no_rate(self, samples: list, eligible: Count | None) -> None:  # type: ignore[type-arg]
        assert arrival_per_second(samples, [], eligible, NOW, CAP) is None


class TestRememberedSamples:
    def test_they_are_thinned_but_never_lose_what_matters(self) -> None:
        memory = Memory()
        for second in range(SAMPLES_KEPT + 1):
            eligible = 0 if second == 101 else 5
            memory.add_sample("x", (NOW + timedelta(seconds=second), eligible, Watermark(NOW, second // 50)))
        kept = list((memory.samples or {})["x"])
        assert len(kept) < SAMPLES_KEPT
        assert [each[0] for each in kept] == sorted(each[0] for each in kept)
        assert any(each[1] == 0 for each in kept)
        assert {each[2] for each in kept} == {Watermark(NOW, number) for number in range(9)}
        assert kept[-1][0] == NOW + timedelta(seconds=SAMPLES_KEPT)

    def test_a_clock_that_went_back_takes_its_future_along(self) -> None:
        memory = Memory()
        for minutes in (0, 10, 20, 5):
            memory.add_sample("x", (NOW + timedelta(minutes=minutes), minutes, W))
        assert [each[1] for each in (memory.samples or {})["x"]] == [0, 5]


class TestVersion:
    @pytest.mark.parametrize("make", [healthy_snapshot, troubled_snapshot])
    def test_time_alone_is_no_news(self, make) -> None:  # type: ignore[no-untyped-def]
        before = make()
        later = replace(
            before,
            sampled_at=before.sampled_at + timedelta(seconds=10),
            connections=tuple(replace(each, latency_ms=99.0, clock_skew_seconds=-3.0) for each in before.connections),
            preflight=replace(before.preflight, checked_at=before.preflight.checked_at + timedelta(minutes=1)),
        )
        assert version_of(later) == version_of(before)

    def test_a_running_execution_may_grow(self) -> None:
        running = running_pipeline()
        longer = replace(running, figures=replace(running.figures, duration_seconds=999.0))
        assert version_of(snapshot(running)) == version_of(snapshot(longer))

    def test_being_late_by_more_is_no_news_but_being_late_is(self) -> None:
        calm = healthy_snapshot().pipelines[0]
        late, later = (replace(calm, figures=replace(calm.figures, served_lag_seconds=each)) for each in (5.0, 500.0))
        assert version_of(snapshot(late)) == version_of(snapshot(later))
        assert version_of(snapshot(late)) != version_of(snapshot(calm))
        unknown = replace(calm, figures=replace(calm.figures, served_lag_seconds=None))
        assert version_of(snapshot(unknown)) not in {version_of(snapshot(calm)), version_of(snapshot(late))}

    def test_an_estimate_is_news_when_it_changes_visibly(self) -> None:
        calm = healthy_snapshot().pipelines[0]
        first, close, far, none = (
            replace(calm, figures=replace(calm.figures, drain_seconds=each)) for each in (1230.0, 1221.0, 1930.0, 0.0)
        )
        assert version_of(snapshot(first)) == version_of(snapshot(close))
        assert len({version_of(snapshot(each)) for each in (first, far, none)}) == 3

    def test_every_figure_is_news(self) -> None:
        before = healthy_snapshot()
        pipeline = before.pipelines[0]
        changes = [
            replace(before, stale_since=NOW),
            replace(before, overview=replace(before.overview, active=77)),
            replace(before, running=()),
            replace(before, recent_runs=()),
            snapshot(replace(pipeline, source=replace(pipeline.source, total=123456))),
            snapshot(replace(pipeline, owner="Ana")),
        ]
        versions = [version_of(each) for each in (before, *changes)]
        assert len(set(versions)) == len(versions)

"""How old the figures are that every page says it shows (collector/snapshot.py)."""

from __future__ import annotations

from datetime import timedelta

from monitoring.collector.snapshot import Current
from tests import factories
from tests.factories import NOW


def test_the_age_is_that_of_the_last_good_reading_by_this_machines_clock() -> None:
    ticked = NOW + timedelta(seconds=3)  # the two clocks differ

    def seen(snapshot: factories.Snapshot) -> object:
        return Current(snapshot=snapshot, version="v", sampled_at=NOW, ticked_at=ticked, now=ticked).figures_seen_at

    assert seen(factories.healthy_snapshot()) == ticked
    assert seen(factories.unreachable_snapshot()) == ticked - timedelta(hours=1)
    assert Current(snapshot=None, version="", sampled_at=None, ticked_at=None, now=NOW).figures_seen_at is None

"""`make test-cluster`: parts of a cluster are killed, one at a time, while clients read it.

CLUSTER_KILLS sets how many (10; `make test-cluster KILLS=50` for the long run), CLUSTER_SEED the order. A failure
names its seed.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cluster.cluster import TICK_SECONDS, Cluster, Death
from tests.cluster.viewers import Answer, Viewer, Visitor
from tests.cluster.watch import Watch, rows, sampled_times

KILLS = int(os.environ.get("CLUSTER_KILLS", "10"))
SEED = int(os.environ.get("CLUSTER_SEED", "20261125"))
VIEWERS = ("admin", "auditor", "admin", "auditor")
KINDS = {
    "web": 9,
    "worker": 5,
    "collector that acts": 12,
    "collector that stands by": 4,
    "stopped collector": 6,
    "redis": 6,
    "postgres": 5,
    "nginx": 3,
}
"""Kinds of failures, and their number in fifty."""
AFTERWARDS = 1.0
"""Seconds until other parts notice that a part is back."""


@dataclass
class Story:
    """The events of a run."""

    cluster: Cluster
    watch: Watch
    viewers: list[Viewer]
    visitors: list[Visitor]
    guessed: list[tuple[bool, bool]]
    seconds: float
    began: float
    times: list[datetime]

    @property
    def answers(self) -> list[Answer]:
        return [answer for visitor in self.visitors for answer in visitor.answers]

    def dead(self, answer: Answer, *kinds: str) -> bool:
        """Return whether one of these parts was down during this request."""
        return any(
            death.at - 0.1 <= answer.ended and answer.at <= death.back + AFTERWARDS
            for death in self.cluster.deaths
            if death.kind in kinds
        )


def kinds() -> list[str]:
    """Return the parts to kill, in the seed's order."""
    whole = [kind for kind, number in KINDS.items() for _ in range(number)]
    random.Random(SEED).shuffle(whole)
    return (whole * (KILLS // len(whole) + 1))[:KILLS]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("cluster")
    cluster = Cluster(folder, SEED)
    try:
        cluster.start()
        yield tell(cluster)
    finally:
        cluster.stop()
        shutil.rmtree(cluster.database, ignore_errors=True)


def tell(cluster: Cluster) -> Story:
    began = time.monotonic()
    watch = Watch(cluster.database)
    watch.start()
    visitors = [Visitor(cluster.url, f"127.0.1.{number}") for number in range(1, len(VIEWERS) + 1)]
    viewers = [Viewer(visitor, name, SEED + n) for n, (visitor, name) in enumerate(zip(visitors, VIEWERS, strict=True))]
    for viewer in viewers:
        viewer.start()
    time.sleep(TICK_SECONDS + 2)
    guessed = []
    for number, kind in enumerate(kinds()):
        if kind == "redis":
            guessed.append(guess(cluster, visitors, number))
        else:
            cluster.kill(kind)
    for viewer in viewers:
        viewer.stop()
    cluster.parts["etl"].kill()
    time.sleep(3 * TICK_SECONDS)
    watch.stop()
    for thread in (*viewers, watch):
        thread.join(20)
    times = sampled_times(cluster.database)
    return Story(cluster, watch, viewers, visitors, guessed, time.monotonic() - began, began, times)


def guess(cluster: Cluster, visitors: list[Visitor], number: int) -> tuple[bool, bool]:
    """While Redis is dead, sign in and guess passwords. Return (signed in, guessing was blocked)."""
    part = cluster.parts["redis"]
    time.sleep(cluster.random.uniform(0.2, 2.0))
    death = Death("redis", time.monotonic())
    cluster.deaths.append(death)
    part.kill()
    honest, guesser = (Visitor(cluster.url, f"127.0.{net}.{number + 1}") for net in (2, 3))
    visitors += [honest, guesser]
    is_in = honest.sign_in("operator").status == 302
    for _ in range(5):
        guesser.sign_in("viewer", "wrong")
    kept_out = guesser.sign_in("viewer").status != 302
    part.start()
    part.wait()
    death.back = time.monotonic()
    return is_in, kept_out


def gaps(story: Story) -> list[tuple[float, float]]:
    """Return the seconds between samples, less those in which PostgreSQL itself was away, and when each began."""
    offset = time.time() - time.monotonic()
    away = [(death.at + offset, death.back + offset) for death in story.cluster.deaths if death.kind == "postgres"]
    found = []
    stamps = sorted(at.timestamp() for at in story.times)
    begun = story.began + offset
    for earlier, later in pairwise(stamps):
        if later > begun:
            lost = sum(max(0.0, min(later, end) - max(earlier, at)) for at, end in away)
            found.append((later - earlier - lost, round(earlier - begun, 1)))
    return found


def wrong(story: Story) -> list[Answer]:
    """Return the responses that are failures."""
    bad = []
    for answer in story.answers:
        fine = 200 <= answer.status < 400 or answer.status == 429
        if answer.status == 503:
            fine = story.dead(answer, "postgres") and "<html" in answer.text and "Traceback" not in answer.text
        elif answer.status == 0:
            fine = story.dead(answer, "nginx")
        elif answer.status in {502, 504} and answer.method == "POST":
            fine = story.dead(answer, "web", "worker")
        if not fine:
            bad.append(answer)
    return bad


def test_the_story_is_told(story: Story) -> None:
    """Print the summary. This test comes first, so that the summary is printed even if others fail."""
    killed = Counter(death.kind for death in story.cluster.deaths)
    statuses = sorted(Counter(answer.status for answer in story.answers).items())
    times = sorted(answer.seconds for answer in story.answers if answer.method == "GET" and answer.status == 200)
    median, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    lines = [
        f"{sum(killed.values())} kills in {story.seconds:.0f} s, seed {SEED}",
        *(f"  {kind:25} {number:4}" for kind, number in killed.most_common()),
        f"requests {len(story.answers)}: " + ", ".join(f"{status or 'none'}: {number}" for status, number in statuses),
        f"answers that nobody should have had: {len(wrong(story))}",
        f"pages: median {median:.0f} ms, p99 {p99:.0f} ms",
        f"samples {len(story.times)}, worst gap {max(gaps(story))[0]:.1f} s, a tick being {TICK_SECONDS} s",
        f"the lease changed hands {len(story.watch.holders) - 1} times",
    ]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert sum(killed.values()) == KILLS


def test_no_viewer_gets_an_error_from_a_replica_that_lives(story: Story) -> None:
    since = story.began
    bad = [(each.method, each.path, each.status, round(each.at - since, 1), each.text[:200]) for each in wrong(story)]
    deaths = [(each.kind, round(each.at - since, 1), round(each.back - since, 1)) for each in story.cluster.deaths]
    assert not bad, f"seed {SEED}: {bad[:5]} of {len(bad)}; deaths: {deaths}"
    assert all(viewer.signed_in for viewer in story.viewers)


def test_a_database_that_is_away_is_told_within_three_seconds(story: Story) -> None:
    told = [answer for answer in story.answers if answer.status == 503]
    assert told or not any(death.kind == "postgres" for death in story.cluster.deaths)
    assert max((answer.seconds for answer in told), default=0.0) < 3


def test_no_sample_is_lost_for_more_than_two_ticks(story: Story) -> None:
    """Of two samples in a row at most two ticks lie between: the third brings one. (On a quiet machine the second.)"""
    worst, at = max(gaps(story))
    deaths = [(each.kind, round(each.at - story.began, 1)) for each in story.cluster.deaths]
    assert worst < 3 * TICK_SECONDS, f"seed {SEED}: {worst:.1f} s from {at} s on; deaths: {deaths}"


def test_no_sample_is_written_twice_or_after_a_newer_one(story: Story) -> None:
    """One that was stopped in the middle of a tick, and woke up later than its lease, wrote nothing."""
    database = story.cluster.database
    twice = "SELECT entity_name, sampled_at FROM monitoring_pipelinesample GROUP BY 1, 2 HAVING COUNT(*) > 1"
    assert rows(database, twice) == []
    late = """
        SELECT COUNT(*) FROM (
            SELECT sampled_at < LAG(sampled_at) OVER (ORDER BY id) AS late FROM monitoring_pipelinesample
        ) AS each WHERE late
    """
    assert rows(database, late) == [(0,)], f"seed {SEED}"
    assert story.times == sorted(story.times)


def test_every_snapshot_has_its_number(story: Story) -> None:
    times = [at for at, _ in story.watch.seen]
    assert times == sorted(times)
    assert len(times) == len(set(times)), "one time, one content"
    assert len(set(story.watch.holders)) > 1 or KILLS < 10


def test_runs_are_copied_once_and_all(story: Story) -> None:
    with sqlite3.connect(story.cluster.folder / "data/warehouse/dw/audit.sqlite3") as warehouse:
        runs = {row[0] for row in warehouse.execute("SELECT run_id FROM etl_run")}
        entities = {row[0] for row in warehouse.execute("SELECT run_entity_id FROM etl_run_entity")}
    warehouse.close()
    copied = [row[0] for row in rows(story.cluster.database, "SELECT run_id FROM monitoring_runcopy")]
    copied_entities = [
        row[0] for row in rows(story.cluster.database, "SELECT run_entity_id FROM monitoring_runentitycopy")
    ]
    assert len(copied) == len(set(copied)) and set(copied) == runs
    assert len(copied_entities) == len(set(copied_entities)) and set(copied_entities) == entities


def test_what_happened_once_is_told_once(story: Story) -> None:
    """The activity log has each event once, and a POST is never repeated."""
    for visitor in story.visitors:
        sent = [answer for answer in visitor.answers if answer.method == "POST"]
        told = dict(
            rows(
                story.cluster.database,
                "SELECT action, COUNT(*) FROM monitoring_trailentry WHERE address = %s GROUP BY 1",
                visitor.address,
            )
        )
        done = sum(answer.status == 302 for answer in sent)
        assert done <= told.get("signed_in", 0), visitor.address
        assert sum(told.values()) <= len(sent), visitor.address


def test_a_dead_redis_keeps_nobody_out_and_opens_no_door(story: Story) -> None:
    assert story.guessed or KILLS < 50
    assert all(is_in and kept_out for is_in, kept_out in story.guessed), story.guessed


def test_no_part_said_a_password(story: Story) -> None:
    for log in Path(story.cluster.folder).glob("*.log"):
        assert "real-one" not in log.read_text(errors="replace"), log.name

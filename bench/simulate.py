"""`python -m bench.simulate`: N viewers over R replicas, where there are not R machines to measure with.

An event by event simulation in plain Python. Viewers refresh every so many seconds, each from a moment of its own;
nginx gives each request to the replica with the fewest open ones (or to the next in turn); a replica is so many cores
(one request has a core to itself until it is done: Python's threads share one per process, and there is a process per
core). What a request costs is drawn from the mix below, in milliseconds of one core as `make bench` measures it: put
new figures there, or give them as arguments. The seed makes it the same every time.

    python -m bench.simulate                          the table of docs/scaling.md
    python -m bench.simulate --viewers 5000 --replicas 4 --cores 2 --unchanged 1.8 --moved 9 --page 30
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from dataclasses import dataclass, replace

WARM_UP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class World:
    """What is simulated. Costs are milliseconds of one core (docs/performance.md). `first`: what a refresh costs whose
    blocks nobody asked this process for since the tick; there are `kinds` of pages that viewers look at."""

    viewers: int = 1000
    replicas: int = 1
    cores: int = 2
    refresh_seconds: float = 5.0
    tick_seconds: float = 10.0
    unchanged: float = 2.4
    moved: float = 3.4
    first: float = 85.0
    kinds: int = 6
    page: float = 35.0
    pages_per_minute: float = 0.2
    seconds: float = 60.0
    seed: int = 1
    turns: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `busy`: the part of the cores' time that was used; milliseconds from asked to answered."""

    requests_per_second: float
    busy: float
    p50: float
    p99: float
    late: float


def simulate(world: World) -> Outcome:
    """Let time pass; return what viewers saw after the warm-up. `late`: the part of the answers beyond 250 ms."""
    rng = random.Random(world.seed)
    asks: list[tuple[float, int, float]] = []
    for viewer in range(world.viewers):
        heapq.heappush(asks, (rng.uniform(0, world.refresh_seconds), viewer, -1.0))
    # Each core of each replica: when it is free again.
    free = [[0.0] * world.cores for _ in range(world.replicas)]
    rendered = [[(-1.0, 0)] * world.cores for _ in range(world.replicas)]
    taken: list[float] = []
    used = 0.0
    answered = 0
    turn = 0
    end = WARM_UP_SECONDS + world.seconds
    page_chance = world.pages_per_minute * world.refresh_seconds / 60
    while asks and asks[0][0] < end:
        now, viewer, seen = heapq.heappop(asks)
        tick = now // world.tick_seconds
        if world.turns:
            replica = turn = (turn + 1) % world.replicas
        else:
            replica = min(range(world.replicas), key=lambda each: sum(max(0.0, at - now) for at in free[each]))
        cores = free[replica]
        core = min(range(world.cores), key=cores.__getitem__)
        refresh = world.unchanged if tick == seen else world.moved
        if tick != seen:
            at, times = rendered[replica][core]
            times = times if at == tick else 0
            refresh = world.first if times < world.kinds else refresh
            rendered[replica][core] = (tick, times + 1)
        cost = world.page if rng.random() < page_chance else refresh
        cost *= rng.uniform(0.7, 1.3) / 1000
        begun = max(now, cores[core])
        cores[core] = begun + cost
        if now >= WARM_UP_SECONDS:
            taken.append(begun + cost - now)
            used += cost
            answered += 1
        # The browser asks again so long after it has its answer.
        heapq.heappush(asks, (begun + cost + world.refresh_seconds * rng.uniform(0.95, 1.05), viewer, tick))
    taken.sort()
    return Outcome(
        requests_per_second=answered / world.seconds,
        busy=min(1.0, used / (world.seconds * world.cores * world.replicas)),
        p50=taken[len(taken) // 2] * 1000,
        p99=taken[int(len(taken) * 0.99)] * 1000,
        late=sum(each > 0.25 for each in taken) / len(taken),
    )


def table(base: World) -> str:
    """Return the document's table: how many viewers so many replicas carry."""
    lines = [
        "| viewers | replicas of 2 cores | requests/s | cores busy | p50 (ms) | p99 (ms) | later than 250 ms |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for viewers, replicas in (
        (250, 1),
        (500, 1),
        (1000, 1),
        (1500, 1),
        (2000, 2),
        (5000, 4),
        (10_000, 8),
        (10_000, 12),
    ):
        world = replace(base, viewers=viewers, replicas=replicas)
        found = simulate(world)
        lines.append(
            f"| {viewers:,} | {replicas} | {found.requests_per_second:,.0f} | {found.busy:.0%} | {found.p50:,.0f} "
            f"| {found.p99:,.0f} | {found.late:.1%} |"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    base = World()
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description="N viewers over R replicas.")
    for name in World.__dataclass_fields__:
        value = getattr(base, name)
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=None)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value not in (None, False)}
    world = replace(base, **given)
    if {"viewers", "replicas"} & given.keys():
        sys.stdout.write(f"{world}\n{simulate(world)}\n")
    else:
        sys.stdout.write(f"{table(world)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

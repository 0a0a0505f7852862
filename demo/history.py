"""Thirty days in a few seconds: the shop's events and, run by run, what the runner would have moved.

Nothing is read from or written to a database here. The result is rows for the audit tables, and
watermarks that agree with the shop's rows; build.py writes both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from demo.ledger import SOURCES, Ledger
from demo.mishaps import (
    Mishap,
    Mishaps,
    conversion,
    deadlock,
    duplicate_key,
    foreign_key,
    link_failure,
    lock_timeout,
    missing_row,
    permission,
    query_timeout,
    truncation,
)
from demo.pacing import Pacing
from demo.runner import ERROR_LENGTH, run_status
from demo.sessions import Sessions
from demo.shop import Shop
from monitoring.enums import ExecutionStatus, RunStatus

Row = dict[str, Any]

EVERY = timedelta(minutes=30)
CUTOFF_MINUTES = 2
BATCH_SIZES = {"dim_cliente": 50, "dim_produto": 50, "fact_vendas": 20, "fact_descontos": 20}
BATCH_SIZE = 50
"""Far smaller than a real warehouse's: so that a demonstration's run commits more than one batch."""

SCHEDULER = "svc_etl"
SWITCHED_OFF = "dim_equipe"
SWITCHED_OFF_DAYS = 9
KILLED_DAYS = 2


@dataclass(slots=True)
class History:
    """What was simulated. Times in the rows are UTC text, as the embedded tables hold them."""

    runs: list[Row] = field(default_factory=list)
    run_entities: list[Row] = field(default_factory=list)
    events: list[tuple[object, ...]] = field(default_factory=list)
    controls: dict[str, Row] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    teams_when_switched_off: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Planned:
    """One run to come."""

    at: datetime
    by: str
    only: frozenset[str] | None = None


def _stories(rng: random.Random) -> Iterator[tuple[float, int, str, Mishap]]:
    """Yield (days ago, runs in a row, entity or "" for all, what): rare rows need more runs to meet them."""
    yield 27.3, 1, "fact_vendas", deadlock(rng)
    yield 24.1, 1, "fact_descontos", query_timeout(rng)
    yield 19.2, 24, "dim_produto", truncation("dim.DIM_PRODUTO", "nome_produto", "Cafeteira elétrica programável inox")
    yield 16.4, 3, "dim_cliente", duplicate_key(rng, "dim.DIM_CLIENTE", "UQ_DIM_CLIENTE_original")
    yield 12.0, 12, "fact_descontos", missing_row("fact_descontos", "dim.DIM_DESCONTO", "desconto_original_id", 17)
    yield 8.4, 3, "dim_vendedor", permission("core", "sellers")
    yield 7.3, 2, "fact_vendas", foreign_key("FK_FACT_VENDAS_produto", "dim.DIM_PRODUTO", "produto_id")
    yield 5.0, 3, "", link_failure(rng)
    yield 3.3, 8, "fact_metas", conversion("nvarchar", "numeric")
    yield 1.2, 2, "dim_cliente", lock_timeout(rng)


class Simulation:
    """Simulates runs from `start` to `end` (naive UTC) over a shop that is open since before."""

    def __init__(self, shop: Shop, ledger: Ledger, seed: int, start: datetime, end: datetime) -> None:
        self.shop, self.ledger = shop, ledger
        self.start, self.end = start, end
        self.rng = random.Random(f"{seed}:history")
        self.seed = seed
        self.pacing = Pacing(seed)
        self.sessions = Sessions(seed)
        self.history = History()
        self.switch_off = end - timedelta(days=SWITCHED_OFF_DAYS)
        first = text(start)
        for entity in SOURCES.values():
            self.history.controls[entity] = {
                "watermark_updated_at": "1900-01-01 00:00:00",
                "watermark_id": 0,
                "cutoff_minutes": CUTOFF_MINUTES,
                "batch_size": BATCH_SIZES.get(entity, BATCH_SIZE),
                "is_active": 1,
                "created_at": first,
                "updated_at": first,
            }

    def run(self) -> History:
        """Simulate everything; return the rows."""
        planned = list(self._schedule())
        mishaps = Mishaps(self.seed, self._plan_mishaps(planned))
        killed = self._number_at(planned, KILLED_DAYS)
        for run_id, plan in enumerate(planned, start=1):
            self._switch_off(plan.at)
            self.shop.advance(plan.at)
            self._one(run_id, plan, mishaps, killed=run_id == killed)
        return self.history

    def _schedule(self) -> Iterator[_Planned]:
        """Yield the runs: every half hour, and one or so a day that somebody starts by hand."""
        at = self.start
        while at <= self.end:
            yield _Planned(at + timedelta(seconds=self.rng.randint(0, 4)), SCHEDULER)
            by_hand = at + timedelta(minutes=self.rng.randint(8, 20))
            if self.rng.random() < 1 / 40 and by_hand < self.end:
                yield _Planned(by_hand, self.rng.choice(("ana.souza", "dba_plantao")), self._some())
            at += EVERY

    def _some(self) -> frozenset[str]:
        return self.rng.choice(
            (
                frozenset({"fact_vendas", "fact_descontos"}),
                frozenset({"dim_cliente"}),
                frozenset(entity for entity in SOURCES.values() if entity.startswith("dim_")),
            )
        )

    def _number_at(self, planned: list[_Planned], days: float) -> int:
        """Return the number of the first scheduled run in the last `days` days."""
        since = self.end - timedelta(days=days)
        return next(number for number, plan in enumerate(planned, 1) if plan.at >= since and plan.only is None)

    def _plan_mishaps(self, planned: list[_Planned]) -> dict[int, dict[str, Mishap]]:
        """Return the failures that every demonstration has, whatever the seed: one of each kind, and two bad days."""
        plan: dict[int, dict[str, Mishap]] = {}
        for days, runs, entity, mishap in _stories(self.rng):
            first = self._number_at(planned, days)
            plan |= {run: {entity: mishap} for run in range(first, first + runs)}
        # The last run leaves nothing behind: what follows is loaded by the real runner.
        plan |= {run: {} for run in (1, len(planned))}
        return plan

    def _switch_off(self, at: datetime) -> None:
        """Make dim_equipe inactive when its day comes, and keep what its target then held."""
        control = self.history.controls[SWITCHED_OFF]
        if at < self.switch_off or not control["is_active"]:
            return
        control["is_active"], control["updated_at"] = 0, text(self.switch_off)
        self.history.teams_when_switched_off = [dict(row) for row in self.shop.rows["teams"].values()]
        self.shop.later("team_changes", timedelta(days=2), timedelta(days=4))

    def _one(self, run_id: int, plan: _Planned, mishaps: Mishaps, *, killed: bool) -> None:
        controls = self.history.controls
        entities = [
            entity
            for entity in SOURCES.values()
            if controls[entity]["is_active"] and (plan.only is None or entity in plan.only)
        ]
        started = text(plan.at)
        self.history.starts.append(started)
        run: Row = {
            "run_id": run_id,
            "entities_requested": ",".join(entities),
            "started_by": plan.by,
            "started_at": started,
            "finished_at": None,
            "status": RunStatus.RUNNING.value,
            "entities_succeeded": 0,
            "entities_failed": 0,
            "error_message": None,
            "created_at": started,
        }
        self.history.runs.append(run)
        self._snapshot(plan.at, plan.at, run_id)
        at = plan.at
        errors: list[str] = []
        for entity in entities:
            row, done, at = self._entity(run_id, entity, plan.at, at, mishaps.of(run_id, entity))
            self.history.run_entities.append(row)
            if killed and entity == "fact_vendas":
                self._kill(row)
                return
            self._settle(row, done)
            errors += [row["error_message"]] if row["error_message"] else []
        succeeded = len(entities) - len(errors)
        run["finished_at"], run["status"] = text(at), run_status(succeeded, len(errors)).value
        run["entities_succeeded"], run["entities_failed"] = succeeded, len(errors)
        run["error_message"] = " | ".join(errors)[:ERROR_LENGTH] or None
        self._snapshot(at, plan.at, run_id)

    def _entity(
        self, run_id: int, entity: str, run_started: datetime, started: datetime, mishap: Mishap | None
    ) -> tuple[Row, list[tuple[str, int]], datetime]:
        """Return the run entity's row, the rows it committed, and when it finished."""
        control = self.history.controls[entity]
        rows = self.ledger.eligible(entity, text(run_started - timedelta(minutes=control["cutoff_minutes"])))
        batches, lost, error = self._batches(rows, control["batch_size"], mishap)
        done = rows[: batches * control["batch_size"]]
        pauses = self.pacing.of(run_id, entity)
        finished = started + timedelta(seconds=pauses.entity + batches * pauses.batch)
        watermark_from = (control["watermark_updated_at"], control["watermark_id"])
        watermark_to = done[-1] if done else watermark_from
        row = {
            "run_id": run_id,
            "entity_name": entity,
            "entity_started_at": text(started),
            "entity_finished_at": text(finished),
            "status": (ExecutionStatus.FAILED if error else ExecutionStatus.SUCCESS).value,
            "extracted_count": len(done) + lost,
            "upserted_count": len(done),
            "soft_deleted_count": self.ledger.soft_deleted(entity, done),
            "watermark_from_updated_at": watermark_from[0],
            "watermark_from_id": watermark_from[1],
            "watermark_to_updated_at": watermark_to[0],
            "watermark_to_id": watermark_to[1],
            "error_message": error or None,
            "created_at": text(started),
            "updated_at": text(finished),
        }
        return row, done, finished

    def _batches(self, rows: list[tuple[str, int]], size: int, mishap: Mishap | None) -> tuple[int, int, str]:
        """Return how many batches were committed, how many rows of a failed one were extracted, and its error."""
        batches = 0
        while True:
            left = len(rows) - batches * size
            batch = max(0, min(size, left))
            last = batch < size
            if mishap and mishap.hits(batch, batches, last):
                error = mishap.error()
                lost = batch if mishap.in_rows else 0
                return batches, lost, f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
            batches += bool(batch)
            if last:
                return batches, 0, ""

    def _settle(self, row: Row, done: list[tuple[str, int]]) -> None:
        """Write the end of a run entity into its control row; only a success moves the watermark."""
        control = self.history.controls[row["entity_name"]]
        control["last_run_id"], control["last_status"] = row["run_id"], row["status"]
        control["updated_at"] = row["entity_finished_at"]
        if row["status"] == ExecutionStatus.SUCCESS.value:
            control["last_success_at"] = row["entity_finished_at"]
            control["watermark_updated_at"] = row["watermark_to_updated_at"]
            control["watermark_id"] = row["watermark_to_id"]
            self.ledger.load(row["entity_name"], done)

    def _kill(self, row: Row) -> None:
        """The runner was killed in the middle: its rows stay as they were begun, and nothing is settled."""
        row |= {
            "entity_finished_at": None,
            "status": ExecutionStatus.RUNNING.value,
            "extracted_count": 0,
            "upserted_count": 0,
            "soft_deleted_count": 0,
            "watermark_to_updated_at": None,
            "watermark_to_id": None,
            "error_message": None,
            "updated_at": row["created_at"],
        }

    def _snapshot(self, at: datetime, run_started: datetime, run_id: int) -> None:
        """Sample the sessions open at `at`, the runner's own among them."""
        seen = (at + timedelta(milliseconds=self.rng.randrange(60, 900))).isoformat(sep=" ", timespec="milliseconds")
        self.history.events.extend(session.row(seen) for session in self.sessions.at(at))
        self.history.events.append(self.sessions.runner(run_started, run_id).row(seen))


def text(moment: datetime) -> str:
    """Return a naive UTC time as a DATETIME2(0) column of the embedded tables holds it."""
    return moment.isoformat(sep=" ", timespec="seconds")

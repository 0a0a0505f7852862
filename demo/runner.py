"""The runner: one incremental ETL run, written the way CONTRACT.md says ("How the runner writes").

It knows nothing of the demonstration around it: two DB-API connections with `?` parameters, a
dialect, a clock, and two hooks for what the embedded warehouse has to pretend (sessions, mishaps).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from demo.clock import Clock
from demo.dialects import Dialect
from demo.jobs import JOBS, Found, Job, Lookup, Row
from demo.mishaps import Mishap, MissingDimensionRow, missing_row_text
from monitoring.enums import ExecutionStatus, RunStatus

logger = logging.getLogger(__name__)

ERROR_LENGTH = 4000
_LOOKUP_CHUNK = 1000
"""Keys per lookup statement: SQL Server takes 2,100 parameters, SQLite 32,766."""

Watermark = tuple[Any, int]


@dataclass(slots=True)
class Outcome:
    """What one entity's load did. `watermark` is that of the last committed batch."""

    entity: str
    watermark: Watermark
    extracted: int = 0
    upserted: int = 0
    soft_deleted: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds that the work of one entity and of one batch takes beside what it really does."""

    entity: float = 0.0
    batch: float = 0.0


@dataclass(slots=True)
class Runner:
    """Runs the active pipelines once per `run`. `snapshot(run_id)` stands for EXEC of the procedure."""

    dw: Any
    oltp: Any
    dialect: Dialect
    clock: Clock
    snapshot: Callable[[int], None]
    mishap: Callable[[int, str], Mishap | None] = lambda run_id, entity: None
    pauses: Callable[[int, str], Pauses] = lambda run_id, entity: Pauses()
    retries: int = 5
    _outcomes: list[Outcome] = field(default_factory=list)

    def run(self, started_by: str, only: Iterable[str] | None = None) -> int:
        """Load the active pipelines that this runner knows (of `only`, if given); return run_id.

        A failure of one pipeline is written down and does not end the others. Raises the driver's
        error when the audit tables themselves cannot be written: then nothing can be told.
        """
        controls = self._controls(only)
        started = self.clock.now()
        run_id: int = self._insist(lambda: self._begin(started_by, list(controls)))
        self._insist(lambda: self.snapshot(run_id))
        self._outcomes = []
        for entity, control in controls.items():
            self._entity(run_id, JOBS[entity], control, started)
        self._insist(lambda: self._finish(run_id))
        self._insist(lambda: self.snapshot(run_id))
        return run_id

    def _controls(self, only: Iterable[str] | None) -> dict[str, dict[str, Any]]:
        """Return the active control rows that have a job, dimensions first."""
        names = ("entity_name", "watermark_updated_at", "watermark_id", "cutoff_minutes", "batch_size")
        cursor = self.dw.cursor()
        cursor.execute(f"SELECT {', '.join(names)} FROM ctl.etl_control WHERE is_active = 1")
        rows = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
        wanted = set(only) if only is not None else set(JOBS)
        for entity in sorted(set(rows) - set(JOBS)):
            logger.debug("%s is active, but this runner has no job for it", entity)
        return {entity: rows[entity] for entity in JOBS if entity in rows and entity in wanted}

    def _begin(self, started_by: str, entities: Sequence[str]) -> int:
        now = self.dialect.time(self.clock.now())
        row = {
            "entities_requested": ",".join(entities)[:500],
            "started_by": started_by[:128],
            "started_at": now,
            "status": RunStatus.RUNNING.value,
            "entities_succeeded": 0,
            "entities_failed": 0,
            "created_at": now,
        }
        run_id = self.dialect.insert(self.dw.cursor(), "audit.etl_run", "run_id", row)
        self.dw.commit()
        return run_id

    def _entity(self, run_id: int, job: Job, control: dict[str, Any], started: Any) -> None:
        """Load one pipeline and write down how it went.

        The cutoff counts from the run's start for all entities: were it taken anew for each, a fact
        could see a row whose dimension was still too young a moment earlier.
        """
        watermark: Watermark = (control["watermark_updated_at"], control["watermark_id"])
        newest = self.dialect.time(started - timedelta(minutes=control["cutoff_minutes"]))
        run_entity_id = self._insist(lambda: self._begin_entity(run_id, job.entity, watermark))
        outcome = Outcome(entity=job.entity, watermark=watermark)
        try:
            self._load(run_id, job, control["batch_size"], newest, outcome)
        except Exception as error:  # whatever it was, it is this entity's failure only
            self.dw.rollback()
            outcome.error = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
            logger.warning("run %s, %s failed: %s", run_id, job.entity, outcome.error)
        self._outcomes.append(outcome)
        self._insist(lambda: self._finish_entity(run_id, run_entity_id, outcome))

    def _begin_entity(self, run_id: int, entity: str, watermark: Watermark) -> int:
        now = self.dialect.time(self.clock.now())
        row = {
            "run_id": run_id,
            "entity_name": entity,
            "entity_started_at": now,
            "status": ExecutionStatus.RUNNING.value,
            "extracted_count": 0,
            "upserted_count": 0,
            "soft_deleted_count": 0,
            "watermark_from_updated_at": watermark[0],
            "watermark_from_id": watermark[1],
            "created_at": now,
            "updated_at": now,
        }
        run_entity_id = self.dialect.insert(self.dw.cursor(), "audit.etl_run_entity", "run_entity_id", row)
        self.dw.commit()
        return run_entity_id

    def _load(self, run_id: int, job: Job, batch_size: int, newest: Any, outcome: Outcome) -> None:
        """Move rows batch by batch, each committed before the next is read."""
        pauses = self.pauses(run_id, job.entity)
        mishap = self.mishap(run_id, job.entity)
        batches = 0
        self.clock.sleep(pauses.entity)
        while True:
            rows = extract(self.oltp, self.dialect, job, watermark=outcome.watermark, newest=newest, rows=batch_size)
            last = len(rows) < batch_size
            if mishap and mishap.hits(len(rows), batches, last):
                outcome.extracted += len(rows) if mishap.in_rows else 0
                raise mishap.error()
            if not rows:
                return
            outcome.extracted += len(rows)
            self.clock.sleep(pauses.batch)
            write(self.dw, self.dialect, job, rows, [self.dialect.time(self.clock.now())] * len(rows))
            self.dw.commit()
            batches += 1
            outcome.upserted += len(rows)
            outcome.soft_deleted += sum(row[2] is not None for row in rows)
            outcome.watermark = (rows[-1][0], rows[-1][1])
            if last:
                return

    def _finish_entity(self, run_id: int, run_entity_id: int, outcome: Outcome) -> None:
        """Write the counts; move control's watermark only after a success."""
        now = self.dialect.time(self.clock.now())
        status = ExecutionStatus.FAILED if outcome.error else ExecutionStatus.SUCCESS
        cursor = self.dw.cursor()
        cursor.execute(
            "UPDATE audit.etl_run_entity SET entity_finished_at = ?, status = ?, extracted_count = ?, "
            "upserted_count = ?, soft_deleted_count = ?, watermark_to_updated_at = ?, watermark_to_id = ?, "
            "error_message = ?, updated_at = ? WHERE run_entity_id = ?",
            (now, status.value, outcome.extracted, outcome.upserted, outcome.soft_deleted, *outcome.watermark,
             outcome.error or None, now, run_entity_id),
        )  # fmt: skip
        if outcome.error:
            cursor.execute(
                "UPDATE ctl.etl_control SET last_run_id = ?, last_status = ?, updated_at = ? WHERE entity_name = ?",
                (run_id, status.value, now, outcome.entity),
            )
        else:
            cursor.execute(
                "UPDATE ctl.etl_control SET watermark_updated_at = ?, watermark_id = ?, last_run_id = ?, "
                "last_status = ?, last_success_at = ?, updated_at = ? WHERE entity_name = ?",
                (*outcome.watermark, run_id, status.value, now, now, outcome.entity),
            )
        self.dw.commit()

    def _finish(self, run_id: int) -> None:
        errors = [outcome.error for outcome in self._outcomes if outcome.error]
        succeeded = len(self._outcomes) - len(errors)
        self.dw.cursor().execute(
            "UPDATE audit.etl_run SET finished_at = ?, status = ?, entities_succeeded = ?, entities_failed = ?, "
            "error_message = ? WHERE run_id = ?",
            (self.dialect.time(self.clock.now()), run_status(succeeded, len(errors)).value, succeeded, len(errors),
             " | ".join(errors)[:ERROR_LENGTH] or None, run_id),
        )  # fmt: skip
        self.dw.commit()

    def _insist(self, write_down: Callable[[], Any]) -> Any:
        """Write to the audit tables, again if it fails: a run must not stay `running` for a short lock."""
        for attempt in range(1, self.retries + 1):
            try:
                return write_down()
            except Exception as error:
                self.dw.rollback()
                if attempt == self.retries:
                    raise
                logger.warning("audit tables not written (%s), attempt %d of %d", error, attempt, self.retries)
                self.clock.sleep(attempt)
        raise AssertionError("unreachable")


def run_status(succeeded: int, failed: int) -> RunStatus:
    """Return a finished run's status: no failure is a success, only failures a failure, else partial."""
    if not failed:
        return RunStatus.SUCCESS
    return RunStatus.PARTIAL if succeeded else RunStatus.FAILED


def extract(oltp: Any, dialect: Dialect, job: Job, *, watermark: Watermark, newest: Any, rows: int) -> list[Row]:
    """Return the next `rows` source rows after the watermark and not younger than `newest`, in order."""
    cursor = oltp.cursor()
    cursor.execute(f"{job.extract} {dialect.limit(rows)}", job.parameters(watermark, newest))
    return [tuple(row) for row in cursor.fetchall()]


def write(dw: Any, dialect: Dialect, job: Job, rows: Sequence[Row], loaded_at: Sequence[Any]) -> None:
    """Upsert the rows into the target, not committing. Raises MissingDimensionRow."""
    cursor = dw.cursor()
    found: Found = {lookup.name: _look_up(cursor, job, lookup, rows) for lookup in job.lookups}
    values = [job.transform(row, found, at) for row, at in zip(rows, loaded_at, strict=True)]
    cursor.executemany(dialect.upsert(job.target, job.columns, job.natural_key), values)


def _look_up(cursor: Any, job: Job, lookup: Lookup, rows: Sequence[Row]) -> dict[Any, Row]:
    """Return the surrogate keys of all natural keys in `rows`. Raises MissingDimensionRow."""
    wanted = sorted({row[lookup.position] for row in rows})
    found: dict[Any, Row] = {}
    for start in range(0, len(wanted), _LOOKUP_CHUNK):
        chunk = wanted[start : start + _LOOKUP_CHUNK]
        marks = ", ".join("?" for _ in chunk)
        cursor.execute(
            f"SELECT {lookup.natural_key}, {', '.join(lookup.columns)} FROM {lookup.table} "
            f"WHERE {lookup.natural_key} IN ({marks})",
            chunk,
        )
        found.update((row[0], tuple(row[1:])) for row in cursor.fetchall())
    missing = [key for key in wanted if key not in found]
    if missing:
        raise MissingDimensionRow(missing_row_text(job.entity, lookup.table, lookup.natural_key, missing[0]))
    return found

"""The ETL: incremental runs, recorded as the warehouse contract says ("How the runner writes")."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.faults import Fault, MissingDimensionRow
from demo.pipelines import PIPELINES, Lookup, Pipeline
from demo.warehouse import Sqlite, marks
from monitoring.rules.enums import ExecutionStatus, RunStatus

logger = logging.getLogger(__name__)

ERROR_LENGTH = 4000
_LOOKUP_CHUNK = 1000
"""Keys per lookup statement: SQL Server takes 2,100 parameters, SQLite 32,766."""

Row = tuple[Any, ...]


class VirtualClock:
    """A clock that moves only when it sleeps or is set. All times are naive UTC, as in the tables."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))

    def advance_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment)


class RealClock:
    """The system clock. With `pace` 2 waits take half as long; after `stop` they take no time."""

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self.stopped = threading.Event()

    def now(self) -> datetime:
        return datetime.now(UTC).replace(tzinfo=None)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.stopped.wait(seconds / self.pace)

    def stop(self) -> None:
        """End the current and all later waits, so that the run in progress finishes at once."""
        self.stopped.set()


@dataclass(slots=True)
class Load:
    """The result of loading one pipeline. `watermark` is that of the last committed batch."""

    entity: str
    watermark: tuple[Any, int]
    extracted: int = 0
    upserted: int = 0
    soft_deleted: int = 0
    error: str = ""


@dataclass(slots=True, kw_only=True)
class Runner:
    """Loads the active pipelines, once per call of `run`.

    `capture` stands for EXEC audit.sp_capture_connection_snapshot: it samples the open sessions in `dw` and commits.
    `pause` returns the seconds that a pipeline's load takes (batch 0) or one of its batches (1, 2, ...).
    """

    dw: Any
    oltp: Any
    dialect: Sqlite
    clock: VirtualClock | RealClock
    capture: Callable[[Any, datetime], None]
    fault: Callable[[str], Fault | None] = lambda entity: None
    pause: Callable[[str, int], float] = lambda entity, batch: 0.0
    retries: int = 5

    def run(self, started_by: str, only: Iterable[str] | None = None) -> int:
        """Load the active pipelines (those in `only`, if given) and return run_id.

        A pipeline's failure is recorded and does not stop the others. Raises the driver's error when the audit
        tables cannot be written.
        """
        controls = self._controls(only)
        started = self.clock.now()
        row = {
            "entities_requested": ",".join(controls)[:500],
            "started_by": started_by[:128],
            "started_at": self.dialect.time(started),
            "status": RunStatus.RUNNING.value,
            "entities_succeeded": 0,
            "entities_failed": 0,
            "created_at": self.dialect.time(started),
        }
        run_id: int = self._retry(lambda: self._insert("audit.etl_run", "run_id", row))
        self._retry(lambda: self.capture(self.dw, self.clock.now()))
        loads = [self._load(run_id, PIPELINES[entity], control, started) for entity, control in controls.items()]
        self._retry(lambda: self.capture(self.dw, self.clock.now()))
        self._retry(lambda: self._finish(run_id, loads))
        return run_id

    def _controls(self, only: Iterable[str] | None) -> dict[str, dict[str, Any]]:
        names = ("entity_name", "watermark_updated_at", "watermark_id", "cutoff_minutes", "batch_size")
        found = self.dw.execute(f"SELECT {', '.join(names)} FROM ctl.etl_control WHERE is_active = 1").fetchall()
        rows = {row[0]: dict(zip(names, row, strict=True)) for row in found}
        wanted = set(only) if only is not None else set(PIPELINES)
        return {entity: rows[entity] for entity in PIPELINES if entity in rows and entity in wanted}

    def _insert(self, table: str, identity: str, row: dict[str, Any]) -> int:
        key = self.dialect.insert(self.dw, table, identity, row)
        self.dw.commit()
        return key

    def _now(self) -> Any:
        return self.dialect.time(self.clock.now())

    def _load(self, run_id: int, pipeline: Pipeline, control: dict[str, Any], started: datetime) -> Load:
        """Load one pipeline and record the result.

        All pipelines share one cutoff, counted from the start of the run. With a later cutoff, a fact could extract a
        row whose dimension row was still too recent when the dimension was loaded.
        """
        load = Load(pipeline.entity, (control["watermark_updated_at"], control["watermark_id"]))
        newest = self.dialect.time(started - timedelta(minutes=control["cutoff_minutes"]))
        now = self._now()
        row = {
            "run_id": run_id,
            "entity_name": load.entity,
            "entity_started_at": now,
            "status": ExecutionStatus.RUNNING.value,
            "extracted_count": 0,
            "upserted_count": 0,
            "soft_deleted_count": 0,
            "watermark_from_updated_at": load.watermark[0],
            "watermark_from_id": load.watermark[1],
            "created_at": now,
            "updated_at": now,
        }
        run_entity_id = self._retry(lambda: self._insert("audit.etl_run_entity", "run_entity_id", row))
        try:
            self._move(pipeline, control["batch_size"], newest, load)
        except Exception as error:  # any error is this pipeline's failure only
            self.dw.rollback()
            load.error = f"{type(error).__name__}: {error}"[:ERROR_LENGTH]
            logger.warning("run %s, %s failed: %s", run_id, load.entity, load.error)
        self._retry(lambda: self._finish_load(run_id, run_entity_id, load))
        return load

    def _move(self, pipeline: Pipeline, batch_size: int, newest: Any, load: Load) -> None:
        """Commit each batch before the next is read. A fault strikes the last batch."""
        fault = self.fault(load.entity)
        self.clock.sleep(self.pause(load.entity, 0))
        batch, last = 0, False
        while not last:
            batch += 1
            rows = extract(self.oltp, self.dialect, pipeline, watermark=load.watermark, newest=newest, rows=batch_size)
            last = len(rows) < batch_size
            load.extracted += len(rows)
            if fault and last and (rows or not fault.in_rows):
                raise fault.error()
            if rows:
                self.clock.sleep(self.pause(load.entity, batch))
                write(self.dw, self.dialect, pipeline, rows, self._now())
                self.dw.commit()
                load.upserted += len(rows)
                load.soft_deleted += sum(row[2] is not None for row in rows)
                load.watermark = (rows[-1][0], rows[-1][1])

    def _finish_load(self, run_id: int, run_entity_id: int, load: Load) -> None:
        """Record the counts. The watermark in ctl moves only after a success."""
        now = self._now()
        status = (ExecutionStatus.FAILED if load.error else ExecutionStatus.SUCCESS).value
        self.dw.execute(
            "UPDATE audit.etl_run_entity SET entity_finished_at = ?, status = ?, extracted_count = ?, "
            "upserted_count = ?, soft_deleted_count = ?, watermark_to_updated_at = ?, watermark_to_id = ?, "
            "error_message = ?, updated_at = ? WHERE run_entity_id = ?",
            (now, status, load.extracted, load.upserted, load.soft_deleted, *load.watermark, load.error or None, now,
             run_entity_id),
        )  # fmt: skip
        changes = {"last_run_id": run_id, "last_status": status, "updated_at": now}
        if not load.error:
            updated_at, key = load.watermark
            changes |= {"watermark_updated_at": updated_at, "watermark_id": key, "last_success_at": now}
        assignments = ", ".join(f"{name} = ?" for name in changes)
        sql = f"UPDATE ctl.etl_control SET {assignments} WHERE entity_name = ?"
        self.dw.execute(sql, (*changes.values(), load.entity))
        self.dw.commit()

    def _finish(self, run_id: int, loads: Sequence[Load]) -> None:
        errors = [load.error for load in loads if load.error]
        succeeded = len(loads) - len(errors)
        status = RunStatus.SUCCESS if not errors else RunStatus.PARTIAL if succeeded else RunStatus.FAILED
        self.dw.execute(
            "UPDATE audit.etl_run SET finished_at = ?, status = ?, entities_succeeded = ?, entities_failed = ?, "
            "error_message = ? WHERE run_id = ?",
            (self._now(), status.value, succeeded, len(errors), " | ".join(errors)[:ERROR_LENGTH] or None, run_id),
        )
        self.dw.commit()

    def _retry(self, record: Callable[[], Any]) -> Any:
        """Write to the audit tables with retries: a short lock must not leave a run `running`."""
        for attempt in range(1, self.retries + 1):
            try:
                return record()
            except Exception as error:
                self.dw.rollback()
                if attempt == self.retries:
                    raise
                logger.warning("audit tables not written (%s), attempt %d of %d", error, attempt, self.retries)
                self.clock.sleep(attempt)


def extract(
    oltp: Any, dialect: Sqlite, pipeline: Pipeline, *, watermark: tuple[Any, int], newest: Any, rows: int
) -> list[Row]:
    sql = f"{pipeline.extract} {dialect.limit(rows)}"
    return [tuple(row) for row in oltp.execute(sql, pipeline.parameters(watermark, newest)).fetchall()]


def write(dw: Any, dialect: Sqlite, pipeline: Pipeline, rows: Sequence[Row], loaded_at: Any) -> None:
    """Upsert extracted rows into the target without a commit. Raises MissingDimensionRow."""
    columns, first = list(pipeline.columns), 3 + len(pipeline.columns)
    found = [
        _look_up(dw, pipeline, lookup, {row[first + number] for row in rows})
        for number, lookup in enumerate(pipeline.lookups)
    ]
    values = []
    for row in rows:
        plain = list(row[3:first])
        if "data_id" in columns:  # the day as a number: 20260310
            day = columns.index("data_id")
            plain[day] = int(str(plain[day])[:10].replace("-", ""))
        keys = [key for known, natural in zip(found, row[first:], strict=True) for key in known[natural]]
        values.append((*plain, *keys, *([loaded_at] if pipeline.loaded_at else [])))
    dw.cursor().executemany(dialect.upsert(pipeline.target, pipeline.target_columns, pipeline.natural_key), values)


def _look_up(dw: Any, pipeline: Pipeline, lookup: Lookup, natural_keys: set[Any]) -> dict[Any, Row]:
    """Return the lookup's columns by natural key. Raises MissingDimensionRow."""
    wanted = sorted(natural_keys)
    found: dict[Any, Row] = {}
    for start in range(0, len(wanted), _LOOKUP_CHUNK):
        chunk = wanted[start : start + _LOOKUP_CHUNK]
        rows = dw.execute(
            f"SELECT {lookup.natural_key}, {', '.join(lookup.sources.values())} FROM {lookup.table} "
            f"WHERE {lookup.natural_key} IN ({marks(chunk)})",
            chunk,
        )
        found.update((row[0], tuple(row[1:])) for row in rows.fetchall())
    if missing := [key for key in wanted if key not in found]:
        raise MissingDimensionRow(
            f"{pipeline.entity}: no row in {lookup.table} with {lookup.natural_key} = {missing[0]}; "
            "load the dimension first"
        )
    return found

"""Forgets what the portal knows of an embedded warehouse that is replaced by another."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.db import connection

from demo.users import refuse_real_warehouse
from monitoring.models import (
    CollectorState,
    PipelineDay,
    PipelineHour,
    PipelineRunDay,
    PipelineSample,
    RunCopy,
    RunEntityCopy,
)


def forget_copies() -> None:
    """Delete samples, copies, their roll-ups and the collector's state: the new warehouse's run numbers start again.

    Raises DemoRefused over a real warehouse.
    """
    refuse_real_warehouse()
    history = (PipelineSample, PipelineHour, PipelineDay, PipelineRunDay, RunEntityCopy, RunCopy)
    for model in (CollectorState, *history):
        model._base_manager.all().delete()


def forget_everything(warehouse: Path) -> None:
    """Delete the embedded warehouse, and the portal's own database if it is a SQLite file.

    Raises DemoRefused over a real warehouse.
    """
    refuse_real_warehouse()
    shutil.rmtree(warehouse, ignore_errors=True)
    if connection.vendor != "sqlite":
        return  # the copies are forgotten when the new warehouse is built
    name = Path(str(connection.settings_dict["NAME"]))
    connection.close()
    for suffix in ("", "-wal", "-shm"):
        name.with_name(name.name + suffix).unlink(missing_ok=True)

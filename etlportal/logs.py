"""What reaches the log: one line per event, and a traceback only where something of ours failed.

LOG_FORMAT=json makes each event one JSON object: time (UTC), level, logger, process, pid, message; request or tick
and page where there is one; what else an event has to say (docs/monitoring/README.md); the traceback as `exception`.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from etlportal import correlation
from etlportal.application import role

FORMATS = ("line", "json")

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}
_CONTROL[ord("\n")], _CONTROL[ord("\r")] = "\\n", "\\r"


def work_of(record: logging.LogRecord) -> correlation.Work | None:
    """Return for whom the event happened. Django tells of some answers when the request is over, and names it."""
    found: correlation.Work | None = getattr(getattr(record, "request", None), "work", None)
    return found or correlation.current()


class LineFormatter(logging.Formatter):
    """A message is one line whatever a visitor typed into it; only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROL)
        line = super().formatMessage(record)
        work = work_of(record)
        return line if work is None else f"{line} ({work.kind} {work.id})"


class JsonFormatter(logging.Formatter):
    """One JSON object per event, in one line."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": role(),
            "pid": record.process,
            "message": record.getMessage(),
        }
        if (work := work_of(record)) is not None:
            event |= {work.kind: work.id, "page": work.page}
        if (status := getattr(record, "status_code", None)) is not None:
            event["status"] = status
        event |= self.more(record)
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)

    def more(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return what this event has to say beside its message: `extra={"fields": {...}}`."""
        return getattr(record, "fields", None) or {}


class AccessFormatter(JsonFormatter):
    """gunicorn's line for each answer. Its arguments are what its documentation calls atoms."""

    ATOMS = {"method": "m", "path": "U", "address": "h", "request": "{x-request-id}o"}
    NUMBERS = {"status": "s", "bytes": "B", "milliseconds": "M"}

    def more(self, record: logging.LogRecord) -> dict[str, Any]:
        atoms: Any = record.args
        if not isinstance(atoms, dict):
            return {}
        texts = {name: atoms.get(atom, "-") for name, atom in self.ATOMS.items()}
        numbers = {name: str(atoms.get(atom, "-")) for name, atom in self.NUMBERS.items()}
        return texts | {name: int(text) if text.isdecimal() else None for name, text in numbers.items()}


def gunicorn_config() -> dict[str, Any]:
    """Return gunicorn's logging as JSON, for its own settings."""
    handlers = {
        name: {"class": "logging.StreamHandler", "formatter": name, "stream": f"ext://sys.{stream}"}
        for name, stream in (("event", "stderr"), ("access", "stdout"))
    }
    return {
        "formatters": {"event": {"()": JsonFormatter}, "access": {"()": AccessFormatter}},
        "handlers": handlers,
        "root": {"handlers": ["event"], "level": "INFO"},
        "loggers": {
            "gunicorn.error": {"handlers": ["event"], "level": "INFO", "propagate": False},
            "gunicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        },
    }


def without_visitors_tracebacks(record: logging.LogRecord) -> bool:
    """A filter: an answer below 500 (forbidden, not found, a bad request) is one line, not a stack of ours."""
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    return True

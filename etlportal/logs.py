"""The request or tick that this process works on, and the log formatters that name it.

Every event is one line, except for a traceback. docs/monitoring/README.md lists the JSON fields.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

Role = Literal["web", "collector", "doctor"]

_role: Role = "web"
_ACCEPTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name_process(role: Role) -> None:
    """Set the role, before the first connection. The default is the web server."""
    global _role  # noqa: PLW0603 - a process has one name
    _role = role


def role() -> Role:
    return _role


def application_name() -> str:
    """Return the program name (`APP=`), by which the connection audit recognises the portal (CONTRACT 6)."""
    return f"etlportal-{_role}"


@dataclass(frozen=True, slots=True)
class Work:
    """One request or tick. `page` is one of a fixed set of names, `id` is unique."""

    kind: Literal["request", "tick"]
    page: str
    id: str


_work: ContextVar[Work | None] = ContextVar("work", default=None)


def current() -> Work | None:
    return _work.get()


@contextmanager
def working(work: Work) -> Iterator[Work]:
    token = _work.set(work)
    try:
        yield work
    finally:
        _work.reset(token)


def new_id() -> str:
    return secrets.token_hex(8)


def accepted(given: str | None) -> str:
    """Return a proxy's id if it has at most 64 safe characters, else a new id."""
    return given if given and _ACCEPTED.fullmatch(given) else new_id()


FORMATS = ("line", "json")

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}
_CONTROL[ord("\n")], _CONTROL[ord("\r")] = "\\n", "\\r"


def work_of(record: logging.LogRecord) -> Work | None:
    """Return the request or tick of the event. Django logs some answers after the request, and attaches it."""
    found: Work | None = getattr(getattr(record, "request", None), "work", None)
    return found or current()


class LineFormatter(logging.Formatter):
    """One line per message, even when user input contains line breaks."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROL)
        line = super().formatMessage(record)
        work = work_of(record)
        return line if work is None else f"{line} ({work.kind} {work.id})"


class JsonFormatter(BaseJsonFormatter):
    RENAMED = {"levelname": "level", "name": "logger", "exc_info": "exception", "status_code": "status"}
    # Django's request object and the parameters of a statement must not reach the log.
    HIDDEN = [*RESERVED_ATTRS, "request", "params"]

    def __init__(self) -> None:
        fields = ["levelname", "name", "message"]
        super().__init__(fields, rename_fields=self.RENAMED, reserved_attrs=self.HIDDEN, timestamp="time")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data |= {"process": role(), "pid": record.process}
        if (work := work_of(record)) is not None:
            log_data |= {work.kind: work.id, "page": work.page}


class AccessFormatter(JsonFormatter):
    """gunicorn's access log. The arguments of its records are what its documentation calls atoms."""

    ATOMS = {"method": "m", "path": "U", "address": "h", "request": "{x-request-id}o"}
    NUMBERS = {"status": "s", "bytes": "B", "milliseconds": "M"}

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        atoms: Any = record.args
        if isinstance(atoms, dict):
            log_data |= {name: atoms.get(atom, "-") for name, atom in self.ATOMS.items()}
            numbers = {name: str(atoms.get(atom, "-")) for name, atom in self.NUMBERS.items()}
            log_data |= {name: int(text) if text.isdecimal() else None for name, text in numbers.items()}


def gunicorn_config() -> dict[str, Any]:
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
    """Filter: drop the traceback of an answer below 500 (forbidden, not found, bad request)."""
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    return True

"""What reaches the log: one line per event, and a traceback only where something of ours failed."""

from __future__ import annotations

import logging

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, 0x85, 0x2028, 0x2029)}
_CONTROL[ord("\n")], _CONTROL[ord("\r")] = "\\n", "\\r"


class LineFormatter(logging.Formatter):
    """A message is one line whatever a visitor typed into it; only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROL)
        return super().formatMessage(record)


def without_visitors_tracebacks(record: logging.LogRecord) -> bool:
    """A filter: an answer below 500 (forbidden, not found, a bad request) is one line, not a stack of ours."""
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    return True

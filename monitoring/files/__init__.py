"""Files for people: rows as CSV, XLSX or JSON lines, a piece at a time, one file at a time for each person."""

from monitoring.files.cells import harmless
from monitoring.files.sheet import MAX_ROWS, MEDIA_TYPES, Sheet
from monitoring.files.slots import Busy, slot
from monitoring.files.stream import send

__all__ = ["MAX_ROWS", "MEDIA_TYPES", "Busy", "Sheet", "harmless", "send", "slot"]

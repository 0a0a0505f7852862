"""django-tables2 tables: one column class draws a cell in HTML and says what an export holds."""

from monitoring.tables.base import PortalTable
from monitoring.tables.failures import FailuresTable
from monitoring.tables.matrix import MatrixTable

__all__ = ["FailuresTable", "MatrixTable", "PortalTable"]

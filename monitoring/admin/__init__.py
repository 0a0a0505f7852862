"""The read-only drill-down of the warehouse, and the portal's own tables."""

from monitoring.admin import accounts, portal, warehouse

__all__ = ["accounts", "portal", "warehouse"]

"""The read-only drill-down of the warehouse, and the portal's own tables."""

from monitoring.admin import accounts, group_scope, portal, trail, warehouse

__all__ = ["accounts", "group_scope", "portal", "trail", "warehouse"]

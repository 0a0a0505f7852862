"""The read-only drill-down of the warehouse, and the portal's own tables."""

from monitoring.admin import portal, trail, warehouse

__all__ = ["portal", "trail", "warehouse"]

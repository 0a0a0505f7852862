from monitoring.admin import accounts, portal, warehouse

__all__ = ["accounts", "portal", "warehouse"]

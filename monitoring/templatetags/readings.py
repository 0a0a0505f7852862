"""The tag library `readings`: see monitoring/web/readings.py."""

from monitoring.web.readings import register

__all__ = ["register"]

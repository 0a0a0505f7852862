"""The tag library `sentences`: see monitoring/web/texts.py."""

from monitoring.web.texts import register

__all__ = ["register"]

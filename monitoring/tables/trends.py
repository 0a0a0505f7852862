"""The points of a pipeline's trends, as a file."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from monitoring.tables.base import Column, PortalTable, TimeColumn


class TrendsTable(PortalTable):
    """One row per point. Lowest and highest are empty where a point is a value itself."""

    figure = Column(verbose_name=_("Figure"), orderable=False)
    at = TimeColumn(verbose_name=_("When"), orderable=False)
    value = Column(verbose_name=_("Value or average"), orderable=False)
    low = Column(verbose_name=_("Lowest"), orderable=False)
    high = Column(verbose_name=_("Highest"), orderable=False)
    stands_for = Column(verbose_name=_("What it stands for"), orderable=False)

    @staticmethod
    def key(row: object) -> int:
        """Every row is where it belongs."""
        return 0

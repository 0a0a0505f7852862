"""Tables whose rows come in the database's order, a page at a time by key (selectors/keyset.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import django_tables2
from django_tables2.data import TableListData

from monitoring.tables.base import PortalTable


class KeptRows(TableListData):
    """Rows that the database has sorted already."""

    def order_by(self, aliases: Iterable[str]) -> None:
        """Keep the order: the page's rows are only a part of the list."""


class PagedTable(PortalTable):
    """A table over one page of a longer list. A header sorts the whole list, through the address."""

    def __init__(self, rows: Iterable[Any], **kwargs: Any) -> None:
        django_tables2.Table.__init__(self, data=KeptRows(list(rows)), **kwargs)

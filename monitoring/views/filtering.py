"""What components/filters.html needs: a table's form, and the part of the address that is the other blocks'."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from monitoring.filters import TableForm


def filters(request: HttpRequest, form: TableForm, label: str, page: str) -> dict[str, Any]:
    """Return the template's variables for a form on the page at `page`; `label` names it to screen readers."""
    carried = form.others(request.GET)
    clear = f"{page}?{urlencode(carried)}" if carried else page
    return {"form": form, "filter_label": label, "action": page, "carried": carried, "clear": clear}

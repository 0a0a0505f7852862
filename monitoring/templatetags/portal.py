"""The portal's tags, loaded into every template (settings: builtins). What they draw is in parts.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django_tables2.columns import BoundColumn

from monitoring.accounts.browsers import browser_name
from monitoring.web import graphics, parts
from monitoring.web.parts import (
    age,
    duration,
    elapsed,
    icon,
    none,
    number,
    percent,
    rate,
    rows,
    status,
    unknown,
    value,
    when,
)

__all__ = [
    "age",
    "duration",
    "elapsed",
    "icon",
    "none",
    "number",
    "percent",
    "rate",
    "rows",
    "status",
    "unknown",
    "value",
    "when",
]

register = template.Library()

for function in (age, duration, elapsed, icon, none, number, percent, rate, rows, status, unknown, value, when):
    register.simple_tag(function)
register.simple_tag(parts.help_button, name="help")
register.simple_tag(graphics.sparkline)
register.simple_tag(graphics.day_bars)
register.simple_tag(graphics.progress)

MESSAGE_TONES = {"success": "ok", "error": "failed", "warning": "warning"}


@register.filter
def cell_attrs(column: BoundColumn) -> SafeString:
    """The attributes of a column's cells: put together once per table, as no column's depend on the row."""
    made: SafeString | None = getattr(column, "made_cell_attrs", None)
    if made is None:
        made = column.made_cell_attrs = column.attrs["td"].as_html()
    return made


@register.filter
def browser(user_agent: str) -> str:
    """The browser of a User-Agent header in a few words; "" where it is none that is known."""
    return browser_name(user_agent or "")


@register.filter
def tone(level_tag: str) -> str:
    """The tone of a message of django.contrib.messages."""
    return MESSAGE_TONES.get(level_tag, "info")


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    *,
    help: str = "",
    id: str = "",
    span: int | str = "",
    note: str = "",
    actions: str = "",
) -> SafeString:
    """A titled surface; `span` is its width in the page's 12 columns."""
    context = {
        "content": content,
        "title": title,
        "help": help,
        "id": id,
        "span": span,
        "note": note,
        "actions": actions,
    }
    return render_to_string("components/card.html", context)


@register.simple_block_tag
def callout(content: str, tone: str = "info", title: str = "", id: str = "") -> SafeString:
    """A message that stands out, in a tone."""
    return render_to_string("components/callout.html", {"content": content, "tone": tone, "title": title, "id": id})


@register.simple_block_tag
def state(content: str, kind: str = "empty", title: str = "") -> SafeString:
    """What a block shows when it has nothing to show: empty, stale, partial, failed, unknown, loading."""
    return render_to_string("components/state.html", {"content": content, "kind": kind, "title": title})


@register.simple_block_tag
def disclosure(content: str, summary: str = "", id: str = "", open: bool = False) -> SafeString:
    """Details under a summary. With an id it stays open over refreshes."""
    context = {"content": content, "summary": summary, "id": id, "open": open}
    return render_to_string("components/disclosure.html", context)


@register.simple_block_tag
def chart(content: str, id: str, data: Mapping[str, Any], label: str, height: str = "md") -> SafeString:
    """A chart that static/js/charts.js draws from `data`; `label` is its sentence, `content` its table."""
    context = {
        "content": content,
        "id": id,
        "data": json_script(data, f"{id}-data"),
        "label": label,
        "height": height,
    }
    return render_to_string("components/chart.html", context)

"""The portal's tags, loaded into every template (settings: builtins)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django_tables2.columns import BoundColumn

from monitoring.web import graphics, parts
from monitoring.web.browsers import browser_name

register = template.Library()

for tag in (
    *(parts.age, parts.duration, parts.elapsed, parts.icon, parts.none, parts.number, parts.percent),
    *(parts.rate, parts.rows, parts.status, parts.unknown, parts.value, parts.when),
    *(graphics.sparkline, graphics.day_bars, graphics.progress),
):
    register.simple_tag(tag)
register.simple_tag(parts.help_button, name="help")

MESSAGE_TONES = {"success": "ok", "error": "failed", "warning": "warning"}


@register.filter
def cell_attrs(column: BoundColumn) -> SafeString:
    """Return the attributes of a column's cells, made once per table."""
    made: SafeString | None = getattr(column, "made_cell_attrs", None)
    if made is None:
        made = column.made_cell_attrs = column.attrs["td"].as_html()
    return made


@register.filter
def browser(user_agent: str) -> str:
    """Return the name of a User-Agent header's browser, "" if it is unknown."""
    return browser_name(user_agent or "")


@register.filter
def tone(level_tag: str) -> str:
    """Return the tone of a message of django.contrib.messages."""
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
    context = {"content": content, "title": title, "help": help, "id": id, "span": span, "note": note}
    return render_to_string("components/card.html", {**context, "actions": actions})


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
    context = {"content": content, "id": id, "data": json_script(data, f"{id}-data"), "label": label, "height": height}
    return render_to_string("components/chart.html", context)

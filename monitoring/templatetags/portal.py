"""The portal's tags, loaded into every template (settings: builtins)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django_tables2.columns import BoundColumn

from monitoring.web import graphics, parts, readings

register = template.Library()

for tag in (
    *(parts.age, parts.duration, parts.elapsed, parts.icon, parts.none, parts.number, parts.percent),
    *(parts.pipeline_link, parts.rate, parts.rows, parts.run_link, parts.status, parts.unknown, parts.when),
    *(graphics.sparkline, graphics.day_bars, graphics.progress, graphics.grid_cell, graphics.grid_run),
):
    register.simple_tag(tag)
register.simple_tag(parts.help_button, name="help")
register.simple_tag(readings.draw, name="reading")
register.simple_tag(readings.mark, name="last_known")

BROWSERS = {
    "Edg": "Edge",
    "EdgA": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "HeadlessChrome": "Chrome",
    "Chrome": "Chrome",
    "Version": "Safari",
}
"""The first match counts, because most browsers also claim to be others. "Version" is Safari's only with "Safari"."""
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
MESSAGE_TONES = {"success": "ok", "error": "failed", "warning": "warning"}


@register.filter
def cell_attrs(column: BoundColumn) -> SafeString:
    made: SafeString | None = getattr(column, "made_cell_attrs", None)
    if made is None:
        made = column.made_cell_attrs = column.attrs["td"].as_html()
    return made


@register.filter
def browser(user_agent: str) -> str:
    """Return for example "Firefox 140, Windows" for a User-Agent header; "" for an unknown browser."""
    system = next((name for part, name in SYSTEMS.items() if part in user_agent), "")
    for part, name in BROWSERS.items():
        found = re.search(rf"\b{part}/(\d+)", user_agent)
        if found and (name != "Safari" or "Safari/" in user_agent):
            return f"{name} {found[1]}, {system}" if system else f"{name} {found[1]}"
    return ""


@register.filter
def tone(level_tag: str) -> str:
    return MESSAGE_TONES.get(level_tag, "info")


@register.simple_block_tag
def card(content: str, title: str = "", *, help: str = "", id: str = "", span: str = "", note: str = "") -> SafeString:
    """A titled surface; `span` is its width in the page's 12 columns."""
    context = {"content": content, "title": title, "help": help, "id": id, "span": span, "note": note}
    return render_to_string("components/card.html", context)


@register.simple_block_tag
def callout(content: str, tone: str = "info", title: str = "") -> SafeString:
    return render_to_string("components/callout.html", {"content": content, "tone": tone, "title": title})


@register.simple_block_tag
def state(content: str, kind: str = "empty", title: str = "") -> SafeString:
    """What a block shows when it has nothing to show: empty, stale, partial, failed, unknown, loading."""
    return render_to_string("components/state.html", {"content": content, "kind": kind, "title": title})


@register.simple_block_tag
def disclosure(content: str, summary: str = "", id: str = "") -> SafeString:
    """Details under a summary. With an id it stays open over refreshes."""
    return render_to_string("components/disclosure.html", {"content": content, "summary": summary, "id": id})


@register.simple_block_tag
def chart(content: str, id: str, data: Mapping[str, Any], label: str, height: str = "md") -> SafeString:
    """A chart that static/js/charts.js draws from `data`; `label` is its sentence, `content` its table."""
    context = {"content": content, "id": id, "data": json_script(data, f"{id}-data"), "label": label, "height": height}
    return render_to_string("components/chart.html", context)

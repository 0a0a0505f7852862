"""A sentence of wording (wording/text.py) as HTML: names become links, moments tick in the browser.

`{% load sentences %}` then `{% sentence text %}`.
"""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.web import parts
from monitoring.web.parts import remembered
from monitoring.web.texts import Part, Text

register = template.Library()


@register.simple_tag(name="sentence")
def draw(text: Text | str) -> SafeString:
    """Return the sentence as HTML. Plain text is escaped."""
    if not isinstance(text, Text):
        return format_html("{}", text)
    return format_html_join("", "{}", ((_part(part),) for part in text.parts))


@register.simple_tag(name="pipeline_link")
@remembered
def pipeline_link(name: str) -> SafeString:
    """Return a pipeline's name as a link to its page."""
    return format_html('<a class="entity" href="{}">{}</a>', reverse("monitoring:pipeline", args=(name,)), name)


@register.simple_tag
@remembered
def run_link(run_id: int | None) -> SafeString:
    """Return a run's number as a link to its page; the dash where there is no run."""
    if run_id is None:
        return parts.none(gettext("no run yet"))
    return format_html('<a href="{}" class="figure">#{}</a>', reverse("monitoring:run", args=(run_id,)), run_id)


def _part(part: Part) -> SafeString:
    if part.kind == "entity":
        return pipeline_link(part.text)
    if part.kind == "age" and part.at is not None:
        return parts.elapsed(part.at)
    if part.kind == "time" and part.at is not None:
        return parts.when(part.at)
    return format_html("{}", part.text)

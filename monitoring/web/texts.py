"""Sentences that hold links and ticking times: a Text is a tuple of Parts, drawn as HTML by `{% sentence text %}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from monitoring.web import parts
from monitoring.web.formats import duration, moment
from monitoring.web.parts import remembered

Kind = Literal["text", "entity", "age", "time"]

_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence; `text` is never markup.

    Kind "entity" is a pipeline's name to link, "time" the moment `at`, "age" the time since `at` (it ticks).
    """

    text: str
    kind: Kind = "text"
    at: datetime | None = None

    @property
    def iso(self) -> str:
        """The moment for a `datetime` attribute, empty without one."""
        return self.at.isoformat() if self.at else ""


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence in the language that was active when it was made."""

    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        """The words with every moment written out, also where an age would tick."""
        return "".join(part.text for part in self.parts)

    def __bool__(self) -> bool:
        return bool(str(self))

    def __add__(self, other: Text) -> Text:
        return Text(self.parts + other.parts)

    def plain(self, now: datetime) -> str:
        """Return the words as of `now`, with ages: for mails, logs and exports."""
        return "".join(
            duration((now - part.at).total_seconds()) if part.kind == "age" and part.at else part.text
            for part in self.parts
        )


def entity(name: str) -> Part:
    """Return a pipeline's name as a part to be linked."""
    return Part(name, "entity")


def age(at: datetime) -> Part:
    """Return the time passed since `at`; its text is that moment, until a script lets it tick."""
    return Part(moment(at), "age", at)


def time(at: datetime) -> Part:
    """Return the moment `at` in the reader's zone."""
    return Part(moment(at), "time", at)


def text(template: Any, values: Mapping[str, Any] | None = None) -> Text:
    """Return `template % values` as a Text. Values may be words, Parts and Texts.

    `template` is a (lazy) translated string with `%(name)s` places; with no values it is taken as
    it stands. The translation may put the places in any order.
    """
    if not values:
        return Text((Part(str(template)),))
    marked: list[Text] = []
    words: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Part | Text):
            words[name] = f"{_OPEN}{len(marked)}{_CLOSE}"
            marked.append(Text((value,)) if isinstance(value, Part) else value)
        else:
            words[name] = str(value).replace(_OPEN, "").replace(_CLOSE, "")
    pieces = _MARK.split(str(template) % words)
    parts: list[Part] = []
    for position, piece in enumerate(pieces):
        if position % 2:
            parts.extend(marked[int(piece)].parts)
        elif piece:
            parts.append(Part(piece))
    return Text(tuple(parts))


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

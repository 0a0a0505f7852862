"""Checks on every HTML response of the portal.

It contains no code that the Content-Security-Policy would refuse, its elements are nested correctly, and its ids are
unique.
"""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
OPTIONAL_END = frozenset(
    {"p", "li", "dt", "dd", "option", "optgroup", "thead", "tbody", "tfoot", "tr", "td", "th", "colgroup", "rt", "rp"}
)
DATA_SCRIPTS = frozenset({"application/json", "application/ld+json"})
URL_ATTRIBUTES = frozenset({"href", "src", "action", "formaction", "xlink:href"})
EVENT_LIKE = frozenset({"hx-on", "data-hx-on"})


class _Auditor(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.open: list[tuple[str, int]] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._audit(tag, attrs)
        if tag not in VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._audit(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        while self.open and self.open[-1][0] != tag and self.open[-1][0] in OPTIONAL_END:
            self.open.pop()
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            expected = "nothing is open" if not self.open else "<{}> of line {} is open".format(*self.open[-1])
            self._report(f"</{tag}> where {expected}")

    def finish(self) -> list[str]:
        left = [entry for entry in self.open if entry[0] not in OPTIONAL_END]
        self.problems += [f"line {line}: <{tag}> is never closed" for tag, line in left]
        return self.problems

    def _report(self, text: str) -> None:
        self.problems.append(f"line {self.getpos()[0]}: {text}")

    def _audit(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if len(values) != len(attrs):
            self._report(f"<{tag}> repeats an attribute")
        if tag == "style":
            self._report("inline <style>")
        if tag == "script" and not values.get("src") and values.get("type") not in DATA_SCRIPTS:
            self._report("inline <script>")
        for name, value in attrs:
            if name == "style":
                self._report(f'style="{value}" on <{tag}>')
            if name.startswith("on") or name.split(":")[0] in EVENT_LIKE:
                self._report(f"inline handler {name} on <{tag}>")
            if name in URL_ATTRIBUTES and (value or "").strip().lower().startswith("javascript:"):
                self._report(f"javascript: address in {name} of <{tag}>")
        identity = values.get("id")
        if identity is not None:
            if not identity or identity in self.ids:
                self._report(f"id {identity!r} is empty or used twice (<{tag}>)")
            self.ids.add(identity)


def audit(html: str) -> list[str]:
    """Return what is wrong with a page or a fragment, one line per problem; empty: nothing."""
    auditor = _Auditor()
    auditor.feed(html)
    auditor.close()
    return auditor.finish()

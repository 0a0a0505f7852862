"""Apply a response as htmx would and compare the page with a reload.

The unit is the `<live-block name=...>` of monitoring/web/blocks.py: a response to htmx or live.js has one or more of
them, and each replaces the block of its name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.support.html import VOID

BLOCK = "live-block"
IGNORED = {("input", "csrfmiddlewaretoken")}
"""(tag, name) whose value differs at every rendering by design."""
TOKEN = "hx-headers"
"""The attribute with the CSRF token, which differs at every rendering, too."""

FRESHNESS = "live"
"""The id of the part that live.js keeps up to date from the answer's headers, not from HTML."""


@dataclass
class Node:
    """An element: its tag, attributes, and children (elements and texts)."""

    tag: str
    attrs: dict[str, str | None] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def find_all(self, tag: str) -> list[Node]:
        """Return every element of that tag under this one, in document order."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                found += [child] if child.tag == tag else []
                found += child.find_all(tag)
        return found

    def find(self, **attrs: str) -> Node | None:
        """Return the first element under this one with all these attributes (`id="x"`, `name="y"`)."""
        for child in self.children:
            if isinstance(child, Node):
                if all(child.attrs.get(name) == value for name, value in attrs.items()):
                    return child
                if (found := child.find(**attrs)) is not None:
                    return found
        return None

    @property
    def text(self) -> str:
        """All text under this element, blanks squeezed."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())

    def lines(self, depth: int = 0) -> list[str]:
        """Return a normal form, one line per element and text, for comparing."""
        if (self.tag, self.attrs.get("name") or "") in IGNORED or self.attrs.get("id") == FRESHNESS:
            return []
        if self.tag == "datalist":
            return []  # suggestions for typing; they are of the last load
        if self.tag == "time" and "data-ticked" in self.attrs:
            return []  # live.js moves these, also when no block changed
        if "data-ticked" in self.attrs:  # live.js moves it on, also where the block stays
            return []
        attrs = "".join(f' {name}="{value}"' for name, value in sorted(self.attrs.items()) if name != TOKEN)
        lines = [f"{'  ' * depth}<{self.tag}{attrs}>"]
        for child in self.children:
            if isinstance(child, Node):
                lines += child.lines(depth + 1)
            elif squeezed := " ".join(child.split()):
                lines.append("  " * (depth + 1) + squeezed)
        return lines


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("#root")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if any(node.tag == tag for node in self._open[1:]):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parse(html: str) -> Node:
    """Return the tree of a page or a fragment."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


def blocks(html: str) -> dict[str, Node]:
    """Return the live blocks of a page or an answer by name."""
    return {str(node.attrs["name"]): node for node in parse(html).find_all(BLOCK)}


def version(page: HttpResponse) -> str:
    """Return the version of a page, which live.js sends as X-Live."""
    box = parse(page.content.decode()).find(id="live")
    assert box is not None
    return str(box.attrs["data-live-version"])


def apply(page: str, answer: str) -> Node:
    """Return the page's tree with the answer's blocks in the place of its own.

    Raises AssertionError for a block that the page does not have, and for anything outside blocks.
    """
    tree = parse(page)
    on_page = {node.attrs["name"]: node for node in tree.find_all(BLOCK)}
    for piece in parse(answer).children:
        if isinstance(piece, str):
            assert not piece.strip(), f"text outside a block: {piece.strip()[:100]!r}"
            continue
        assert piece.tag == BLOCK, f"<{piece.tag}> outside a block"
        target = on_page.get(piece.attrs["name"])
        assert target is not None, f"the page has no block {piece.attrs['name']!r}"
        target.attrs, target.children = piece.attrs, piece.children
    return tree


def assert_same(swapped: Node, fresh: str) -> None:
    """Fail with a readable difference when the swapped page is not what a reload gives."""
    left, right = swapped.lines(), parse(fresh).lines()
    difference = list(difflib.unified_diff(left, right, "swapped", "reloaded", lineterm="", n=1))
    assert not difference, "\n".join(difference[:60])


def refresh(client: Client, page: HttpResponse, url: str, shown: str | None = None, **headers: str) -> HttpResponse:
    """Ask as live.js does. `shown`: the version of the last answer, if it is not that of `page`."""
    return client.get(url, headers={"X-Live": version(page) if shown is None else shown, **headers})


def assert_refresh_equals_reload(client: Client, page: HttpResponse, url: str) -> HttpResponse:
    """Refresh `page`, swap the answer in, compare with a fresh load; return the refresh's answer."""
    answer = refresh(client, page, url)
    assert answer.status_code in (200, 204), answer.status_code
    assert_same(apply(page.content.decode(), answer.content.decode()), client.get(url).content.decode())
    return answer


def swap(client: Client, page: HttpResponse, url: str, block: str, **headers: Any) -> tuple[HttpResponse, Node]:
    """Ask `url` for one block as htmx does; return the answer and the page with it swapped in."""
    answer = client.get(url, headers={"HX-Request": "true", "HX-Target": block, **headers})
    return answer, apply(page.content.decode(), answer.content.decode())

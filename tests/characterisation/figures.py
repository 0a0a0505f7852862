"""The content of a page or an export without its markup: figures by name.

Tags, classes, ids, attributes and blanks do not matter. What matters is the text under each heading, each table's
cells by row and column, each description list's values by term, and the data of charts.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from openpyxl import load_workbook

from tests.support.htmx import Node, parse

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
INLINE = frozenset({"a", "abbr", "b", "bdi", "button", "code", "data", "em", "i", "kbd", "label", "mark", "q", "s",
                    "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"})  # fmt: skip
UNSEEN = frozenset({"script", "style", "template", "datalist", "noscript", "#comment"})
FOLDER = re.compile(r"/[^ =;]*/etlportal-test-[^/]+/")
"""Where this test run keeps its warehouse."""
TRIED = re.compile(r"Seen at [^.]*\. The portal tries again every ten seconds\. Reload the page\.")
"""Shown for ten real seconds after a database was tried."""
Figures = dict[str, Any]


def of_page(html: str) -> Figures:
    """Return the figures of a whole page (of its <main>, and its title)."""
    tree = parse(html)
    titles, mains = tree.find_all("title"), tree.find_all("main")
    reader = _Reader()
    reader.read(mains[0] if mains else tree)
    return {"title": titles[0].text if titles else "", **reader.figures()}


def of_file(content: bytes) -> list[list[str]]:
    """Return the rows of a CSV or XLSX file, header first."""
    if content[:2] == b"PK":
        sheets = load_workbook(io.BytesIO(content), read_only=True)
        return [["" if cell is None else str(cell) for cell in row] for sheet in sheets for row in sheet.values]
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


class _Reader:
    def __init__(self) -> None:
        self.section = "top"
        self.texts: dict[str, list[str]] = {}
        self.named: Figures = {}
        self._line: list[str] = []

    def figures(self) -> Figures:
        self._end_line()
        return {"text": self.texts, **self.named}

    def read(self, node: Node) -> None:
        for child in node.children:
            if isinstance(child, str):
                self._line.append(child)
            else:
                self._element(child)

    def _element(self, node: Node) -> None:
        if node.tag == "script" and node.attrs.get("type") == "application/json":
            self._name("chart data", _json(node))
        if node.tag in UNSEEN:
            return
        if node.tag in HEADINGS:
            self._end_line()
            self.section = _text(node) or self.section
            self._line.append(self.section)
            self._end_line()
            return
        before = self.section
        if node.tag == "section" and node.attrs.get("aria-label"):
            self._end_line()
            self.section = str(node.attrs["aria-label"])
        if node.tag == "table":
            self._end_line()
            self._name("table", _table(node))
            return
        if node.tag == "dl":
            self._end_line()
            self._name("values", _pairs(node))
            return
        if node.tag == "svg":
            self._line.append(f" {node.attrs.get('aria-label') or ''} ")
            self._line += [f" {each.text} " for each in (*node.find_all("title"), *node.find_all("text"))]
            return
        if node.tag not in INLINE:
            self._end_line()
        self.read(node)
        self._line.append(_exact_time(node) or " ")
        if node.tag not in INLINE:
            self._end_line()
        if node.tag == "section":
            self.section = before

    def _name(self, kind: str, value: Any) -> None:
        name, number = f"{kind} of {self.section}", 2
        while name in self.named:
            name, number = f"{kind} {number} of {self.section}", number + 1
        self.named[name] = value

    def _end_line(self) -> None:
        if line := _squeezed("".join(self._line)):
            self.texts.setdefault(self.section, []).append(line)
        self._line = []


def _squeezed(text: str) -> str:
    return TRIED.sub("", FOLDER.sub("(folder)/", " ".join(text.split()))).strip()


def _text(node: Node) -> str:
    """The text of an element, with exact times, chart labels, and blanks where blocks end."""
    inner = _Reader()
    inner.read(node)
    found = inner.figures()
    parts = [line for lines in found.pop("text").values() for line in lines]
    return _squeezed(" ".join([*parts, *(json.dumps(value, ensure_ascii=False) for value in found.values())]))


def _exact_time(node: Node) -> str:
    """Return the time of a <time> element whose text is only an age."""
    exact = node.attrs.get("datetime") if node.tag == "time" else None
    return f" [{exact.replace('+00:00', 'Z')}] " if exact else ""


def _table(table: Node) -> dict[str, dict[str, str]]:
    rows = [(row, [each for each in row.children if isinstance(each, Node) and each.tag in {"td", "th"}])
            for row in table.find_all("tr")]  # fmt: skip
    headers: list[str] = []
    found: dict[str, dict[str, str]] = {}
    for _, cells in rows:
        if cells and all(cell.tag == "th" for cell in cells):
            headers = [_text(cell) for cell in cells]
            continue
        texts = [_text(cell) for cell in cells]
        labels = [text for cell, text in zip(cells, texts, strict=True) if cell.tag == "th"] or texts
        label, number = next((each for each in labels if each), ""), 2
        while label in found:
            label, number = f"{labels[0]} ({number})", number + 1
        names = [header or f"column {place + 1}" for place, header in enumerate(headers)]
        names += [f"column {place + 1}" for place in range(len(names), len(texts))]
        found[label] = dict(zip(names, texts, strict=False))
    return found


def _pairs(node: Node) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for each in _in_order(node):
        text = _text(each)
        if each.tag == "dt":
            name = text
        else:
            found[name] = f"{found[name]} · {text}" if name in found else text
    return found


def _in_order(node: Node) -> list[Node]:
    found = []
    for child in node.children:
        if isinstance(child, Node):
            found += [child] if child.tag in {"dt", "dd"} else _in_order(child)
    return found


def _json(node: Node) -> Any:
    return json.loads("".join(child for child in node.children if isinstance(child, str)))


FINGERPRINT = re.compile(r"/runs/failures/([0-9a-f]{16})/")


def fingerprints(html: str) -> list[str]:
    """The failure groups that a page links to, in its order."""
    return list(dict.fromkeys(FINGERPRINT.findall(html)))

"""Find words in templates that are not marked for translation."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from django.template.base import Lexer, TokenType

SHOWN = frozenset({"title", "aria-label", "alt", "placeholder", "aria-description", "label", "data-confirm", "content"})
NOT_PROSE = frozenset({"code", "script", "style", "kbd", "samp", "symbol", "svg"})
NAMES = re.compile(r"\b(ETL Portal|ETL|UTC|DW|OLTP|SQL Server|SQL|CSV|XLSX|JSON|GET|POST|Excel|id|width=device\S*)\b")
OBJECT = re.compile(r"\b[a-z]+\.[a-z_]+\b")
"""A table's name, `ctl.etl_control`: the same in every language."""
ATTRIBUTES = re.compile(r"""(\s*[\w-]+=("[^"]*"|'[^']*'))+\s*""")
"""A block that fills a tag of its parent template."""
WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
BLOCKS = {"blocktranslate": "endblocktranslate", "blocktrans": "endblocktrans", "comment": "endcomment"}


def unmarked(template: str) -> list[str]:
    """Return the visible texts and attributes of a template that no translation tag holds."""
    parser = _Words()
    parser.feed(_literal(template))
    parser.close()
    return parser.found


def _literal(template: str) -> str:
    """Return the template's own text: tags, variables and translated blocks left out."""
    kept: list[str] = []
    until = ""
    for token in Lexer(template).tokenize():
        if token.token_type is TokenType.BLOCK:
            word = token.contents.split()[0]
            if until and word == until:
                until = ""
            elif not until:
                until = BLOCKS.get(word, "")
        elif token.token_type is TokenType.TEXT and not until:
            kept.append(token.contents)
    return "".join(kept)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in NOT_PROSE:
            self._silent.append(tag)
        shown = SHOWN - {"content"} if tag != "meta" else {"content"} if ("name", "description") in attrs else set()
        for name, value in attrs:
            if name in shown:
                self._look(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            self._silent.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._look(data)

    def _look(self, text: str) -> None:
        if ATTRIBUTES.fullmatch(text):
            return
        if WORD.search(NAMES.sub("", OBJECT.sub("", text))):
            self.found.append(" ".join(text.split()))

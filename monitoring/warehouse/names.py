"""Names of tables and columns: parsed, validated and quoted. No other module quotes names.

Control rows contain table names as free text. Anything but `schema.table` or `[schema].[table]` is refused here and
never becomes part of a statement.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

MAX_TEXT = 200
"""Maximum length of a table name in ctl.etl_control (CONTRACT: VARCHAR(200))."""

MAX_PART = 128
"""Maximum length of a SQL Server identifier."""

# A regular identifier of T-SQL, without those that start with # or @ (temporary tables and variables).
_REGULAR = r"[^\W\d][\w@#$]*"
_BRACKETED = r"\[(?:[^\[\]]|\]\])+\]"
_PART = rf"(?:{_REGULAR}|{_BRACKETED})"
_BLANK = r"[ \t\r\n]*"
_TABLE = re.compile(rf"{_BLANK}({_PART}){_BLANK}\.{_BLANK}({_PART}){_BLANK}")
_COLUMN = re.compile(rf"{_BLANK}({_PART}){_BLANK}")


class InvalidName(ValueError):
    """`text`: the refused text, cut at 200 characters."""

    def __init__(self, text: str) -> None:
        super().__init__("not a name of the form schema.table")
        self.text = text[:MAX_TEXT]


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table as typed. `database`: set only for the table behind a synonym."""

    schema: str
    table: str
    database: str = ""

    def __str__(self) -> str:
        return f"{self.database}.{self.schema}.{self.table}" if self.database else f"{self.schema}.{self.table}"

    @property
    def key(self) -> tuple[str, str]:
        """Return the same key for all spellings of a table of the contract."""
        return (self.schema.casefold(), self.table.casefold())


@cache
def folding(case_sensitive: bool, accent_sensitive: bool) -> Callable[[str], str]:
    """Return the function that makes names equal where a database compares them as equal."""

    def fold(name: str) -> str:
        if not case_sensitive:
            name = name.casefold()
        if not accent_sensitive:
            name = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
        return name

    return fold


USUAL = folding(case_sensitive=False, accent_sensitive=True)
"""The usual SQL Server collations ignore case, but not accents."""


def parse_table(text: str | None) -> TableName:
    """Raises InvalidName unless `text` has exactly two valid parts."""
    schema, table = _parts(_TABLE, text, MAX_TEXT)
    return TableName(schema, table)


def parse_column(text: str | None) -> str:
    """Raises InvalidName unless `text` is exactly one valid part."""
    return _parts(_COLUMN, text, MAX_PART + 2)[0]


def _parts(pattern: re.Pattern[str], text: str | None, longest: int) -> list[str]:
    text = text or ""
    match = pattern.fullmatch(text) if len(text) <= longest else None
    if match is None:
        raise InvalidName(text)
    parts = [part[1:-1].replace("]]", "]") if part.startswith("[") else part for part in match.groups()]
    # isprintable() refuses control characters, line breaks, lone surrogates and invisible format characters.
    if not all(part.strip() and len(part) <= MAX_PART and part.isprintable() for part in parts):
        raise InvalidName(text)
    return parts


def bracketed(name: str) -> str:
    return _quoted(name, "[", "]")


def double_quoted(name: str) -> str:
    """Return a name quoted for SQLite, which has no escape inside brackets."""
    return _quoted(name, '"', '"')


def _quoted(name: str, opening: str, closing: str) -> str:
    """Quote a name, which may be unparsed from a catalog. `%` is doubled for Django's parameter style."""
    if not name or len(name) > MAX_PART or not name.isprintable():
        raise InvalidName(name)
    return opening + name.replace(closing, closing * 2).replace("%", "%%") + closing

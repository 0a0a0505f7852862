"""The diagnostics in a driver's text: its SQLSTATE, native number, severity and words, whichever driver wrote it.

Known shapes: pyodbc's tuple of SQLSTATE and ODBC text (several diagnostics joined by "; "), the same inside
SQLAlchemy's wrapping, pymssql's tuple of number and DB-Library text, PHP's `SQLSTATE[...]`, what
Management Studio prints ("Msg 2627, Level 14", in the server's languages), SqlClient's "Error Number:...",
Java's and Spring's. Each pattern is bounded, so that the cost of a message does not depend on its shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_EXCEPTION = re.compile(r"^\s*(?:[A-Za-z_]\w*\.)*([A-Z]\w*|\w+(?:error|exception))(?:\s*:\s+(?=\S)|(?=\())")
_WRAPPED_IN = re.compile(r"^\((?:[A-Za-z_]\w*\.){1,5}[A-Za-z_]\w*\)\s+")
_STATEMENT = re.compile(r"(?:\n|\\n)\[(?:SQL|parameters): |(?:\n|\\n)\(Background on this error at: ")
_TUPLE = re.compile(r"^\(\s*(?:'[0-9A-Z]{5}'|-?\d{1,10})\s*,\s*b?(?P<quote>['\"])")
_ODBC_PART = re.compile(r";\s+(?=\[[0-9A-Z]{5}\]\s*\[)")
_VENDOR = (
    r"\[(?:Microsoft|unixODBC|iODBC|FreeTDS|DBNETLIB|DBMSLPCN|SQL Server[^\[\]]{0,60}"
    r"|[^\[\]]{0,60}(?:Driver|Client|Provider)[^\[\]]{0,60})\]"
)
_ODBC_HEAD = re.compile(rf"(?:SQLSTATE)?\[(?P<state>[0-9A-Z]{{5}})\]:?\s*(?:{_VENDOR}\s*){{0,6}}")
_ODBC_TAIL = re.compile(r"(?:\((?P<number>-?\d{1,10})\))?(?: ?\((?P<function>SQL\w{1,40})\))?$")
_TAIL_LENGTH = 60
_SERVER = "[SQL Server]"
_PRINTED = re.compile(
    r"\b(?:Msg|Mens\.|Mensagem|mensaje|Meldung|Messaggio)\s+(?P<number>\d{1,6}),\s*"
    r"(?:Level|N[íi]vel|Nivel|Ebene|Niveau|Livello)\s+(?P<level>\d{1,2})[^\n]{0,300}\n?",
    re.IGNORECASE,
)
_NUMBERS = (
    re.compile(r"^\((?P<number>\d{2,6}),\s*b?['\"]"),
    re.compile(r"\bError Number:\s*(?P<number>\d{1,6}),\s*State:\s*\d{1,3},\s*Class:\s*(?P<level>\d{1,2})\b"),
    re.compile(r"\bSQL Error:\s*(?P<number>\d{1,6}),\s*SQLState:\s*(?P<state>[0-9A-Z]{5})\b"),
    re.compile(r"\bSQL state \[(?P<state>[0-9A-Z]{5})\]; error code \[(?P<number>\d{1,6})\]"),
    re.compile(r"\bSQL Server error:?\s+(?P<number>\d{2,6})\b", re.IGNORECASE),
    re.compile(r"\(Microsoft SQL Server, Err(?:or|o)[:.]\s*(?P<number>\d{2,6})\)", re.IGNORECASE),
)
_DB_LIBRARY = re.compile(r"DB-Lib error message (?P<number>\d{1,6}), severity (?P<level>\d{1,2}):?")
_TRAILERS = re.compile(
    r"DB-Lib error message \d{1,6}, severity|\s*ClientConnectionId:|\r?\n\s+at [A-Za-z_][\w.]{0,200}\("
)
"""Where the server's words end and the client's begin: DB-Library's own message, Java's, a stack trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One diagnostic. `server`: the server wrote it, so its number is one of sys.messages."""

    words: str
    sqlstate: str = ""
    native: int | None = None
    function: str = ""
    severity: int | None = None
    server: bool = False


def read(text: str) -> tuple[str, list[Part]]:
    """Return the exception's type ("" where there is none) and at least one diagnostic."""
    found = _EXCEPTION.match(text[:300])
    body = text[found.end() :] if found else text
    body = without_statement(_WRAPPED_IN.sub("", body, count=1))
    number, state, level = _numbered(body)
    pieces = _ODBC_PART.split(_unwrapped(body))
    return found.group(1) if found else "", [_part(piece, number, state, level) for piece in pieces]


def without_statement(text: str) -> str:
    """Return the text without the statement and the parameters that SQLAlchemy appends to it."""
    return _STATEMENT.split(text, maxsplit=1)[0]


def _numbered(body: str) -> tuple[int | None, str, int | None]:
    """Return number, SQLSTATE and severity of a text that carries them outside of ODBC's shape."""
    found = _PRINTED.search(body) or next((hit for each in _NUMBERS if (hit := each.search(body))), None)
    library = _DB_LIBRARY.search(body)
    if found is None and library is None:
        return None, "", None
    groups = found.groupdict() if found else {}
    level = groups.get("level") or (library.group("level") if library else None)
    number = groups.get("number") or (library.group("number") if library else None)
    return int(number) if number else None, groups.get("state") or "", int(level) if level else None


def _unwrapped(body: str) -> str:
    """Return the text inside a Python tuple `('23000', "...")`, whose end may be cut off."""
    wrapping = _TUPLE.match(body)
    if wrapping is None:
        return body
    quote = wrapping.group("quote")
    inner = re.sub(rf"{quote},?\)$", "", body[wrapping.end() :].rstrip())
    return inner.replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\").strip()


def _part(piece: str, number: int | None, state: str, level: int | None) -> Part:
    piece = piece.strip()
    head = _ODBC_HEAD.match(piece)
    if head is None:
        words = _own_words(_PRINTED.sub("", piece, count=1))
        return Part(words=words, native=number, sqlstate=state, severity=level, server=True)
    rest = piece[head.end() :]
    # Only the end is searched: a whole message of blanks must not cost a quadratic search.
    tail = _ODBC_TAIL.search(rest[-_TAIL_LENGTH:])
    number_text = tail.group("number") if tail else None
    return Part(
        words=_own_words(rest[: len(rest) - len(tail.group() if tail else "")]),
        sqlstate=head.group("state"),
        # The driver writes 0 where the server sent no number.
        native=int(number_text) if number_text and int(number_text) != 0 else None,
        function=(tail.group("function") if tail else "") or "",
        severity=level,
        server=head.group().rstrip().endswith(_SERVER),
    )


def _own_words(words: str) -> str:
    """Return the server's words without what the client appended, or the whole text if that is all of it."""
    found = _TRAILERS.search(words)
    return (words[: found.start()].strip() if found else "") or words.strip()

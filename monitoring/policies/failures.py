"""What an ETL error message tells: SQLSTATE, native number, severity, class, and the names in it.

The message is `ExceptionType: driver text` (CONTRACT), the driver's text like
`('23000', "[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of ... (2627) (SQLExecDirectW)")`.
The class comes from the native number, else from the SQLSTATE, else from the exception's type, and
only without all three from the words: numbers are the same in every language of the server, and a
column called STOCK_QTY holds no lock. Numbers: learn.microsoft.com, "Database engine errors".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitoring.enums import ErrorClass
from monitoring.policies.diagnostics import Part, read
from monitoring.policies.error_numbers import (
    BY_DRIVER,
    BY_EXCEPTION,
    BY_NATIVE,
    BY_SQLSTATE,
    BY_WORDS,
    LEVELS,
    NAMES,
    OPEN_ENDED,
    UNINFORMATIVE,
)

CUT_AT = 4000
"""The audit tables hold so many characters; a message of that length was cut."""
CONFLICT = 547
_QUOTED = re.compile(r"'((?:[^']|''){0,300}+)'|\"([^\"]{0,300}+)\"|[“„]([^”“„]{0,300}+)[”“]|«\s?([^»]{0,300}?)\s?»")
"""Possessive where it can be: a message of nothing but quotes must not cost a quadratic search."""
_NO_ROW = re.compile(r"\bno row in (?P<object>[\w.]+) with (?P<column>\w+) = (?P<key>[^;]{1,100})")
_CONTROL = {code: " " for code in [*range(32), 127] if chr(code) not in "\t\r\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One message, taken apart. Empty texts and None: not in the message.

    `message` is the server's own words without the driver's wrapping; `cut` says that the end is missing.
    `severity` is the message's own, else the documented one of a known number.
    """

    error_class: ErrorClass
    sqlstate: str = ""
    native: int | None = None
    severity: int | None = None
    constraint: str = ""
    object: str = ""
    column: str = ""
    key: str = ""
    exception_type: str = ""
    message: str = ""
    cut: bool = False


def classify(error_message: str | None) -> Failure:
    """Return what the message tells. Never raises; no message is class `other` without a text."""
    # A message with both kinds of quotes was written by Python's repr, which escapes one of them.
    text = (error_message or "").replace("\x00", "").replace("\\'", "'").translate(_CONTROL).strip()
    if not text:
        return Failure(error_class=ErrorClass.OTHER)
    exception_type, parts = read(text)
    native = _native(parts)
    # The first diagnostic is the error; only its companions (the statement was terminated) are left out.
    telling = next((part for part in parts if native is not None and part.native == native), parts[0])
    message = "; ".join(part.words for part in parts if part.words and part.native not in UNINFORMATIVE)
    message = message or "; ".join(part.words for part in parts if part.words) or text
    error_class = _error_class(telling, exception_type, message)
    return Failure(
        error_class=error_class,
        sqlstate=telling.sqlstate,
        native=native,
        severity=_severity(telling),
        exception_type=exception_type,
        message=message,
        cut=len(error_message or "") >= CUT_AT,
        **_names(_naming(telling, error_class), telling.words),
    )


def split_run_message(error_message: str | None) -> tuple[str, ...]:
    """Return the messages of a run's entities, which the runner joins by " | " (CONTRACT)."""
    return tuple(part.strip() for part in (error_message or "").split(" | ") if part.strip())


def without_quoted(words: str, by: str = "''") -> str:
    """Return the text with every quoted part replaced."""
    return _QUOTED.sub(by, words)


def _native(parts: list[Part]) -> int | None:
    """Return the first number that explains something, a known one before others."""
    telling = [part for part in parts if part.native is not None and part.native not in UNINFORMATIVE]
    known = [part.native for part in telling if _by_number(part)]
    return next(iter(known or [part.native for part in telling]), None)


def _by_number(part: Part) -> ErrorClass | None:
    if part.native is None:
        return None
    return BY_NATIVE.get(part.native) if part.server else BY_DRIVER.get(part.native)


def _severity(part: Part) -> int | None:
    if part.severity is not None:
        return part.severity
    return LEVELS.get(part.native) if part.server and part.native is not None else None


def _error_class(part: Part, exception_type: str, message: str) -> ErrorClass:
    if part.server and part.native == CONFLICT:
        return _conflict(message)
    found = _by_number(part) or _by_state(part)
    if found is not None:
        return found
    for pattern, error_class in BY_EXCEPTION:
        if exception_type and pattern.search(exception_type):
            return error_class
    plain = without_quoted(message)
    return next((error_class for pattern, error_class in BY_WORDS if pattern.search(plain)), ErrorClass.OTHER)


def _by_state(part: Part) -> ErrorClass | None:
    if part.function == "SQLDriverConnect" and part.sqlstate == "HYT00":
        # The time-out of signing in, not of a statement: nobody answered.
        return ErrorClass.NETWORK
    if part.function == "SQLDriverConnect" and part.sqlstate == "01000":
        # unixODBC reports a driver's library that it cannot load with the general state.
        return ErrorClass.DRIVER
    return BY_SQLSTATE.get(part.sqlstate) or BY_SQLSTATE.get(part.sqlstate[:2])


def _conflict(message: str) -> ErrorClass:
    """547 is a foreign key's conflict, or a check's. Both words stay English in every language."""
    found = re.search(r"\bCHECK\b", without_quoted(message), re.IGNORECASE)
    return ErrorClass.CHECK if found else ErrorClass.FOREIGN_KEY


def _naming(part: Part, error_class: ErrorClass) -> int | None:
    """Return by which number's order the message quotes names: a duplicate key's words tell theirs without one."""
    if part.native is None and error_class is ErrorClass.UNIQUE:
        return 2627 if re.search(r"\b(?:UNIQUE|PRIMARY) KEY\b", part.words) else 2601
    return part.native if part.server else None


def _names(native: int | None, words: str) -> dict[str, str]:
    """Return the constraint, object, column and key that a message of this number quotes, in its order."""
    if native is None or native not in NAMES:
        found = _NO_ROW.search(words) if native is None else None
        return {name: value.strip() for name, value in found.groupdict().items()} if found else {}
    order = NAMES[native]
    hits = list(_QUOTED.finditer(words))
    quoted = [next(group for group in hit.groups() if group is not None) for hit in hits]
    names = {name: value for name, value in zip(order, _in_order(native, quoted), strict=False) if name and value}
    if schema := names.pop("schema", ""):
        names["object"] = f"{schema}.{names.get('object', '')}"
    if order[-1] == "key":
        names["key"] = _quoted_to_the_end(words, hits[len(order) - 2].end() if len(order) > 1 and hits[1:] else 0)
    elif native in OPEN_ENDED:
        names["key"] = _in_parentheses(words[hits[1].end() :] if len(hits) > 1 else "")
    return {name: value for name, value in names.items() if value}


def _in_order(native: int, quoted: list[str]) -> list[str]:
    """Put right the languages that turn the order round: Turkish, Japanese, Korean, Hungarian, Italian.

    A table is named with its schema, so the dot tells it from a column, an index or a database.
    """
    if native in (515, 2601) and len(quoted) > 1:
        table_at = 1 if native == 515 else 0
        if "." in quoted[1 - table_at] and "." not in quoted[table_at]:
            return [quoted[1], quoted[0], *quoted[2:]]
    if native == CONFLICT and len(quoted) > 2 and "." in quoted[1] and "." not in quoted[2]:
        return [quoted[0], "", quoted[1], *(quoted[2:3] if len(quoted) > 3 else ())]
    return quoted


def _quoted_to_the_end(words: str, after: int) -> str:
    """Return the value between the first quote and the last: it may hold quotes of its own, or have lost its end."""
    rest = words[after:]
    opened = re.search(r"['\"“„«]", rest)
    if opened is None:
        return ""
    inner = rest[opened.end() :]
    closed = max(inner.rfind(quote) for quote in "'\"”“»")
    return inner[:closed] if closed >= 0 else inner


def _in_parentheses(rest: str) -> str:
    """Return the key's values: from the first parenthesis to the last, or to the end of what was cut."""
    start = rest.find("(")
    if start < 0:
        return ""
    end = rest.rfind(")")
    return rest[start + 1 : end if end > start else len(rest)]

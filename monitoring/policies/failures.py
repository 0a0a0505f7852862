"""What an ETL error message tells: SQLSTATE, native number, class, and the names in it.

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
from monitoring.policies.error_numbers import BY_EXCEPTION, BY_NATIVE, BY_SQLSTATE, BY_WORDS, NAMES, UNINFORMATIVE

CUT_AT = 4000
"""The audit tables hold so many characters; a message of that length was cut."""
CONFLICT = 547

_EXCEPTION = re.compile(r"^\s*(?:[A-Za-z_]\w*\.)*([A-Z]\w*|\w+(?:error|exception))(?:\s*:\s+(?=\S)|(?=\())")
_TUPLE = re.compile(r"^\(\s*(?:'[0-9A-Z]{5}'|-?\d{1,10})\s*,\s*b?(?P<quote>['\"])")
_ODBC_PART = re.compile(r";\s+(?=\[[0-9A-Z]{5}\]\s*\[)")
_VENDOR = r"\[(?:Microsoft|unixODBC|iODBC|FreeTDS|SQL Server[^\]]*|[^\[\]]*(?:Driver|Client)[^\[\]]*)\]"
_ODBC_HEAD = re.compile(rf"\[(?P<state>[0-9A-Z]{{5}})\]\s*(?:{_VENDOR}\s*)*")
_ODBC_TAIL = re.compile(r"(?:\((?P<number>-?\d{1,10})\))?(?: ?\((?P<function>SQL\w{1,40})\))?$")
_TAIL_LENGTH = 60
_OTHER_NUMBERS = (
    re.compile(r"\bMsg\s+(\d{1,6}),\s*(?:Level|Nível|Nivel)\b"),
    re.compile(r"^\((\d{2,6}),\s*b?['\"]"),
    re.compile(r"\bSQL Server error:?\s+(\d{2,6})\b", re.IGNORECASE),
)
_QUOTED = re.compile(r"'((?:[^']|''){0,300}?)'|\"([^\"]{0,300})\"|“([^”]{0,300})”|«([^»]{0,300})»")
_DUPLICATE_KEY = re.compile(r"\(([^()]{1,300})\)\.?\s*$")
_NO_ROW = re.compile(r"\bno row in (?P<object>[\w.]+) with (?P<column>\w+) = (?P<key>[^;]{1,100})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One message, taken apart. Empty texts and None: not in the message.

    `message` is the server's own words without the driver's wrapping; `cut` says that the end is missing.
    """

    error_class: ErrorClass
    sqlstate: str = ""
    native: int | None = None
    constraint: str = ""
    object: str = ""
    column: str = ""
    key: str = ""
    exception_type: str = ""
    message: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One diagnostic of the driver: several are joined by "; "."""

    words: str
    sqlstate: str = ""
    native: int | None = None
    function: str = ""


def classify(error_message: str | None) -> Failure:
    """Return what the message tells. Never raises; no message is class `other` without a text."""
    # A message with both kinds of quotes was written by Python's repr, which escapes one of them.
    text = (error_message or "").replace("\x00", "").replace("\\'", "'").strip()
    if not text:
        return Failure(error_class=ErrorClass.OTHER)
    found = _EXCEPTION.match(text[:300])
    exception_type = found.group(1) if found else ""
    parts = _parts(text[found.end() :] if found else text)
    native = _native(parts)
    # The first diagnostic is the error; only its companions (the statement was terminated) are left out.
    telling = next((part for part in parts if native is not None and part.native == native), parts[0])
    message = "; ".join(part.words for part in parts if part.words and part.native not in UNINFORMATIVE)
    message = message or "; ".join(part.words for part in parts if part.words) or text
    return Failure(
        error_class=_error_class(telling, native, exception_type, message),
        sqlstate=telling.sqlstate,
        native=native,
        exception_type=exception_type,
        message=message,
        cut=len(error_message or "") >= CUT_AT,
        **_names(native, telling.words),
    )


def split_run_message(error_message: str | None) -> tuple[str, ...]:
    """Return the messages of a run's entities, which the runner joins by " | " (CONTRACT)."""
    return tuple(part.strip() for part in (error_message or "").split(" | ") if part.strip())


def _parts(body: str) -> list[_Part]:
    """Return the driver's diagnostics, never none; what has not their shape is one without a state."""
    number = next((int(found.group(1)) for each in _OTHER_NUMBERS if (found := each.search(body))), None)
    return [_part(piece, number) for piece in _ODBC_PART.split(_unwrapped(body))]


def _unwrapped(body: str) -> str:
    """Return the text inside a Python tuple `('23000', "...")`, which may have lost its end."""
    wrapping = _TUPLE.match(body)
    if wrapping is None:
        return body
    quote = wrapping.group("quote")
    inner = re.sub(rf"{quote},?\)$", "", body[wrapping.end() :].rstrip())
    return inner.replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\").strip()


def _part(piece: str, other_number: int | None) -> _Part:
    piece = piece.strip()
    head = _ODBC_HEAD.match(piece)
    if head is None:
        return _Part(words=piece, native=other_number)
    rest = piece[head.end() :]
    # Only the end is searched: a whole message of blanks must not cost a quadratic search.
    tail = _ODBC_TAIL.search(rest[-_TAIL_LENGTH:])
    number = tail.group("number") if tail else None
    return _Part(
        words=rest[: len(rest) - len(tail.group() if tail else "")].strip(),
        sqlstate=head.group("state"),
        # 0 is the driver's way to say that the server sent no number.
        native=int(number) if number and int(number) != 0 else None,
        function=(tail.group("function") if tail else "") or "",
    )


def _native(parts: list[_Part]) -> int | None:
    """Return the first number that explains something, a known one before others."""
    numbers = [part.native for part in parts if part.native is not None and part.native not in UNINFORMATIVE]
    known = [number for number in numbers if number in BY_NATIVE]
    return next(iter(known or numbers), None)


def _error_class(part: _Part, native: int | None, exception_type: str, message: str) -> ErrorClass:
    if native == CONFLICT:
        return _conflict(message)
    if native in BY_NATIVE:
        return BY_NATIVE[native]
    found = _by_state(part)
    if found is not None:
        return found
    for pattern, error_class in BY_EXCEPTION:
        if exception_type and pattern.search(exception_type):
            return error_class
    plain = _QUOTED.sub("''", message)
    return next((error_class for pattern, error_class in BY_WORDS if pattern.search(plain)), ErrorClass.OTHER)


def _by_state(part: _Part) -> ErrorClass | None:
    if part.function == "SQLDriverConnect" and part.sqlstate == "HYT00":
        # The time-out of signing in, not of a statement: nobody answered.
        return ErrorClass.NETWORK
    if part.function == "SQLDriverConnect" and part.sqlstate == "01000":
        # unixODBC reports a driver's library that it cannot load with the general state.
        return ErrorClass.DRIVER
    return BY_SQLSTATE.get(part.sqlstate) or BY_SQLSTATE.get(part.sqlstate[:2])


def _conflict(message: str) -> ErrorClass:
    """547 is a foreign key's conflict, or a check's. Both words stay English in every language."""
    plain = _QUOTED.sub("''", message)
    return ErrorClass.CHECK if re.search(r"\bCHECK\b", plain, re.IGNORECASE) else ErrorClass.FOREIGN_KEY


def _names(native: int | None, words: str) -> dict[str, str]:
    """Return the constraint, object, column and key that a message of this number quotes, in its order."""
    if native is None:
        found = _NO_ROW.search(words)
        return {name: value.strip() for name, value in found.groupdict().items()} if found else {}
    order = NAMES.get(native, ())
    quoted = [next(group for group in found.groups() if group is not None) for found in _QUOTED.finditer(words)]
    names = {name: value for name, value in zip(order, quoted, strict=False) if name and value}
    if schema := names.pop("schema", ""):
        names["object"] = f"{schema}.{names.get('object', '')}"
    if "constraint" in order and (key := _DUPLICATE_KEY.search(words)) and native != CONFLICT:
        names["key"] = key.group(1)
    return names

"""Parsing, classification, fingerprint and masking of an error message, done once when the collector copies it.

The message is `ExceptionType: driver text` (CONTRACT), the driver's text like
`('23000', "[23000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Violation of ... (2627) (SQLExecDirectW)")`.
The class comes from the error number, else from the SQLSTATE, else from the exception's type, and only without all
three from the words: numbers are the same in every language of the server, and a column called STOCK_QTY holds no
lock. Numbers: learn.microsoft.com, "Database engine errors".

The fingerprint is the same for the same failure. It is a hash of the class, the number and the names in the message;
of a message without names, of its words without what varies: numbers, quoted values, GUIDs, dates, key values, names
of temporary objects. After a change here, increment FINGERPRINT_VERSION: the collector then updates the stored rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b

from monitoring.rules.driver_messages import (
    BY_DRIVER,
    BY_EXCEPTION,
    BY_NATIVE,
    BY_SQLSTATE,
    BY_WORDS,
    NAMES,
    OPEN_ENDED,
    UNINFORMATIVE,
    Part,
    read,
    without_statement,
)
from monitoring.rules.enums import ErrorClass
from monitoring.rules.masking import Kind, mask, mask_logins, mask_quoted

FINGERPRINT_VERSION = 1
LENGTH = 16
"""Hexadecimal digits of a fingerprint."""
WORDS = 300
"""Characters of the normalised words that are hashed: a message cut at its end has the same fingerprint."""
CUT_AT = 4000
"""Size of the audit tables' column: a message of that length was cut."""
CONFLICT = 547
SEPARATOR = " | "
"""CONTRACT: separates the messages of a run's executions."""
_QUOTED = re.compile(r"'((?:[^']|''){0,300}+)'|\"([^\"]{0,300}+)\"|[“„]([^”“„]{0,300}+)[”“]|«\s?([^»]{0,300}?)\s?»")
"""Possessive quantifiers: a message of quotes only must not cost a quadratic search."""
_NO_ROW = re.compile(r"\bno row in (?P<object>[\w.]+) with (?P<column>\w+) = (?P<key>[^;]{1,100})")
_CONTROL = {code: " " for code in [*range(32), 127] if chr(code) not in "\t\r\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """One error message, parsed. Empty texts and None: not in the message.

    `text` is the whole message; `words` are the server's own words without the driver's wrapping. `severity` is the
    message's own, else the documented one of a known number. `cut`: the end of the message is missing.
    """

    error_class: ErrorClass
    fingerprint: str = ""
    text: str = ""
    words: str = ""
    sqlstate: str = ""
    number: int | None = None
    severity: int | None = None
    constraint: str = ""
    object: str = ""
    column: str = ""
    key: str = ""
    exception_type: str = ""
    cut: bool = False


Errors = tuple[ErrorText | None, ErrorText | None]
"""An error without and with logins (`execution_errors`)."""


def parse(message: str | None) -> ErrorText:
    """Return the message parsed, nothing masked. Never raises; no message has the class `other` and no text."""
    # A message with both kinds of quotes was written by Python's repr, which escapes one of them.
    text = (message or "").replace("\x00", "").replace("\\'", "'").translate(_CONTROL).strip()
    if not text:
        return _with_fingerprint(ErrorText(error_class=ErrorClass.OTHER, text=message or ""))
    exception_type, parts = read(text)
    number = _number(parts)
    # The first diagnostic is the error; only its companions (the statement was terminated) are left out.
    main = next((part for part in parts if number is not None and part.native == number), parts[0])
    words = "; ".join(part.words for part in parts if part.words and part.native not in UNINFORMATIVE)
    words = words or "; ".join(part.words for part in parts if part.words) or text
    error_class = _error_class(main, exception_type, words)
    return _with_fingerprint(
        ErrorText(
            error_class=error_class,
            text=message or "",
            words=words,
            sqlstate=main.sqlstate,
            number=number,
            severity=main.severity,
            exception_type=exception_type,
            cut=len(message or "") >= CUT_AT,
            **_names(main, error_class),
        )
    )


def mask_values(error: ErrorText) -> ErrorText:
    """Return the error with the values of rows masked. Masking it again changes nothing."""
    text = _mask_values(without_statement(error.text), error) if error.text.strip() else error.text
    return replace(error, text=text, words=_mask_values(error.words, error), key=_mask_key(error))


@lru_cache(maxsize=256)
def execution_errors(message: str | None, *, failed: bool) -> Errors:
    """Return the error without and with logins (None: the same), for users without and with permission to see logins.

    Values of rows are masked in both. Class and fingerprint are those of the whole message. Both are None without a
    message, unless the execution failed.
    """
    if not message and not failed:
        return None, None
    parsed = parse(message)
    with_logins = mask_values(parsed)
    without = mask_values(parse(mask_logins(message or "")))
    without = replace(without, error_class=parsed.error_class, fingerprint=parsed.fingerprint)
    return without, (with_logins if with_logins != without else None)


@lru_cache(maxsize=256)
def run_errors(message: str | None) -> Errors:
    """Like execution_errors, for a run's message: the joined messages of its executions."""
    if not message:
        return None, None
    with_logins = join(mask_values(parse(part)) for part in message.split(SEPARATOR))
    without = join(mask_values(parse(part)) for part in mask_logins(message).split(SEPARATOR))
    return without, (with_logins if with_logins != without else None)


def join(errors: Iterable[ErrorText]) -> ErrorText:
    return parse(SEPARATOR.join(error.text for error in errors)[:CUT_AT])


def _with_fingerprint(error: ErrorText) -> ErrorText:
    identity = [error.error_class, str(error.number) if error.number is not None else error.sqlstate]
    names = [stable_name(name) for name in (error.constraint, error.object, error.column)]
    if any(names):
        identity += names
    elif error.error_class not in BY_CLASS_ALONE:
        identity += [error.exception_type, normalised(error.words)]
    hashed = "\n".join((str(FINGERPRINT_VERSION), *identity)).encode("utf-8", "surrogatepass")
    return replace(error, fingerprint=blake2b(hashed, digest_size=LENGTH // 2).hexdigest())


BY_CLASS_ALONE = {
    ErrorClass.DEADLOCK,
    ErrorClass.LOCK_TIMEOUT,
    ErrorClass.TIMEOUT,
    ErrorClass.NETWORK,
    ErrorClass.LOGIN,
    ErrorClass.SPACE,
    ErrorClass.LOG_FULL,
}
"""Their words add only circumstances: which process, which lock, which socket call."""

_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "#"),
    (_QUOTED, "?"),
    # A remaining quote opens a value whose end was cut off, or that is longer than any name.
    (re.compile(r"['\"“„«].{0,4000}$", re.DOTALL), "?"),
    (re.compile(r"\([^()]{0,300}\)"), "()"),
    (re.compile(r"(?:\btempdb\.{1,2}[\w.]{0,130})?##?\w{1,130}|\btempdb\.[\w.]{1,130}"), "#"),
    (re.compile(r"\b0x[0-9a-f]{1,40}\b"), "#"),
    (re.compile(r"[-+]?\d[\d.,:/-]*"), "#"),
    (re.compile(r"\s+"), " "),
)
"""What varies in a casefolded message, and what replaces it, in this order."""

_SYSTEM_NAMED = re.compile(r"^((?:pk|fk|uq|df|ck)__[\w#]{1,100}?)__+[0-9a-f]{8,16}$")
"""A constraint named by the server: its suffix changes whenever the table is created."""
_TEMPORARY_NAME = re.compile(r"_{5,}[0-9a-f]{1,12}$")
_CHANGING_PART = re.compile(
    r"[0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}|\d{4}[-_]?\d{2}[-_]?\d{2}(?:[t_-]?\d{4,6})?|\d{4,}"
)


def normalised(words: str) -> str:
    text = words[: 4 * WORDS].casefold()
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text.strip()[:WORDS]


def stable_name(name: str) -> str:
    """Return a name without what varies between runs: dates, random suffixes, numbers of temporary tables."""
    plain = _SYSTEM_NAMED.sub(r"\1", name.strip().casefold())
    if "#" in plain or plain.startswith("tempdb."):
        plain = _TEMPORARY_NAME.sub("", plain[plain.find("#") :] if "#" in plain else "#")
    return _CHANGING_PART.sub("#", plain)


def _number(parts: list[Part]) -> int | None:
    informative = [part for part in parts if part.native is not None and part.native not in UNINFORMATIVE]
    known = [part.native for part in informative if _by_number(part)]
    return next(iter(known or [part.native for part in informative]), None)


def _by_number(part: Part) -> ErrorClass | None:
    if part.native is None:
        return None
    return BY_NATIVE.get(part.native) if part.server else BY_DRIVER.get(part.native)


def _error_class(part: Part, exception_type: str, words: str) -> ErrorClass:
    plain = _QUOTED.sub("''", words)
    if part.server and part.native == CONFLICT:
        # The word CHECK is English in every language.
        check = re.search(r"\bCHECK\b", plain, re.IGNORECASE)
        return ErrorClass.CHECK if check else ErrorClass.FOREIGN_KEY
    found = _by_number(part) or _by_state(part)
    if found is not None:
        return found
    for pattern, error_class in BY_EXCEPTION:
        if exception_type and pattern.search(exception_type):
            return error_class
    return next((error_class for pattern, error_class in BY_WORDS if pattern.search(plain)), ErrorClass.OTHER)


def _by_state(part: Part) -> ErrorClass | None:
    if part.function == "SQLDriverConnect" and part.sqlstate == "HYT00":
        # A login timeout, not a statement's: the server did not answer.
        return ErrorClass.NETWORK
    if part.function == "SQLDriverConnect" and part.sqlstate == "01000":
        # unixODBC reports a driver library that it cannot load with the general state.
        return ErrorClass.DRIVER
    return BY_SQLSTATE.get(part.sqlstate) or BY_SQLSTATE.get(part.sqlstate[:2])


def _names(part: Part, error_class: ErrorClass) -> dict[str, str]:
    """Return the constraint, object, column and key that the message quotes, in the order of its number."""
    words, native = part.words, part.native if part.server else None
    if part.native is None and error_class is ErrorClass.UNIQUE:  # a duplicate key is recognised without a number
        native = 2627 if re.search(r"\b(?:UNIQUE|PRIMARY) KEY\b", words) else 2601
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
    """Restore the English order, which Turkish, Japanese, Korean, Hungarian and Italian change.

    A table is named with its schema, so a dot distinguishes it from a column, an index or a database.
    """
    if native in (515, 2601) and len(quoted) > 1:
        table_at = 1 if native == 515 else 0
        if "." in quoted[1 - table_at] and "." not in quoted[table_at]:
            return [quoted[1], quoted[0], *quoted[2:]]
    if native == CONFLICT and len(quoted) > 2 and "." in quoted[1] and "." not in quoted[2]:
        return [quoted[0], "", quoted[1], *(quoted[2:3] if len(quoted) > 3 else ())]
    return quoted


def _quoted_to_the_end(words: str, after: int) -> str:
    """Return the text between the first quote and the last. It may contain quotes, or its end may be cut off."""
    rest = words[after:]
    opened = re.search(r"['\"“„«]", rest)
    if opened is None:
        return ""
    inner = rest[opened.end() :]
    closed = max(inner.rfind(quote) for quote in "'\"”“»")
    return inner[:closed] if closed >= 0 else inner


def _in_parentheses(rest: str) -> str:
    """Return the key's values: from the first parenthesis to the last, or to the end of a cut message."""
    inner = rest.partition("(")[2]
    return inner[: inner.rfind(")")] if ")" in inner else inner


_EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_DOCUMENT = re.compile(
    r"(?<![\w.-])(?:\d{3}\.\d{3}\.\d{3}-\d{2}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}|\d{11}|\d{14})(?![\w-])"
)
_FIGURE = re.compile(r"(?<=['\"“„«])[-+]?\d[\d .,:/TZ+-]{0,30}(?=['\"”“»])")
"""A quoted number or date: Python's own errors show the invalid value so."""
_PHRASE = re.compile(r"['\"“„«]([^'\"“”„«»]{0,60}[^\W\d] [^'\"“”„«»]{1,60})['\"”“»]")
_OPENERS = ("(", "'", '"', "“", "„", "« ", "«", "= ")
_QUOTES_ROWS = frozenset({ErrorClass.OTHER, ErrorClass.MISSING_DIMENSION_ROW})
"""Classes whose messages may quote anything: a quoted text of several words is masked as a value."""


def _mask_key(error: ErrorText) -> str:
    return mask_quoted(error.key, error.column, error.object, error.constraint)


def _mask_values(text: str, error: ErrorText) -> str:
    if error.key:
        text = _replace_quoted(text, error.key, _mask_key(error))
    if error.error_class in _QUOTES_ROWS:
        for phrase in _PHRASE.findall(error.words):
            text = _replace_quoted(text, phrase, mask(phrase, Kind.TEXT) or "")
    if error.number is None and not error.sqlstate:  # messages of a server quote its own numbers, too
        text = _FIGURE.sub(lambda found: mask(found[0], Kind.TEXT) or "", text)
    text = _EMAIL.sub(lambda found: mask(found[0], Kind.EMAIL) or "", text)
    return _DOCUMENT.sub(lambda found: mask(found[0], Kind.NUMBER) or "", text)


def _replace_quoted(text: str, value: str, masked: str) -> str:
    """Replace a quoted value in every form in which Python may have escaped it."""
    if masked == value:
        return text
    for written in {value, value.replace("'", "\\'"), value.replace("\\", "\\\\"), value.replace("\n", "\\n")}:
        for opener in _OPENERS:
            text = text.replace(f"{opener}{written}", f"{opener}{masked}")
    return text

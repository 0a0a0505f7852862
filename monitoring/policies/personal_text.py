"""What an error message quotes of the rows themselves, without the people in them.

A duplicate key's values, a value that was too long or could not be converted, an e-mail address or a document's
number anywhere: masked as the samples of the source are (masking.py), which keeps what helps. Short whole numbers
and dates name a row where the message says of which column they are, or that they are a key's; elsewhere they may as
well be a score or somebody's birthday, and only their length stays. GUIDs and NULL always stay (docs/adr/0009).
"""

from __future__ import annotations

import re
from dataclasses import replace

from monitoring.enums import ErrorClass
from monitoring.policies.diagnostics import without_statement
from monitoring.policies.failures import Failure, classify
from monitoring.policies.masking import Kind, kind_of, mask

_EMAIL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_DOCUMENT = re.compile(
    r"(?<![\w.-])(?:\d{3}\.\d{3}\.\d{3}-\d{2}|\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}|\d{11}|\d{14})(?![\w-])"
)
_HARMLESS = re.compile(
    r"-?\d{1,8}(?:[.,]\d{1,4})?|"
    r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)?|"
    r"[A-Z][a-z]{2} {1,2}\d{1,2} \d{4} {1,2}\d{1,2}:\d{2}[AP]M",
    re.IGNORECASE,
)
_NAMELESS = re.compile(r"<?NULL>?|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_FIGURE = re.compile(r"(?<=['\"“„«])[-+]?\d[\d .,:/TZ+-]{0,30}(?=['\"”“»])")
"""A number or a date in quotes, as Python's own errors show the value that they could not read."""
_KEYS = frozenset({"pk", "original", "id", "ids", "key", "sk", "nk", "bk", "code", "codigo", "chave", "guid", "uuid"})
"""A constraint with one of these words in its name is about what names a row (the contract: x_original_id)."""
_DIGITS = re.compile(r"[\d .()/+-]{6,}")
_SPOKEN = re.compile(r"['\"“„«]([^'\"“”„«»]{0,60}[^\W\d] [^'\"“”„«»]{1,60})['\"”“»]")
_OPENERS = ("(", "'", '"', "“", "„", "« ", "«", "= ")
_QUOTES_ROWS = frozenset({ErrorClass.OTHER, ErrorClass.MISSING_DIMENSION_ROW})
"""Where what is quoted may be anything: a text of several words there is taken for a value."""


def masked_value(value: str, column: str = "", table: str = "", constraint: str = "") -> str:
    """Return a key's values, or one value, without the person.

    `column` empty: not known of which; then the name of the `constraint` that they broke may tell.
    """
    name = column or constraint
    kind = kind_of(name, table) if name else None
    if kind is not None:
        return mask(value, kind) or ""
    known = bool(column) or names_rows(constraint)
    return ", ".join(_masked(part, known) for part in value.split(", "))


def names_rows(constraint: str) -> bool:
    """Return whether the constraint's name says that its columns name a row: PK_x, UQ_x_customer_id, UQ_x_code."""
    return bool(_KEYS & set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", constraint).lower())))


def masked_failure(failure: Failure) -> Failure:
    """Return the failure with its key and its message masked."""
    return replace(failure, key=_masked_key(failure), message=_masked_text(failure.message, failure))


def masked_message(error_message: str | None) -> str:
    """Return the driver's whole text without the people in it; masking it again changes nothing."""
    text = error_message or ""
    return _masked_text(without_statement(text), classify(text)) if text.strip() else text


def masked_run_message(error_message: str | None) -> str:
    """Return a run's message, which is its entities' messages joined."""
    return " | ".join(masked_message(part) for part in (error_message or "").split(" | "))


def _masked_key(failure: Failure) -> str:
    return masked_value(failure.key, failure.column, failure.object, failure.constraint)


def _masked(value: str, known: bool) -> str:
    plain = value.strip()
    if not plain or _NAMELESS.fullmatch(plain):
        return value
    if _HARMLESS.fullmatch(plain):
        return value if known else mask(value, Kind.TEXT) or ""
    if "@" in plain:
        return mask(value, Kind.EMAIL) or ""
    return mask(value, Kind.NUMBER if _DIGITS.fullmatch(plain) else Kind.TEXT) or ""


def _masked_text(text: str, failure: Failure) -> str:
    if failure.key:
        text = _without_key(text, failure.key, _masked_key(failure))
    if failure.error_class in _QUOTES_ROWS:
        for spoken in _SPOKEN.findall(failure.message):
            text = _without_key(text, spoken, mask(spoken, Kind.TEXT) or "")
    if failure.native is None and not failure.sqlstate:  # where a server speaks, its own numbers are quoted, too
        text = _FIGURE.sub(lambda found: mask(found[0], Kind.TEXT) or "", text)
    text = _EMAIL.sub(lambda found: mask(found[0], Kind.EMAIL) or "", text)
    return _DOCUMENT.sub(lambda found: mask(found[0], Kind.NUMBER) or "", text)


def _without_key(text: str, key: str, shown: str) -> str:
    """Replace the key where it stands, in any of the ways in which Python may have escaped it."""
    if shown == key:
        return text
    for written in {key, key.replace("'", "\\'"), key.replace("\\", "\\\\"), key.replace("\n", "\\n")}:
        for opener in _OPENERS:
            text = text.replace(f"{opener}{written}", f"{opener}{shown}")
    return text

"""What an error message quotes of the rows themselves, without the people in them.

A duplicate key's values, a value that was too long or could not be converted, an e-mail address or a document's
number anywhere: masked as the samples of the source are (masking.py), which keeps what helps. Short whole
numbers, GUIDs and dates name a row, not a person, and stay.
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
    r"-?\d{1,8}(?:[.,]\d{1,4})?|<?NULL>?|"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|"
    r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?)?|"
    r"[A-Z][a-z]{2} {1,2}\d{1,2} \d{4} {1,2}\d{1,2}:\d{2}[AP]M",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[\d .()/+-]{6,}")
_SPOKEN = re.compile(r"['\"“„«]([^'\"“”„«»]{0,60}[^\W\d] [^'\"“”„«»]{1,60})['\"”“»]")
_OPENERS = ("(", "'", '"', "“", "„", "« ", "«", "= ")
_QUOTES_ROWS = frozenset({ErrorClass.OTHER, ErrorClass.MISSING_DIMENSION_ROW})
"""Where what is quoted may be anything: a text of several words there is taken for a value."""


def masked_value(value: str, column: str = "", table: str = "") -> str:
    """Return a key's values, or one value, without the person. `column` empty: not known of which."""
    kind = kind_of(column, table) if column else None
    if kind is not None:
        return mask(value, kind) or ""
    return ", ".join(_masked(part) for part in value.split(", "))


def masked_failure(failure: Failure) -> Failure:
    """Return the failure with its key and its message masked."""
    key = masked_value(failure.key, failure.column, failure.object)
    return replace(failure, key=key, message=_masked_text(failure.message, failure))


def masked_message(error_message: str | None) -> str:
    """Return the driver's whole text without the people in it; masking it again changes nothing."""
    text = error_message or ""
    return _masked_text(without_statement(text), classify(text)) if text.strip() else text


def masked_run_message(error_message: str | None) -> str:
    """Return a run's message, which is its entities' messages joined."""
    return " | ".join(masked_message(part) for part in (error_message or "").split(" | "))


def _masked(value: str) -> str:
    plain = value.strip()
    if not plain or _HARMLESS.fullmatch(plain):
        return value
    if "@" in plain:
        return mask(value, Kind.EMAIL) or ""
    return mask(value, Kind.NUMBER if _DIGITS.fullmatch(plain) else Kind.TEXT) or ""


def _masked_text(text: str, failure: Failure) -> str:
    if failure.key:
        text = _without_key(text, failure.key, masked_value(failure.key, failure.column, failure.object))
    if failure.error_class in _QUOTES_ROWS:
        for spoken in _SPOKEN.findall(failure.message):
            text = _without_key(text, spoken, mask(spoken, Kind.TEXT) or "")
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

"""The same failure has the same fingerprint, however often and wherever it happens.

Built from the class, the native number and the names that the message gives; where it gives none, from its
words without what differs from time to time: numbers, quoted values, GUIDs, dates, key values, names of
temporary things. A change of anything here changes FINGERPRINT_VERSION, and the collector works the kept
failures through again.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from monitoring.enums import ErrorClass
from monitoring.policies.failures import Failure, without_quoted

FINGERPRINT_VERSION = 1
LENGTH = 16
WORDS = 300
"""Characters of the normalised words that count: a message cut at its end is still the same one."""

BY_CLASS_ALONE = frozenset(
    {
        ErrorClass.DEADLOCK,
        ErrorClass.LOCK_TIMEOUT,
        ErrorClass.TIMEOUT,
        ErrorClass.NETWORK,
        ErrorClass.LOGIN,
        ErrorClass.SPACE,
        ErrorClass.LOG_FULL,
    }
)
"""Whose words add nothing but the circumstances (which process, which lock, which socket call)."""

_GUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_HEX = re.compile(r"\b0x[0-9a-f]{1,40}\b")
_IN_PARENTHESES = re.compile(r"\([^()]{0,300}\)")
_TEMPORARY = re.compile(r"(?:\btempdb\.{1,2}[\w.]{0,130})?##?\w{1,130}|\btempdb\.[\w.]{1,130}")
_DIGITS = re.compile(r"[-+]?\d[\d.,:/-]*")
_OPEN_QUOTE = re.compile(r"['\"“„«].{0,4000}$", re.DOTALL)
_BLANKS = re.compile(r"\s+")

_SYSTEM_NAMED = re.compile(r"^((?:pk|fk|uq|df|ck)__[\w#]{1,100}?)__+[0-9a-f]{8,16}$")
"""A constraint that the server named itself: the end is another one each time that the table is made."""
_TEMPORARY_NAME = re.compile(r"_{5,}[0-9a-f]{1,12}$")
_CHANGING_PART = re.compile(
    r"[0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}|\d{4}[-_]?\d{2}[-_]?\d{2}(?:[t_-]?\d{4,6})?|\d{4,}"
)


def fingerprint(failure: Failure) -> str:
    """Return LENGTH hexadecimal digits, the same for failures that are the same."""
    text = "\n".join((str(FINGERPRINT_VERSION), *_what_counts(failure)))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=LENGTH // 2).hexdigest()


def normalised(words: str) -> str:
    """Return the words without what differs from time to time."""
    text = _GUID.sub("#", words[: 4 * WORDS].casefold())
    text = without_quoted(text, "?")
    # A quote that is left over opened a value whose end was cut away, or is longer than any name.
    text = _OPEN_QUOTE.sub("?", text)
    text = _IN_PARENTHESES.sub("()", text)
    text = _TEMPORARY.sub("#", text)
    text = _HEX.sub("#", text)
    text = _DIGITS.sub("#", text)
    return _BLANKS.sub(" ", text).strip()[:WORDS]


def name_that_stays(name: str) -> str:
    """Return a name without what another run would call otherwise: dates, random ends, temporary tables' numbers."""
    plain = _SYSTEM_NAMED.sub(r"\1", name.strip().casefold())
    if "#" in plain or plain.startswith("tempdb."):
        plain = _TEMPORARY_NAME.sub("", plain[plain.find("#") :] if "#" in plain else "#")
    return _CHANGING_PART.sub("#", plain)


def _what_counts(failure: Failure) -> tuple[str, ...]:
    kind = failure.error_class
    number = str(failure.native) if failure.native is not None else failure.sqlstate
    names = tuple(name_that_stays(name) for name in (failure.constraint, failure.object, failure.column))
    if any(names):
        return kind, number, *names
    if kind in BY_CLASS_ALONE:
        return kind, number
    return kind, number, failure.exception_type, normalised(failure.message)

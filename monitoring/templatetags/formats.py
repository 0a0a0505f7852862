"""Values to text, in the active language and the viewer's zone. No HTML here.

Nothing is relative to now: the same value gives the same text, so an unchanged block stays unchanged.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from django.utils import timezone, translation
from django.utils.formats import date_format, number_format

MINUTE, HOUR, DAY = 60, 3600, 86_400
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NO-BREAK SPACE}"

TimeStyle = Literal["short", "full", "time", "date"]

_PATTERNS: dict[str, dict[TimeStyle, str]] = {
    "en": {"short": "j M H:i", "full": "j M Y H:i:s", "time": "H:i:s", "date": "j M Y"},
    "pt-br": {"short": "d/m H:i", "full": "d/m/Y H:i:s", "time": "H:i:s", "date": "d/m/Y"},
}
"""A day comes before its month in both: "11/12" is never two dates. English spells the month out."""


def number_text(value: float, decimals: int = 0) -> str:
    """Return the number with the language's separators: "1,234.5" or "1.234,5"."""
    text: str = number_format(abs(value), decimals, use_l10n=True, force_grouping=True)
    negative = value < 0 and any(digit in text for digit in "123456789")
    return f"{MINUS}{text}" if negative else text


def percent_text(value: float) -> str:
    """Return percent with one decimal; 100 only when it really is 100 (99.97 is "99.9%")."""
    if value == round(value):
        return f"{number_text(value)}%"
    rounded = round(value, 1)
    if rounded in (0, 100):  # a tenth on the side where the value is
        rounded += 0.1 if value > rounded else -0.1
    return f"{number_text(rounded, 1)}%"


def duration_text(seconds: float) -> str:
    """Return seconds as the two largest units: "0.4 s", "12 min 03 s", "3 h 12 min", "2 d 3 h".

    A little is never nothing: under a twentieth of a second it is "< 0.1 s".
    """
    sign, seconds = (MINUS, -seconds) if seconds < 0 else ("", seconds)
    if 0 < seconds < 0.05:
        return f"<{THIN}{number_text(0.1, 1)}{THIN}s"
    if 0 < seconds < 9.95:
        return f"{sign}{number_text(seconds, 1)}{THIN}s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{sign}{whole}{THIN}s"
    if whole < HOUR:
        return f"{sign}{whole // MINUTE}{THIN}min{THIN}{whole % MINUTE:02d}{THIN}s"
    if whole < DAY:
        return f"{sign}{whole // HOUR}{THIN}h{THIN}{whole % HOUR // MINUTE:02d}{THIN}min"
    return f"{sign}{number_text(whole // DAY)}{THIN}d{THIN}{whole % DAY // HOUR}{THIN}h"


def time_text(moment: datetime, style: TimeStyle = "short") -> str:
    """Return an aware time in the viewer's zone."""
    patterns = _PATTERNS.get(translation.get_language() or "en", _PATTERNS["en"])
    return str(date_format(timezone.localtime(moment), patterns[style]))


def utc_text(moment: datetime) -> str:
    """Return an aware time in UTC, the same in every language: "2026-01-31 08:00:05 UTC"."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine_text(moment: datetime) -> str:
    """Return an aware time for a `datetime` attribute: "2026-01-31T08:00:05Z"."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"

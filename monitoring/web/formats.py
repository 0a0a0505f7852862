"""Values in words: durations, numbers, percentages and times, in the active language and time zone.

The functions that return "unknown" for None are for sentences. Those that end in `_text` take a known value and are for
cells and charts, with no-break spaces and fixed widths.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import isfinite
from typing import Literal

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from monitoring.rules.facts import Count

MINUTE, HOUR, DAY = 60, 3600, 86_400
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NO-BREAK SPACE}"

TimeStyle = Literal["short", "full", "time", "date", "minute", "day"]

_PATTERNS: dict[str, dict[TimeStyle, str]] = {
    "en": {
        "short": "j M H:i",
        "full": "j M Y H:i:s",
        "time": "H:i:s",
        "date": "j M Y",
        "minute": "j M Y, H:i",
        "day": "j M",
    },
    "pt-br": {
        "short": "d/m H:i",
        "full": "d/m/Y H:i:s",
        "time": "H:i:s",
        "date": "d/m/Y",
        "minute": "d/m/Y H:i",
        "day": "d/m",
    },
}


def unknown() -> str:
    return pgettext("value", "unknown")


def number(value: float | int | None, decimals: int = 0) -> str:
    if value is None or not isfinite(value):
        return unknown()
    return number_text(round(value, decimals), decimals)


def count(value: Count | int | None) -> str:
    """Return a number of rows; "100,000+" for a count that stopped at its cap."""
    if isinstance(value, Count):
        return number(value.value) + ("+" if value.capped else "")
    return number(value)


def percent(value: float | None, decimals: int = 1) -> str:
    """Return a percentage as "98.5%"; whole percents without decimals."""
    if value is None or not isfinite(value):
        return unknown()
    return _("%(number)s%%") % {"number": number(value, 0 if float(value).is_integer() else decimals)}


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units, without the second if it is zero: "3 h 12 min", "2 h", "45 s"."""
    if seconds is None or not isfinite(seconds):
        return unknown()
    minutes, second = divmod(max(0, int(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    units = (
        (days, _("%(n)s d") % {"n": number(days)}),
        (hour, _("%(n)s h") % {"n": hour}),
        (minute, _("%(n)s min") % {"n": minute}),
        (second, _("%(seconds)s s") % {"seconds": second}),
    )
    largest = next((position for position, (amount, _text) in enumerate(units) if amount), len(units) - 1)
    first, *rest = units[largest : largest + 2]
    return " ".join([first[1], *(text for amount, text in rest if amount)])


def speed(rows_per_second: float | None) -> str:
    if rows_per_second is None or not isfinite(rows_per_second):
        return unknown()
    return _("%(number)s rows/s") % {"number": number(rows_per_second, 0 if rows_per_second >= 10 else 1)}


def moment(at: datetime | None) -> str:
    """Return for example "15 May 2024, 09:40", in the user's zone."""
    return unknown() if at is None else _formatted(timezone.localtime(at), "minute")


def number_text(value: float, decimals: int = 0) -> str:
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
    """Return seconds as the two largest units: "< 0.1 s", "0.4 s", "12 min 03 s", "3 h 12 min", "2 d 3 h"."""
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
    return _formatted(timezone.localtime(moment), style)


def short_day(day: date) -> str:
    return _formatted(day, "day")


def _formatted(value: date, style: TimeStyle) -> str:
    return str(date_format(value, _PATTERNS.get(get_language() or "en", _PATTERNS["en"])[style]))


def utc_text(moment: datetime) -> str:
    """Return an aware time in UTC, the same in every language: "2026-01-31 08:00:05 UTC"."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

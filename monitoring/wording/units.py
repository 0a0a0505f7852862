"""Values in words: durations, numbers, shares, moments, in the active language and zone.

What is unknown says so: never 0, never blank.
"""

from __future__ import annotations

from datetime import datetime
from math import isfinite

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from monitoring.policies.facts import Count

MINUTE, HOUR, DAY = 60, 3600, 86400


def unknown() -> str:
    """Return the word for a value that could not be read."""
    return pgettext("value", "unknown")


def no_value() -> str:
    """Return the sign for a figure that has no value here, which is not unknown."""
    return "–"


def number(value: float | int | None, decimals: int = 0) -> str:
    """Return a number with the language's separators, "unknown" for None."""
    if value is None or not isfinite(value):
        return unknown()
    return number_format(round(value, decimals), decimal_pos=decimals, use_l10n=True, force_grouping=True)


def count(value: Count | int | None) -> str:
    """Return a number of rows; "100,000+" for a count that stopped at its cap."""
    if isinstance(value, Count):
        return number(value.value) + ("+" if value.capped else "")
    return number(value)


def percent(value: float | None, decimals: int = 1) -> str:
    """Return a share as "98.5%"; whole percents without decimals."""
    if value is None or not isfinite(value):
        return unknown()
    shown = 0 if float(value).is_integer() else decimals
    return _("%(number)s%%") % {"number": number(value, shown)}


def duration(seconds: float | None) -> str:
    """Return a length of time by its two largest units: "3 h 12 min", "45 s", "2 d 4 h"."""
    if seconds is None or not isfinite(seconds):
        return unknown()
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return _("%(seconds)s s") % {"seconds": whole}
    if whole < HOUR:
        return _two(
            _("%(n)s min") % {"n": whole // MINUTE}, whole % MINUTE, _("%(seconds)s s") % {"seconds": whole % MINUTE}
        )
    if whole < DAY:
        minutes = whole % HOUR // MINUTE
        return _two(_("%(n)s h") % {"n": whole // HOUR}, minutes, _("%(n)s min") % {"n": minutes})
    hours = whole % DAY // HOUR
    return _two(_("%(n)s d") % {"n": number(whole // DAY)}, hours, _("%(n)s h") % {"n": hours})


def speed(rows_per_second: float | None) -> str:
    """Return rows per second, with decimals where they matter."""
    if rows_per_second is None or not isfinite(rows_per_second):
        return unknown()
    decimals = 0 if rows_per_second >= 10 else 1
    return _("%(number)s rows/s") % {"number": number(rows_per_second, decimals)}


def moment(at: datetime | None) -> str:
    """Return date and time of day in the active zone ("15 May 2024, 09:40"; "15/05/2024 09:40"), "unknown" for None."""
    if at is None:
        return unknown()
    local = timezone.localtime(at) if timezone.is_aware(at) else at
    return date_format(local, "d/m/Y H:i" if get_language() == "pt-br" else "j M Y, H:i")


def _two(first: str, rest: int, second: str) -> str:
    return f"{first} {second}" if rest else first

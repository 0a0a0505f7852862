"""Small HTML that is drawn hundreds of times a page, remembered per reader's language and zone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

from django.utils import timezone, translation

P = ParamSpec("P")
R = TypeVar("R")

ROOM = 2048
"""How many results each function keeps; the least used goes first. Times, numbers and runs fill it: 4 MB in all."""


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Remember what `function` returned for the same arguments, language and zone.

    For pure functions of hashable arguments whose only hidden inputs are those two. Arguments of
    different types never share a result: members of two vocabularies with one text are equal.
    """

    @lru_cache(maxsize=ROOM, typed=True)
    def keyed(language: str, zone: str, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return keyed(translation.get_language() or "", timezone.get_current_timezone_name(), *args, **kwargs)

    wrapper.forget = keyed.cache_clear  # type: ignore[attr-defined]
    return wrapper

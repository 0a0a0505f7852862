"""Fail a test on an undefined variable in the portal's templates.

Django renders an undefined variable as an empty text, so a typing error would look like "no value". Templates of
Django and of libraries rely on that; the portal's must not.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


class UndefinedVariable(str):
    """Stands in for `string_if_invalid`. Django asks for its truth just before it would use it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        expression, origin = _where(sys._getframe(1))
        if origin and Path(origin).is_relative_to(TEMPLATES):
            # pytest's own exception is no Exception: a view that survives failing blocks cannot hide it.
            pytest.fail(f"undefined template variable {{{{ {expression} }}}} in {origin}")
        return False


def _where(frame: FrameType | None) -> tuple[Any, str]:
    """Return the expression being resolved and the file of the node that holds it."""
    expression: Any = None
    while frame is not None:
        owner = frame.f_locals.get("self")
        if frame.f_code.co_name == "resolve" and expression is None:
            expression = owner
        if frame.f_code.co_name == "render_annotated":
            origin = getattr(owner, "origin", None)
            return expression, getattr(origin, "name", "") or ""
        frame = frame.f_back
    return expression, ""

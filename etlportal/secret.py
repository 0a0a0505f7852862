"""A string that does not show itself."""

from __future__ import annotations


class Secret(str):
    """A password among the settings: used like any string, shown as stars wherever settings are printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

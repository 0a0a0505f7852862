"""Names in addresses. A control row may be called anything: `a/b`, `..`, an emoji, a hundred quotes.

Percent-encoding does not carry a slash or dots through servers and browsers, which decode and
normalise paths. So what is not plain is written as ~ and its UTF-8 bytes in hexadecimal.
"""

from __future__ import annotations

import re

from django.urls.converters import StringConverter

_PLAIN = re.compile(r"[A-Za-z0-9_\-]")
_ESCAPED = re.compile(r"~([0-9A-Fa-f]{2})")
EMPTY = "~"
"""The name without any character."""


class EntityConverter(StringConverter):
    """`{% url ... "a/b" %}` gives `a~2Fb`. What a person types as it is (`a.b c`) is understood too."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """Return the name. Raises ValueError, which Django answers with 404, for a broken escape."""
        if value == EMPTY:
            return ""
        if "~" not in value:
            return value
        if _ESCAPED.sub("", value).find("~") >= 0:
            raise ValueError("a ~ without two hexadecimal digits")
        pieces = _ESCAPED.split(value)
        return b"".join(
            bytes.fromhex(piece) if index % 2 else piece.encode() for index, piece in enumerate(pieces)
        ).decode()

    def to_url(self, value: str) -> str:
        """Return the segment for a name."""
        if not value:
            return EMPTY
        return "".join(
            character
            if _PLAIN.match(character)
            else "".join(f"~{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
            for character in value
        )

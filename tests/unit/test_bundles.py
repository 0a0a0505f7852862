"""The bundles in static/dist are those of the sources beside them."""

from __future__ import annotations

import json

from tools.bundles import RECORD, STATIC, digests


def test_they_are_made_of_the_sources_as_they_are() -> None:
    assert digests() == json.loads(RECORD.read_text(encoding="utf-8")), "static/ has changed: run `make static`"


def test_fonts_are_found_from_where_the_bundle_is() -> None:
    sheet = (STATIC / "dist" / "portal.css").read_text(encoding="utf-8")
    fonts = [part.split(")")[0].strip("\"'") for part in sheet.split("url(")[1:]]
    assert len(fonts) == 2
    assert all((STATIC / "dist" / font).resolve().is_file() for font in fonts)

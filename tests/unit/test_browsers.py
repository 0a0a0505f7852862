"""Browser names from User-Agent headers."""

from __future__ import annotations

import pytest

from monitoring.templatetags.portal import browser

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/156.0.0.0 Safari/537.36", "Chrome 156, Linux"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
            "Edge 140, Windows",
        ),
        (f"{WINDOWS}; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140, Windows"),
        (f"{IPHONE} AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1", "Safari 18, iPhone"),
        (f"Mozilla/5.0 (Linux; Android 15) {WEBKIT} Chrome/139.0.0.0 Mobile Safari/537.36", "Chrome 139, Android"),
        ("Firefox/140.0", "Firefox 140"),
        ("curl/8.14.1", ""),
        ("Probe Version/2", ""),
        ("", ""),
    ],
)
def test_it_is_named_as_its_owner_would(header: str, name: str) -> None:
    assert browser(header) == name

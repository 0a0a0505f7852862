"""The browser that a User-Agent header names."""

from __future__ import annotations

import re

BROWSERS = {
    "Edg": "Edge",
    "EdgA": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "HeadlessChrome": "Chrome",
    "Chrome": "Chrome",
    "Version": "Safari",
}
"""The first match counts, because most browsers also claim to be others. "Version" is Safari's only with "Safari"."""
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def browser_name(user_agent: str) -> str:
    """Return for example "Firefox 140, Windows"; "" for an unknown browser."""
    system = next((name for part, name in SYSTEMS.items() if part in user_agent), "")
    for part, name in BROWSERS.items():
        found = re.search(rf"\b{part}/(\d+)", user_agent)
        if found and (name != "Safari" or "Safari/" in user_agent):
            return f"{name} {found[1]}, {system}" if system else f"{name} {found[1]}"
    return ""

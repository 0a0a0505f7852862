"""The digests of static/dist and its sources. `make static` writes them, tests/unit/test_bundles.py compares them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"
RECORD = STATIC / "dist" / "sources.json"


def digests() -> dict[str, str]:
    """Return the SHA-256 of every style sheet and script in css/, js/ and dist/, by path in static/."""
    files = sorted(path for folder in ("css", "js", "dist") for path in (STATIC / folder).glob("*.[cj]s*"))
    return {
        path.relative_to(STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != RECORD
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")

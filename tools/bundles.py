"""What static/dist was made of: `make static` writes it down, tests/unit/test_bundles.py holds it to the sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"
RECORD = STATIC / "dist" / "sources.json"


def digests() -> dict[str, str]:
    """Return SHA-256 by path in static/: of every style sheet and module of ours, and of what was made of them."""
    files = sorted(path for folder in ("css", "js", "dist") for path in (STATIC / folder).glob("*.[cj]s*"))
    return {
        path.relative_to(STATIC).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != RECORD
    }


if __name__ == "__main__":
    RECORD.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")

"""Look for known vulnerabilities of the pins in requirements.txt, in PyPI's advisories: `python -m tools.audit`.

Exit code 1 for a finding, else 0. If the advisories cannot be reached (a closed network), it prints that nothing was
audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements.txt"
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Audit:
    """`findings`: "name version: advisory (fixed in ...)". `unasked`: names that nothing is known of."""

    findings: tuple[str, ...]
    audited: int
    unasked: tuple[str, ...]


def read(answer: str) -> Audit:
    """Return the result in pip-audit's JSON. Raises ValueError if it is not JSON."""
    found: dict[str, Any] = json.loads(answer)
    packages = found["dependencies"]
    findings = tuple(
        f"{package['name']} {package['version']}: {hole['id']} (fixed in {', '.join(hole['fix_versions']) or 'none'})"
        for package in packages
        for hole in package.get("vulns", ())
    )
    unasked = tuple(package["name"] for package in packages if "skip_reason" in package)
    return Audit(findings=findings, audited=len(packages) - len(unasked), unasked=unasked)


def verdict(audit: Audit | None) -> tuple[int, str]:
    """Return the exit code and the lines to print. None: pip-audit gave no answer."""
    if audit is None or audit.audited == 0:
        return 0, "Dependencies NOT audited: the advisories cannot be reached from here."
    left = f"; not asked: {', '.join(audit.unasked)}" if audit.unasked else ""
    if audit.findings:
        return 1, "\n".join((f"Known holes in {REQUIREMENTS.name}:", *audit.findings))
    return 0, f"{audit.audited} dependencies audited, no known hole{left}."


def ask() -> Audit | None:
    """Ask PyPI about every pin; None when it gives no answer."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(REQUIREMENTS), "--no-deps", "--disable-pip"]
    command += ["--timeout", "5", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        return read(done.stdout)
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None


if __name__ == "__main__":
    code, text = verdict(ask())
    sys.stdout.write(f"{text}\n")
    sys.exit(code)

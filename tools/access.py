"""docs/access.md from monitoring/access.py: `python -m tools.access` writes it, `--check` compares."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etlportal.settings")
django.setup()

from monitoring import access  # noqa: E402 - needs the apps
from monitoring.access import ACCOUNT, ADMIN, COLUMNS, GROUPS, OPEN, WHOLE_ONLY  # noqa: E402

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "access.md"
BEGIN, END = "<!-- begin: python -m tools.access -->", "<!-- end -->"
TITLES = {"Pages": access.PAGES, "Blocks": access.BLOCKS, "Files": access.FILES, "Actions": access.ACTIONS}


def may(group: str, needs: Iterable[str]) -> bool:
    """Return whether the group's permissions are enough."""
    return set(needs) <= access.GROUPS[group]


def admin_opens(group: str, table: str, does: str) -> bool:
    """Return whether the group may do `does` with that table of the admin."""
    app, model = table.split(".")
    opens = "monitoring.view_etlrun" in GROUPS[group]
    return opens and f"{app}.{does}_{model}" in GROUPS[group]


def matrix() -> str:
    """Return the generated part of the document."""
    parts = [_groups()]
    for title, listed in TITLES.items():
        rows = [
            [f"`{name.removeprefix('monitoring:')}`", _needs(needs), *_marks(needs)] for name, needs in listed.items()
        ]
        parts.append(f"## {title}\n\n{_table(['', 'needs', *GROUPS], rows)}")
    columns = [[f"`{name}`", f"`{needs}`", *_shown(needs)] for name, needs in COLUMNS.items()]
    parts.append(f"## Columns\n\n{_table(['', 'unmasked with', *GROUPS], columns)}")
    tables = [
        [f"`{table}`{' ¹' if table in WHOLE_ONLY else ''}", *(_does(group, table) for group in GROUPS)]
        for table in sorted(ADMIN)
    ]
    parts.append(f"## The admin\n\n{_table(['', *GROUPS], tables)}\n\n¹ closed to users limited to some pipelines")
    parts.append(f"## A user's own account\n\nEvery signed-in user: {_listed(ACCOUNT)}.")
    parts.append(f"## Without signing in\n\n{_listed(OPEN)}.")
    return "\n\n".join(parts)


def _groups() -> str:
    every = sorted(frozenset().union(*GROUPS.values()))
    rows = [[f"`{each}`", *("yes" if each in held else "" for held in GROUPS.values())] for each in every]
    return f"## Permissions of the groups\n\n{_table(['', *GROUPS], rows)}"


def _needs(needs: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in needs) or "signed in"


def _marks(needs: tuple[str, ...]) -> list[str]:
    return ["yes" if may(group, needs) else "" for group in GROUPS]


def _shown(needs: str) -> list[str]:
    return ["unmasked" if may(group, [needs]) else "masked" for group in GROUPS]


def _does(group: str, table: str) -> str:
    return ", ".join(does for does in ADMIN[table] if admin_opens(group, table, does))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name.removeprefix('monitoring:')}`" for name in sorted(names))


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def written(text: str) -> str:
    """Return the document with its generated part replaced."""
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{matrix()}\n\n{END}", text, flags=re.DOTALL
    )


def main(arguments: list[str]) -> int:
    text = DOCUMENT.read_text(encoding="utf-8")
    new = written(text)
    if "--check" in arguments:
        if new != text:
            print("docs/access.md differs from monitoring/access.py: run python -m tools.access")  # noqa: T201
        return int(new != text)
    DOCUMENT.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

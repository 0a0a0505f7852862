"""What the portal lacks, as one T-SQL script for a DBA: a batch per database, each statement with its reason."""

from __future__ import annotations

import textwrap
from itertools import groupby

from monitoring.warehouse.permissions import Remedy, use
from monitoring.wording.doctor import FOR_THE_DBA, why_text

WIDTH = 100


def script(remedies: tuple[Remedy, ...]) -> str:
    """Return the script, empty where nothing lacks. Comments are in the active language."""
    if not remedies:
        return ""
    batches = [_comment(str(FOR_THE_DBA))]
    for database, wanted in groupby(remedies, key=lambda remedy: remedy.database):
        parts = [f"{use(database)}\nGO\n"]
        for why, same in groupby(wanted, key=_why):
            parts.append("\n".join((_comment(why), *(remedy.statement for remedy in same), "GO\n")))
        batches.append("\n".join(parts))
    return "\n\n".join(batches)


def _why(remedy: Remedy) -> str:
    entity = remedy.values.get("entity")
    return f"{entity}: {why_text(remedy.why, remedy.values)}" if entity else why_text(remedy.why, remedy.values)


def _comment(text: str) -> str:
    """Return `text` as comment lines. Names in it were typed by people: no end of line survives."""
    return "\n".join(f"-- {line}" for line in textwrap.wrap(printable(text), WIDTH))


def printable(text: str) -> str:
    """Return `text` on one line without anything that a terminal or a parser might obey."""
    return "".join(character if character.isprintable() else " " for character in text)

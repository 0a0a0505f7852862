"""Parse the Dockerfile into instructions by stage. Supports only the syntax that ours uses."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. `stage` counts from 0; `text` has its continued lines joined."""

    stage: int
    keyword: str
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, in JSON or shell form."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)

    @property
    def pairs(self) -> dict[str, str]:
        """NAME=value pairs of ENV, LABEL and ARG."""
        return dict(word.partition("=")[::2] for word in self.words)


def instructions(file: Path = ROOT / "Dockerfile") -> list[Instruction]:
    """Return the instructions in order."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[Instruction] = []
    stage = -1
    for line in filter(None, (line.strip() for line in text.splitlines())):
        keyword, _, rest = line.partition(" ")
        stage += keyword.upper() == "FROM"
        found.append(Instruction(stage, keyword.upper(), rest.strip()))
    return found


def last(keyword: str, found: list[Instruction]) -> Instruction:
    """Return the last instruction of that name."""
    return [each for each in found if each.keyword == keyword][-1]

"""The summary's first block: what needs attention."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.policies.facts import Snapshot, Verdict

ATTENTION_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The worst open verdicts, and how many more there are."""

    verdicts: tuple[Verdict, ...]
    more: int

    @property
    def total(self) -> int:
        return len(self.verdicts) + self.more


def attention(snapshot: Snapshot, shown: int = ATTENTION_SHOWN) -> Attention:
    """Return the worst `shown` open verdicts (the snapshot has them worst first)."""
    return Attention(verdicts=snapshot.verdicts[:shown], more=max(0, len(snapshot.verdicts) - shown))

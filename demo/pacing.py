"""How long the pretended runner takes: the same in made-up history and live, so that "usual" means something."""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo.runner import Pauses

_SLOW = 1 / 250
"""One entity in so many is several times slower than usual: somebody else kept the server busy."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """Pauses as a pure function of the seed, the run and the entity: a run of eight takes about 20 s."""

    seed: int

    def of(self, run_id: int, entity: str) -> Pauses:
        """Return the seconds that this entity takes in this run, once and per batch."""
        rng = random.Random(f"{self.seed}:{run_id}:{entity}:pause")
        heavy = 1.5 if entity.startswith("fact_") else 1.0
        slow = rng.uniform(4, 7) if rng.random() < _SLOW else 1.0
        return Pauses(entity=heavy * slow * rng.uniform(0.9, 2.1), batch=slow * rng.uniform(0.6, 1.0))

"""The samples of /metrics, parsed by Prometheus' client library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "only-for-tests-0123456789"


class Samples:
    """The samples of one answer: `samples("etlportal_pipeline_status", pipeline="a", status="ok")`."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.all: list[tuple[str, Mapping[str, str], float]] = [
            (each.name, each.labels, each.value) for family in self.families for each in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return the one sample's value, None where there is none."""
        found = self.of(name, **labels)
        assert len(found) < 2, (name, labels, found)
        return found[0] if found else None

    def of(self, name: str, **labels: str) -> list[float]:
        """Return the values of all samples with these labels (and perhaps others)."""
        return [
            value for each, own, value in self.all if each == name and all(own.get(k) == v for k, v in labels.items())
        ]

    def names(self) -> set[str]:
        return {name for name, _, _ in self.all}


def scraped(client: Client | None = None, token: str = TOKEN) -> Samples:
    """Ask /metrics as Prometheus does."""
    response: Any = (client or Client()).get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200, response.content[:300]
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    return Samples(response.content.decode())

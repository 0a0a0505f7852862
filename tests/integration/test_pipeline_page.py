"""One pipeline's page: every state of it, as every role, at a fixed cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from monitoring.enums import ProblemCode
from monitoring.policies.facts import Count, Watermark
from tests import factories

NEVER = Watermark(datetime(1900, 1, 1, tzinfo=UTC), 0)
BLOCKS = ("head", "ruler", "verdicts", "comparison", "trends", "last", "failures", "executions", "checks", "sample")


def url(name: str = "dim_cliente") -> str:
    return reverse("monitoring:pipeline", args=(name,))


def huge() -> Any:
    oldest = factories.ago(days=400)
    return factories.pipeline(
        "fact_vendas",
        control=factories.control_row("fact_vendas", watermark=Watermark(oldest - timedelta(minutes=1), 2**62)),
        source=factories.source(
            total=5_000_000_000_000,
            newest_at=factories.NOW,
            eligible=Count(100_000, capped=True),
            cooling=Count(12),
            oldest_eligible_at=oldest,
            oldest_pending_at=oldest,
            has_watermark_index=False,
        ),
        target=factories.target(total=4_900_000_000_000, is_load_time=True),
    )


def nonsense(name: str = "core.customers'; DROP TABLE x/..") -> Any:
    wrong = factories.unread_source(factories.problem(ProblemCode.NAME_INVALID, detail="[a].[b].[c]"))
    control = factories.control_row(
        name, source_table="[a].[b].[c]", target_table="", source_pk_column="", watermark=NEVER, last_run_id=None,
        last_status=None, last_success_at=None,
    )  # fmt: skip
    return factories.pipeline(
        name, control=control, mapping_valid=False, source=wrong, target=factories.unread_target(), newest=None,
        history=factories.history(0),
    )  # fmt: skip


def empty() -> Any:
    nothing = factories.source(total=0, newest_at=None)
    control = factories.control_row("dim_regiao", watermark=NEVER, last_run_id=None, last_status=None)
    return factories.pipeline(
        "dim_regiao", control=control, source=nothing, target=factories.target(total=0, newest_at=None), newest=None,
        history=factories.history(0),
    )  # fmt: skip


ALL = {
    "healthy": factories.pipeline,
    "late": lambda: factories.late_pipeline("fact_metas"),
    "huge": huge,
    "failing": factories.failed_pipeline,
    "running": factories.running_pipeline,
    "missing": factories.missing_pipeline,
    "unread": lambda: factories.unread_pipeline("dim_vendedor"),
    "inactive": factories.inactive_pipeline,
    "empty": empty,
    "nonsense": nonsense,
}


@pytest.fixture
def stored(snapshot_stored: Any) -> Any:
    made = {key: make() for key, make in ALL.items()}
    snapshot_stored(factories.snapshot(*made.values()))
    return {key: each.name for key, each in made.items()}


@pytest.mark.parametrize("key", ALL)
@pytest.mark.parametrize("role", ["viewer", "operator", "auditor", "admin"])
def test_every_state_shows_to_every_role(key: str, role: str, client_as: Any, stored: Any) -> None:
    response = client_as(role).get(url(stored[key]))
    assert response.status_code == 200
    html = response.content.decode()
    for block in BLOCKS:
        assert f'<live-block id="live-pipeline-{block}"' in html
    assert "could not be shown" not in html


@pytest.mark.parametrize("language", ["en", "pt-br"])
def test_numbers_in_the_drawing_are_numbers_in_every_language(language: str, client_as: Any, stored: Any) -> None:
    html = client_as("viewer").get(url(stored["huge"]), headers={"accept-language": language}).content.decode()
    drawing = html[html.index('<svg class="ruler') : html.index("ruler-legend")]
    assert ",0%" not in drawing
    assert 'x="0.0%"' in drawing

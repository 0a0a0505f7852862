"""A pipeline's page: every state, every role, at a fixed cost."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from monitoring.models import PipelineSettings, RunCopy, RunEntityCopy
from monitoring.rules.enums import ProblemCode
from monitoring.rules.facts import Count, Watermark
from monitoring.web.cache import cache
from tests import factories
from tests.factories import ago
from tests.support.htmx import assert_refresh_equals_reload, refresh
from tests.support.queries import counted, queries

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


@pytest.mark.parametrize("alias", ["dw", "oltp"])
def test_what_was_read_before_a_database_went_is_not_said_of_now(
    alias: str, client_as: Any, snapshot_stored: Any
) -> None:
    """Nothing is due, just cooling, sampled a moment ago: all that is of an earlier time."""
    quiet = factories.pipeline("dim_cliente")
    client, address = client_as("viewer"), url()

    def block(name: str) -> str:
        html = client.get(f"{address}blocks/pipeline-{name}/").content.decode()
        return html.replace("\N{NO-BREAK SPACE}", " ")

    snapshot_stored(factories.snapshot(quiet))
    assert "Nothing is pending" in block("ruler")
    for name in ("comparison", "head", "last"):
        assert "last known value" not in block(name)
    down = factories.unreachable(alias)
    problem = down.problem if alias == "dw" else None
    snapshot_stored(factories.snapshot(quiet, **{alias: down}, stale_since=ago(hours=1), problem=problem))
    ruler, comparison = block("ruler"), block("comparison")
    assert "It is not known" in ruler and "tone-ok" not in ruler and "Nothing" not in ruler
    figures = re.findall(r"<dt>(?P<name>[^<]+?) ?<.*?<dd>(?P<value>.*?)</dd>", comparison)
    of_source = {"Source rows", "Coverage", "Eligible", "Cooling", "Served lag", "Latency", "Catches up in"}
    assert of_source <= {name for name, value in figures if "last known value" in value}
    assert ("last known value" in block("last")) is (alias == "dw")
    assert "last known value" in block("head")
    assert "last known value" in client.get("/pipelines/").content.decode()
    assert f'datetime="{ago(hours=1):%Y-%m-%dT%H:%M:%S}' in comparison
    assert ">Idle<" not in client.get("/pipelines/").content.decode()
    assert ">Just cooling<" not in client.get("/pipelines/").content.decode()


NAMES = ["core.customers'; DROP TABLE x/..", "a/b", "..", "x" * 100, "😀", "[a].[b].[c]", "blocks", "~", "100%", "?q#x"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_has_a_page_and_every_block_an_address(name: str, client_as: Any, snapshot_stored: Any) -> None:
    snapshot_stored(factories.snapshot(nonsense(name)))
    client = client_as("admin")
    assert client.get(url(name)).status_code == 200
    for block in BLOCKS:
        assert client.get(reverse(f"monitoring:pipeline-{block}", args=(name,))).status_code == 200


@pytest.mark.parametrize("name", ["no_such_pipeline", "", " ", "x" * 101, "a/b'\"", "\x00"])
def test_an_unknown_pipeline_is_not_found_in_our_look(name: str, client_as: Any, stored: Any, warehouse: Any) -> None:
    client = client_as("viewer")
    response = client.get(url(name))
    assert response.status_code == 404
    assert b"ETL Portal" in response.content
    assert client.get(reverse("monitoring:pipeline-ruler", args=(name,))).status_code == 404


def test_a_name_of_any_length_is_looked_for(client_as: Any, snapshot_stored: Any) -> None:
    """A cache's key has at most 250 characters; a longer one is a warning, and no key elsewhere."""
    snapshot_stored(factories.healthy_snapshot())
    assert client_as("viewer").get(url("\N{GRINNING FACE}" * 90)).status_code == 404


def test_a_row_added_a_minute_ago_is_read_live(client_as: Any, stored: Any, warehouse: Any) -> None:
    warehouse.control("dim_vendas_novas", source_table="core.orders", watermark_updated_at=NEVER.updated_at)
    client = client_as("viewer")
    with queries(dw=1, oltp=0):
        response = client.get(url("dim_vendas_novas"))
    assert response.status_code == 200
    html = response.content.decode()
    assert "not sampled yet" in html
    assert "core.orders" in html
    with queries(dw=0):  # kept some seconds for all viewers
        client.get(url("dim_vendas_novas"))


def test_a_row_added_a_minute_ago_is_found_by_the_selector(client_as: Any, stored: Any, warehouse: Any) -> None:
    warehouse.control("dim_vendas_novas")
    response = client_as("viewer").get(reverse("monitoring:pipeline-find"), {"name": " dim_vendas_novas "})
    assert response.url == url("dim_vendas_novas")


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("dim_cliente", "/pipelines/dim_cliente/"),
        ("DIM_CLIENTE", "/pipelines/dim_cliente/"),
        ("fantasma", "/pipelines/dim_fantasma/"),
        ("dim_", "/pipelines/?q=dim_"),
        ("", "/pipelines/"),
        ("nothing like it", "/pipelines/?q=nothing+like+it"),
        ("x" * 300, f"/pipelines/?q={'x' * 200}"),
    ],
)
def test_the_selector(typed: str, target: str, client_as: Any, stored: Any, warehouse: Any) -> None:
    assert client_as("viewer").get(reverse("monitoring:pipeline-find"), {"name": typed}).url == target


def test_with_the_warehouse_down_the_last_sample_is_shown(client_as: Any, stored: Any, monkeypatch: Any) -> None:
    _down(monkeypatch, "dw", "oltp")
    client = client_as("viewer")
    assert client.get(url()).status_code == 200
    rows = client.get(reverse("monitoring:pipeline-sample", args=("dim_cliente",)))
    assert rows.status_code == 200
    assert "The source could not be read" in rows.content.decode()
    unknown = client.get(url("not_in_the_snapshot"))
    assert unknown.status_code == 200
    assert "could not be read" in unknown.content.decode()


def _down(monkeypatch: Any, *aliases: str) -> None:
    from django.db import OperationalError, connections

    def refuse() -> None:
        raise OperationalError("unable to open database file")

    for alias in aliases:
        connections[alias].close()
        monkeypatch.setattr(connections[alias], "connect", refuse)
        monkeypatch.setattr(connections[alias], "ensure_connection", refuse)
        monkeypatch.setattr(connections[alias], "cursor", lambda *args: refuse())


def test_without_any_sample_the_page_still_works(client_as: Any, warehouse: Any) -> None:
    warehouse.control("dim_cliente")
    client = client_as("viewer")
    assert "not sampled yet" in client.get(url()).content.decode()
    assert client.get(reverse("monitoring:pipelines")).status_code == 200


@pytest.fixture
def history(db: None) -> None:
    """Forty executions of dim_cliente, one an hour, every fourth failed, one of an unheard-of status."""
    for number in range(1, 41):
        started = factories.ago(hours=number)
        status = "failed" if number % 4 == 0 else "Success" if number == 7 else "strange" if number == 5 else "success"
        run_id = 1000 - number
        RunCopy.objects.create(
            run_id=run_id, entities_requested="dim_cliente", started_by="etl", started_at=started,
            finished_at=started + timedelta(minutes=1), status=status, entities_succeeded=1, entities_failed=0,
        )  # fmt: skip
        RunEntityCopy.objects.create(
            run_entity_id=run_id, run_id=run_id, entity_name="dim_cliente", started_at=started,
            finished_at=started + timedelta(seconds=30 + number), status=status, extracted=10, upserted=10 * number,
            soft_deleted=0, error_message=factories.UNIQUE_ERROR if status == "failed" else "",
        )  # fmt: skip


def test_executions_are_paged_by_key_and_filtered(client_as: Any, stored: Any, history: None) -> None:
    client = client_as("viewer")

    def ids(response: Any) -> list[int]:
        html = response.content.decode()
        part = html[html.index('id="pipeline-executions"') :]
        return [int(found) for found in re.findall(r'data-row="(\d+)"', part)]

    first = client.get(url())
    assert ids(first) == list(range(999, 984, -1))
    following = re.search(r'href="(/pipelines/dim_cliente/\?x-after=[^"]+)"', first.content.decode())
    assert following
    second = client.get(following[1].replace("&amp;", "&"))
    assert ids(second) == list(range(984, 969, -1))
    failed = client.get(url(), {"x-status": "failed"})
    assert ids(failed) == [1000 - number for number in range(4, 41, 4)]
    assert ids(client.get(url(), {"x-status": "unknown"})) == [995]
    assert 993 in ids(client.get(url(), {"x-status": "success"}))  # written with a capital letter
    nonsense_filter = client.get(url(), {"x-status": "'; DROP TABLE x", "x-after": "%%%", "window": "9y"})
    html = nonsense_filter.content.decode()
    assert "There is no status" in html
    assert "That page no longer exists" in html
    assert "There is no window" in html
    assert ids(nonsense_filter) == list(range(999, 984, -1))


def test_failures_are_explained_and_link_to_their_runs(client_as: Any, stored: Any, history: None) -> None:
    html = client_as("viewer").get(url()).content.decode()
    part = html[html.index('id="pipeline-failures"') : html.index('id="pipeline-executions"')]
    assert part.count("Duplicate key") == 5
    assert "UQ_DIM_CLIENTE_original" in part
    assert 'href="/runs/996/"' in part
    assert "All failed executions" in part


@pytest.mark.parametrize("window", ["24h", "7d", "30d"])
def test_cost_is_fixed_at_one_and_at_fifty_pipelines(
    window: str, client_as: Any, snapshot_stored: Any, history: None
) -> None:
    client = client_as("admin")
    counts, again = [], []
    for number in (1, 50):
        many = [factories.pipeline(f"dim_{index:03}") for index in range(number - 1)]
        snapshot_stored(factories.snapshot(factories.pipeline(), *many))
        cache.clear()
        with counted() as seen:
            assert client.get(url(), {"window": window}).status_code == 200
        counts.append(seen.counts())
        with counted() as seen:  # the next viewer of the same snapshot
            client.get(url(), {"window": window})
        again.append(seen.counts())
    assert counts[0] == counts[1]
    assert again[0] == again[1]
    assert counts[0]["dw"] == counts[0]["oltp"] == 0
    # Session, user, preferences, groups, snapshot (its payload once per process); then this page's own, two of
    # them for the grouped failures, which the next viewer does not pay.
    assert counts[0]["default"] <= 16
    assert again[0]["default"] <= 9


def test_the_list_costs_the_same_at_one_and_at_fifty(client_as: Any, snapshot_stored: Any) -> None:
    client = client_as("viewer")
    counts = []
    for number in (1, 50):
        snapshot_stored(factories.snapshot(*[factories.pipeline(f"dim_{index:03}") for index in range(number)]))
        with counted() as seen:
            client.get(reverse("monitoring:pipelines"))
        counts.append(seen.counts())
    assert counts[0] == counts[1]
    assert counts[0]["dw"] == counts[0]["oltp"] == 0


@pytest.mark.parametrize("key", ["healthy", "late", "failing", "running"])
def test_a_refresh_equals_a_reload(key: str, client_as: Any, stored: Any, snapshot_stored: Any, history: None) -> None:
    client = client_as("viewer")
    page = client.get(url(stored[key]))
    with queries(dw=0, oltp=0):
        assert refresh(client, page, url(stored[key])).status_code == 204
    control = factories.control_row(stored[key], cutoff_minutes=9)
    snapshot_stored(factories.snapshot(factories.pipeline(stored[key], control=control)))
    with queries(dw=0, oltp=0):
        assert_refresh_equals_reload(client, page, url(stored[key]))


def test_a_pipeline_that_is_gone_stops_the_refresh(
    client_as: Any, stored: Any, snapshot_stored: Any, warehouse: Any
) -> None:
    client = client_as("viewer")
    page = client.get(url(stored["late"]))
    snapshot_stored(factories.snapshot(factories.pipeline()))
    assert refresh(client, page, url(stored["late"])).status_code == 404


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_exports(kind: str, client_as: Any, stored: Any, history: None) -> None:
    client = client_as("viewer")
    executions = client.get(
        reverse("monitoring:pipeline-executions-export", args=("dim_cliente", kind)), {"x-status": "failed"}
    )
    assert executions.status_code == 200
    listing = client.get(reverse("monitoring:pipelines-export", args=(kind,)))
    assert listing.status_code == 200
    if kind == "csv":
        assert executions.content.decode().count("\n") == 11
        assert listing.content.decode().count("\n") == len(ALL) + 1
    assert client.get(reverse("monitoring:pipelines-export", args=("exe",))).status_code == 404


def test_nobody_sees_nothing(client_as: Any, stored: Any) -> None:
    for address in (
        url(),
        reverse("monitoring:pipelines"),
        reverse("monitoring:pipeline-sample", args=("dim_cliente",)),
    ):
        response = client_as("").get(address)
        assert response.status_code == 302
        assert "/account/login/" in response.url


def test_settings_lead_to_the_admin_for_who_may_change_them(client_as: Any, stored: Any) -> None:
    name = stored["nonsense"]
    address = reverse("monitoring:pipeline-settings", args=(name,))
    assert client_as("viewer").get(address).status_code == 403
    assert address not in client_as("operator").get(url(name)).content.decode()
    admin = client_as("admin")
    assert address in admin.get(url(name)).content.decode()
    fresh = admin.get(address, follow=True)
    assert fresh.status_code == 200
    assert fresh.redirect_chain[0][0].startswith("/admin/monitoring/pipelinesettings/add/?entity_name=")
    PipelineSettings.objects.create(entity_name=name)
    known = admin.get(address, follow=True)
    assert known.status_code == 200
    assert "/change/" in known.redirect_chain[0][0]

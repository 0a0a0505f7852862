"""For members of a limited group other pipelines do not exist, in any response or figure."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from monitoring import access
from monitoring.connections.queries import failures_between
from monitoring.models import (
    EtlRun,
    EtlRunEntity,
    GroupScope,
    PipelineSettings,
    RunCopy,
    RunEntityCopy,
    TrailEntry,
    scope,
)
from monitoring.models.executions import fill_in, listed_runs
from monitoring.models.managers import of_status
from monitoring.models.scope import ReaderScope, limited_to
from monitoring.rules.enums import RunStatus
from tests.conftest import ROLES
from tests.integration.test_every_page import ADDRESSES, BLOCKS, PAGES
from tests.support import htmx, worlds
from tests.support.queries import counted, queries
from tests.support.warehouse import Warehouse
from tests.support.worlds import ALSO_MINE, CANARY, EVERY, MINE, OTHER

Clients = Callable[[str], Client]
SCOPE = (MINE, ALSO_MINE)
LIMITED = ReaderScope(pipelines=frozenset(SCOPE))

_OF_THE_RENDERING = re.compile(r' (?:data-live-version|etag|content|value|data-now)="[0-9a-f]{8,64}"|\?v=[0-9a-f]+')


def limit(role: str, *names: str) -> GroupScope:
    """Limit the role's group to these pipelines."""
    found, _ = GroupScope.objects.update_or_create(
        group=Group.objects.get(name=role), defaults={"entity_names": list(names)}
    )
    return found


@pytest.fixture
def both(snapshot_stored: Any, warehouse: Warehouse) -> None:
    """The world with all pipelines, also in the warehouse."""
    snapshot_stored(worlds.build())
    worlds.in_warehouse(warehouse)


def addresses(names: list[str], entity: str = MINE, run_id: int = 4, kinds: tuple[str, ...] = ("csv",)) -> list[str]:
    """Return the addresses of these names, their parameters filled in."""
    found = []
    for name in names:
        converters = ADDRESSES[name].pattern.converters
        for kind in kinds if "kind" in converters else ("",):
            given = {"entity": entity, "run_id": run_id, "kind": kind, "fingerprint": worlds.group_of(entity)}
            found.append(reverse(name, kwargs={key: given[key] for key in converters}))
    return found


def told(response: Any) -> str:
    """Return everything that an answer says, a workbook's cells included."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    if content[:2] == b"PK":
        sheets = load_workbook(io.BytesIO(content), read_only=True)
        content = "\n".join(str(row) for sheet in sheets for row in sheet.values).encode()
    return f"{content.decode(errors='replace')}\n{dict(response.items())}"


def lines(html: str) -> list[str]:
    """Return a page in a normal form, without what is another in every rendering.

    Without the headers, too, by which the list of runs is sorted: by a status that no column holds it is not.
    """
    tree = htmx.parse(html)
    for header in tree.find_all("th"):
        if header.text.startswith("Status"):
            header.attrs, header.children = {}, []
    return [_OF_THE_RENDERING.sub("", line) for line in tree.lines() if "live-version" not in line]


def test_every_page_block_and_file_is_that_of_a_warehouse_without_the_others(
    client_as: Clients, snapshot_stored: Any
) -> None:
    """The strongest proof: all figures, lists, charts, choices and links, and what they are called."""
    exports = sorted(name for name in ADDRESSES if "kind" in ADDRESSES[name].pattern.converters)
    wanted = [
        address
        for run_id in (4, 8, 10)
        for address in addresses([*PAGES, *BLOCKS, *exports], run_id=run_id)
        if "/connections/" not in address and "sample" not in address
    ]
    wanted = [*dict.fromkeys(wanted), "/runs/?status=success", "/runs/?status=failed&status=partial", "/?q=dim"]
    client = client_as("viewer")
    snapshot_stored(worlds.build(SCOPE))
    alone = {address: told(client.get(address)) for address in wanted}
    limit("viewer", *SCOPE)
    snapshot_stored(worlds.build())
    for address in wanted:
        seen = told(client.get(address))
        if seen.startswith("\ufeff"):
            assert seen.split("\n{")[0] == alone[address].split("\n{")[0], address
        else:
            assert lines(seen.rpartition("\n{")[0]) == lines(alone[address].rpartition("\n{")[0]), address


@pytest.mark.parametrize("role", ROLES)
def test_no_answer_of_any_address_names_another_pipeline(client_as: Clients, both: None, role: str) -> None:
    limit(role, *SCOPE)
    client = client_as(role)
    # /metrics is for a machine with the token: it has no scope, and without a token it is 404.
    names = sorted(set(ADDRESSES) - {"monitoring:connections-capture", "monitoring:metrics"})
    asked = [address for run_id in (4, 5) for address in addresses(names, run_id=run_id, kinds=("csv", "xlsx"))]
    for address in dict.fromkeys(asked):
        response = client.get(address)
        assert response.status_code in {200, 302, 403, 405, 503}, address
        assert CANARY not in told(response).casefold(), address


@pytest.mark.parametrize("role", ["auditor", "admin"])
def test_no_page_of_the_admin_names_another_pipeline(
    client_as: Clients, users: dict[str, User], both: None, role: str
) -> None:
    limit(role, *SCOPE)
    client = client_as(role)
    seen, typed_in, left = set(), [], ["/admin/"]
    own = ("runcopy", "runentitycopy", "pipelinesample", "pipelinerollup")
    for page in ("etlrun", "etlrunentity", "etlcontrol", *own):
        if client.get(f"/admin/monitoring/{page}/").status_code == 200:
            typed_in += [f"/admin/monitoring/{page}/?q={CANARY}", f"/admin/monitoring/{page}/?q=dim&window=30d"]
            typed_in += [f"/admin/monitoring/{page}/?pipeline={OTHER}&window=30d"]
    left += typed_in
    while left and len(seen) < 120:
        address = left.pop(0)
        if address in seen:
            continue
        seen.add(address)
        response = client.get(address, follow=True)
        assert response.status_code in {200, 404}, (address, response.status_code)
        html = told(response)
        # The search text is in the search field again, and in the links of the page that keep it.
        typed = CANARY in address.casefold()
        if not typed:
            assert CANARY not in html.casefold(), address
        assert f"core.{OTHER}_rows" not in html
        assert worlds.error(OTHER).split("'")[3] not in html
        if response.status_code == 200 and not typed:
            left += [
                href.replace("&amp;", "&").split("#")[0]
                for href in re.findall(r'href="(/admin/[^"]+)"', html)
                if "logout" not in href and "password" not in href
            ]
    assert any("/admin/monitoring/etlrun/4/change/" in address for address in seen)


def test_tables_about_the_whole_portal_are_closed_to_a_limited_user(
    client_as: Clients, users: dict[str, User], both: None
) -> None:
    client = client_as("admin")
    tables = [f"/admin/{table.replace('.', '/')}/" for table in sorted(access.WHOLE_ONLY)]
    assert [client.get(table).status_code for table in tables] == [200, 200, 200]
    limit("admin", *SCOPE)
    assert [client.get(table).status_code for table in tables] == [403, 403, 403]
    index = told(client.get("/admin/"))
    assert "/admin/monitoring/runcopy/" in index
    assert not [table for table in tables if table in index]


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_another_pipeline_is_one_that_does_not_exist(client_as: Clients, both: None, role: str) -> None:
    limit(role, *SCOPE)
    client = client_as(role)
    names = [name for name in ADDRESSES if {"entity", "fingerprint"} & set(ADDRESSES[name].pattern.converters)]
    for other, nobody in zip(addresses(names, OTHER), addresses(names, "dim_nowhere"), strict=True):
        for method in ("get", "post"):
            theirs, nothing = getattr(client, method)(other), getattr(client, method)(nobody)
            assert theirs.status_code == nothing.status_code, (method, other)
            assert theirs.status_code in {403, 404, 405}, (method, other)
            assert _nameless(told(theirs)) == _nameless(told(nothing)), (method, other)


def _nameless(text: str) -> str:
    return re.sub(rf"{OTHER}|dim_nowhere|[0-9a-f]{{16}}", "X", text)


@pytest.mark.parametrize("run_id", [2, 6, 9])
def test_a_run_of_others_alone_is_one_that_does_not_exist(client_as: Clients, both: None, run_id: int) -> None:
    limit("auditor", *SCOPE)
    client = client_as("auditor")
    for address in addresses(
        ["monitoring:run", "monitoring:run-facts", "monitoring:run-entities-export"], run_id=run_id
    ):
        assert client.get(address).status_code == 404, address
    for table in ("etlrun", "runcopy"):
        if client.get(f"/admin/monitoring/{table}/").status_code == 200:
            assert client.get(f"/admin/monitoring/{table}/{run_id}/change/", follow=True).status_code in {200, 404}
            assert CANARY not in told(client.get(f"/admin/monitoring/{table}/{run_id}/change/", follow=True))


def test_a_run_is_what_the_seen_pipelines_make_it(both: None) -> None:
    """Raw rows and copies: status, counts, finish, request, error."""
    with limited_to(LIMITED):
        for model in (RunCopy, EtlRun):
            rows = {row.pk: row for row in model.objects.order_by("pk")}
            fill_in(rows.values())
            assert list(rows) == [1, 3, 4, 5, 7, 8, 10], model
            assert {pk: row.status for pk, row in rows.items()} == {
                **dict.fromkeys((1, 5, 7), "success"),
                **dict.fromkeys((3, 8), "failed"),
                4: "partial",
                10: "running",
            }
            assert (rows[4].entities_succeeded, rows[4].entities_failed) == (1, 1)
            assert rows[4].entities_requested == f"{MINE},{ALSO_MINE}"
            assert rows[4].error_message == worlds.error(ALSO_MINE)
            assert rows[5].error_message == ""
            assert rows[10].finished_at is None
            own = RunEntityCopy.objects.filter(run_id=4)
            assert rows[4].finished_at == max(row.finished_at for row in own)
            for status in RunStatus:
                found = [row.pk for row in of_status(model.objects.order_by("pk"), [status.value])]
                assert found == [pk for pk, row in rows.items() if row.status == status.value], (model, status)
            loaded = model.objects.get(pk=4)
            assert (loaded.entities_requested, loaded.error_message) == (f"{MINE},{ALSO_MINE}", "")
        for run in listed_runs(RunCopy.objects.all(), logins=True):
            row = RunCopy.objects.get(pk=run.run_id)
            fill_in([row])
            assert (run.status.value, run.finished_at) == (row.status, row.finished_at)
            assert (run.shown_error.text if run.shown_error else "") == row.error_message
        # Reached past the manager, through a foreign key, it says nothing rather than too much.
        run = EtlRunEntity.objects.select_related("run").filter(run_id=4).order_by("pk")[0].run
        assert (run.status, run.entities_failed, run.finished_at) == (RunStatus.UNKNOWN, None, None)
        assert CANARY not in run.entities_requested


def test_what_is_asked_for_tells_nothing_either(client_as: Clients, both: None) -> None:
    limit("auditor", *SCOPE)
    client = client_as("auditor")
    assert 'data-row="4"' in client.get(f"/runs/?pipeline={ALSO_MINE}").content.decode()
    for query in (f"pipeline={OTHER}", "status=partial&run=5"):
        assert 'data-row="' not in told(client.get(f"/runs/blocks/runs-list/?{query}")), query
    page = client.get("/pipelines/find", {"name": OTHER})
    assert page["Location"] == f"{reverse('monitoring:pipelines')}?q={OTHER}"
    assert client.get(f"/?q={CANARY}").content.decode().count("data-row=") == 0


def test_the_union_of_limited_groups_wins_over_a_group_without_limit(
    client_as: Clients, users: dict[str, User], both: None
) -> None:
    client = client_as("viewer")
    assert CANARY in told(client.get("/"))
    limit("viewer", MINE)
    limit("operator", ALSO_MINE)
    users["viewer"].groups.add(Group.objects.get(name="operator"), Group.objects.get(name="auditor"))
    shown = {name for name in EVERY if f'data-row="{name}"' in told(client.get("/blocks/summary-matrix/"))}
    assert shown == {MINE, ALSO_MINE}
    GroupScope.objects.all().delete()
    assert CANARY in told(client.get("/"))


def test_a_limit_to_nothing_shows_nothing(client_as: Clients, both: None) -> None:
    limit("viewer")
    client = client_as("viewer")
    for address in ("/", "/runs/", "/pipelines/"):
        response = client.get(address)
        assert response.status_code == 200
        assert not [name for name in EVERY if name in told(response)], address
    assert client.get(reverse("monitoring:pipeline", args=(MINE,))).status_code == 404


def test_a_superuser_sees_everything(client_as: Clients, users: dict[str, User], both: None) -> None:
    limit("admin", MINE)
    users["admin"].is_superuser = True
    users["admin"].save()
    assert CANARY in told(client_as("admin").get("/"))


def test_who_sees_less_shares_no_rendering_with_who_sees_more(client_as: Clients, both: None) -> None:
    limit("viewer", *SCOPE)
    everything, limited = client_as("operator"), client_as("viewer")
    for first, second in ((everything, limited), (limited, everything)):
        for address in ("/", "/runs/", f"/pipelines/{OTHER}/"):
            first.get(address), second.get(address)
    for address in ("/", "/runs/", "/pipelines/"):
        assert CANARY in told(everything.get(address)), address
        assert CANARY not in told(limited.get(address)), address
    assert everything.get(f"/pipelines/{OTHER}/").status_code == 200
    version = limited.get("/", headers={"X-Live": "x"})["X-Live"]
    assert version != everything.get("/", headers={"X-Live": "x"})["X-Live"]


def test_a_pipeline_not_sampled_yet_is_looked_up_for_those_who_may_see_it(
    client_as: Clients, snapshot_stored: Any, warehouse: Warehouse
) -> None:
    snapshot_stored(worlds.build(SCOPE))
    warehouse.control(OTHER)
    limit("viewer", *SCOPE)
    assert client_as("viewer").get(f"/pipelines/{OTHER}/").status_code == 404
    assert client_as("operator").get(f"/pipelines/{OTHER}/").status_code == 200


def test_the_connection_audit_counts_their_failures_only(client_as: Clients, both: None) -> None:
    since = worlds.NOW - worlds.timedelta(days=6, hours=1)
    every = failures_between(since, None)
    with limited_to(LIMITED):
        own = failures_between(since, None)
    assert (len(every or ()), len(own or ())) == (7, 3)


def test_the_scope_is_cached_for_the_next_request(client_as: Clients, both: None) -> None:
    client = client_as("viewer")
    client.get("/")
    with counted() as before:
        client.get("/")
    limit("viewer", *SCOPE)
    client.get("/")
    with counted() as after:
        client.get("/")
    assert not [sql for sql in before.of("default") if 'FROM "monitoring_groupscope"' in sql.split("WHERE")[0][-60:]]
    assert after.counts()["default"] == before.counts()["default"]
    assert after.counts()["dw"] == before.counts()["dw"] == 0


def test_what_streams_is_made_in_the_readers_sight() -> None:
    def rows() -> Any:
        for _ in range(2):
            yield scope.pipelines()

    with limited_to(LIMITED):
        carried = scope.in_this_scope(rows())
    assert scope.pipelines() is None
    assert list(carried) == [LIMITED.pipelines] * 2


def test_the_collector_and_commands_see_everything(both: None) -> None:
    assert scope.reader_scope().unlimited
    with limited_to(LIMITED), limited_to(scope.UNLIMITED):
        assert RunCopy.objects.count() == len(worlds.RUNS)


def test_limits_are_set_in_the_admin_and_written_down(client_as: Clients, users: dict[str, User], both: None) -> None:
    users["admin"].is_superuser = True
    users["admin"].save()
    client, viewer = client_as("admin"), Group.objects.get(name="viewer")
    page = client.get("/admin/monitoring/groupscope/add/")
    assert all(f'value="{name}"' in page.content.decode() for name in EVERY)
    made = client.post("/admin/monitoring/groupscope/add/", {"group": viewer.pk, "entity_names": [MINE]})
    assert made.status_code == 302, made.content.decode()
    row = GroupScope.objects.get(group=viewer)
    assert row.entity_names == [MINE]
    changed = client.post(f"/admin/monitoring/groupscope/{row.pk}/change/", {"entity_names": []})
    assert changed.status_code == 302, changed.content.decode()
    row.refresh_from_db()
    assert row.entity_names == []
    assert [entry.object for entry in TrailEntry.objects.filter(action="setting_changed").order_by("pk")] == [
        f"groupscope viewer: {MINE}",
        "groupscope viewer: -",
    ]


@pytest.mark.parametrize("page", ["groupscope", "trailentry", "collectorstate"])
def test_what_is_about_the_whole_portal_is_closed_to_who_sees_a_part(client_as: Clients, both: None, page: str) -> None:
    client = client_as("admin")
    assert client.get(f"/admin/monitoring/{page}/").status_code == 200
    limit("admin", *SCOPE)
    assert client.get(f"/admin/monitoring/{page}/").status_code == 403
    assert page not in client.get("/admin/").content.decode()


def test_nobody_decides_about_a_pipeline_that_they_do_not_see(client_as: Clients, both: None) -> None:
    PipelineSettings.objects.all().delete()
    limit("admin", *SCOPE)
    client = client_as("admin")
    form = {"entity_name": OTHER, "owner": "mallory"}
    assert client.post("/admin/monitoring/pipelinesettings/add/", form).status_code == 200
    assert not PipelineSettings.objects.exists()
    limit("admin")
    assert client.post("/admin/monitoring/pipelinesettings/add/", form).status_code == 200
    assert not PipelineSettings.objects.exists()
    PipelineSettings.objects.create(entity_name=OTHER, owner="x")
    for action in ("change", "delete", "history"):
        address = f"/admin/monitoring/pipelinesettings/{OTHER.replace('_', '_5F')}/{action}/"
        answer = client.post(address, {**form, "post": "yes"}, follow=True)
        assert "mallory" not in told(answer) or answer.status_code == 404
    assert PipelineSettings.objects.get().owner == "x"


def test_an_unchanged_refresh_costs_next_to_nothing_here_too(client_as: Clients, both: None) -> None:
    limit("viewer", *SCOPE)
    client = client_as("viewer")
    client.get("/")
    page = client.get("/")
    with queries(default=range(1, 5), dw=0, oltp=0):
        assert htmx.refresh(client, page, "/").status_code == 204

"""The admin: permissions, every column on the detail page, links onwards, no writes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.admin.utils import quote
from django.db import Error, connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring.models import ConnectionLoginEvent, EtlControl, EtlRun, EtlRunEntity, PipelineSettings
from tests.support.warehouse import NOW

WATCHED = ("etlcontrol", "etlrun", "etlrunentity", "connectionloginevent")
READ_ONLY = (
    *WATCHED,
    "collectorstate",
    "pipelinesample",
    "pipelinerollup",
    "runcopy",
    "runentitycopy",
)
MODELS = dict(zip(WATCHED, (EtlControl, EtlRun, EtlRunEntity, ConnectionLoginEvent), strict=True))


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def rows(warehouse: Any) -> dict[str, Any]:
    """One row of each watched table, by the model's name."""
    name = warehouse.control("dim_cliente", last_run_id=1, last_status="failed", cutoff_minutes=7)
    run = warehouse.run(status="failed", error_message="ProgrammingError: <b>boom</b>", started_by="svc-etl")
    entity = warehouse.run_entity(run, error_message="ProgrammingError: <b>boom</b>", status="failed")
    event = warehouse.login_event(program_name="etl-runner", auth_scheme="NTLM")
    return {"etlcontrol": name, "etlrun": run, "etlrunentity": entity, "connectionloginevent": event}


def list_url(name: str) -> str:
    return reverse(f"admin:monitoring_{name}_changelist")


def detail_url(name: str, key: Any) -> str:
    return reverse(f"admin:monitoring_{name}_change", args=[quote(key)])


@pytest.mark.parametrize(
    ("role", "status"), [("", 302), ("viewer", 403), ("operator", 403), ("auditor", 200), ("admin", 200)]
)
@pytest.mark.parametrize("name", WATCHED)
def test_roles(client_as: Any, rows: Any, role: str, status: int, name: str) -> None:
    client = client_as(role)
    for url in (reverse("admin:index"), list_url(name), detail_url(name, rows[name])):
        response = client.get(url)
        assert response.status_code == status, url
        if status == 302:
            sign_in = response["Location"]
            if sign_in.startswith(reverse("admin:login")):
                sign_in = client.get(sign_in)["Location"]
            assert sign_in == f"{reverse('account_login')}?{urlencode({'next': url}, safe='/')}"


def test_an_auditor_sees_the_four_tables_and_nothing_to_edit(client_as: Any, rows: Any) -> None:
    index = client_as("auditor").get(reverse("admin:index"))
    models = {model["object_name"] for app in index.context["app_list"] for model in app["models"]}
    assert models >= {"EtlControl", "EtlRun", "EtlRunEntity", "ConnectionLoginEvent"}
    assert not models & {"PipelineSettings", "User", "Group", "CollectorState", "UserPreferences"}
    assert client_as("auditor").get(list_url("pipelinesettings")).status_code == 403


def test_the_index_has_two_parts(client_as: Any) -> None:
    index = client_as("admin").get(reverse("admin:index"))
    names = [str(app["name"]) for app in index.context["app_list"] if app["app_label"] == "monitoring"]
    assert names == ["Warehouse (read-only)", "The portal's own tables"]


def test_nobody_is_led_to_the_portals_own_sign_in(client_as: Any) -> None:
    assert client_as("").get(reverse("admin:login"))["Location"].startswith(reverse("account_login"))
    assert client_as("admin").get(reverse("admin:login"))["Location"] == reverse("admin:index")
    assert client_as("viewer").get(reverse("admin:login")).status_code == 403


@pytest.mark.parametrize("name", WATCHED)
def test_the_detail_has_every_column(client_as: Any, rows: Any, name: str) -> None:
    response = client_as("auditor").get(detail_url(name, rows[name]))
    fields = {field.field["name"] for fieldset in response.context["adminform"] for line in fieldset for field in line}
    columns = {field.attname for field in MODELS[name]._meta.concrete_fields}
    assert columns == fields
    assert "<b>boom</b>" not in response.content.decode()


@pytest.mark.parametrize("name", READ_ONLY)
def test_nothing_writes(client_as: Any, rows: Any, name: str) -> None:
    client, key = client_as("admin"), rows.get(name, 1)
    assert client.post(list_url(name), {"action": "delete_selected", "_selected_action": key}).status_code == 403
    assert client.post(detail_url(name, key), {"status": "success"}).status_code == 403
    base = list_url(name)
    for page in ("add/", f"{quote(key)}/delete/", f"{quote(key)}/history/"):
        for send in (client.get, client.post):
            assert send(base + page).status_code in (403, 404), page
    for page in ("add/", "delete/", "change/"):
        assert (
            page
            not in client.get(base)
            .content.decode()
            .replace(f"{quote(key)}/change/", "")
            .replace("pipelinesettings/add/", "")
            .replace("password_change/", "")
            .replace("userpreferences/add/", "")
            .replace("grouppolicy/add/", "")
            .replace("/auth/", "")
            or name not in WATCHED
        )


def test_from_a_run_to_its_entities_to_the_events_around(client_as: Any, warehouse: Any) -> None:
    client = client_as("auditor")
    warehouse.control("dim_cliente")
    rows = {"etlrun": warehouse.run(), "etlrunentity": 1}
    warehouse.run_entity(rows["etlrun"])
    for minutes in (-20, -6, 3, 5, 10):  # the run: from 10 minutes ago, for a minute
        warehouse.login_event(event_time_utc=NOW - timedelta(minutes=10) + timedelta(minutes=minutes))
    detail = client.get(detail_url("etlrun", rows["etlrun"]))
    assert "dim_cliente" in detail.content.decode()
    links = {str(text): url for text, url in detail.context["portal_links"]}
    entities = client.get(links["Its run entities"]).context["cl"].result_list
    assert [row.pk for row in entities] == [rows["etlrunentity"]]
    entity = client.get(detail_url("etlrunentity", entities[0].pk))
    links = {str(text): url for text, url in entity.context["portal_links"]}
    assert links["Its run"] == detail_url("etlrun", rows["etlrun"])
    assert links["Its control row"] == detail_url("etlcontrol", "dim_cliente")
    around = client.get(links["Login events around it"]).context["cl"].result_list
    assert {(row.event_time_utc - NOW).total_seconds() / 60 for row in around} == {-7, -5}


def test_events_around_a_running_run_end_now(client_as: Any, warehouse: Any) -> None:
    run = warehouse.run(status="running", finished_at=None, started_at=NOW - timedelta(hours=3))
    event = warehouse.login_event(event_time_utc=NOW - timedelta(seconds=1))
    links = dict(client_as("auditor").get(detail_url("etlrun", run)).context["portal_links"])
    around = client_as("auditor").get(links["Login events around it"])
    assert [row.pk for row in around.context["cl"].result_list] == [event]


@pytest.mark.parametrize(
    "name",
    [
        "core.customers; DROP TABLE x",
        "[a].[b].[c]",
        "",
        "x" * 100,
        "a/b\"c'd",
        "É ✓ 😀",
        "..",
        "_",
        "%",
        "a\nb",
        " ",
        "add",
    ],
)
def test_control_rows_with_any_name(client_as: Any, warehouse: Any, name: str) -> None:
    warehouse.control(name, source_table="nonsense", target_table="[x")
    client = client_as("admin")
    listed = client.get(list_url("etlcontrol"))
    assert listed.status_code == 200
    if name:
        page = client.get(detail_url("etlcontrol", name))
        assert page.status_code == 200
        assert page.context["original"].entity_name == name
    assert client.get(list_url("etlrunentity"), {"pipeline": name}).status_code == 200
    assert client.get(reverse("admin:monitoring_pipelinesettings_add")).status_code == 200


@pytest.mark.parametrize("key", ["999", "0", "-1", "x", "99999999999999999999999", "1;DROP TABLE x", "1.5"])
@pytest.mark.parametrize("name", WATCHED)
def test_a_row_that_is_not_there(client_as: Any, rows: Any, name: str, key: str) -> None:
    response = client_as("admin").get(detail_url(name, key), follow=True)
    assert response.status_code == 200
    assert key in response.content.decode()


@pytest.mark.parametrize("address", ["monitoring/etlrun/1/change/", "auth/user/1/change/", "auth/user/1/delete/"])
def test_a_relation_to_no_field_is_refused(client_as: Any, rows: Any, address: str) -> None:
    assert client_as("admin").get(f"/admin/{address}?_to_field=").status_code == 400
    assert client_as("admin").post(f"/admin/{address}", {"_to_field": ""}).status_code == 400


@pytest.mark.parametrize("chosen", ["1) AND 1=1", "'", "", "9" * 40, "1.5"])
@pytest.mark.parametrize("table", ["monitoring/groupscope", "monitoring/grouppolicy", "auth/user", "auth/group"])
def test_an_action_on_rows_that_are_no_keys_is_refused(client_as: Any, table: str, chosen: str) -> None:
    asked = {"action": "delete_selected", "index": "0", "select_across": "0", "_selected_action": ["1", chosen]}
    assert client_as("admin").post(f"/admin/{table}/", asked).status_code == 400


@pytest.mark.parametrize("hours", [0, -3, 5.5])
def test_the_login_time_is_utc_by_the_servers_offset(
    client_as: Any, warehouse: Any, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    from monitoring.warehouse import login_events

    monkeypatch.setattr(login_events, "server_offset", lambda: timedelta(hours=hours))
    moment = NOW.replace(hour=9, minute=17)
    key = warehouse.login_event(login_time=moment + timedelta(hours=hours))
    for url in (detail_url("connectionloginevent", key), list_url("connectionloginevent")):
        html = client_as("auditor").get(url).content.decode()
        assert 'datetime="2026-03-10T09:17:00Z"' in html


def test_a_login_time_whose_offset_is_not_known_says_whose_it_is(
    client_as: Any, warehouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monitoring.rules.enums import ProblemCode
    from monitoring.rules.facts import Problem
    from monitoring.warehouse import login_events
    from monitoring.warehouse.reader import ReadFailed

    def fail() -> timedelta:
        raise ReadFailed(Problem(code=ProblemCode.TIMEOUT))

    monkeypatch.setattr(login_events, "server_offset", fail)
    warehouse.login_event(login_time=NOW.replace(hour=9, minute=17))
    html = client_as("auditor").get(list_url("connectionloginevent")).content.decode()
    assert "2026-03-10 09:17:00 (server&#x27;s clock)" in html


@pytest.mark.parametrize("name", WATCHED)
def test_a_warehouse_without_the_table_says_so(client_as: Any, warehouse: Any, rows: Any, name: str) -> None:
    table = MODELS[name]._meta.db_table
    warehouse.execute("dw", f"ALTER TABLE {table} RENAME TO gone")
    for url in (list_url(name), detail_url(name, rows[name])):
        response = client_as("admin").get(url)
        assert response.status_code == 200
        assert "does not exist" in response.content.decode()


@pytest.mark.parametrize("name", WATCHED)
def test_a_driver_that_cannot_be_loaded_says_so(client_as: Any, rows: Any, name: str) -> None:
    """pyodbc raises its base class then, which is no DatabaseError."""
    missing = Error("01000", "[01000] [unixODBC][Driver Manager]Can't open lib 'ODBC Driver 18' : file not found (0)")
    client = client_as("admin")
    with mock.patch.object(connections["dw"], "cursor", side_effect=missing):
        response = client.get(list_url(name))
    assert response.status_code == 200
    assert response.context["words"].to_do


@pytest.mark.parametrize("name", WATCHED)
def test_detail_statements(client_as: Any, rows: Any, name: str) -> None:
    client = client_as("auditor")
    with CaptureQueriesContext(connections["dw"]) as captured:
        client.get(detail_url(name, rows[name]))
    assert 1 <= len(captured) <= 6


class TestPipelineSettings:
    url = "admin:monitoring_pipelinesettings"

    def test_chosen_among_the_control_rows_without_settings(self, client_as: Any, warehouse: Any) -> None:
        warehouse.control("dim_cliente")
        warehouse.control("[a].[b] 'c'", source_table="x", target_table="y")
        PipelineSettings.objects.create(entity_name="dim_cliente")
        form = client_as("admin").get(reverse(f"{self.url}_add")).context["adminform"].form
        assert [value for value, _ in form.fields["entity_name"].choices] == ["", "[a].[b] 'c'"]

    def test_saved_and_changed(self, client_as: Any, warehouse: Any) -> None:
        warehouse.control("[a].[b] 'c'", source_table="x", target_table="y")
        client = client_as("admin")
        values = {"entity_name": "[a].[b] 'c'", "late_warning_minutes": "30", "late_critical_minutes": "60"}
        response = client.post(reverse(f"{self.url}_add"), values, follow=True)
        assert response.status_code == 200
        saved = PipelineSettings.objects.get()
        assert (saved.entity_name, saved.late_warning_minutes) == ("[a].[b] 'c'", 30)
        change = reverse(f"{self.url}_change", args=[quote(saved.pk)])
        assert client.post(change, {"late_warning_minutes": "31", "owner": "Ana"}, follow=True).status_code == 200
        saved.refresh_from_db()
        assert (saved.entity_name, saved.late_warning_minutes, saved.owner) == ("[a].[b] 'c'", 31, "Ana")

    def test_a_critical_threshold_before_its_warning_is_refused(self, client_as: Any, warehouse: Any) -> None:
        warehouse.control("dim_cliente")
        values = {"entity_name": "dim_cliente", "late_warning_minutes": "60", "late_critical_minutes": "30"}
        response = client_as("admin").post(reverse(f"{self.url}_add"), values)
        assert "Critical cannot come before the warning (60)." in response.content.decode()
        assert not PipelineSettings.objects.exists()

    def test_an_unknown_name_is_refused(self, client_as: Any, warehouse: Any) -> None:
        warehouse.control("dim_cliente")
        response = client_as("admin").post(reverse(f"{self.url}_add"), {"entity_name": "other"})
        assert response.context["adminform"].form.errors["entity_name"]

    def test_typed_when_the_control_rows_cannot_be_read(self, client_as: Any, warehouse: Any) -> None:
        warehouse.execute("dw", "ALTER TABLE [ctl].[etl_control] RENAME TO gone")
        response = client_as("admin").post(reverse(f"{self.url}_add"), {"entity_name": "other"}, follow=True)
        assert response.status_code == 200
        assert PipelineSettings.objects.get().entity_name == "other"

    @pytest.mark.parametrize("role", ["viewer", "operator", "auditor"])
    def test_only_admins(self, client_as: Any, role: str) -> None:
        assert client_as(role).get(reverse(f"{self.url}_add"), follow=True).status_code == 403


def test_no_template_of_the_admin_needs_inline_code() -> None:
    folder = Path(__file__).resolve().parents[2] / "templates" / "admin"
    for path in folder.rglob("*.html"):
        assert "<style" not in path.read_text()
        assert "style=" not in path.read_text()
